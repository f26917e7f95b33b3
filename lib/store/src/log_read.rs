//! Reading of a container's log, from its oldest part to its newest, and on while it grows.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::fs::{Mode, OFlags, fstat, openat};
use rustix::io::Errno;
use types::{Context, Error, Result};

use crate::log::{MAX_FILES, Stream, rotated};
use crate::{Store, layout};

/// So much of a part tells how its lines end: a stream that wrote nothing for longer has ended its.
const LAST: u64 = 128 << 10;

/// What a program wrote at one time: a line, or a part of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// RFC 3339 in UTC; empty if the entry is damaged.
    pub time: &'a str,
    /// Where it was written.
    pub stream: Stream,
    /// The line ends here; otherwise the next entry of the stream goes on with it.
    pub whole: bool,
    /// The bytes, without the newline.
    pub text: &'a [u8],
}

impl<'a> Entry<'a> {
    /// Parses a line of the log. One that is damaged, by a full disk or a power cut, is shown as
    /// it is: something was written, and hiding it would help nobody.
    fn parse(line: &'a [u8]) -> Self {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let entry = || {
            let mut fields = line.splitn(4, |b| *b == b' ');
            let time = std::str::from_utf8(fields.next()?).ok()?;
            let stream = match fields.next()? {
                b"stdout" => Stream::Stdout,
                b"stderr" => Stream::Stderr,
                _ => return None,
            };
            let whole = match fields.next()? {
                b"F" => true,
                b"P" => false,
                _ => return None,
            };
            Some(Entry { time, stream, whole, text: fields.next()? })
        };
        entry().unwrap_or(Entry { time: "", stream: Stream::Stdout, whole: true, text: line })
    }
}

/// Tells the entries that begin a line from those that go on with one.
#[derive(Debug, Default, Clone, Copy)]
pub struct Lines {
    open: [bool; 2],
}

impl Lines {
    /// Whether this entry, after those before it, begins a line.
    pub fn begins(&mut self, entry: &Entry<'_>) -> bool {
        !std::mem::replace(self.of(entry.stream), !entry.whole)
    }

    fn of(&mut self, stream: Stream) -> &mut bool {
        let [stdout, stderr] = &mut self.open;
        match stream {
            Stream::Stdout => stdout,
            Stream::Stderr => stderr,
        }
    }
}

/// Who gets a log.
pub trait LogSink {
    /// Takes an entry.
    ///
    /// # Errors
    /// Ends the reading.
    fn entry(&mut self, entry: &Entry<'_>) -> Result<()>;

    /// All that is there was given: nothing should be held back now.
    ///
    /// # Errors
    /// Ends the reading.
    fn caught_up(&mut self) -> Result<()>;
}

/// A place in a log.
#[derive(Debug)]
pub struct LogReader {
    dir: OwnedFd,
    /// The part that is being read; none as long as there is no log.
    part: Option<BufReader<File>>,
    /// The part has got its final name, and was at its end before: one more look decides.
    rotated: bool,
    line: Vec<u8>,
    /// The line was given out.
    used: bool,
    /// Streams whose line had begun before the tail: the rest of it belongs to what was left out.
    cut: Lines,
}

impl Store {
    /// Opens the log of a container at its beginning, or so that `tail` lines are left of it.
    pub fn read_log(&self, id: &str, tail: Option<usize>) -> Result<LogReader> {
        let dir = self.open_dir(&layout::container(id))?;
        let mut reader = LogReader {
            dir,
            part: None,
            rotated: false,
            line: Vec::new(),
            used: false,
            cut: Lines::default(),
        };
        match tail {
            None => reader.part = reader.oldest(MAX_FILES)?.map(|(_, part)| part),
            Some(lines) => reader.leave(lines)?,
        }
        Ok(reader)
    }
}

impl LogReader {
    /// The next entry; `None` at the end as it is now.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn next_entry(&mut self) -> Result<Option<Entry<'_>>> {
        if std::mem::take(&mut self.used) {
            self.line.clear();
        }
        loop {
            let Some(part) = &mut self.part else {
                match self.open(0)? {
                    None => return Ok(None),
                    first => self.part = first,
                }
                continue;
            };
            part.read_until(b'\n', &mut self.line).context("read the log")?;
            if self.line.ends_with(b"\n") {
                let entry = Entry::parse(&self.line);
                if *self.cut.of(entry.stream) {
                    *self.cut.of(entry.stream) = !entry.whole;
                    self.line.clear();
                    continue;
                }
                self.used = true;
                return Ok(Some(Entry::parse(&self.line)));
            }
            if !self.move_on()? {
                return Ok(None);
            }
        }
    }

    /// At the end of a part: whether there is more to read, there or in a newer part.
    fn move_on(&mut self) -> Result<bool> {
        let Some(age) = self.age()? else { return Ok(false) };
        if age == 0 {
            return Ok(false);
        }
        // It was renamed, and something may have been written between our last look and that.
        if !std::mem::replace(&mut self.rotated, true) {
            return Ok(true);
        }
        self.rotated = false;
        self.line.clear(); // what a killed writer did not complete
        // One that is missing by now was deleted, being the oldest: the next newer is our next.
        self.part = self.oldest(age)?.map(|(_, part)| part);
        Ok(self.part.is_some())
    }

    /// How often the part that is being read was renamed; one that was deleted counts as older
    /// than all. `None` if there is none.
    fn age(&self) -> Result<Option<u32>> {
        let Some(part) = &self.part else { return Ok(None) };
        let ours = fstat(part.get_ref()).map_err(|e| Error::io("stat the log", e))?;
        for n in 0..MAX_FILES {
            let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
            match rustix::fs::statat(&self.dir, rotated(n), flags) {
                Ok(stat) if (stat.st_dev, stat.st_ino) == (ours.st_dev, ours.st_ino) => return Ok(Some(n)),
                Ok(_) | Err(Errno::NOENT) => {}
                Err(e) => return Err(Error::io("stat the log", e)),
            }
        }
        Ok(Some(MAX_FILES))
    }

    /// The oldest part among the `newest` ones, and its age.
    fn oldest(&self, newest: u32) -> Result<Option<(u32, BufReader<File>)>> {
        for n in (0..newest).rev() {
            if let Some(part) = self.open(n)? {
                return Ok(Some((n, part)));
            }
        }
        Ok(None)
    }

    fn open(&self, n: u32) -> Result<Option<BufReader<File>>> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        match openat(&self.dir, rotated(n), flags, Mode::empty()) {
            Ok(fd) => Ok(Some(BufReader::with_capacity(64 << 10, File::from(fd)))),
            Err(Errno::NOENT) => Ok(None),
            Err(e) => Err(Error::io("open the log", e)),
        }
    }

    /// Goes to where `lines` lines are left. The newest part is counted first, and older ones only
    /// as far as they are needed.
    fn leave(&mut self, lines: usize) -> Result<()> {
        let mut counted = Count::default();
        let mut before = Lines::default();
        for n in 0..MAX_FILES {
            // The newest one is not there in the moment after a rotation.
            let Some(part) = self.open(n)? else { continue };
            counted = Count::of(part)?.then(counted);
            self.part = self.open(n)?;
            // What the part begins with may be only the end of a line of the part before.
            before = self.last_lines(n + 1)?;
            let left = Count { open: before.open, ..Count::default() }.then(counted);
            if left.lines >= lines {
                return self.skip(left.lines - lines, before);
            }
        }
        self.skip(0, before)
    }

    /// Whether the last line of each stream in a part goes on in the next one.
    fn last_lines(&self, n: u32) -> Result<Lines> {
        let Some(mut part) = self.open(n)? else { return Ok(Lines::default()) };
        let length = part.get_ref().metadata().context("stat the log")?.len();
        if length > LAST {
            part.seek(SeekFrom::Start(length - LAST)).context("read the log")?;
            part.skip_until(b'\n').context("read the log")?;
        }
        let count = Count::of(part)?;
        if length > LAST || count.seen.into_iter().all(|seen| seen) {
            return Ok(Lines { open: count.open });
        }
        // A stream that wrote nothing in all of it has left its line as it was before.
        let older = Count { open: self.last_lines(n + 1)?.open, ..Count::default() };
        Ok(Lines { open: older.then(count).open })
    }

    /// Passes so many lines by. `seen` says which lines have begun before.
    fn skip(&mut self, lines: usize, mut seen: Lines) -> Result<()> {
        let mut passed = 0;
        loop {
            let before = seen;
            let Some(entry) = self.next_entry()? else { return Ok(()) };
            passed += usize::from(seen.begins(&entry));
            if passed > lines {
                self.cut = before;
                self.used = false; // the next call gives it out again
                return self.keep();
            }
        }
    }

    /// The entry that was read last is the next one again.
    fn keep(&mut self) -> Result<()> {
        let line = std::mem::take(&mut self.line);
        if let Some(part) = &mut self.part {
            part.seek_relative(-i64::try_from(line.len()).unwrap_or(0)).context("read the log")?;
        }
        Ok(())
    }
}

/// The lines of one part of a log, or of several that follow each other.
#[derive(Debug, Default, Clone, Copy)]
struct Count {
    lines: usize,
    /// Streams that wrote something.
    seen: [bool; 2],
    /// Streams whose last line goes on in the next part.
    open: [bool; 2],
}

impl Count {
    fn of(mut part: BufReader<File>) -> Result<Self> {
        let (mut count, mut lines, mut line) = (Self::default(), Lines::default(), Vec::new());
        while part.read_until(b'\n', &mut line).context("read the log")? > 0 {
            if line.ends_with(b"\n") {
                let entry = Entry::parse(&line);
                count.lines += usize::from(lines.begins(&entry));
                count.seen[entry.stream as usize] = true;
            }
            line.clear();
        }
        count.open = lines.open;
        Ok(count)
    }

    /// This part and those that follow it: a line that goes over the border is one line.
    fn then(self, newer: Self) -> Self {
        let mut both = Self { lines: self.lines + newer.lines, ..newer };
        for ((seen, open), (older_seen, older_open)) in
            both.seen.iter_mut().zip(&mut both.open).zip(self.seen.into_iter().zip(self.open))
        {
            if *seen {
                both.lines -= usize::from(older_open);
            } else {
                *open = older_open;
            }
            *seen |= older_seen;
        }
        both
    }
}

/// Wakes who follows a log when something happens to it or to its container.
#[derive(Debug)]
pub struct LogWatch(OwnedFd);

impl LogReader {
    /// Begins to watch. What was written before is there to be read; what is written afterwards
    /// wakes [`LogWatch::wait`].
    ///
    /// # Errors
    /// If the system's limit of watches is reached.
    pub fn watch(&self) -> Result<LogWatch> {
        let fd = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).map_err(|e| {
            Error::io("begin to watch", e).hint("see /proc/sys/fs/inotify/max_user_instances")
        })?;
        let flags = WatchFlags::MODIFY
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::CREATE
            | WatchFlags::MOVED_TO
            | WatchFlags::DELETE;
        let path = format!("/proc/self/fd/{}", self.dir.as_raw_fd());
        inotify::add_watch(&fd, path, flags)
            .map_err(|e| Error::io("watch the log", e).hint("see /proc/sys/fs/inotify/max_user_watches"))?;
        Ok(LogWatch(fd))
    }
}

impl LogWatch {
    /// Waits until something happens, but no longer than `limit`; returns whether it did.
    ///
    /// # Errors
    /// What poll(2) says.
    pub fn wait(&self, limit: Duration) -> Result<bool> {
        let limit = Timespec {
            tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: limit.subsec_nanos().into(),
        };
        let woken = match poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&limit)) {
            Ok(n) => n > 0,
            Err(Errno::INTR) => true,
            Err(e) => return Err(Error::io("wait for the log", e)),
        };
        // What exactly happened does not matter: the reader looks.
        let mut events = [0; 4096];
        while rustix::io::read(&self.0, &mut events).is_ok_and(|n| n > 0) {}
        Ok(woken)
    }
}

#[cfg(test)]
#[path = "log_read_tests.rs"]
mod tests;
