//! Advisories about who a process is: user strings, user files, groups; and about control groups.

use std::os::unix::fs::symlink;
use std::time::Duration;

use tests::Env;

/// CVE-2016-3697, CVE-2026-30892, CVE-2024-40635, CVE-2026-46680, CVE-2018-10856: a user that is not
/// understood, or too large, became root.
#[test]
fn cve_2024_40635_a_user_is_understood_or_refused_and_never_root() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    let passwd = "root:x:0:0::/:/bin/sh\n1000:x:0:0:named as a number:/:/bin/sh\nuser:x:1001:1002::/:/bin/sh\n\
                  user:x:0:0:again:/:/bin/sh\nhuge:x:4294967296:0::/:/bin/sh\nminus:x:-1:0::/:/bin/sh\n";
    env.write("passwd", passwd);
    let group = "root:x:0:\nstaff:x:50:user\n";
    env.write("group", group);
    let mounts = "-v ./passwd:/etc/passwd:ro -v ./group:/etc/group:ro --network none busybox";
    env.sh(&format!("ctr-run -d --name c {mounts} sleep 60")).run().ok();
    let bundle = env.bundle("/bin/busybox id -u; /bin/busybox id -g");
    for (user, ids) in [
        ("1000", Some("1000 0")), // a number is a number, also where an entry has it as its name
        ("1000:1000", Some("1000 1000")),
        ("user", Some("1001 1002")),
        ("user:staff", Some("1001 50")),
        ("1001", Some("1001 1002")),
        ("4294967294", Some("4294967294 0")),
        ("0x10", None),
        ("+1", None),
        (" 1", None),
        ("1 ", None),
        ("4294967295", None),
        ("4294967296", None),
        ("4294967296:4294967296", None),
        ("99999999999999999999", None),
        ("-1", None),
        ("1:-1", None),
        ("1:4294967296", None),
        ("huge", None),
        ("minus", None),
        ("nobody-knows", None),
        ("1:nobody-knows", None),
        ("user\n0", None),
    ] {
        let check = |output: tests::Output<'_>| match ids {
            Some(ids) => drop(output.ok().stdout(format!("{ids}\n"))),
            None => drop(output.status_is_not(0).stdout("")),
        };
        let line = "sh -c 'echo $(id -u) $(id -g)'";
        check(env.sh(&format!("ctr-exec '--user={user}' c {line}")).run());
        if env
            .sh(&format!("ctr-create --name evil '--user={user}' --network none busybox {line} >id"))
            .run()
            .code()
            == 0
        {
            let id = std::fs::read_to_string(env.dir().join("id")).unwrap();
            let etc = env.root().join("containers").join(id.trim()).join("upper/etc");
            std::fs::create_dir_all(&etc).unwrap();
            std::fs::write(etc.join("passwd"), passwd).unwrap();
            std::fs::write(etc.join("group"), group).unwrap();
            check(env.sh("ctr-start -a evil").run());
            env.sh("ctr-rm -f evil").run().ok();
        } else {
            assert_eq!(ids, None, "{user:?}");
        }
    }
    for user in ["4294967295", "4294967296", "-1", "0x10", "1:4294967296"] {
        let run = env.tool("ctr-oci").args(["exec", "--user", user, bundle.id(), "true"]).run();
        run.status_is_not(0).stdout("");
    }
}

/// CVE-2026-47262, CVE-2022-4318: user files without an end, or that are no files.
#[test]
fn cve_2026_47262_user_files_of_the_image_cannot_hang_or_flood_us() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    let host = env.host();
    let passwd = |upper: &std::path::Path| {
        std::fs::create_dir_all(upper.join("etc")).unwrap();
        upper.join("etc/passwd")
    };
    type Make<'m> = &'m dyn Fn(&std::path::Path);
    let kinds: [(&str, Make<'_>); 5] = [
        ("a link to a device", &|file| symlink("/dev/zero", file).unwrap()),
        ("a link to a file of the host", &|file| symlink(host.sentinel(), file).unwrap()),
        ("a fifo", &|file| drop(env.program("mkfifo").arg(file).run().ok())),
        ("a huge file", &|file| std::fs::File::create(file).unwrap().set_len(1 << 30).unwrap()),
        ("bytes", &|file| std::fs::write(file, vec![0; 1 << 16]).unwrap()),
    ];
    for (name, make) in kinds {
        env.hostile("--network none -u somebody busybox true", |upper| make(&passwd(upper)));
        let start = env.sh("ctr-start -a evil").within(Duration::from_secs(10)).run();
        assert_ne!(start.code(), 0, "{name}: {start}");
        assert!(start.took() < Duration::from_secs(5), "{name}: {start}");
        env.sh("ctr-rm -f evil").run().ok();
    }
    host.untouched();
}

/// CVE-2022-2989, CVE-2022-2990, CVE-2022-2995, CVE-2022-36109, CVE-2023-25173: a program that changes its group could
/// leave a group that is denied something.
#[test]
fn cve_2022_36109_the_primary_group_is_among_the_groups() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.sh("ctr-run -d --name c --network none busybox sleep 60").run().ok();
    let groups = "grep ^Groups: /proc/self/status";
    for (user, list) in [("1000:1234", "1234"), ("0:7", "7"), ("0", "0")] {
        for line in [
            format!("ctr-run --rm --network none -u {user} busybox {groups}"),
            format!("ctr-exec -u {user} c {groups}"),
        ] {
            let text = env.sh(&line).run().ok().text();
            assert!(text.split_whitespace().skip(1).any(|group| group == list), "{line}: {text}");
        }
    }
}

/// CVE-2022-0492, CVE-2023-25809, CVE-2023-6476, CVE-2025-47291: control groups of the host, written to from inside.
#[test]
fn cve_2022_0492_control_groups_cannot_be_mounted_or_written() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    let script = "unshare -UrC true 2>/dev/null && echo namespace; \
                  mkdir /tmp/g; mount -t cgroup -o rdma none /tmp/g 2>/dev/null && echo v1; \
                  mount -t cgroup2 none /tmp/g 2>/dev/null && echo v2; \
                  for d in /sys/fs/cgroup /sys/fs/cgroup/*; do mkdir $d/x 2>/dev/null && echo $d; done; \
                  for f in $(find /sys/fs/cgroup -name release_agent -o -name cgroup.procs -o -name tasks); do \
                  (echo 0 >$f) 2>/dev/null && echo $f; done; \
                  grep -v ':/$' /proc/self/cgroup; true";
    env.sh(&format!("ctr-run --rm --network none busybox sh -c '{}'", script.replace('\'', "'\\''")))
        .run()
        .ok()
        .stdout("");
    // A path that leads up leads nowhere above: as runc has it, `/../x` is `/x`.
    let bundle = env.bundle("exec /bin/busybox sleep 60");
    for path in [format!("/../../{}", bundle.id()), format!("a{0}/../../../{0}", bundle.id())] {
        bundle.edit(|config| config["linux"]["cgroupsPath"] = path.clone().into());
        bundle.leave("run -d --pid-file pid").ok();
        let groups = env.sh("cat /proc/$(cat pid)/cgroup").run().ok().text();
        assert!(groups.contains(&format!("/{}", bundle.id())) && !groups.contains(".."), "{path}: {groups}");
        bundle.oci(&["delete", "-f"]).run().ok();
    }
}
