use std::path::PathBuf;

use super::*;
use crate::tests::scratch;

const T: &str = "2026-01-01T00:00:00.000000000Z";

struct Bench {
    _dir: tempfile::TempDir,
    store: Store,
    path: PathBuf,
}

/// A container's directory with nothing in it but what a test puts there.
fn bench() -> Bench {
    let (dir, store) = scratch();
    let path = store.absolute(&layout::container("c"));
    std::fs::create_dir(&path).unwrap();
    Bench { _dir: dir, store, path }
}

impl Bench {
    fn write(&self, n: u32, text: &str) {
        std::fs::write(self.path.join(rotated(n)), text.replace("T ", &format!("{T} "))).unwrap();
    }

    fn append(&self, text: &str) {
        let mut file = File::options().append(true).create(true).open(self.path.join("log")).unwrap();
        std::io::Write::write_all(&mut file, text.replace("T ", &format!("{T} ")).as_bytes()).unwrap();
    }

    fn rotate(&self) {
        for n in (0..MAX_FILES - 1).rev() {
            if self.path.join(rotated(n)).exists() {
                std::fs::rename(self.path.join(rotated(n)), self.path.join(rotated(n + 1))).unwrap();
            }
        }
    }

    fn reader(&self, tail: Option<usize>) -> LogReader {
        self.store.read_log("c", tail).unwrap()
    }
}

/// All that is left, as text: `!` before what went to standard error, `+` after a part.
fn rest(reader: &mut LogReader) -> String {
    let mut text = String::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        let mark = if entry.stream == Stream::Stderr { "!" } else { "" };
        let end = if entry.whole { "," } else { "+" };
        text.push_str(&format!("{mark}{}{end}", String::from_utf8_lossy(entry.text)));
    }
    text
}

#[test]
fn entries_have_a_time_a_stream_and_bytes() {
    let line = format!("{T} stderr P a  b \n");
    let entry = Entry::parse(line.as_bytes());
    assert_eq!(entry, Entry { time: T, stream: Stream::Stderr, whole: false, text: b"a  b " });
    let line = format!("{T} stdout F \n");
    assert_eq!(Entry::parse(line.as_bytes()).text, b"");
    for damaged in ["", "\n", "x", "T stdout F", "T stdin F x\n", "T stdout X x\n", "\u{0} \u{0} F x"] {
        let entry = Entry::parse(damaged.as_bytes());
        assert_eq!((entry.time, entry.text), ("", damaged.trim_end_matches('\n').as_bytes()), "{damaged:?}");
    }
}

#[test]
fn parts_are_read_from_the_oldest_to_the_newest() {
    let bench = bench();
    assert_eq!(rest(&mut bench.reader(None)), "");
    bench.write(2, "T stdout F a\n");
    bench.write(1, "T stderr F b\n");
    bench.write(0, "T stdout P c\nT stdout F d\n");
    assert_eq!(rest(&mut bench.reader(None)), "a,!b,c+d,");
}

#[test]
fn a_tail_is_so_many_lines_however_they_were_written() {
    let bench = bench();
    bench.write(1, "T stdout F a\nT stdout F b\n");
    bench.write(0, "T stdout F c\nT stdout P d\nT stdout P e\nT stdout F f\nT stdout P g\n");
    for (lines, text) in [
        (0, ""),
        (1, "g+"),
        (2, "d+e+f,g+"),
        (3, "c,d+e+f,g+"),
        (4, "b,c,d+e+f,g+"),
        (5, "a,b,c,d+e+f,g+"),
        (6, "a,b,c,d+e+f,g+"),
        (usize::MAX, "a,b,c,d+e+f,g+"),
    ] {
        assert_eq!(rest(&mut bench.reader(Some(lines))), text, "{lines}");
    }
}

#[test]
fn a_line_that_was_cut_by_a_rotation_is_one_line() {
    let bench = bench();
    bench.write(2, "T stdout F a\nT stdout P b\n");
    bench.write(1, "T stdout P c\nT stdout F d\nT stdout F e\nT stderr P x\nT stdout P f\n");
    bench.write(0, "T stdout F g\nT stdout F h\nT stderr F y\n");
    for (lines, text) in [
        (1, "h,"),
        (2, "f+g,h,"),
        (3, "!x+f+g,h,!y,"),
        (4, "e,!x+f+g,h,!y,"),
        (5, "b+c+d,e,!x+f+g,h,!y,"),
        (6, "a,b+c+d,e,!x+f+g,h,!y,"),
        (7, "a,b+c+d,e,!x+f+g,h,!y,"),
    ] {
        assert_eq!(rest(&mut bench.reader(Some(lines))), text, "{lines}");
    }
}

#[test]
fn only_the_end_of_an_older_part_is_looked_at() {
    let bench = bench();
    let long = "T stdout F aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n".repeat(4000);
    assert!(long.len() as u64 > LAST);
    bench.write(1, &format!("{long}T stdout P b\n"));
    bench.write(0, "T stdout F c\nT stdout F d\n");
    assert_eq!(rest(&mut bench.reader(Some(1))), "d,");
    assert_eq!(rest(&mut bench.reader(Some(2))), "b+c,d,");
}

#[test]
fn a_tail_does_not_begin_in_the_middle_of_a_line() {
    let bench = bench();
    bench.write(0, "T stdout P a\nT stderr F x\nT stdout P b\nT stdout F c\nT stdout F d\n");
    for (lines, text) in [(1, "d,"), (2, "!x,d,"), (3, "a+!x,b+c,d,")] {
        assert_eq!(rest(&mut bench.reader(Some(lines))), text, "{lines}");
    }
}

#[test]
fn what_is_written_later_is_read_later() {
    let bench = bench();
    let mut reader = bench.reader(None);
    assert_eq!(rest(&mut reader), "");
    bench.append("T stdout F a\nT stdout F b");
    assert_eq!(rest(&mut reader), "a,");
    bench.append("c\n");
    assert_eq!(rest(&mut reader), "bc,");
    let mut tail = bench.reader(Some(0));
    assert_eq!(rest(&mut tail), "");
    bench.append("T stdout F d\n");
    assert_eq!(rest(&mut tail), "d,");
}

#[test]
fn a_follower_goes_along_with_rotations() {
    let bench = bench();
    bench.append("T stdout F a\n");
    let mut reader = bench.reader(None);
    assert_eq!(rest(&mut reader), "a,");
    // Written after the last look, before the rename.
    bench.append("T stdout F b\n");
    bench.rotate();
    bench.append("T stdout F c\n");
    assert_eq!(rest(&mut reader), "b,c,");
    // Two rotations at once, and an unfinished line that nobody will complete.
    bench.append("T stdout F d\nT std");
    bench.rotate();
    bench.append("T stdout F e\n");
    bench.rotate();
    bench.append("T stdout F f\n");
    assert_eq!(rest(&mut reader), "d,e,f,");
    // Its part was deleted: what was in between is lost, the rest is not.
    for text in ["g", "h", "i", "j"] {
        bench.rotate();
        bench.append(&format!("T stdout F {text}\n"));
    }
    assert_eq!(rest(&mut reader), "h,i,j,");
}

#[test]
fn what_is_written_between_the_last_look_and_a_rotation_is_not_lost() {
    let bench = bench();
    bench.append("T stdout F a\n");
    let mut reader = bench.reader(None);
    assert_eq!(rest(&mut reader), "a,");
    // The reader has seen the end, and asks whether to go on only now.
    bench.append("T stdout F b\n");
    bench.rotate();
    bench.append("T stdout F c\n");
    assert!(reader.move_on().unwrap());
    assert_eq!(rest(&mut reader), "b,c,");
}

#[test]
fn a_follower_reads_to_the_end_of_a_removed_container() {
    let bench = bench();
    bench.append("T stdout F a\n");
    let mut reader = bench.reader(None);
    bench.append("T stdout F b\n");
    std::fs::remove_dir_all(&bench.path).unwrap();
    assert_eq!(rest(&mut reader), "a,b,");
    assert_eq!(rest(&mut reader), "");
}

#[test]
fn a_follower_is_woken() {
    let bench = bench();
    bench.append("T stdout F a\n");
    let reader = bench.reader(None);
    let watch = reader.watch().unwrap();
    let long = Duration::from_secs(20);
    let begin = std::time::Instant::now();
    for act in [|b: &Bench| b.append("T stdout F b\n"), |b: &Bench| b.rotate(), |b: &Bench| b.append("x")] {
        act(&bench);
        assert!(watch.wait(long).unwrap());
    }
    assert!(begin.elapsed() < long);
    assert!(!watch.wait(Duration::from_millis(1)).unwrap());
}

#[test]
fn what_is_written_after_a_cut_line_is_whole() {
    let bench = bench();
    bench.write(0, "T stdout F a\nT stdout F hal");
    let mut writer = bench.store.open_log("c").unwrap();
    writer.append(Stream::Stderr, T, b"b\n").unwrap();
    writer.append(Stream::Stdout, T, b"c\n").unwrap();
    assert_eq!(rest(&mut bench.reader(None)), "a,hal,!b,c,");
}

#[test]
fn a_line_goes_on_behind_a_part_in_which_its_stream_is_silent() {
    let bench = bench();
    bench.write(2, "T stdout P a\n");
    bench.write(1, "T stderr F b\n");
    bench.write(0, "T stdout F c\n");
    assert_eq!(rest(&mut bench.reader(Some(1))), "!b,");
    assert_eq!(rest(&mut bench.reader(Some(2))), "a+!b,c,");
}

#[test]
fn a_tail_is_there_also_in_the_moment_after_a_rotation() {
    let bench = bench();
    bench.write(1, "T stdout F a\nT stderr P b\n");
    assert_eq!(rest(&mut bench.reader(Some(1))), "!b+");
    assert_eq!(rest(&mut bench.reader(Some(9))), "a,!b+");
}
