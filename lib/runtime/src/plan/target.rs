//! Places inside the root, prepared for the child.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use child::{Follow, Kind, Part, Target};
use types::Result;

use super::{Owned, invalid};

/// Paths below `/proc` that may be mounted over: what tools like lxcfs replace. Everything else there
/// steers the kernel or our own next steps (CVE-2019-16884, CVE-2025-52881).
const IN_PROC: [&str; 10] = [
    "proc/cpuinfo",
    "proc/diskstats",
    "proc/meminfo",
    "proc/stat",
    "proc/swaps",
    "proc/uptime",
    "proc/loadavg",
    "proc/slabinfo",
    "proc/sys/kernel/ns_last_pid",
    "proc/sys/crypto/fips_enabled",
];

/// A path relative to the root, without `.`, and without `..`, which has no business there.
pub fn inside(path: &Path) -> Result<String> {
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::RootDir | Component::CurDir => {}
            Component::Normal(name) => {
                names.push(name.to_str().ok_or_else(|| invalid(format!("{path:?} is not UTF-8")))?);
            }
            Component::ParentDir | Component::Prefix(_) => {
                return Err(invalid(format!("{path:?} leads upwards")));
            }
        }
    }
    if !path.is_absolute() {
        return Err(invalid(format!("{path:?} is not absolute")));
    }
    if names.is_empty() {
        return Err(invalid("\"/\" cannot be mounted over"));
    }
    Ok(names.join("/"))
}

/// Prepares a place. `path` comes from [`inside`].
pub fn target(path: &str, kind: Kind, follow: Follow) -> Result<Target<Owned>> {
    let bytes =
        |path: &str| CString::new(path.as_bytes()).map_err(|_| invalid(format!("{path:?} holds a NUL byte")));
    let mut parts = Vec::new();
    let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
    let mut start = 0;
    for end in ends {
        let (prefix, name) = (path.get(..end).unwrap_or(path), path.get(start..end).unwrap_or(path));
        parts.push(Part { prefix: bytes(prefix)?, name: bytes(name)? });
        start = end + 1;
    }
    Ok(Target { path: bytes(path)?, parts, kind, follow, in_proc: below(path, "proc") })
}

/// Refuses a mount at or below `/proc` that is not on the list.
pub fn refuse_proc(path: &str) -> Result<()> {
    if below(path, "proc") && !IN_PROC.contains(&path) {
        return Err(invalid(format!("\"/{path}\" cannot be mounted over")));
    }
    Ok(())
}

/// Tells whether `path` is `dir` or lies in it, by whole components.
pub fn below(path: &str, dir: &str) -> bool {
    path.strip_prefix(dir).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A path as the kernel wants it.
pub fn host_path(path: &Path) -> Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| invalid(format!("{path:?} holds a NUL byte")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_lists_what_would_have_to_be_created() {
        let made = target("usr/local/x", Kind::File, Follow::InRoot).unwrap();
        let parts: Vec<_> = made
            .parts
            .iter()
            .map(|p| (p.prefix.to_str().unwrap().to_owned(), p.name.to_str().unwrap().to_owned()))
            .collect();
        let want = [("usr", "usr"), ("usr/local", "local"), ("usr/local/x", "x")];
        assert_eq!(parts, want.map(|(a, b)| (a.to_owned(), b.to_owned())));
    }

    #[test]
    fn paths_that_are_not_inside_are_refused() {
        assert_eq!(inside(Path::new("/a/./b//c/")).unwrap(), "a/b/c");
        for bad in ["/", "//", "a", "/a/../b", "/..", "", "/a\0b/.."] {
            assert!(inside(Path::new(bad)).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn proc_is_refused_by_component_and_not_by_letters() {
        assert!(refuse_proc("proc").is_err());
        assert!(refuse_proc("proc/self/attr").is_err());
        assert!(refuse_proc("proc/uptime/x").is_err());
        assert!(refuse_proc("proc/uptime").is_ok());
        assert!(refuse_proc("processes").is_ok());
    }
}
