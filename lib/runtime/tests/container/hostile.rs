//! Images and mounts that try to reach the host.

use std::fs;
use std::os::unix::fs::symlink;

use super::env::Env;
use runtime::defaults::mount;

#[test]
fn a_system_directory_that_is_a_link_is_refused_and_the_host_untouched() {
    for name in ["proc", "sys", "dev"] {
        let Some(mut env) = Env::new() else { return };
        let target = env.dir.path().join("victim");
        fs::create_dir(&target).unwrap();
        let layer = env.layer();
        let forms = [
            target.to_string_lossy().into_owned(),
            format!("../../..{}", target.display()),
            "/tmp".into(),
            "tmp".into(),
        ];
        for form in forms {
            let link = layer.join(name);
            drop(fs::remove_file(&link));
            symlink(&form, &link).unwrap();
            // The name below is a directory in the lower layer; the link in the upper one hides it.
            let (status, text) = env.refused(Env::request("true"));
            assert_eq!(status, 125, "{name} -> {form}");
            assert!(text.contains(&format!("on \"/{name}\": Too many levels of symbolic links")), "{text}");
            assert_eq!(fs::read_dir(&target).unwrap().count(), 0);
        }
    }
}

#[test]
fn a_link_on_the_way_to_a_mount_stays_inside() {
    let Some(mut env) = Env::new() else { return };
    let layer = env.layer();
    let outside = env.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    symlink(&outside, layer.join("data")).unwrap();
    let source = env.dir.path().join("source");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("f"), "inside").unwrap();
    let mut asked = Env::request("cat /data/deep/f");
    asked.mounts = vec![mount("/data/deep", "bind", &source, &["rbind"])];
    // The link names a directory that the container does not have: it gets one, and the host's is another.
    assert_eq!(env.run(asked.clone()).stdout, "inside");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    // If it has, the mount lands there.
    fs::create_dir_all(layer.join(outside.strip_prefix("/").unwrap())).unwrap();
    assert_eq!(env.run(asked).stdout, "inside");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn nothing_is_mounted_over_proc_not_even_through_a_link() {
    let Some(mut env) = Env::new() else { return };
    symlink("/proc/sys", env.layer().join("innocent")).unwrap();
    let source = env.dir.path().join("source");
    fs::create_dir(&source).unwrap();
    for target in ["/proc", "/proc/self/attr", "/proc/sys/kernel", "/./proc//1"] {
        let mut asked = Env::request("true");
        asked.mounts = vec![mount(target, "bind", &source, &["rbind"])];
        let (status, text) = env.refused(asked);
        assert!(status == 125 && text.contains("cannot be mounted over"), "{target}: {text}");
    }
    let mut asked = Env::request("true");
    asked.mounts = vec![mount("/innocent", "bind", &source, &["rbind"])];
    let (status, text) = env.refused(asked);
    assert!(status == 125 && text.starts_with("mount on \"/innocent\": "), "{text}");
    let file = env.dir.path().join("file");
    fs::write(&file, "mine\n").unwrap();
    let mut asked = Env::request("cat /proc/uptime");
    asked.mounts = vec![mount("/proc/uptime", "bind", &file, &["bind"])];
    assert_eq!(env.run(asked).stdout, "mine\n", "what lxcfs replaces may be replaced");
}

#[test]
fn kernel_parameters_of_the_host_are_refused() {
    let Some(env) = Env::new() else { return };
    for name in ["kernel.core_pattern", "vm.swappiness", "net/ipv4/ip_forward", "net.../../kernel.x"] {
        let mut asked = Env::request("true");
        asked.sysctl.insert(name.into(), "1".into());
        assert_eq!(env.refused(asked).0, 125, "{name}");
    }
    let mut asked = Env::request("true");
    asked.host_network = true;
    asked.sysctl.insert("net.ipv4.ip_forward".into(), "1".into());
    let (_, text) = env.refused(asked);
    assert!(text.contains("would change the host"), "{text}");
}

#[test]
fn stdio_of_others_keeps_its_owner() {
    use std::os::unix::fs::MetadataExt;
    let Some(env) = Env::new() else { return };
    let before = fs::metadata("/dev/null").unwrap();
    let mut asked = Env::request("true");
    asked.uid = 1000;
    assert_eq!(env.run(asked).code, 0);
    let after = fs::metadata("/dev/null").unwrap();
    assert_eq!((before.uid(), before.gid(), before.mode()), (after.uid(), after.gid(), after.mode()));
}
