//! Places of the image that are made before the program: where links lead, and device nodes.

use std::os::unix::fs::symlink;

use oci_spec::runtime::Spec;
use runtime::defaults::mount;

use super::env::{Env, Output, chain};

fn spec(script: &str, change: impl FnOnce(&mut serde_json::Value)) -> Spec {
    let spec = runtime::defaults::spec(Env::request(script)).unwrap();
    let mut value = serde_json::to_value(&spec).unwrap();
    if !super::env::has_pids_controller() {
        value["linux"]["resources"].as_object_mut().unwrap().remove("pids");
    }
    change(&mut value);
    serde_json::from_value(value).unwrap()
}

fn run(env: &Env, spec: Spec) -> Output {
    env.start_spec(spec).map_err(|e| panic!("{}", chain(&e))).unwrap().finish()
}

#[test]
fn where_a_link_leads_to_nothing_is_made_inside_the_root() {
    let Some(mut env) = Env::new() else { return };
    let layer = env.layer();
    std::fs::create_dir_all(layer.join("etc")).unwrap();
    symlink("../a/./b/../c/not/here", layer.join("etc/up")).unwrap();
    symlink("/etc/up", layer.join("etc/absolute")).unwrap();
    symlink("../../../../../../tmp/x/above", layer.join("etc/above")).unwrap();
    symlink("round", layer.join("etc/round")).unwrap();
    let file = env.dir.path().join("file");
    std::fs::write(&file, "of the host\n").unwrap();
    let mut asked = Env::request("cat /a/c/not/here /tmp/x/above; test -d /a/b; readlink /etc/up");
    asked.mounts = ["/etc/absolute", "/etc/above"].map(|place| mount(place, "bind", &file, &["bind"])).into();
    let output = env.run(asked);
    let want = "of the host\nof the host\n../a/./b/../c/not/here\n";
    assert_eq!((output.stdout.as_str(), output.code), (want, 0), "{output:?}");
    assert!(!std::path::Path::new("/tmp/x/above").exists());

    let mut asked = Env::request("true");
    asked.mounts = vec![mount("/etc/round", "bind", &file, &["bind"])];
    let (_, text) = env.refused(asked);
    assert!(text.to_lowercase().contains("symbolic links"), "{text}");
}

#[test]
fn devices_are_made_where_the_configuration_wants_them() {
    let Some(env) = Env::new() else { return };
    let devices = serde_json::json!([
        { "path": "/foo", "type": "b", "major": 10, "minor": 229, "fileMode": 0o600 },
        { "path": "/tmp/sub/dir/pipe", "type": "p", "uid": 5, "gid": 6 },
        { "path": "/dev/sub/own", "type": "c", "major": 1, "minor": 3 },
    ]);
    let script = "stat -c '%F %t %T %a %u:%g' /foo /tmp/sub/dir/pipe /dev/sub/own";
    let output = run(&env, spec(script, |spec| spec["linux"]["devices"] = devices));
    let want = "block special file a e5 600 0:0\nfifo 0 0 666 5:6\ncharacter special file 1 3 666 0:0\n";
    assert_eq!(output.stdout, want, "{output:?}");
}

#[test]
fn a_device_that_is_there_already_must_be_the_same() {
    let Some(mut env) = Env::new() else { return };
    let layer = env.layer();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        layer.join("same"),
        rustix::fs::FileType::CharacterDevice,
        rustix::fs::Mode::from_raw_mode(0o600),
        rustix::fs::makedev(1, 3),
    )
    .unwrap();
    std::fs::write(layer.join("file"), "").unwrap();
    symlink("/dev/null", layer.join("link")).unwrap();
    let with = |path: &str, minor: u32| {
        spec("echo up", |spec| {
            spec["linux"]["devices"] =
                serde_json::json!([{ "path": path, "type": "c", "major": 1, "minor": minor }]);
        })
    };
    assert_eq!(run(&env, with("/same", 3)).stdout, "up\n");
    for (path, minor) in [("/same", 5), ("/file", 3), ("/link", 3)] {
        let error = env.start_spec(with(path, minor)).map(|running| running.finish()).unwrap_err();
        assert!(chain(&error).starts_with(&format!("create \"/./{}\"", &path[1..])), "{}", chain(&error));
    }
}

#[test]
fn a_process_has_the_groups_of_the_configuration_and_no_others() {
    let Some(env) = Env::new() else { return };
    for (groups, want) in [(serde_json::json!(null), ""), (serde_json::json!([7, 9]), "7 9")] {
        let script = "grep ^Groups: /proc/self/status | cut -f2";
        let output = run(
            &env,
            spec(script, |spec| {
                spec["process"]["user"] =
                    serde_json::json!({ "uid": 0, "gid": 1000, "additionalGids": groups });
            }),
        );
        assert_eq!(output.stdout.trim(), want, "{output:?}");
    }
}

#[test]
fn a_tmpfs_begins_with_what_the_image_has_there() {
    let Some(mut env) = Env::new() else { return };
    let layer = env.layer();
    let data = layer.join("data");
    std::fs::create_dir_all(data.join("in/deep")).unwrap();
    std::fs::write(data.join("in/deep/file"), "of the image\n").unwrap();
    let outside = env.dir.path().join("secret");
    std::fs::write(&outside, "of the host\n").unwrap();
    symlink(&outside, data.join("link")).unwrap();
    std::os::unix::fs::chown(data.join("in/deep/file"), Some(5), Some(6)).unwrap();
    std::os::unix::fs::lchown(data.join("link"), Some(7), Some(8)).unwrap();
    std::fs::set_permissions(data.join("in/deep/file"), std::os::unix::fs::PermissionsExt::from_mode(0o4751))
        .unwrap();
    std::fs::set_permissions(&data, std::os::unix::fs::PermissionsExt::from_mode(0o750)).unwrap();
    // The way there leads through a link of the image, to a directory that the host has too.
    symlink("/", layer.join("way")).unwrap();
    let script = "cat /data/in/deep/file; cat /data/link 2>&1; stat -c '%n %a %u:%g' /data /data/in/deep/file /data/link; \
        grep -c ' /data tmpfs ' /proc/mounts; touch /data/x 2>&1; rm /empty/x 2>&1; touch /empty/x";
    let mut asked = Env::request(script);
    asked.mounts = vec![
        mount("/way/data", "tmpfs", "tmpfs", &["tmpcopyup", "ro", "nosuid", "size=64k"]),
        mount("/empty", "tmpfs", "tmpfs", &["tmpcopyup"]),
    ];
    let output = env.run(asked);
    let want = "of the image\ncat: can't open '/data/link': No such file or directory\n/data 750 0:0\n\
        /data/in/deep/file 4751 5:6\n/data/link 777 7:8\n1\ntouch: /data/x: Read-only file system\n\
        rm: can't remove '/empty/x': No such file or directory\n";
    assert_eq!((output.stdout.as_str(), output.code), (want, 0), "{output:?}");

    let mut asked = Env::request("true");
    asked.mounts = vec![mount("/data", "tmpfs", "tmpfs", &["tmpcopyup", "size=4k", "nr_inodes=2"])];
    let (_, text) = env.refused(asked);
    assert!(text.starts_with("copy \"/data\" to its tmpfs"), "{text}");
    let mut asked = Env::request("true");
    asked.mounts = vec![mount("/data", "bind", &outside, &["bind", "tmpcopyup"])];
    assert!(env.refused(asked).1.contains("tmpcopyup is for a tmpfs"));
}

#[test]
fn what_is_mounted_already_can_be_changed() {
    let Some(env) = Env::new() else { return };
    let mut asked = Env::request(
        "touch /t/x 2>&1; grep ' /t ' /proc/mounts | cut -d' ' -f4 | tr , '\\n' | grep -E '^(ro|nosuid|noexec)$'",
    );
    asked.mounts = vec![
        mount("/t", "tmpfs", "tmpfs", &["nosuid", "noexec"]),
        mount("/t", "tmpfs", "tmpfs", &["remount", "ro", "exec"]),
    ];
    let output = env.run(asked);
    assert_eq!(output.stdout, "touch: /t/x: Read-only file system\nro\nnosuid\n", "{output:?}");
    let mut asked = Env::request("true");
    asked.mounts = vec![mount("/tmp", "none", "none", &["remount", "ro"])];
    assert!(env.refused(asked).1.starts_with("remount \"/tmp\""));
}

#[test]
fn a_container_without_a_mount_on_dev_has_what_every_container_has_there() {
    let Some(mut env) = Env::new() else { return };
    let script = "for n in null zero full random urandom tty; do stat -c '%n %F %t:%T %a' /dev/$n; done; \
        for n in fd stdin ptmx; do readlink /dev/$n; done; echo x > /dev/null; head -c 2 /dev/zero | wc -c; mount | grep -c ' on /dev '";
    let mut want: String = [
        ("null", "1:3"),
        ("zero", "1:5"),
        ("full", "1:7"),
        ("random", "1:8"),
        ("urandom", "1:9"),
        ("tty", "5:0"),
    ]
    .map(|(name, number)| format!("/dev/{name} character special file {number} 666\n"))
    .concat();
    want += "/proc/self/fd\n/proc/self/fd/0\npts/ptmx\n2\n0\n";
    let without_dev = |spec: &mut serde_json::Value| {
        let mounts = spec["mounts"].as_array_mut().unwrap();
        mounts.retain(|mount| !mount["destination"].as_str().unwrap().starts_with("/dev"));
    };
    assert_eq!(run(&env, spec(script, without_dev)).stdout, want);
    // Where no device can be made, the host's are shown, and are those that are meant.
    env.plain = true;
    let base = env.lowers.last().unwrap().clone();
    std::os::unix::fs::chown(base.join("dev"), Some(100_000), Some(100_000)).unwrap();
    std::fs::set_permissions(env.dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o711)).unwrap();
    let mapped = spec(script, |spec| {
        without_dev(spec);
        let mapping = serde_json::json!([{ "containerID": 0, "hostID": 100_000, "size": 1000 }]);
        spec["linux"].as_object_mut().unwrap().remove("sysctl");
        spec["linux"]["uidMappings"] = mapping.clone();
        spec["linux"]["gidMappings"] = mapping;
        spec["linux"]["namespaces"].as_array_mut().unwrap().push(serde_json::json!({ "type": "user" }));
    });
    assert_eq!(run(&env, mapped).stdout, want);
    // A link of the image in its place leads nowhere.
    env.plain = false;
    let layer = env.layer();
    symlink("/tmp", layer.join("dev")).unwrap();
    let error = env.start_spec(spec("true", without_dev)).map(|running| running.finish()).unwrap_err();
    assert!(chain(&error).starts_with("create \"/dev/null\""), "{}", chain(&error));
}
