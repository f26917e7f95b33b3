//! Advisories about what looks into a container, and about what a container puts before the eyes of its host.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;
use tests::Env;

/// CVE-2019-14271, CVE-2026-41567: what copies out of an image ran its decompressor and loaded its libraries.
#[test]
fn cve_2026_41567_filling_a_volume_executes_nothing_at_all() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    let calls = "strace -f -qq -e trace=execve,execveat -o calls";
    env.sh(&format!("{calls} ctr-create --name c -v fresh:/etc --network none busybox true && wc -l <calls"))
        .run()
        .ok()
        .stdout_has("\n1\n");
    // With a start: the tool, the stub, the program; once the stub has found it.
    env.sh(&format!(
        "{calls} ctr-run --rm -v new:/etc --network none busybox true && grep exec calls | grep -v -c ENOENT"
    ))
    .run()
    .ok()
    .stdout("3\n");
}

/// CVE-2022-1227: what lists processes ran a program of the container. Here it reads control groups.
#[test]
fn cve_2022_1227_a_list_of_processes_runs_nothing_of_the_container() {
    needs!(Root);
    let env = Env::new();
    let host = env.host();
    let bundle = env.bundle("exec /bin/busybox sleep 60");
    for name in ["bin/ps", "bin/nsenter", "usr/bin/ps", "usr/bin/nsenter", "usr/bin/id"] {
        let path = env.dir().join("bundle/rootfs").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "#!/bin/sh\n/bin/busybox touch /ran\n").unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    }
    bundle.leave("run -d").ok();
    bundle.oci(&["ps"]).run().ok().stdout_has("sleep 60");
    bundle.oci(&["ps", "-f", "json"]).run().ok();
    bundle.oci(&["state"]).run().ok();
    assert!(!env.dir().join("bundle/rootfs/ran").exists());
    bundle.oci(&["delete", "-f"]).run().ok();
    host.untouched();
}

/// CVE-2022-31030, CVE-2022-1708, CVE-2022-23471, CVE-2025-64329: output that nobody reads fills the host's memory.
#[test]
fn cve_2022_31030_output_that_nobody_reads_waits_outside_of_our_memory() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.sh("ctr-run -d --name c --network none busybox sleep 60").run().ok();
    for tool in ["ctr-exec c", "ctr-run --rm --network none busybox"] {
        // Peak memory after the pipe has long been full: with an unbounded buffer it would be hundreds of MiB.
        let line = format!(
            "mkfifo out; {tool} yes >out 2>/dev/null & pid=$!; exec 3<out; sleep 1.5; \
             awk '/^VmHWM/ {{ print ($2 < 65536) ? \"small\" : \"large\" }}' /proc/$pid/status; \
             kill -9 $pid; rm out"
        );
        env.sh(&line).run().ok().stdout("small\n");
    }
}

/// CVE-2026-53488, CVE-2026-53489: labels and annotations of an image chose what the host executes and writes.
#[test]
fn cve_2026_53488_labels_and_annotations_are_data() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    let host = env.host();
    let evil = env.write("evil", format!("#!/bin/sh\ntouch {}/ran\n", host.dir().display()));
    fs::set_permissions(&evil, PermissionsExt::from_mode(0o755)).unwrap();
    let evil = evil.display().to_string();
    let keys = [
        "run.oci.handler",
        "run.oci.hooks.stdout",
        "run.oci.hooks.stderr",
        "run.oci.seccomp_bpf_file",
        "run.oci.delegate-cgroup",
        "run.oci.mount_context_type",
        "run.oci.systemd.subgroup",
        "org.criu.config",
        "org.systemd.property.ExecStart",
        "io.podman.annotations.init-path",
        "io.containerd.runc.v2.group",
        "io.kubernetes.cri.container-log-path",
        "nerdctl/log-uri",
        "nerdctl/log-config",
        "containerd.io/restart.loguri",
        "io.kubernetes.cri-o.LogPath",
        "io.balena.private.handler",
    ];
    let bundle = env.bundle("echo ran");
    for value in [evil.clone(), format!("binary://{evil}"), format!("file://{}/log", host.dir().display())] {
        bundle.edit(|config| {
            config["annotations"] = keys.iter().map(|key| ((*key).to_owned(), json!(value))).collect();
        });
        bundle.run().ok().stdout("ran\n");
        let labels: String = keys.iter().map(|key| format!("-l '{key}={value}' ")).collect();
        env.sh(&format!("ctr-run --rm --network none {labels} busybox echo ran")).run().ok().stdout("ran\n");
    }
    host.untouched();
}

/// Words of a container that would talk to the terminal of who lists it.
#[test]
fn escape_sequences_of_a_container_do_not_reach_a_list() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    let evil = "\x1b]0;owned\x07\r\x1b[2J\u{9b}31m";
    env.tool("ctr-create")
        .args(["--name", "c", "-l", &format!("x={evil}"), "busybox", "sleep", evil])
        .run()
        .ok();
    for list in
        ["ctr-ls -a", "ctr-ls -a --no-trunc", "ctr-inspect c", "ctr-ls -a --json", "ctr-inspect --json c"]
    {
        let output = env.sh(list).run();
        let raw = output.bytes().iter().any(|byte| byte.is_ascii_control() && *byte != b'\n');
        assert!(!raw && !output.text().contains('\u{9b}'), "{list}: {output}");
    }
}
