//! The end of a run whose monitor was killed: recorded by whoever saw it.

use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;

use types::container::ExitRecord;
use types::{Context, Result};

use super::{RunLock, RunWatch, write_line};

/// The two lines of a run are never longer.
const MAX_RUN: usize = 64 << 10;

impl RunLock {
    /// How the run ended, if that is on record.
    pub fn recorded(&self) -> Result<Option<ExitRecord>> {
        recorded(&self.0)
    }
}

impl RunWatch {
    /// How the run ended, if that is on record.
    pub fn recorded(&self) -> Result<Option<ExitRecord>> {
        recorded(&self.0)
    }

    /// Records how a run ended whose monitor was killed: for whoever saw it end, after [`Self::wait`].
    /// What is on record already stays. Without a lock: two who saw it say the same, and the first
    /// counts.
    pub fn end(&self, exit: &ExitRecord) -> Result<()> {
        if self.recorded()?.is_some() {
            return Ok(());
        }
        // This file and no other: by now its name may belong to another run.
        let path = format!("/proc/self/fd/{}", self.0.as_raw_fd());
        let mut out = OpenOptions::new().append(true).open(path).context("open its run record")?;
        write_line(&mut out, exit).context("record the exit")
    }
}

/// The line after the first; one that is cut short (a power failure) tells nothing.
fn recorded(file: &File) -> Result<Option<ExitRecord>> {
    let text = crate::fs::read_small(file, MAX_RUN).context("read its run record")?;
    let mut lines = text.split(|byte| *byte == b'\n').skip(1).filter(|line| !line.is_empty());
    Ok(lines.find_map(|line| serde_json::from_slice(line).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::scratch;

    #[test]
    fn the_first_word_about_an_end_counts() {
        let (dir, _store) = scratch();
        let path = dir.path().join("run.jsonl");
        std::fs::write(&path, "{\"pid\":1}\n").unwrap();
        let watch = RunWatch(File::open(&path).unwrap());
        assert!(watch.recorded().unwrap().is_none());
        for code in [7, 8] {
            let (finished, error) = ("2026-01-01T00:00:00Z".to_owned(), String::new());
            watch.end(&ExitRecord { finished, code, oom_killed: false, restarting: false, error }).unwrap();
        }
        assert_eq!(watch.recorded().unwrap().map(|exit| exit.code), Some(7));
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 2);
    }
}
