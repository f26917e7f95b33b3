//! Looks at every process that appears, as fast as it can, until it is killed.
//!
//! What may trace may read `/proc/PID/exe`, `/proc/PID/root` and `/proc/PID/fd` of others. Each fact is printed once, at
//! once: which programs they are, whether one has files that this container does not have (`OUTSIDE`, a file of the
//! host's), and which files they have open.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

/// `look OUTSIDE`.
pub fn run(mut args: impl Iterator<Item = OsString>) {
    let outside = args.next().unwrap_or_default();
    let outside = Path::new(&outside).strip_prefix("/").unwrap_or(Path::new("none")).to_owned();
    let own = std::process::id().to_string();
    let mut seen = BTreeSet::new();
    let mut say = |fact: String| {
        if !seen.contains(&fact) {
            println!("{fact}");
            seen.insert(fact);
        }
    };
    say("looking".into());
    loop {
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let name = entry.file_name();
            let number = name.to_string_lossy();
            if !number.bytes().all(|b| b.is_ascii_digit()) || number == own {
                continue;
            }
            look(&entry.path(), &outside, &mut say);
        }
    }
}

fn look(process: &Path, outside: &Path, say: &mut impl FnMut(String)) {
    // What is going already can be told from what is not by neither being there.
    if let Ok(program) = fs::read_link(process.join("exe")) {
        say(format!("program {}", program.display()));
        // Refused while it runs (ETXTBSY); what has just ended may be another's file by now.
        if fs::OpenOptions::new().write(true).open(process.join("exe")).is_ok() {
            say(format!("writable {}", program.display()));
        }
    }
    if fs::symlink_metadata(process.join("root").join(outside)).is_ok() {
        say("ROOT OF THE HOST".into());
    }
    if let Ok(dir) = fs::read_link(process.join("cwd")) {
        say(format!("directory {}", dir.display()));
    }
    for fd in fs::read_dir(process.join("fd")).into_iter().flatten().flatten() {
        let Ok(target) = fs::read_link(fd.path()) else { continue };
        let target = target.display().to_string();
        let kind = target.split(':').next().unwrap_or_default();
        say(format!("descriptor {} {kind}", fd.file_name().display()));
    }
}
