//! `--no-pivot`: the root is moved onto that of the host, as runc and crun do it.

use std::ffi::CString;
use std::path::{Path, PathBuf};

use oci_spec::runtime::Spec;
use types::{Context, Result};

use super::{Step, hooks, target};
use crate::Launch;

/// The step in the place of a pivot.
pub fn step(spec: &Spec, inputs: &Launch<'_>) -> Result<Step> {
    let moves = hooks::root_place(spec, inputs)?.as_c_str() != c"/";
    let table = std::fs::read_to_string("/proc/self/mountinfo").context("read list of mounts")?;
    // Later mounts first: they may be on earlier ones.
    let hide: Vec<CString> =
        revealing(&table).iter().rev().map(|path| target::host_path(path)).collect::<Result<_>>()?;
    Ok(Step::MoveRoot { moves, hide })
}

/// Where the host has a whole procfs or sysfs (proc_pid_mountinfo(5)).
fn revealing(table: &str) -> Vec<PathBuf> {
    let whole = |line: &str| {
        let (mount, rest) = line.split_once(" - ")?;
        let mut fields = mount.split(' ').skip(3);
        let (root, place) = (fields.next()?, fields.next()?);
        let is_whole = root == "/" && matches!(rest.split(' ').next()?, "proc" | "sysfs");
        is_whole.then(|| unescape(place))
    };
    table.lines().filter_map(whole).collect()
}

/// Spaces and their like are written as three octal digits.
fn unescape(text: &str) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((first, tail)) = rest.split_first() {
        let digits = tail.get(..3).filter(|digits| *first == b'\\' && digits.is_ascii());
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = tail.get(3..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    Path::new(std::ffi::OsStr::from_bytes(&bytes)).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_file_systems_of_the_kernel_are_found_wherever_they_are() {
        let table = "22 1 0:21 / / rw - ext4 /dev/vda rw\n23 22 0:22 / /proc rw shared:3 - proc proc rw\n\
            24 22 0:22 /sys /mnt/part rw - proc proc rw\n25 22 0:23 / /my\\040sys\\134 ro - sysfs sysfs rw\n\
            26 22 0:24 / /tmp rw - tmpfs tmpfs rw\nnonsense\n";
        assert_eq!(revealing(table), [PathBuf::from("/proc"), PathBuf::from("/my sys\\")]);
    }
}
