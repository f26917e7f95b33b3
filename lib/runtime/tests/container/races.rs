//! Races that engines have lost: a sibling that shares a directory with the container exchanges, as
//! fast as it can, a directory and a symbolic link to the host while the container is started.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use super::env::Env;
use runtime::defaults::mount;
use rustix::fs::{CWD, RenameFlags, renameat_with};

/// Starts in `make test`; `make soak` asks for more (`LONGSHORE_RACE_STARTS`).
fn starts() -> usize {
    std::env::var("LONGSHORE_RACE_STARTS").ok().and_then(|number| number.parse().ok()).unwrap_or(2_000)
}

/// The sibling.
struct Sibling {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Sibling {
    /// Exchanges two names until it is dropped.
    fn exchange(a: PathBuf, b: PathBuf) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                renameat_with(CWD, &a, CWD, &b, RenameFlags::EXCHANGE).unwrap();
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Sibling {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        drop(self.thread.take().map(JoinHandle::join));
    }
}

/// How many took place belongs into the log of a long run.
fn tell(ran: usize, refused: usize) {
    eprintln!("race: {} starts, {refused} of them refused", ran + refused);
}

fn listed(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// CVE-2021-30465 (a mount led out of the root), CVE-2024-45310 (directories made on the host),
/// CVE-2026-55686 (a working directory made on the host), and with a `/dev` that others can write to CVE-2025-31133
/// (masks made of its null device) and CVE-2025-52881 (kernel parameters written elsewhere), in turn.
#[test]
fn cve_2021_30465_mount_target_race() {
    let Some(env) = Env::new() else { return };
    let below = |name: &str| env.dir.path().join(name);
    let (volume, dev, source, host) = (below("vol"), below("dev"), below("src"), below("host"));
    for dir in [&volume.join("dst"), &dev, &source, &host.join("deep")] {
        fs::create_dir_all(dir).unwrap();
    }
    fs::write(dev.join("null"), "").unwrap();
    symlink("/proc/sys/kernel/core_pattern", dev.join("link")).unwrap();
    fs::write(host.join("sentinel"), "untouched").unwrap();
    fs::write(source.join("f"), "inside").unwrap();
    symlink(&host, volume.join("link")).unwrap();
    let core_pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    let sibling = Sibling::exchange(volume.join("dst"), volume.join("link"));
    let other = Sibling::exchange(dev.join("null"), dev.join("link"));
    let (mut ran, mut refused) = (0, 0);
    for turn in 0..starts() {
        let mut asked = Env::request(
            "cat /vol/dst/sentinel 2>/dev/null; touch /vol/dst/sentinel /vol/link/new 2>/dev/null; \
                stat -c %t:%T /proc/keys; (echo x >/proc/keys) 2>/dev/null; \
                (echo x >/dev/null; echo x >/dev/link) 2>/dev/null; cat /proc/sys/net/ipv4/ip_unprivileged_port_start",
        );
        asked.mounts = vec![mount("/vol", "bind", &volume, &["rbind"])];
        // In turn: a mount on it, a mount below it that has to be made, a working directory below it, a `/dev`.
        match turn % 4 {
            0 => asked.mounts.push(mount("/vol/dst", "bind", &source, &["rbind"])),
            1 => asked.mounts.push(mount("/vol/dst/made/deep", "bind", &source, &["rbind"])),
            2 => asked.cwd = "/vol/dst/made/cwd".into(),
            _ => asked.mounts.push(mount("/dev", "bind", &dev, &["rbind"])),
        }
        match env.start(asked) {
            Ok(running) => {
                assert_eq!(running.finish().stdout, "1:3\n0\n", "turn {}", turn % 4);
                ran += 1;
            }
            Err(_) => refused += 1,
        }
    }
    drop((sibling, other));
    tell(ran, refused);
    assert!(ran > 0 && refused > 0, "no race took place: {ran} ran, {refused} were refused");
    assert_eq!(listed(&host), ["deep", "sentinel"]);
    assert!(listed(&host.join("deep")).is_empty());
    assert_eq!(fs::read_to_string(host.join("sentinel")).unwrap(), "untouched");
    assert_eq!(fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap(), core_pattern);
}

/// CVE-2025-31133: what masks is the host's null device, and if that is something else nothing starts.
#[test]
fn cve_2025_31133_a_null_device_that_is_none_masks_nothing() {
    use rustix::mount::{MountPropagationFlags, mount_bind, mount_change};
    let Some(env) = Env::new() else { return };
    let file = env.dir.path().join("file");
    fs::write(&file, "").unwrap();
    // In a mount namespace of this thread, so that the machine keeps its own.
    #[expect(deprecated, reason = "what makes it unsafe, sharing descriptors no more, is not asked for")]
    rustix::thread::unshare(rustix::thread::UnshareFlags::NEWNS).unwrap();
    mount_change("/", MountPropagationFlags::REC | MountPropagationFlags::PRIVATE).unwrap();
    mount_bind(&file, "/dev/null").unwrap();
    let (status, text) = env.refused(Env::request("true"));
    assert!(status == 125 && text.starts_with("open \"/dev/null\" of the host: "), "{text}");
}

/// CVE-2025-31133 from the other side: what the image or a volume has as `/dev/null` is not asked.
#[test]
fn cve_2025_31133_the_images_null_device_masks_nothing() {
    let Some(mut env) = Env::new() else { return };
    let layer = env.layer();
    fs::create_dir(layer.join("dev")).unwrap();
    symlink("/proc/sys/kernel/core_pattern", layer.join("dev/null")).unwrap();
    let script = "stat -c '%F %t:%T' /proc/keys /dev/null; (echo x > /proc/keys) && echo gone; \
        cat /proc/sys/kernel/core_pattern";
    let output = env.sh(script);
    let null = "character special file 1:3\n";
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    assert_eq!(output.stdout, format!("{null}{null}gone\n{pattern}"), "{output:?}");
}
