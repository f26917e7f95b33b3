//! Layers: any bytes as an archive. Nothing beside the directory changes, and what is taken has the digest of
//! its bytes.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

const BLOCK: usize = 512;

/// A directory, and a file beside it that must stay as it is.
#[derive(Debug)]
pub struct Scratch {
    dir: tempfile::TempDir,
}

impl Scratch {
    /// Makes it.
    ///
    /// # Panics
    /// If it cannot be made.
    #[must_use]
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("beside"), "untouched").unwrap();
        Self { dir }
    }

    fn beside(&self) -> PathBuf {
        self.dir.path().join("beside")
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

/// Unpacks an archive whose headers are made to have right checksums, and lists it.
///
/// # Panics
/// If something beside the directory has changed, or the digest is another one.
pub fn check(scratch: &Scratch, data: &[u8]) {
    let data = with_checksums(data);
    let root = scratch.dir.path().join("root");
    std::fs::create_dir(&root).unwrap();
    let dir = File::open(&root).unwrap();
    let unpacked = layer::unpack(data.as_slice(), data.len() as u64, &layer::Budget::new(None), dir.as_fd());
    drop(dir);
    if let Ok(unpacked) = unpacked
        && !is_compressed(&data)
    {
        let digest = types::digest::Digest::from_bytes(Sha256::digest(&data).into());
        assert_eq!(unpacked.digest, digest, "the digest is not that of all bytes");
    }
    list(&data);
    std::fs::remove_dir_all(&root).unwrap();
    assert_eq!(std::fs::read_to_string(scratch.beside()).unwrap(), "untouched");
    assert_eq!(names(scratch.dir.path()), ["beside"], "something was made beside the directory");
}

fn names(dir: &Path) -> Vec<String> {
    std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn list(data: &[u8]) {
    let Ok(mut members) = layer::Members::new(data) else { return };
    while let Ok(Some(_member)) = members.next_member() {
        let mut taken = 0u64;
        let content = members.content(|piece| {
            taken += piece.len() as u64;
            Ok(())
        });
        if content.is_err() {
            break;
        }
    }
}

fn is_compressed(data: &[u8]) -> bool {
    data.starts_with(&[0x1f, 0x8b]) || data.starts_with(&[0x28, 0xb5, 0x2f, 0xfd])
}

/// Follows the sizes from header to header, as a reader does, and puts right what each says of itself.
fn with_checksums(data: &[u8]) -> Vec<u8> {
    let mut data = data.to_vec();
    let mut at = 0;
    while !is_compressed(&data)
        && let Some(header) = data.get_mut(at..at + BLOCK)
        && header.iter().any(|byte| *byte != 0)
    {
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let size = std::str::from_utf8(&header[124..136]).unwrap_or_default();
        let size = usize::from_str_radix(size.trim_matches(['\0', ' ']), 8).unwrap_or(0);
        at = at.saturating_add(BLOCK).saturating_add(size.saturating_add(BLOCK - 1) / BLOCK * BLOCK);
    }
    data
}
