//! Where files of an image go: into an archive or a directory.

use std::collections::BTreeSet;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;

use types::{Context, Error, Kind, Result};

/// Takes files, each name once.
pub trait Sink {
    /// Takes a file of exactly this size.
    ///
    /// # Errors
    /// If it cannot be written, or has another size.
    fn file(&mut self, name: &str, size: u64, content: &mut dyn Read) -> Result<()>;

    /// Ends it.
    ///
    /// # Errors
    /// If the end cannot be written.
    fn finish(&mut self) -> Result<()>;
}

/// An archive: no times, owners or anything else that would differ from one time to the next.
#[derive(Debug)]
pub struct TarSink<W> {
    out: W,
    dirs: BTreeSet<String>,
}

impl<W: Write> TarSink<W> {
    /// An archive that is written to `out`.
    pub const fn new(out: W) -> Self {
        Self { out, dirs: BTreeSet::new() }
    }

    fn header(&mut self, kind: tar::EntryType, name: &str, mode: u32, size: u64) -> Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_path(name).context("name it")?;
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(size);
        header.set_cksum();
        self.out.write_all(header.as_bytes()).context("write")
    }

    /// The directories above a name, each once: `tar -x` makes them with these modes then.
    fn parents(&mut self, name: &str) -> Result<()> {
        let slashes: Vec<usize> = name.match_indices('/').map(|(at, _)| at).collect();
        for at in slashes {
            let dir = format!("{}/", name.get(..at).unwrap_or_default());
            if self.dirs.insert(dir.clone()) {
                self.header(tar::EntryType::Directory, &dir, 0o755, 0)?;
            }
        }
        Ok(())
    }
}

const BLOCK: u64 = 512;

impl<W: Write> Sink for TarSink<W> {
    fn file(&mut self, name: &str, size: u64, content: &mut dyn Read) -> Result<()> {
        self.parents(name)?;
        self.header(tar::EntryType::Regular, name, 0o644, size)?;
        exact(content, size, &mut self.out)?;
        let padding = size.next_multiple_of(BLOCK) - size;
        io::copy(&mut io::repeat(0).take(padding), &mut self.out).context("write").map(drop)
    }

    fn finish(&mut self) -> Result<()> {
        io::copy(&mut io::repeat(0).take(2 * BLOCK), &mut self.out).context("write")?;
        self.out.flush().context("write")
    }
}

/// A new directory.
#[derive(Debug)]
pub struct DirSink {
    dir: PathBuf,
}

impl DirSink {
    /// Files go into `dir`, which is there and empty.
    #[must_use]
    pub const fn new(dir: PathBuf) -> Self {
        Self { dir }
    }
}

impl Sink for DirSink {
    fn file(&mut self, name: &str, size: u64, content: &mut dyn Read) -> Result<()> {
        let path = self.dir.join(name);
        if let Some(parent) = path.parent() {
            let made = DirBuilder::new().recursive(true).mode(0o755).create(parent);
            made.with_context(|| format!("make {parent:?}"))?;
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&path);
        let mut file = file.with_context(|| format!("make {path:?}"))?;
        exact(content, size, &mut file)?;
        file.sync_all().with_context(|| format!("sync {path:?}"))
    }

    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}

fn exact(content: &mut dyn Read, size: u64, out: &mut dyn Write) -> Result<()> {
    let copied = io::copy(&mut content.take(size), out).context("copy")?;
    let more = content.read(&mut [0; 1]).context("read")?;
    if copied == size && more == 0 {
        return Ok(());
    }
    Err(Error::new(Kind::Corrupt, "it has another size than it had"))
}
