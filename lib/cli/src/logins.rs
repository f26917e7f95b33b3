//! Passwords, from where nobody else sees them, and the file that keeps them.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;
use types::{Error, Kind};

/// No password is longer.
const MAX_PASSWORD: u64 = 64 << 10;

/// Reads a password from a descriptor, up to its first line's end. It is never an argument: those are
/// everybody's to read.
///
/// # Errors
/// If there is none.
pub fn password(fd: u32) -> anyhow::Result<String> {
    let mut text = String::new();
    File::open(format!("/proc/self/fd/{fd}"))
        .and_then(|source| source.take(MAX_PASSWORD).read_to_string(&mut text))
        .with_context(|| format!("read the password from descriptor {fd}"))?;
    let password = text.split(['\r', '\n']).next().unwrap_or_default();
    if password.is_empty() {
        return Err(Error::new(Kind::Invalid, "the password is empty").into());
    }
    Ok(password.to_owned())
}

/// Changes the file with logins: `edit` gets its text (empty if it is not there) and says the new one, or
/// `None` to leave it as it is. Others who change it wait; who reads it sees the old or the new one.
///
/// # Errors
/// Those of `edit`; if it cannot be written.
pub fn edit_logins(edit: impl FnOnce(&str) -> types::Result<Option<String>>) -> anyhow::Result<()> {
    let path = crate::sources::own_login_file()
        .ok_or_else(|| Error::new(Kind::Invalid, "neither $HOME nor $DOCKER_CONFIG is set"))?;
    // It may be a link to where its user keeps it.
    let path = path.canonicalize().unwrap_or(path);
    let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(dir).with_context(|| format!("make {dir:?}"))?;
    let lock = File::open(dir).with_context(|| format!("open {dir:?}"))?;
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive)
        .with_context(|| format!("lock {dir:?}"))?;
    let text = crate::sources::read(&path)?.unwrap_or_default();
    let edited = edit(&text).with_context(|| format!("change {path:?}"))?;
    let Some(text) = edited else { return Ok(()) };
    write(&path, &text).with_context(|| format!("write {path:?}"))?;
    lock.sync_all().with_context(|| format!("sync {dir:?}"))
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".new");
    let new: PathBuf = path.with_file_name(name);
    // One that a killed login has left; we hold the lock.
    drop(std::fs::remove_file(&new));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written.and_then(|()| std::fs::rename(&new, path)).inspect_err(|_| drop(std::fs::remove_file(&new)))
}
