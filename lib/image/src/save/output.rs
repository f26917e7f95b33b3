//! Where a user wants the images: a file or directory appears whole or not at all.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::BufWriter;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use store::Store;
use types::{Context, Error, Kind, Result};

use super::{DirSink, SaveFormat, TarSink, save};

const BUFFER: usize = 256 << 10;

/// Writes images as a file. What was there before stays until the new one is whole; a pipe or a device
/// is written to as it is.
///
/// # Errors
/// As [`save`].
pub fn save_file(store: &Store, wanted: &[String], format: SaveFormat, path: &Path) -> Result<()> {
    let what = || format!("write {path:?}");
    if path.symlink_metadata().is_ok_and(|m| !m.is_file()) {
        let file = OpenOptions::new().write(true).open(path).with_context(what)?;
        return write(store, wanted, format, file).map(drop);
    }
    let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    // The mode of any file that its user makes: what is in it is no secret of the store.
    let file =
        rustix::fs::open(dir, flags, Mode::from(0o644)).map(File::from).map_err(|e| Error::io(what(), e))?;
    let file = write(store, wanted, format, file)?;
    file.sync_all().with_context(what)?;
    name(&file, path).with_context(what)
}

fn write(store: &Store, wanted: &[String], format: SaveFormat, file: File) -> Result<File> {
    let mut out = BufWriter::with_capacity(BUFFER, file);
    save(store, wanted, format, &mut TarSink::new(&mut out))?;
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

/// Writes images as an OCI image layout in a directory that is empty or not there.
///
/// # Errors
/// As [`save`]; `Conflict` if there is something in it.
pub fn save_dir(store: &Store, wanted: &[String], path: &Path) -> Result<()> {
    if path.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Error::new(Kind::Conflict, format!("{path:?} is not empty")));
    }
    let beside = beside(path);
    std::fs::create_dir(&beside).with_context(|| format!("make {beside:?}"))?;
    let written = save(store, wanted, SaveFormat::Oci, &mut DirSink::new(beside.clone()))
        .and_then(|()| std::fs::rename(&beside, path).with_context(|| format!("write {path:?}")));
    if written.is_err() {
        drop(std::fs::remove_dir_all(&beside));
    }
    written
}

/// A hidden name beside a path, of this process alone.
fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}", std::process::id()));
    path.with_file_name(name)
}
