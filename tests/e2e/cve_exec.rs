//! Advisories about descriptors, the engine's own binaries, and what is brought into a container.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use tests::Env;

/// Starts a container that looks at every process that appears, and may trace all of them.
fn looker(env: &Env) {
    env.probe();
    let outside = env.write("outside", "the host's");
    env.tool("ctr-run")
        .args([
            "-d",
            "--name",
            "looker",
            "--network",
            "none",
            "--cap-add",
            "SYS_PTRACE",
            "-v",
            "./probe:/probe:ro",
        ])
        .args(["busybox", "/probe", "look"])
        .arg(&outside)
        .run()
        .ok();
    env.sh("until ctr-logs looker | grep -q looking; do sleep 0.01; done").run().ok();
}

/// Everything that it has seen must be the container's, or the stub.
#[track_caller]
fn saw_nothing_of_the_host(env: &Env) {
    // It needs no luck to see what stays; what must not be there, it must never see.
    env.sh("ctr-exec -d looker sleep 60; until ctr-logs looker | grep -q 'program /bin/sleep'; do sleep 0.01; done")
        .run()
        .ok();
    let text = env.sh("ctr-logs looker").run().ok().text();
    for fact in text.lines() {
        // Descriptor 3 of the stub: how it tells that the program cannot be executed.
        let known =
            ["looking", "directory /", "descriptor 0 /dev/null", "descriptor 3 socket", "writable /bin/true"];
        let starts = ["program /bin/", "program /memfd:longshore-init ", "descriptor 1 ", "descriptor 2 "];
        let ours = known.contains(&fact) || starts.iter().any(|start| fact.starts_with(start));
        assert!(ours, "{fact:?} was seen:\n{text}");
    }
}

/// A program that is allowed to trace watches processes come in: it never sees the engine's binary,
/// the host's root, or a descriptor that the program will not have.
#[test]
fn cve_2016_9962_who_may_trace_sees_nothing_of_the_host_in_what_enters() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    looker(&env);
    env.sh("for n in $(seq 100); do ctr-exec looker true; done").run().ok();
    saw_nothing_of_the_host(&env);
}

/// A program whose interpreter is itself has the engine execute its own binary, which it could then
/// open for writing. Here that is the stub, sealed and of nobody's file.
#[test]
fn cve_2019_5736_the_engines_binary_is_not_reached_through_proc_self_exe() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    let sums = "sha256sum \"$(command -v ctr-exec)\" \"$(command -v ctr-run)\" \"$(command -v ctr-oci)\"";
    let before = env.sh(sums).run().ok().text();
    let evil = |path: &std::path::Path| {
        fs::write(path, "#!/proc/self/exe\n").unwrap();
        fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    };
    env.hostile("--network none busybox /evil", |upper| evil(&upper.join("evil")));
    env.sh("ctr-start -a evil").run().status_is_not(0);
    looker(&env);
    let script = "printf '#!/proc/self/exe\\n' >/evil && chmod 755 /evil";
    env.tool("ctr-exec").args(["looker", "sh", "-c", script]).run().ok();
    env.sh("for n in $(seq 20); do ctr-exec looker /evil && echo it ran; done; true").run().ok().stdout("");
    env.sh("ctr-exec -d looker sleep 60; until ctr-logs looker | grep -q 'program /bin/sleep'; do sleep 0.01; done")
        .run()
        .ok();
    let seen = env.sh("ctr-logs looker").run().ok().text();
    let own = tests::bin_dir().display().to_string();
    assert!(!seen.contains(&own) && !seen.contains("writable /memfd"), "{seen}");
    let bundle = env.bundle("");
    evil(&env.dir().join("bundle/rootfs/evil"));
    bundle.edit(|config| config["process"]["args"] = serde_json::json!(["/evil"]));
    bundle.run().status_is_not(0);
    assert_eq!(env.sh(sums).run().ok().text(), before);
}

/// A working directory that is a descriptor of the engine's leads out of the container.
#[test]
fn cve_2024_21626_working_directory_of_the_host() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    let host = env.host();
    env.sh("ctr-run -d --name c --network none busybox sleep 60").run().ok();
    let read = format!("sh -c 'cat ../../../../../../../..{}'", host.sentinel().display());
    let bundle = env.bundle("");
    let line = format!(
        "for n in $(seq 3 20); do ctr-run --rm --network none -w /proc/self/fd/$n busybox {read}; \
         ctr-exec -w /proc/self/fd/$n c {read}; ctr-exec -w /proc/1/fd/$n c {read}; done 2>/dev/null; true"
    );
    env.sh(&line).within(std::time::Duration::from_secs(120)).run().ok().stdout("");
    for number in 3..16 {
        bundle.edit(|config| {
            config["process"]["cwd"] = format!("/proc/self/fd/{number}").into();
            config["process"]["args"] =
                serde_json::json!(["sh", "-c", "/bin/busybox cat ../../../../../../../../etc/passwd"]);
        });
        bundle.run().status_is_not(0).stdout("");
    }
    // The second way: the directory is taken away from below the process.
    env.sh("ctr-exec c mkdir /gone && ctr-exec -w /gone c sh -c 'rmdir /gone; cd ..; pwd; ls -d /proc/self'")
        .run()
        .ok();
    host.untouched();
}

/// Descriptors that our caller has left open are not the container's.
#[test]
fn descriptors_of_the_caller_are_not_inherited() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    let bundle = env.bundle("/bin/busybox ls /proc/self/fd");
    env.sh("ctr-run -d --name c --network none busybox sleep 60").run().ok();
    let open = "exec 7</etc/passwd 9</etc 23>>log";
    let list = "0\n1\n2\n3\n"; // the last is that of the directory
    for line in [
        "ctr-run --rm --network none busybox ls /proc/self/fd".to_owned(),
        "ctr-exec c ls /proc/self/fd".to_owned(),
        format!("ctr-oci run -b bundle {}", bundle.id()),
    ] {
        env.sh(&format!("{open}; {line}")).run().ok().stdout(list);
    }
    // A monitor that held them would keep the caller's files and pipes open for as long as the container lives.
    let holds = "ls -l /proc/[0-9]*/fd 2>/dev/null | grep -c \"$PWD/log$\"";
    env.sh(&format!(
        "{open}; ctr-run -d --name d --network none busybox sleep 60 >/dev/null; exec 23>&-; {holds} || true"
    ))
    .run()
    .ok()
    .stdout("0\n");
}

/// crun 1.8.1 gave the caller's `/dev/null` to the container's user.
#[test]
fn what_the_caller_has_as_stdio_keeps_its_owner() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    let host = env.host();
    let bundle = env.bundle("");
    bundle.edit(|config| config["process"]["user"] = serde_json::json!({"uid": 1000, "gid": 1000}));
    env.write("log", "");
    env.sh("chmod 600 log; ctr-run -d --name c --network none busybox sleep 60").run().ok();
    let state = "stat -c '%n %u:%g %a %Z' /dev/null /dev/full; stat -c '%u:%g %a' log";
    let before = env.sh(state).run().ok().text();
    for redirect in ["</dev/null >/dev/null 2>&1", "</dev/full >/dev/full 2>&1", "<log >>log 2>&1"] {
        for tool in [
            "ctr-run --rm --network none -u 1000:1000 busybox true".to_owned(),
            "ctr-run --rm -i --network none -u 1000:1000 busybox true".to_owned(),
            "ctr-exec -u 1000:1000 c true".to_owned(),
            "ctr-exec -d -u 1000:1000 c true".to_owned(),
            format!("ctr-oci run -b bundle {}", bundle.id()),
        ] {
            env.sh(&format!("{tool} {redirect}; true")).run().ok();
        }
    }
    assert_eq!(env.sh(state).run().ok().text(), before);
    host.untouched();
}

/// CVE-2022-29162 and its kin (moby, podman, crun, buildah, containerd): files with inheritable capabilities
/// would give them to everybody.
#[test]
fn cve_2022_29162_no_capability_is_inheritable() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.sh("ctr-run -d --name c --network none busybox sleep 60").run().ok();
    let sets = "grep -E '^Cap(Inh|Amb)' /proc/self/status";
    let none = "CapInh:\t0000000000000000\nCapAmb:\t0000000000000000\n";
    for user in ["", "-u 1000:1000"] {
        env.sh(&format!("ctr-run --rm --network none {user} busybox {sets}")).run().ok().stdout(none);
        env.sh(&format!("ctr-exec {user} c {sets}")).run().ok().stdout(none);
        env.sh(&format!("ctr-run --rm --network none {user} --cap-add ALL busybox {sets}"))
            .run()
            .ok()
            .stdout(none);
    }
    env.sh(&format!("ctr-exec --privileged c {sets}")).run().ok().stdout(none);
}

/// A process of the container types into the terminal from which it was entered.
#[test]
fn tiocsti_cannot_type_into_the_callers_terminal() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.sh("ctr-run -d --name c --network none busybox sleep 60").run().ok();
    let script = "n=0; for fd in 0 1 2; do [ -t $fd ] && n=$((n + 1)); done; echo terminals: $n";
    for tool in
        [["ctr-exec", "-i", "c"].as_slice(), &["ctr-run", "--rm", "-i", "--network", "none", "busybox"]]
    {
        let mut terminal = env.tool(tool[0]).args(&tool[1..]).args(["sh", "-c", script]).on_a_terminal();
        terminal.expect("terminals: 0");
        assert_eq!(terminal.wait(), 0);
    }
}
