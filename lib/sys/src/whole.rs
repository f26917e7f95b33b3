//! Files of a user that appear whole, or not at all.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use types::{Context, Error, Result};

const BUFFER: usize = 256 << 10;

/// Writes a file. What was there before stays until the new one is whole; a pipe or a device is written to
/// as it is.
///
/// # Errors
/// What `write` says; what the disk says.
pub fn write_file(path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    let what = || format!("write {path:?}");
    if path.symlink_metadata().is_ok_and(|m| !m.is_file()) {
        let file = OpenOptions::new().write(true).open(path).with_context(what)?;
        return fill(file, write).map(drop);
    }
    let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    // The mode of any file that its user makes: what is in it is no secret of a store.
    let file =
        rustix::fs::open(dir, flags, Mode::from(0o644)).map(File::from).map_err(|e| Error::io(what(), e))?;
    let file = fill(file, write)?;
    file.sync_all().with_context(what)?;
    name(&file, path).with_context(what)
}

fn fill(file: File, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<File> {
    let mut out = BufWriter::with_capacity(BUFFER, file);
    write(&mut out)?;
    out.into_inner().map_err(|e| Error::io("write", e.into_error()))
}

/// Gives a file without a name its name, in place of what had it.
fn name(file: &File, path: &Path) -> Result<()> {
    let fd = format!("/proc/self/fd/{}", file.as_raw_fd());
    match rustix::fs::linkat(CWD, &fd, CWD, path, AtFlags::SYMLINK_FOLLOW) {
        Ok(()) => return Ok(()),
        Err(Errno::EXIST) => {}
        Err(e) => return Err(Error::io("name it", e)),
    }
    let beside = beside(path);
    rustix::fs::linkat(CWD, &fd, CWD, &beside, AtFlags::SYMLINK_FOLLOW)
        .map_err(|e| Error::io("name it", e))?;
    std::fs::rename(&beside, path).context("name it").inspect_err(|_| {
        // The reason is told; what is left of it could not be removed either then.
        drop(std::fs::remove_file(&beside));
    })
}

/// A hidden name beside a path, of this process alone.
#[must_use]
pub fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}", std::process::id()));
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::Kind;

    #[test]
    fn a_file_is_replaced_by_a_whole_one_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        for content in ["one", "two"] {
            write_file(&path, |out| out.write_all(content.as_bytes()).context("write")).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
        }
        let fails = |out: &mut dyn Write| {
            out.write_all(b"half").context("write")?;
            Err(Error::new(Kind::Io, "enough"))
        };
        write_file(&path, fails).unwrap_err();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(dir.path().read_dir().unwrap().count(), 1);
    }
}
