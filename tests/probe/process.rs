//! Who we are and what we were left with.

use std::ffi::c_int;
use std::fs;
use std::os::unix::fs::FileTypeExt;

unsafe extern "C" {
    fn socket(family: c_int, kind: c_int, protocol: c_int) -> c_int;
    fn close(fd: c_int) -> c_int;
    fn umask(mask: u32) -> u32;
    fn mkdir(path: *const std::ffi::c_char, mode: u32) -> c_int;
    fn getrlimit(resource: c_int, limit: *mut [u64; 2]) -> c_int;
}

/// User, capabilities, limits, parameters, sockets that need a privilege, control groups.
pub fn identity() {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    for line in status.lines() {
        let (key, value) = line.split_once(':').unwrap_or((line, ""));
        let wanted = ["Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs",
            "Seccomp"];
        if wanted.contains(&key) {
            println!("{key} {}", value.split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }
    // SAFETY: an integer.
    println!("umask {:04o}", unsafe { umask(0o022) });
    let mut core = [0; 2];
    // SAFETY: RLIMIT_CORE, and a place for two numbers.
    unsafe { getrlimit(4, &raw mut core) };
    println!("limit core {} {}", core[0], core[1]);
    for name in ["net/ipv4/ping_group_range", "net/ipv4/ip_unprivileged_port_start"] {
        let value = fs::read_to_string(format!("/proc/sys/{name}")).unwrap_or_else(|e| e.to_string());
        println!("sysctl {name} {}", value.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    for (name, family, kind, protocol) in [
        ("packet raw", 17, 3, 0),
        ("inet raw", 2, 3, 255),
        ("inet ping", 2, 2, 1),
        ("inet stream", 2, 1, 0),
        ("unix stream", 1, 1, 0),
        ("netlink route", 16, 3, 0),
    ] {
        // SAFETY: integers.
        let done = unsafe { socket(family, kind, protocol) };
        println!("open socket {name} {}", if done >= 0 { "allowed".into() } else { crate::files::why() });
        // SAFETY: ours, or no descriptor at all.
        unsafe { close(done) };
    }
    groups();
}

/// The number of the session keyring, which names it on the whole machine.
pub fn keyring() {
    #[cfg(target_arch = "x86_64")]
    const KEYCTL: u64 = 250;
    #[cfg(target_arch = "aarch64")]
    const KEYCTL: u64 = 219;
    // SAFETY: KEYCTL_GET_KEYRING_ID of KEY_SPEC_SESSION_KEYRING, which is not to be made: integers.
    println!("keyring {}", unsafe { crate::raw::call(KEYCTL, [0, (-3_i64).cast_unsigned(), 0, 0, 0, 0]) });
}

fn groups() {
    let cgroup = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let at_root = cgroup.lines().all(|line| line.ends_with(":/"));
    println!("cgroup namespace {}", if at_root { "own" } else { "shows the host's groups" });
    let mut dirs = vec!["/sys/fs/cgroup".to_owned()];
    for entry in fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            dirs.push(entry.path().display().to_string());
        }
    }
    let mut made = Vec::new();
    for dir in dirs {
        let path = std::ffi::CString::new(format!("{dir}/probe")).unwrap_or_default();
        // SAFETY: a string that ends with a NUL.
        if unsafe { mkdir(path.as_ptr(), 0o755) } == 0 {
            made.push(dir);
            drop(fs::remove_dir(path.to_str().unwrap_or_default()));
        }
    }
    println!("cgroups that can be made {}", made.len());
    let limit = ["/sys/fs/cgroup/pids/pids.max", "/sys/fs/cgroup/pids.max"];
    let limit = limit.iter().find_map(|path| fs::read_to_string(path).ok());
    println!("limit pids {}", limit.map_or("not visible".into(), |l| l.trim().to_owned()));
}

/// Descriptors that we did not open.
pub fn descriptors() {
    let mut seen = Vec::new();
    for entry in fs::read_dir("/proc/self/fd").into_iter().flatten().flatten() {
        let number: u32 = entry.file_name().to_string_lossy().parse().unwrap_or(u32::MAX);
        // The last is that of the directory itself.
        let target = fs::read_link(entry.path()).unwrap_or_default().display().to_string();
        if !target.starts_with("/proc/") || !target.ends_with("/fd") {
            seen.push((number, entry.path()));
        }
    }
    seen.sort();
    for (number, path) in seen {
        let kind = fs::metadata(path).map(|m| m.file_type());
        let kind = match kind {
            Ok(t) if t.is_fifo() || t.is_socket() => "pipe",
            Ok(t) if t.is_char_device() => "device",
            Ok(t) if t.is_dir() => "DIRECTORY",
            Ok(_) => "FILE",
            Err(_) => "?",
        };
        println!("descriptor {number} {kind}");
    }
}
