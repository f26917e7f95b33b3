//! Live mounts into a real mount namespace: a busybox that sleeps in a root of its own.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Child, Command};

use super::*;
use crate::prepare::tests::scratch;

struct Container {
    dir: tempfile::TempDir,
    store: Store,
    child: Child,
    root: PathBuf,
    start_time: u64,
}

impl Container {
    /// `None`, aloud, where it cannot be made.
    fn new() -> Option<Self> {
        let busybox = ["/bin/busybox", "/usr/bin/busybox"].iter().find(|p| Path::new(p).exists());
        let Some(busybox) = busybox.filter(|_| rustix::process::geteuid().is_root()) else {
            eprintln!("skip: needs root and a static busybox");
            return None;
        };
        let (dir, store) = scratch();
        let root = dir.path().join("rootfs");
        fs::create_dir(&root).unwrap();
        let script = "mount -t tmpfs -o mode=755 t \"$0\" && cp \"$1\" \"$0/busybox\" && \
                      mkdir \"$0/proc\" \"$0/dev\" && exec chroot \"$0\" /busybox sleep 20000";
        let child = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", script])
            .args([root.as_os_str(), std::ffi::OsStr::new(busybox)])
            .spawn()
            .unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let start_time = sys::process::start_time(pid).unwrap();
        let container = Self { dir, store, child, root, start_time };
        let ready = || fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|c| c.starts_with(b"/busybox\0"));
        while !ready() {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        Some(container)
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    /// A path inside, seen from outside; links are not for the test to follow.
    fn inside(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.pid()))
    }

    /// A directory of the host with one file in it.
    fn site(&self) -> PathBuf {
        let site = self.dir.path().join("site");
        if !site.exists() {
            fs::create_dir(&site).unwrap();
            fs::write(site.join("page"), "hello").unwrap();
        }
        site
    }

    fn bind(&self, spec: &MountSpec) -> Result<()> {
        bind(&self.store, self.pid(), self.start_time, spec)
    }

    fn bind_site(&self, target: &str) -> Result<()> {
        self.bind(&MountSpec::new(Source::Bind(self.site()), target.into()))
    }

    fn unbind(&self, target: &str) -> Result<()> {
        unbind(self.pid(), self.start_time, Path::new(target))
    }

    fn mountinfo(&self) -> String {
        fs::read_to_string(format!("/proc/{}/mountinfo", self.pid())).unwrap()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn text(err: &Error) -> String {
    let mut text = err.to_string();
    let mut next = std::error::Error::source(err);
    while let Some(err) = next {
        text = format!("{text}: {err}");
        next = err.source();
    }
    text
}

#[test]
fn a_directory_appears_inside_and_leaves_again() {
    let Some(ctr) = Container::new() else { return };
    let before = ctr.mountinfo();
    ctr.bind_site("/srv/www/site").unwrap();
    assert_eq!(fs::read(ctr.inside("/srv/www/site/page")).unwrap(), b"hello");
    fs::write(ctr.site().join("page"), "edited").unwrap();
    assert_eq!(fs::read(ctr.inside("/srv/www/site/page")).unwrap(), b"edited");
    fs::write(ctr.inside("/srv/www/site/from-inside"), "x").unwrap();
    assert!(ctr.site().join("from-inside").exists());
    let open = fs::File::open(ctr.inside("/srv/www/site/page")).unwrap();
    ctr.unbind("/srv/www/site").unwrap();
    assert!(!ctr.inside("/srv/www/site/page").exists());
    assert_eq!(std::io::read_to_string(open).unwrap(), "edited");
    assert_eq!(ctr.mountinfo(), before);
    let host = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!host.contains("srv/www/site"), "{host}");
}

#[test]
fn a_file_is_bound_on_a_file() {
    let Some(ctr) = Container::new() else { return };
    let page = ctr.site().join("page");
    ctr.bind(&MountSpec::new(Source::Bind(page), "/etc/page".into())).unwrap();
    assert_eq!(fs::read(ctr.inside("/etc/page")).unwrap(), b"hello");
    ctr.unbind("/etc/page").unwrap();
    assert_eq!(fs::read(ctr.inside("/etc/page")).unwrap(), b"");
    let err = ctr.bind_site("/etc/page").unwrap_err();
    let why = "it is a file in the container, and the source a directory";
    assert_eq!(text(&err), format!("bind on \"/etc/page\": {why}"));
}

#[test]
fn read_only_reaches_the_mounts_below() {
    let Some(ctr) = Container::new() else { return };
    let spec = MountSpec { read_only: true, ..MountSpec::new(Source::Bind(ctr.site()), "/ro".into()) };
    ctr.bind(&spec).unwrap();
    let err = fs::write(ctr.inside("/ro/x"), "").unwrap_err();
    assert_eq!(err.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
    // /dev of the host has mounts below it; each shows "ro" first among its options.
    let spec = MountSpec { read_only: true, ..MountSpec::new(Source::Bind("/dev".into()), "/deep".into()) };
    ctr.bind(&spec).unwrap();
    let info = ctr.mountinfo();
    let below: Vec<_> = info.lines().filter(|l| l.contains("/deep")).collect();
    assert!(!below.is_empty());
    for line in below {
        assert_eq!(line.split(' ').nth(5).and_then(|o| o.split(',').next()), Some("ro"), "{line}");
        // Private: no shared: or master: field.
        assert!(!line.contains("shared:") && !line.contains("master:"), "{line}");
    }
}

#[test]
fn mounts_made_later_on_one_side_do_not_appear_on_the_other() {
    let Some(ctr) = Container::new() else { return };
    let shared = ctr.site();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "t"]).arg(&shared).status().unwrap();
    assert!(mounted.success());
    let made = Command::new("mount").arg("--make-shared").arg(&shared).status().unwrap();
    let bound = ctr.bind_site("/srv");
    let info = ctr.mountinfo();
    let unmounted = Command::new("umount").arg(&shared).status().unwrap();
    assert!(made.success() && unmounted.success());
    bound.unwrap();
    let line = info.lines().find(|l| l.contains(" /srv ")).unwrap();
    assert!(!line.contains("shared:") && !line.contains("master:"), "{line}");
}

#[test]
fn a_volume_is_bound_by_its_name() {
    let Some(ctr) = Container::new() else { return };
    let spec = MountSpec::new(Source::Volume("data".into()), "/data".into());
    let err = ctr.bind(&spec).unwrap_err();
    assert_eq!(text(&err), "bind on \"/data\": no such volume: \"data\"");
    crate::create(&ctr.store, "data", &std::collections::BTreeMap::new()).unwrap();
    ctr.bind(&spec).unwrap();
    fs::write(ctr.inside("/data/x"), "").unwrap();
    assert!(ctr.store.absolute(&ctr.store.volume_data("data")).join("x").exists());
}

#[test]
fn links_of_the_container_lead_nowhere_but_into_its_root() {
    let Some(ctr) = Container::new() else { return };
    let outside = ctr.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    // An absolute link, and one with more dots than the host has directories.
    symlink(ctr.dir.path(), ctr.inside("/abs")).unwrap();
    symlink(format!("../../../../../../../..{}", ctr.dir.path().display()), ctr.inside("/dots")).unwrap();
    for target in ["/abs/outside", "/dots/outside"] {
        // What the link names does not exist inside, and is not made through the link.
        assert!(ctr.bind_site(target).is_err(), "{target}");
    }
    assert!(fs::read_dir(&outside).unwrap().next().is_none());
    // A link that leads somewhere inside is followed, both ways.
    fs::create_dir(ctr.inside("/real")).unwrap();
    symlink("/real", ctr.inside("/link")).unwrap();
    symlink("link", ctr.inside("/again")).unwrap();
    ctr.bind_site("/again").unwrap();
    assert!(ctr.inside("/real/page").exists());
    ctr.unbind("/again").unwrap();
    assert!(!ctr.inside("/real/page").exists());
    symlink("turn", ctr.inside("/turn")).unwrap();
    assert!(ctr.unbind("/turn").is_err());
    assert!(ctr.bind_site("/turn").is_err());
    assert!(!ctr.root.join("busybox").exists(), "the mounts are the container's alone");
}

/// How many took place belongs into the log of a long run.
fn tell(bound: usize, refused: usize) {
    eprintln!("race: {} starts, {refused} of them refused", bound + refused);
}

/// CVE-2018-15664, CVE-2026-41568, CVE-2026-42306: what is put into a running container lands on the host, since a
/// directory is exchanged for a link to it between the look and the use.
#[test]
fn cve_2018_15664_a_target_that_is_exchanged_meanwhile_stays_inside() {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use std::sync::atomic::{AtomicBool, Ordering};
    let Some(ctr) = Container::new() else { return };
    let times = std::env::var("LONGSHORE_RACE_STARTS").ok().and_then(|n| n.parse().ok()).unwrap_or(2_000);
    let outside = ctr.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::create_dir(ctr.inside("/dst")).unwrap();
    symlink(&outside, ctr.inside("/link")).unwrap();
    let stop = AtomicBool::new(false);
    let (mut bound, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (a, b) = (ctr.inside("/dst"), ctr.inside("/link"));
            while !stop.load(Ordering::Relaxed) {
                renameat_with(CWD, &a, CWD, &b, RenameFlags::EXCHANGE).unwrap();
            }
        });
        for turn in 0..times {
            // On it, and below it where it has to be made.
            let target = ["/dst", "/dst/made/deep"][turn % 2];
            match ctr.bind_site(target) {
                Ok(()) => {
                    bound += 1;
                    // It may be under its other name.
                    while ctr.unbind(target).is_err() && ctr.mountinfo().contains("/site ") {}
                }
                Err(_) => refused += 1,
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    tell(bound, refused);
    assert!(bound > 0 && refused > 0, "no race took place: {bound} bound, {refused} refused");
    assert!(fs::read_dir(&outside).unwrap().next().is_none(), "made on the host");
    let host = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!host.contains(&format!("{} ", outside.display())), "mounted on the host");
}

#[test]
fn what_cannot_be_done_is_refused_with_its_reason() {
    let Some(ctr) = Container::new() else { return };
    for target in ["/", "/proc", "/proc/sys/x", "/sys", "/sys/fs/x", "/dev"] {
        let err = ctr.bind_site(target).unwrap_err();
        assert_eq!(text(&err), format!("bind on {target:?}: this place is the engine's own"));
        let err = ctr.unbind(target).unwrap_err();
        assert_eq!(text(&err), format!("unbind {target:?}: this place is the engine's own"));
    }
    ctr.bind_site("/srv").unwrap();
    let err = ctr.bind_site("/srv").unwrap_err();
    assert_eq!(text(&err), "bind on \"/srv\": something is mounted there already");
    for (target, why) in [
        ("/busybox", "nothing is mounted there in the container"),
        ("/srv/page", "nothing is mounted there in the container"),
        ("/nothing", "there is no such path in the container"),
        ("/nothing/below", "there is no such path in the container"),
        ("/busybox/below", "there is no such path in the container"),
    ] {
        let err = ctr.unbind(target).unwrap_err();
        assert_eq!((err.kind(), text(&err)), (Kind::NotFound, format!("unbind {target:?}: {why}")));
    }
    let spec = MountSpec::new(Source::Bind(ctr.dir.path().join("missing")), "/m".into());
    assert!(ctr.bind(&spec).is_err_and(|e| e.kind() == Kind::NotFound));
    assert!(!ctr.inside("/m").exists());
}

#[test]
fn a_container_that_has_ended_is_left_alone() {
    let Some(ctr) = Container::new() else { return };
    let spec = MountSpec::new(Source::Bind(ctr.site()), "/srv".into());
    let err = bind(&ctr.store, ctr.pid(), ctr.start_time + 1, &spec).unwrap_err();
    assert_eq!(
        (err.kind(), text(&err)),
        (Kind::Conflict, "bind on \"/srv\": the container is not running".into())
    );
    assert!(!ctr.inside("/srv").exists());
    assert!(unbind(-1, 0, Path::new("/srv")).is_err_and(|e| e.kind() == Kind::Conflict));
}
