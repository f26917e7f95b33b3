//! The log of a container: plain files in the CRI logging format, rotated by size.
//!
//! A line is `TIME STREAM TAG TEXT`: RFC 3339 with nanoseconds in UTC, `stdout` or `stderr`, `F`
//! for a full line or `P` for a part that the next entry of the same stream continues, and the
//! bytes as written. It is what kubelet and log shippers read, and what grep finds.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use rustix::fs::{Mode, OFlags};
use types::{Context, Result};

use crate::Store;
use crate::layout::{self, in_container as name};

/// A file is rotated before it would grow over this size, in bytes.
const MAX_SIZE: u64 = 10 << 20;

/// How many files are kept, the current one included.
pub(crate) const MAX_FILES: u32 = 3;

/// Where bytes came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output, and all that a terminal shows.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    /// The name in the log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// The end of a log, for its one writer.
#[derive(Debug)]
pub struct LogWriter {
    dir: OwnedFd,
    /// Opened, or made, when the first bytes come: many containers never write any.
    file: Option<File>,
    size: u64,
    line: Vec<u8>,
}

impl Store {
    /// The log of a container, for writing. It is made with the first bytes, if it is not there.
    pub fn open_log(&self, id: &str) -> Result<LogWriter> {
        let dir = self.open_dir(&layout::container(id))?;
        Ok(LogWriter { dir, file: None, size: 0, line: Vec::new() })
    }
}

impl LogWriter {
    /// Appends what a stream gave at one time. `time` is RFC 3339.
    ///
    /// # Errors
    /// If the disk is full or broken: the bytes are lost for the log, and the caller goes on.
    pub fn append(&mut self, stream: Stream, time: &str, bytes: &[u8]) -> Result<()> {
        self.line.clear();
        for piece in bytes.split_inclusive(|&b| b == b'\n') {
            let (text, tag) = piece.strip_suffix(b"\n").map_or((piece, "P"), |text| (text, "F"));
            for part in
                [time.as_bytes(), b" ", stream.name().as_bytes(), b" ", tag.as_bytes(), b" ", text, b"\n"]
            {
                self.line.extend_from_slice(part);
            }
        }
        let mut file = match self.file.take() {
            Some(file) => file,
            None => self.open()?,
        };
        if self.size > 0 && self.size + self.line.len() as u64 > MAX_SIZE {
            self.rotate()?;
            file = self.open()?;
        }
        // After a failure it is opened again, which sees to what was written only half.
        file.write_all(&self.line).context("write the log")?;
        self.file = Some(file);
        self.size += self.line.len() as u64;
        Ok(())
    }

    fn open(&mut self) -> Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::APPEND | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let mut file = rustix::fs::openat(&self.dir, name::LOG, flags, Mode::from(0o600))
            .map(File::from)
            .map_err(std::io::Error::from)
            .context("open the log")?;
        self.size = file.metadata().context("stat the log")?.len();
        // A full disk or a power failure may have cut the last line: it stays the only damaged one.
        if self.size > 0 {
            let mut last = [b'\n'];
            file.read_exact_at(&mut last, self.size - 1).context("read the log")?;
            if last != [b'\n'] {
                file.write_all(b"\n").context("write the log")?;
                self.size += 1;
            }
        }
        Ok(file)
    }

    /// `log.1` becomes `log.2`, `log` becomes `log.1`; a new `log` is to begin. A reader that follows
    /// sees the file that it holds renamed.
    fn rotate(&mut self) -> Result<()> {
        for n in (1..MAX_FILES).rev() {
            let (from, to) = (rotated(n - 1), rotated(n));
            match rustix::fs::renameat(&self.dir, &from, &self.dir, &to) {
                Ok(()) | Err(rustix::io::Errno::NOENT) => {}
                Err(e) => return Err(types::Error::io("rotate the log", e)),
            }
        }
        Ok(())
    }
}

/// The name of the n-th oldest file; 0 is the current one.
pub(crate) fn rotated(n: u32) -> String {
    if n == 0 { name::LOG.to_owned() } else { format!("{}.{n}", name::LOG) }
}
