//! The file that a caller finds the first process's number in.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use types::{Context, Error, Kind, Result};

/// Writes the file whole: callers wait for its name to appear and then read it once.
///
/// # Errors
/// The kernel's reason.
pub fn write(path: &Path, pid: i32) -> Result<()> {
    let name = path
        .file_name()
        .ok_or_else(|| Error::new(Kind::Invalid, format!("bad name of a pid file {path:?}")))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    let temp = path.with_file_name(hidden);
    let failed = || format!("write pid file {path:?}");
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o644).open(&temp).with_context(failed)?;
    let done = file.write_all(pid.to_string().as_bytes()).and_then(|()| fs::rename(&temp, path));
    if done.is_err() {
        // The first reason is the one to tell.
        let _left = fs::remove_file(&temp);
    }
    done.with_context(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pid_file_holds_the_number_alone_and_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pid");
        write(&path, 12).unwrap();
        write(&path, 34).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "34");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(write(Path::new("/"), 1).is_err());
        assert!(write(&dir.path().join("not/there"), 1).is_err());
    }
}
