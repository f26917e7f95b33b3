//! What is mounted on this machine, in whatever mount namespace a process is in.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use types::{Error, Result};

/// What tells two views of a mount table apart: the namespace and the root that a process has in it, since
/// a table shows what is below that root (proc_pid_mountinfo(5)).
type View = (u64, u64, u64);

/// Sources that begin so, each with a place where it is mounted.
///
/// # Errors
/// If the mount table of a process that lives cannot be read: what cannot be found out is not taken for
/// gone.
pub(super) fn with_source(prefix: &str) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let list = std::fs::read_dir("/proc").map_err(|e| Error::io("list \"/proc\"", e))?;
    for entry in list {
        let entry = entry.map_err(|e| Error::io("list \"/proc\"", e))?;
        let name = entry.file_name();
        if !name.as_encoded_bytes().iter().all(u8::is_ascii_digit) {
            continue;
        }
        let dir = entry.path();
        match view_of(&dir) {
            Ok(view) if !seen.insert(view) => {}
            Err(e) if has_ended(&e) => {}
            // One with more privileges than ours does not say, but everybody may read its mount table.
            Ok(_) | Err(_) => look(&dir, prefix, &mut found)?,
        }
    }
    Ok(found)
}

fn view_of(dir: &Path) -> io::Result<View> {
    let namespace = std::fs::metadata(dir.join("ns/mnt"))?.ino();
    let root = std::fs::metadata(dir.join("root"))?;
    Ok((namespace, root.dev(), root.ino()))
}

fn look(dir: &Path, prefix: &str, found: &mut BTreeMap<String, String>) -> Result<()> {
    let path: PathBuf = dir.join("mountinfo");
    let table = match std::fs::read(&path) {
        Ok(table) => table,
        Err(e) if has_ended(&e) => return Ok(()),
        Err(e) => return Err(Error::io(format!("read {path:?}"), e)),
    };
    for line in String::from_utf8_lossy(&table).lines() {
        if let Some((source, place)) = source_and_place(line).filter(|(source, _)| source.starts_with(prefix))
        {
            found.entry(source.to_owned()).or_insert_with(|| place.to_owned());
        }
    }
    Ok(())
}

/// A process that ends meanwhile, or has ended and is not reaped, has no mount table.
fn has_ended(err: &io::Error) -> bool {
    let gone = [rustix::io::Errno::SRCH, rustix::io::Errno::INVAL, rustix::io::Errno::NOENT];
    err.raw_os_error().is_some_and(|code| gone.iter().any(|errno| errno.raw_os_error() == code))
}

/// `ID PARENT DEV ROOT PLACE OPTIONS [TAG]... - TYPE SOURCE OPTIONS`
fn source_and_place(line: &str) -> Option<(&str, &str)> {
    let (mount, file_system) = line.split_once(" - ")?;
    Some((file_system.split(' ').nth(1)?, mount.split(' ').nth(4)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_source_behind_the_dash() {
        let line = "612 28 0:55 / /mnt/a\\040b ro,nosuid shared:7 - overlay longshore:12 ro,lowerdir+=/x";
        assert_eq!(source_and_place(line), Some(("longshore:12", "/mnt/a\\040b")));
        assert_eq!(source_and_place("612 28 0:55 / /mnt ro"), None);
    }

    #[test]
    fn what_is_mounted_here_is_found() {
        // Every Linux has a procfs whose source is called so, or it could not be asked.
        let table = std::fs::read_to_string("/proc/self/mountinfo").expect("read");
        let (source, _) = table.lines().find_map(source_and_place).expect("a mount");
        assert!(with_source(source).expect("look").contains_key(source));
    }
}
