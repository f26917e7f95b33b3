//! The mount tree, and what it leaves of the host: nothing.

use std::fs;

use super::env::Env;
use runtime::defaults::mount;

fn host_mounts() -> String {
    fs::read_to_string("/proc/self/mountinfo").unwrap()
}

#[test]
fn the_usual_mounts_are_there_and_no_others() {
    let Some(env) = Env::new() else { return };
    let output = env.sh("cat /proc/self/mounts");
    let seen: Vec<_> = output.stdout.lines().map(|l| l.split(' ').nth(1).unwrap()).collect();
    let usual = ["/", "/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys", "/sys/fs/cgroup"];
    for path in usual {
        assert_eq!(seen.iter().filter(|seen| **seen == path).count(), 1, "{path}");
    }
    let inside = |path: &str| ["/proc/", "/sys/"].iter().any(|dir| path.starts_with(dir));
    let rest: Vec<_> = seen.iter().filter(|path| !usual.contains(path) && !inside(path)).collect();
    assert!(rest.is_empty(), "{rest:?}");
}

#[test]
fn the_hosts_mount_table_does_not_change() {
    let Some(env) = Env::new() else { return };
    // Others may mount something on this machine at the same moment, but not each time.
    let unchanged = (0..5).any(|_| {
        let before = host_mounts();
        let mut running = env.start(Env::request("echo up; sleep 60")).unwrap();
        assert_eq!(running.line(), "up");
        let during = host_mounts();
        running.end();
        during == before && host_mounts() == before
    });
    assert!(unchanged, "{}", host_mounts());
}

#[test]
fn devices_are_the_six_and_they_work() {
    let Some(env) = Env::new() else { return };
    let script = "cd /dev; for n in null zero full random urandom tty; do stat -c '%n %t:%T %a' $n; done; \
        head -c 4 /dev/zero | wc -c; head -c 2 /dev/urandom | wc -c; echo x > /dev/null; echo x > /dev/full; \
        readlink fd; readlink ptmx; stat -c '%a' /dev/shm /dev/pts/ptmx";
    let output = env.sh(script);
    let want = "null 1:3 666\nzero 1:5 666\nfull 1:7 666\nrandom 1:8 666\nurandom 1:9 666\ntty 5:0 666\n4\n2\n\
        /proc/self/fd\npts/ptmx\n1777\n666\n";
    assert_eq!(output.stdout, want, "{}", output.stderr);
}

#[test]
fn masked_paths_are_null_or_empty_and_cannot_be_uncovered() {
    let Some(env) = Env::new() else { return };
    let script = "for p in /proc/keys /proc/timer_list /proc/interrupts /proc/kcore; do \
          [ -e $p ] || continue; stat -c '%t:%T' $p; head -c 1 $p | wc -c; done; \
        for d in /proc/acpi /proc/scsi /sys/firmware; do [ -d $d ] || continue; ls -A $d | wc -l; \
          touch $d/x 2>&1; done; \
        umount /proc/keys 2>&1";
    for line in env.sh(script).stdout.lines() {
        let fine = ["1:3", "0"].contains(&line)
            || line.ends_with("Read-only file system")
            || line.ends_with("Operation not permitted");
        assert!(fine, "{line}");
    }
}

#[test]
fn kernel_parameters_are_read_only_but_ours_were_set() {
    let Some(env) = Env::new() else { return };
    let output = env.sh("cat /proc/sys/net/ipv4/ip_unprivileged_port_start; \
        for f in /proc/sys/kernel/hostname /proc/irq/default_smp_affinity; do (echo 1 > $f) 2>&1; done");
    let lines: Vec<_> = output.stdout.lines().collect();
    assert_eq!(lines[0], "0");
    assert_eq!(lines.len(), 3, "{output:?}");
    assert!(lines[1..].iter().all(|l| l.ends_with("Read-only file system")), "{lines:?}");
}

#[test]
fn sys_and_cgroups_cannot_be_written() {
    let Some(env) = Env::new() else { return };
    let output = env.sh("mkdir /sys/fs/cgroup/x 2>&1; \
        for d in /sys/fs/cgroup/*/; do [ -d $d ] && mkdir ${d}x 2>&1; done; for f in $(ls -d /sys/fs/cgroup/cgroup.procs /sys/fs/cgroup/*/cgroup.procs 2>/dev/null); do \
          (echo 1 > $f) 2>&1; done; echo done");
    let lines: Vec<_> = output.stdout.lines().collect();
    assert!(lines.len() > 2 && lines.last() == Some(&"done"), "{lines:?}");
    assert!(lines[..lines.len() - 1].iter().all(|l| l.contains("Read-only file system")), "{lines:?}");
}

#[test]
fn a_read_only_root_takes_no_writes_but_its_tmpfs_does() {
    let Some(env) = Env::new() else { return };
    let mut asked = Env::request(
        "touch /x 2>&1; touch /tmp/y /dev/shm/z && ls /tmp /dev/shm; mount -o remount,rw / 2>&1",
    );
    asked.read_only = true;
    asked.mounts = vec![mount("/tmp", "tmpfs", "tmpfs", &["nosuid", "nodev", "mode=1777", "size=1m"])];
    let output = env.run(asked);
    let want = "touch: /x: Read-only file system\n/dev/shm:\nz\n\n/tmp:\ny\n";
    assert!(output.stdout.starts_with(want), "{output:?}");
    assert!(!output.stdout.contains("remounted"));
}

#[test]
fn a_bind_shows_the_hosts_files_and_read_only_means_all_of_it() {
    let Some(env) = Env::new() else { return };
    let site = env.dir.path().join("site");
    fs::create_dir_all(site.join("sub")).unwrap();
    fs::write(site.join("page"), "hello").unwrap();
    let mut asked = Env::request(
        "cat /srv/www/page /etc/one; echo new > /srv/www/new; touch /ro/x 2>&1; touch /ro/sub/x 2>&1; cat /ro/page",
    );
    asked.mounts = vec![
        mount("/srv/www", "bind", &site, &["rbind"]),
        mount("/etc/one", "bind", site.join("page"), &["bind", "ro"]),
        mount("/ro", "bind", &site, &["rbind", "ro"]),
        mount("/ro/sub", "bind", site.join("sub"), &["rbind", "ro"]),
    ];
    let output = env.run(asked);
    let want =
        "hellohellotouch: /ro/x: Read-only file system\ntouch: /ro/sub/x: Read-only file system\nhello";
    assert_eq!(output.stdout, want, "{output:?}");
    assert_eq!(fs::read_to_string(site.join("new")).unwrap(), "new\n");
}

#[test]
fn read_only_holds_also_for_what_is_mounted_below_the_source() {
    use rustix::mount::{MountPropagationFlags, mount_change};
    let Some(env) = Env::new() else { return };
    let site = env.site_with_a_mount();
    // As systemd makes the root of most machines.
    mount_change("/", MountPropagationFlags::REC | MountPropagationFlags::SHARED).unwrap();
    let before = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
    let mut asked =
        Env::request("touch /ro/sub/x 2>&1; touch /rw/sub/y && mount -t tmpfs none /rw/sub && echo mounted");
    asked.cap_add = vec!["SYS_ADMIN".into()];
    asked.mounts =
        vec![mount("/ro", "bind", &site, &["rbind", "rro"]), mount("/rw", "bind", &site, &["rbind"])];
    let output = env.run(asked);
    assert_eq!(output.stdout, "touch: /ro/sub/x: Read-only file system\nmounted\n", "{output:?}");
    assert!(site.join("sub/y").exists());
    let after = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
    assert_eq!(before, after, "what is mounted inside does not travel out");
}

#[test]
fn a_missing_source_and_a_file_over_a_directory_are_told_apart() {
    let Some(env) = Env::new() else { return };
    let mut asked = Env::request("true");
    asked.mounts = vec![mount("/x", "bind", env.dir.path().join("missing"), &["rbind"])];
    let (status, text) = env.refused(asked);
    assert!(status == 125 && text.contains("missing\" on \"/x\": No such file"), "{text}");
    let file = env.dir.path().join("file");
    fs::write(&file, "").unwrap();
    let mut asked = Env::request("true");
    asked.mounts = vec![mount("/etc", "bind", file, &["rbind"])];
    let (status, text) = env.refused(asked);
    assert_eq!((status, text.as_str()), (125, "mount on \"/etc\": Is a directory (os error 21)"));
}

#[test]
fn namespaces_are_its_own() {
    let Some(env) = Env::new() else { return };
    let output = env.sh("for n in cgroup ipc mnt net pid uts; do readlink /proc/self/ns/$n; done");
    let ours: Vec<_> = ["cgroup", "ipc", "mnt", "net", "pid", "uts"]
        .iter()
        .map(|n| fs::read_link(format!("/proc/self/ns/{n}")).unwrap().to_string_lossy().into_owned())
        .collect();
    let theirs: Vec<_> = output.stdout.lines().collect();
    assert_eq!(theirs.len(), ours.len());
    for (theirs, ours) in theirs.iter().zip(&ours) {
        assert_ne!(theirs, ours);
    }
}

#[test]
fn the_hosts_network_is_the_hosts_if_asked_for() {
    let Some(env) = Env::new() else { return };
    let mut asked = Env::request("readlink /proc/self/ns/net");
    asked.host_network = true;
    let ours = fs::read_link("/proc/self/ns/net").unwrap();
    assert_eq!(env.run(asked).stdout.trim(), ours.to_string_lossy());
}
