//! Options of mounts that concern what is there already: links, remounts, and what a tmpfs begins with.

use std::fs;
use std::os::unix::fs::symlink;

use runtime::defaults::mount;

use super::env::Env;

#[test]
fn a_source_that_is_a_link_is_made_again_if_that_is_asked_for() {
    let Some(mut env) = Env::new() else { return };
    let layer = env.layer();
    let (link, file) = (env.dir.path().join("link"), env.dir.path().join("file"));
    fs::write(&file, "of the host\n").unwrap();
    symlink("not/../there", &link).unwrap();
    symlink("not/../there", layer.join("same")).unwrap();
    symlink("elsewhere", layer.join("other")).unwrap();
    fs::write(layer.join("file"), "").unwrap();
    let with =
        |place: &str, source: &std::path::Path| mount(place, "bind", source, &["bind", "copy-symlink"]);
    let mut asked = Env::request("readlink /deep/in/link; readlink /same; cat /plain");
    asked.mounts = vec![with("/deep/in/link", &link), with("/same", &link), with("/plain", &file)];
    assert_eq!(env.run(asked).stdout, "not/../there\nnot/../there\nof the host\n");
    for place in ["/other", "/file", "/dev"] {
        let mut asked = Env::request("true");
        asked.mounts = vec![with(place, &link)];
        let (_, text) = env.refused(asked);
        let wanted = if place == "/dev" { "\"/dev\" cannot be a link" } else { "File exists" };
        assert!(text.contains(wanted) && text.contains(place), "{text}");
    }
}

#[test]
fn a_remount_changes_options_of_a_file_system_that_is_made_here() {
    let Some(env) = Env::new() else { return };
    let site = env.dir.path().join("site");
    fs::create_dir(&site).unwrap();
    let mut asked = Env::request(
        "grep ' /t ' /proc/self/mountinfo | sed 's/.*- //'; grep ' /[su] ' /proc/self/mountinfo | cut -d' ' -f5,7",
    );
    asked.mounts = vec![
        mount("/t", "tmpfs", "tmpfs", &["size=1m", "mode=711", "sync"]),
        mount("/t", "tmpfs", "tmpfs", &["remount", "size=64k", "async"]),
        mount("/s", "tmpfs", "tmpfs", &["mand"]),
        mount("/s", "none", "none", &["remount", "shared"]),
        mount("/u", "tmpfs", "tmpfs", &[]),
        mount("/u", "none", "none", &["remount", "unbindable"]),
    ];
    let output = env.run(asked);
    let lines: Vec<_> = output.stdout.lines().collect();
    let [tmpfs, shared, unbindable] = lines[..] else { panic!("{output:?}") };
    assert!(tmpfs.starts_with("tmpfs tmpfs rw,size=64k,mode=711"), "{output:?}");
    assert!(shared.starts_with("/s shared:") && unbindable == "/u unbindable", "{output:?}");

    // What others use too is left alone.
    let mut asked = Env::request("true");
    asked.mounts =
        vec![mount("/t", "bind", &site, &["bind"]), mount("/t", "none", "none", &["remount", "size=64k"])];
    let (_, text) = env.refused(asked);
    assert!(text.contains("remount of \"/t\" with options [\"size\"]"), "{text}");
    let mut asked = Env::request("true");
    asked.mounts = vec![mount("/t", "tmpfs", "tmpfs", &["iversion"])];
    assert!(env.refused(asked).1.contains("\"iversion\" of a tmpfs"));
}

#[test]
fn a_tmpfs_begins_with_what_an_earlier_mount_has_there() {
    let Some(mut env) = Env::new() else { return };
    let layer = env.layer();
    fs::create_dir_all(layer.join("data/sub")).unwrap();
    fs::write(layer.join("data/sub/image"), "").unwrap();
    fs::create_dir_all(layer.join("empty/sub")).unwrap();
    fs::write(layer.join("empty/sub/image"), "").unwrap();
    symlink("data", layer.join("way")).unwrap();
    let site = env.dir.path().join("site");
    fs::create_dir_all(site.join("sub")).unwrap();
    fs::write(site.join("sub/host"), "").unwrap();
    symlink("sub", site.join("link")).unwrap();
    let up = |place: &str| mount(place, "tmpfs", "tmpfs", &["tmpcopyup"]);
    let mut asked = Env::request(
        "ls /data/sub; ls /data/sub2; touch /data/sub/x && ls -d /data/sub/x; ls -A /empty/sub /again",
    );
    fs::create_dir(site.join("sub2")).unwrap();
    asked.mounts = vec![
        mount("/way", "bind", &site, &["bind"]),
        up("/data/sub"),
        mount("/empty", "tmpfs", "tmpfs", &[]),
        up("/empty/sub"),
        up("/data"),
        mount("/again", "bind", site.join("sub"), &["bind"]),
        up("/again"),
    ];
    let output = env.run(asked);
    // The tmpfs on /data covers the one below it, and begins with the whole of the host's directory.
    assert_eq!(output.stdout, "host\n/data/sub/x\n/again:\nhost\n\n/empty/sub:\n", "{output:?}");
    assert!(!site.join("sub/x").exists());

    for (first, place) in [
        (mount("/data", "bind", &site, &["bind"]), "/data/link"),
        (mount("/data", "sysfs", "sysfs", &[]), "/data/kernel"),
    ] {
        let mut asked = Env::request("true");
        asked.mounts = vec![first, up(place)];
        let (_, text) = env.refused(asked);
        let wanted = format!("tmpcopyup on \"{place}\" of what is mounted on \"/data\" is not supported");
        assert!(text.contains(&wanted), "{text}");
    }
}
