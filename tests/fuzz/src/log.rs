//! The framing of logs: what a writer wrote in any pieces, over any rotations, is what a reader gets, and
//! damage costs no more than the lines that it touches.
//!
//! An input is a list of steps: an operation byte, then its operands; see [`Step`].

use std::io::Write;
use std::path::PathBuf;

use store::{Entry, Lines, LogReader, Paths, Store, Stream};

const TIME: &str = "2026-01-01T00:00:00.000000000Z";
const ID: &str = "c";
/// The current file and the rotated ones; the writer's own constant is not public.
const FILES: [&str; 3] = ["log", "log.1", "log.2"];

/// A store with a container that has nothing but a log.
#[derive(Debug)]
pub struct Scratch {
    _dir: tempfile::TempDir,
    store: Store,
    path: PathBuf,
}

impl Scratch {
    /// Makes it.
    ///
    /// # Panics
    /// If it cannot be made.
    #[must_use]
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store =
            Store::open(&Paths { root: dir.path().join("root"), run: dir.path().join("run") }).unwrap();
        let path = dir.path().join("root/containers").join(ID);
        std::fs::create_dir(&path).unwrap();
        Self { _dir: dir, store, path }
    }

    fn file(&self, n: usize) -> PathBuf {
        self.path.join(FILES[n])
    }

    fn clear(&self) {
        for n in 0..FILES.len() {
            let _gone = std::fs::remove_file(self.file(n));
        }
    }

    fn rotate(&self) {
        for n in (1..FILES.len()).rev() {
            let _missing = std::fs::rename(self.file(n - 1), self.file(n));
        }
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

/// One step of a log's life.
enum Step<'a> {
    /// Bytes of a stream.
    Append(Stream, &'a [u8]),
    /// The file became too large.
    Rotate,
    /// So many bytes at the end are lost: power failure.
    Cut(usize),
    /// Anything at all gets into the file.
    Damage(&'a [u8]),
    /// Only the last lines are read.
    Tail(usize),
}

fn steps(mut data: &[u8]) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    while let [operation, operand, rest @ ..] = data {
        let count = usize::from(*operand).min(rest.len());
        let (bytes, after) = rest.split_at(count);
        data = after;
        steps.push(match operation % 8 {
            0 | 1 => Step::Append(Stream::Stdout, bytes),
            2 | 3 => Step::Append(Stream::Stderr, bytes),
            4 => (data = rest, Step::Rotate).1,
            5 => (data = rest, Step::Cut(usize::from(*operand))).1,
            6 => Step::Damage(bytes),
            _ => (data = rest, Step::Tail(usize::from(*operand))).1,
        });
    }
    steps
}

/// An entry as it should be read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    stderr: bool,
    whole: bool,
    text: Vec<u8>,
}

/// Goes through the steps and reads the log again.
///
/// # Panics
/// If something was lost, made up or changed.
pub fn check(scratch: &Scratch, data: &[u8]) {
    scratch.clear();
    // The files, oldest first; the last one is written to. `None` once a file is damaged.
    let mut model: Vec<Option<Vec<Wanted>>> = vec![Some(Vec::new())];
    let mut tails = vec![0, 1];
    let mut writer = scratch.store.open_log(ID).unwrap();
    for step in steps(data) {
        match step {
            Step::Append(stream, bytes) => {
                writer.append(stream, TIME, bytes).unwrap();
                if let Some(Some(entries)) = model.last_mut() {
                    entries.extend(wanted(stream, bytes));
                }
            }
            Step::Rotate => {
                if scratch.file(0).exists() {
                    scratch.rotate();
                    model.push(Some(Vec::new()));
                    writer = scratch.store.open_log(ID).unwrap();
                }
            }
            Step::Cut(count) => {
                cut(scratch, count);
                if let Some(last) = model.last_mut() {
                    *last = None;
                }
                writer = scratch.store.open_log(ID).unwrap();
                after_damage(scratch, &mut writer);
            }
            Step::Damage(bytes) => {
                let mut file =
                    std::fs::File::options().append(true).create(true).open(scratch.file(0)).unwrap();
                file.write_all(bytes).unwrap();
                if let Some(last) = model.last_mut() {
                    *last = None;
                }
                writer = scratch.store.open_log(ID).unwrap();
                after_damage(scratch, &mut writer);
            }
            Step::Tail(lines) => tails.push(lines),
        }
    }
    let all = read(&mut scratch.store.read_log(ID, None).unwrap());
    let kept = &model[model.len().saturating_sub(FILES.len())..];
    if let Some(files) = kept.iter().cloned().collect::<Option<Vec<_>>>() {
        assert_eq!(all, files.concat());
    }
    for lines in tails {
        tail(scratch, lines, &all);
    }
}

fn wanted(stream: Stream, bytes: &[u8]) -> impl Iterator<Item = Wanted> {
    bytes.split_inclusive(|b| *b == b'\n').map(move |piece| Wanted {
        stderr: stream == Stream::Stderr,
        whole: piece.ends_with(b"\n"),
        text: piece.strip_suffix(b"\n").unwrap_or(piece).to_vec(),
    })
}

fn cut(scratch: &Scratch, count: usize) {
    let Ok(file) = std::fs::File::options().write(true).open(scratch.file(0)) else { return };
    let length = file.metadata().unwrap().len();
    file.set_len(length.saturating_sub(count as u64)).unwrap();
}

/// What is written after damage is read as it was written.
fn after_damage(scratch: &Scratch, writer: &mut store::LogWriter) {
    writer.append(Stream::Stderr, TIME, b"after\n").unwrap();
    let last = read(&mut scratch.store.read_log(ID, None).unwrap()).pop();
    assert_eq!(last, Some(Wanted { stderr: true, whole: true, text: b"after".to_vec() }));
}

fn read(reader: &mut LogReader) -> Vec<Wanted> {
    let mut all = Vec::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        assert!(!entry.text.contains(&b'\n'));
        all.push(of(&entry));
    }
    assert!(reader.next_entry().unwrap().is_none(), "the end is the end");
    all
}

fn of(entry: &Entry<'_>) -> Wanted {
    Wanted { stderr: entry.stream == Stream::Stderr, whole: entry.whole, text: entry.text.to_vec() }
}

/// A tail is the entries of the lines that began last.
fn tail(scratch: &Scratch, lines: usize, all: &[Wanted]) {
    let (mut seen, mut line, mut of_line) = (Lines::default(), 0, Vec::new());
    let mut current = [0, 0];
    for wanted in all {
        let stream = if wanted.stderr { Stream::Stderr } else { Stream::Stdout };
        let entry = Entry { time: TIME, stream, whole: wanted.whole, text: &wanted.text };
        if seen.begins(&entry) {
            line += 1;
            current[usize::from(wanted.stderr)] = line;
        }
        of_line.push(current[usize::from(wanted.stderr)]);
    }
    let first = (line + 1usize).saturating_sub(lines);
    let left: Vec<_> = all
        .iter()
        .zip(of_line)
        .filter(|(_, line)| *line >= first)
        .map(|(wanted, _)| wanted.clone())
        .collect();
    let read = read(&mut scratch.store.read_log(ID, Some(lines)).unwrap());
    assert_eq!(read, left, "the last {lines} lines");
}
