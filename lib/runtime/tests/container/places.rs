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
