//! Devices, and files of the kernel's that can be opened for writing.

use std::ffi::{CString, c_char, c_int};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

unsafe extern "C" {
    fn open(path: *const c_char, flags: c_int, ...) -> c_int;
    fn close(fd: c_int) -> c_int;
    fn mknod(path: *const c_char, mode: u32, device: u64) -> c_int;
}

const O_WRONLY: c_int = 1;
const O_RDWR: c_int = 2;
/// Not waiting, not a controlling terminal, close-on-exec, no link at the end.
#[cfg(target_arch = "x86_64")]
const GENTLY: c_int = 0o4000 | 0o400 | 0o200_0000 | 0o40_0000;
#[cfg(target_arch = "aarch64")]
const GENTLY: c_int = 0o4000 | 0o400 | 0o200_0000 | 0o10_0000;

/// The errno of the last call that failed, by name where it has one here.
pub fn why() -> String {
    match std::io::Error::last_os_error().raw_os_error() {
        Some(1) => "EPERM".into(),
        Some(2) => "ENOENT".into(),
        Some(6) => "ENXIO".into(),
        Some(13) => "EACCES".into(),
        Some(19) => "ENODEV".into(),
        Some(30) => "EROFS".into(),
        Some(93) => "EPROTONOSUPPORT".into(),
        Some(97) => "EAFNOSUPPORT".into(),
        other => format!("errno {}", other.unwrap_or(0)),
    }
}

fn try_open(path: &Path, flags: c_int) -> Result<(), String> {
    let path = CString::new(path.as_os_str().as_bytes()).map_err(|e| e.to_string())?;
    // SAFETY: a string that ends with a NUL.
    let fd = unsafe { open(path.as_ptr(), flags | GENTLY) };
    if fd < 0 {
        return Err(why());
    }
    // SAFETY: opened just now.
    unsafe { close(fd) };
    Ok(())
}

/// Every node of `/dev` and whether it opens; then nodes that a container has no business with.
pub fn devices() {
    let mut all = Vec::new();
    walk(Path::new("/dev"), &mut all);
    all.sort();
    for path in all {
        let Ok(meta) = fs::symlink_metadata(&path) else { continue };
        let kind = match meta.file_type() {
            t if t.is_char_device() => "c",
            t if t.is_block_device() => "b",
            _ => continue,
        };
        let (major, minor) = numbers(meta.rdev());
        let opens = try_open(&path, O_RDWR).map_or_else(|e| e, |()| "opens".into());
        println!("device {} {kind} {major}:{minor} {:o} {opens}", path.display(), meta.mode() & 0o7777);
    }
    for (name, kind, major, minor) in [
        ("mem", 0o020_000, 1, 1), ("port", 0o020_000, 1, 4), ("kmsg", 0o020_000, 1, 11), ("tun", 0o020_000, 10, 200),
        ("fuse", 0o020_000, 10, 229), ("kvm", 0o020_000, 10, 232), ("loop-control", 0o020_000, 10, 237),
        ("first disk", 0o060_000, 8, 0), ("virtual disk", 0o060_000, 254, 0), ("loop", 0o060_000, 7, 0),
    ] {
        println!("make device {name} {}", made(kind, major, minor));
    }
}

fn numbers(device: u64) -> (u64, u64) {
    (((device >> 32) & !0xfff) | ((device >> 8) & 0xfff), ((device >> 12) & !0xff) | (device & 0xff))
}

fn made(kind: u32, major: u64, minor: u64) -> String {
    let path = c"/tmp/probe-node";
    // SAFETY: a string that ends with a NUL.
    if unsafe { mknod(path.as_ptr(), kind | 0o600, (major << 8) | minor) } != 0 {
        return why();
    }
    let opens = try_open(Path::new("/tmp/probe-node"), O_RDWR);
    drop(fs::remove_file("/tmp/probe-node"));
    format!("made, {}", opens.map_or_else(|e| e, |()| "opens".into()))
}

/// Files below `/proc` and `/sys` that open for writing. Nothing is written.
pub fn writable() {
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.bytes().all(|b| b.is_ascii_digit()) || name == "thread-self" {
            continue;
        }
        match fs::symlink_metadata(entry.path()) {
            Ok(meta) if meta.is_dir() => walk(&entry.path(), &mut all),
            _ => all.push(entry.path()),
        }
    }
    for entry in fs::read_dir("/proc/self").into_iter().flatten().flatten() {
        let name = entry.file_name();
        // Directories of it lead to what is found elsewhere, or to ourselves again.
        if entry.file_type().is_ok_and(|t| t.is_file()) || name == "attr" {
            all.push(entry.path());
        }
    }
    walk(Path::new("/sys"), &mut all);
    all.sort();
    let sys = all.iter().filter(|path| path.starts_with("/sys")).count();
    println!("files below /sys {}", if sys > 100 { "many" } else { "few" });
    for path in all {
        // User 0 may open more than the mode says, but what has no way to be written takes no harm.
        let may = fs::symlink_metadata(&path).is_ok_and(|m| m.is_file() && m.mode() & 0o222 != 0);
        if may && try_open(&path, O_WRONLY).is_ok() {
            println!("writable {}", path.display());
        }
    }
}

/// What is in `/proc`, and how much of it can be seen.
pub fn proc_names() {
    let mut names: Vec<_> = fs::read_dir("/proc").into_iter().flatten().flatten().map(|e| e.path()).collect();
    names.retain(|path| !path.file_name().is_some_and(|n| n.as_bytes().iter().all(u8::is_ascii_digit)));
    names.sort();
    for path in names {
        println!("proc {} {}", path.file_name().unwrap_or_default().display(), state(&path));
    }
    for dir in ["/sys/firmware", "/sys/fs/selinux", "/sys/fs/bpf", "/sys/fs/fuse", "/sys/fs/pstore", "/sys/kernel/debug",
        "/sys/kernel/security", "/sys/kernel/tracing", "/sys/power", "/sys/devices/virtual/powercap",
        "/sys/devices/system/cpu/cpu0/thermal_throttle"] {
        println!("sys {dir} {}", state(Path::new(dir)));
    }
}

fn state(path: &Path) -> &'static str {
    let Ok(meta) = fs::symlink_metadata(path) else { return "absent" };
    match meta.file_type() {
        t if t.is_symlink() => "link",
        t if t.is_char_device() && numbers(meta.rdev()) == (1, 3) => "masked",
        t if t.is_dir() && fs::read_dir(path).is_ok_and(|mut d| d.next().is_none()) => "empty",
        t if t.is_dir() => "directory",
        _ if try_open(path, 0).is_ok() => "readable",
        _ => "closed",
    }
}

/// Everything below a directory that is no directory; links are not followed.
fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(t) if t.is_dir() => walk(&entry.path(), found),
            Ok(_) => found.push(entry.path()),
            Err(_) => {}
        }
    }
}
