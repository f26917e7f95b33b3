//! Advisories about mounts and paths of an image: links, races, masks, kernel parameters.
//!
//! Races with a sibling that exchanges names are in `lib/runtime/tests/container/races.rs`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::json;
use tests::Env;

/// The ways in which a link can lead out: absolute, relative, through another, to nothing, to the root.
fn link(form: &str, at: &Path, host: &Path) {
    let up = format!("../../../../../../../../..{}", host.display());
    match form {
        "absolute" => symlink(host, at).unwrap(),
        "relative" => symlink(up, at).unwrap(),
        "chain" => {
            symlink(host, at.with_file_name("step")).unwrap();
            symlink("step", at).unwrap();
        }
        "dangling" => symlink(host.join("made"), at).unwrap(),
        _ => symlink("/", at).unwrap(),
    }
}

/// CVE-2026-41579, CVE-2026-47766 (device nodes made on the host) and CVE-2019-19921, CVE-2023-27561, CVE-2023-28642,
/// CVE-2025-54867 (`/proc` mounted elsewhere): the directories that we fill are links of the image.
#[test]
fn cve_2026_41579_system_directories_that_are_links_are_refused() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    let host = env.host();
    for form in ["absolute", "relative", "chain", "dangling", "root"] {
        for name in ["dev", "proc", "sys"] {
            env.hostile("--network none busybox true", |upper| link(form, &upper.join(name), host.dir()));
            let start = env.sh("ctr-start -a evil").run().status_is_not(0);
            drop(start.stderr_has(&format!("\"/{name}\"")));
            env.sh("ctr-rm -f evil").run().ok();
            host.untouched();
        }
    }
    for form in ["absolute", "relative", "chain", "dangling", "root"] {
        for name in ["dev", "proc", "sys"] {
            let bundle = env.bundle("true");
            link(form, &env.dir().join("bundle/rootfs").join(name), host.dir());
            bundle.run().status_is_not(0).stderr_has(&format!("\"/{name}\""));
            env.sh("rm -r bundle").run().ok();
            host.untouched();
        }
    }
}

/// CVE-2025-52881, CVE-2019-16884, CVE-2025-62596: a volume over `/proc` takes the writes that confine a process.
#[test]
fn cve_2025_52881_nothing_is_mounted_over_proc() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    let host = env.host();
    for target in [
        "/proc",
        "/proc/self/attr",
        "/proc/sys",
        "/proc/sys/kernel",
        "/proc/self",
        "/./proc/1",
        "/tmp/../proc",
    ] {
        env.sh(&format!("ctr-run --rm --network none -v ./host:{target} busybox true")).run().status(125);
        let bundle = env.bundle("true");
        bundle.edit(|config| {
            let bind =
                json!({"destination": target, "source": host.dir(), "type": "bind", "options": ["rbind"]});
            config["mounts"].as_array_mut().unwrap().push(bind);
        });
        bundle.run().status_is_not(0);
        env.sh("rm -r bundle").run().ok();
    }
    // Through a link of the image, which only the mount itself can see.
    for leads in ["/proc", "/proc/self/attr", "/proc/1"] {
        env.hostile("--network none -v ./host:/innocent busybox true", |upper| {
            symlink(leads, upper.join("innocent")).unwrap();
        });
        env.sh("ctr-start -a evil").run().status_is_not(0);
        env.sh("ctr-rm -f evil").run().ok();
    }
    host.untouched();
}

/// CVE-2025-31133, CVE-2025-62161: a mask is only as good as what it is made of, which is never the image's.
#[test]
fn cve_2025_31133_masks_are_not_made_of_the_images_null_device() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    let host = env.host();
    let masked =
        "/bin/busybox stat -c '%F %t:%T' /proc/keys /proc/timer_list; /bin/busybox ls -A /sys/firmware";
    let wanted = "character special file 1:3\ncharacter special file 1:3\n";
    env.hostile(
        &format!("--network none busybox sh -c \"{}\"", masked.replace("/bin/busybox ", "")),
        |upper| {
            fs::create_dir(upper.join("dev")).unwrap();
            symlink("/proc/sys/kernel/core_pattern", upper.join("dev/null")).unwrap();
        },
    );
    env.sh("ctr-start -a evil").run().ok().stdout(wanted);
    // A bundle may do without a `/dev` of ours. What is in the place of a device is an error (runtime spec,
    // "Devices"); if it binds one, that is as the bundle wants it.
    for null in [None, Some("/proc/sys/kernel/core_pattern"), Some("host")] {
        let bundle = env.bundle(masked);
        let dev = env.dir().join("bundle/rootfs/dev");
        fs::create_dir_all(&dev).unwrap();
        match null {
            Some("host") => symlink(host.sentinel(), dev.join("null")).unwrap(),
            Some(leads) => symlink(leads, dev.join("null")).unwrap(),
            None => fs::write(dev.join("null"), "").unwrap(),
        }
        bundle.edit(|config| {
            config["mounts"]
                .as_array_mut()
                .unwrap()
                .retain(|m| !m["destination"].as_str().unwrap().starts_with("/dev"));
            config["linux"]["maskedPaths"] = json!(["/proc/keys", "/proc/timer_list", "/sys/firmware"]);
        });
        bundle.run().status_is_not(0).one_error(&["/dev/null"]);
        bundle.edit(|config| {
            let bind =
                json!({"destination": "/dev", "type": "bind", "source": "rootfs/dev", "options": ["bind"]});
            config["mounts"].as_array_mut().unwrap().push(bind);
        });
        bundle.run().ok().stdout(wanted);
        env.sh("rm -r bundle").run().ok();
    }
    host.untouched();
}

/// CVE-2025-52565: the terminal on `/dev/console` is the one that we hold, whatever the image has there.
#[test]
fn cve_2025_52565_the_console_is_our_terminal() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    let host = env.host();
    env.hostile(
        "-t --network none busybox sh -c 'stat -c %t:%T /dev/console; tty; echo in >/dev/console'",
        |upper| {
            fs::create_dir(upper.join("dev")).unwrap();
            symlink(host.sentinel(), upper.join("dev/console")).unwrap();
            symlink("/proc/sys/kernel", upper.join("dev/pts")).unwrap();
            symlink("/proc/sysrq-trigger", upper.join("dev/ptmx")).unwrap();
        },
    );
    let text = env.sh("ctr-start -a evil").run().ok().text();
    assert_eq!(text, "88:0\r\n/dev/pts/0\r\nin\r\n");
    host.untouched();
}

/// CVE-2021-43784: lengths that a message between two of our processes cannot hold. There are none such here.
#[test]
fn cve_2021_43784_no_length_is_too_long_to_be_right_or_refused() {
    needs!(Root);
    let env = Env::new();
    let bundle = env.bundle("/bin/busybox wc -l </proc/self/mountinfo");
    let before: u32 = bundle.run().ok().line().parse().unwrap();
    bundle.edit(|config| {
        for n in 0..500 {
            let mount = json!({"destination": format!("/m/{n}"), "source": "tmpfs", "type": "tmpfs"});
            config["mounts"].as_array_mut().unwrap().push(mount);
        }
    });
    assert_eq!(bundle.run().ok().line().parse(), Ok(before + 500));
    for length in [300, 5_000, 70_000] {
        bundle.edit(|config| {
            let mounts = config["mounts"].as_array_mut().unwrap();
            mounts.retain(|m| !m["destination"].as_str().unwrap().starts_with("/m"));
            let mount = json!({"destination": "/m", "source": format!("/{}", "x".repeat(length)), "type": "bind",
                "options": ["rbind"]});
            mounts.push(mount);
        });
        bundle.run().status_is_not(0).stdout("");
    }
}

/// CVE-2024-9341, CVE-2022-4122, CVE-2024-1753, CVE-2025-9566 and their kin: a value of an option becomes a path of
/// the host.
#[test]
fn cve_2024_9341_values_of_options_are_no_paths_of_the_host() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    let host = env.host();
    let long = "x".repeat(5_000);
    for value in [
        "--name=../../evil",
        "--name=a/b",
        "--name=..",
        "--name=.",
        "--name=",
        "--name=a\nb",
        &format!("--name={long}"),
        "-v=../evil:/x",
        "-v=a\nb:/x",
        &format!("-v={long}:/x"),
        "-v=data:/x:bind-propagation=rshared",
        "--mount=type=bind,src=./host,dst=/x,bind-propagation=upside-down",
        "--mount=type=volume,src=../../evil,dst=/x",
        "--mount=type=volume,src=a,dst=/x,volume-opt=device=/etc",
        &format!("--mount=type=volume,src={long},dst=/x"),
        "--hostname=a\nb",
        "--hostname=../../etc/passwd",
        "--network=../../evil",
        "--platform=../../evil/x",
        "--workdir=../../evil",
    ] {
        let output = env.tool("ctr-run").args(["--rm", "--network", "none", value, "busybox", "true"]).run();
        assert_eq!(output.status(125).bytes(), b"", "{value}");
    }
    for id in ["../evil", "a/b", "..", ".", "", "a\nb", &long] {
        for command in ["run", "create", "state", "delete", "kill"] {
            let bundle: &[&str] = if ["run", "create"].contains(&command) { &["-b", "host"] } else { &[] };
            env.tool("ctr-oci").arg(command).args(bundle).arg("--").arg(id).run().status_is_not(0);
        }
    }
    env.sh("ctr-ls -aq; vol-ls -q").run().ok().stdout("");
    host.untouched();
}
