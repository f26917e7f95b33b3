//! A static program that says what it can reach, and what it is allowed to say.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use crate::Env;

/// The program (`tests/probe`).
pub const PROBE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/probe"));

impl Env {
    /// Puts the probe into [`Env::dir`], to be bound into a container.
    pub fn probe(&self) -> PathBuf {
        let path = self.write("probe", PROBE);
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        path
    }
}

/// What the probe is expected to print: `tests/golden/NAME`, without comments.
///
/// A line that begins with `? ` may be missing, since it depends on the kernel or the hardware; every
/// other one must be there, and nothing else.
#[derive(Debug)]
pub struct Golden {
    must: BTreeSet<String>,
    may: BTreeSet<String>,
}

impl Golden {
    /// Reads a file.
    #[must_use]
    pub fn read(name: &str) -> Self {
        let path = crate::top().join("tests/golden").join(name);
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let mut golden = Self { must: BTreeSet::new(), may: BTreeSet::new() };
        for line in text.lines().filter(|l| !l.is_empty() && !l.starts_with('#')) {
            match line.strip_prefix("? ") {
                Some(line) => golden.may.insert(line.to_owned()),
                None => golden.must.insert(line.to_owned()),
            };
        }
        golden
    }

    /// Lines of the sections whose words these are.
    #[must_use]
    pub fn only(mut self, words: &[&str]) -> Self {
        let wanted = |line: &String| words.contains(&line.split(' ').next().unwrap_or_default());
        self.must.retain(wanted);
        self.may.retain(wanted);
        self
    }

    /// How many lines begin and end so.
    #[must_use]
    pub fn count(&self, start: &str, end: &str) -> usize {
        self.must.iter().chain(&self.may).filter(|l| l.starts_with(start) && l.ends_with(end)).count()
    }

    /// What differs, a line each; empty if nothing does.
    #[must_use]
    pub fn differs_from(&self, output: &str) -> String {
        let seen: BTreeSet<String> = output.lines().map(str::to_owned).collect();
        let mut text = String::new();
        for line in seen.iter().filter(|l| !self.must.contains(*l) && !self.may.contains(*l)) {
            writeln!(text, "+ {line}").unwrap();
        }
        for line in self.must.difference(&seen) {
            writeln!(text, "- {line}").unwrap();
        }
        text
    }
}
