//! Skips: loud, with a reason, and counted by `tests/run.sh`.

use std::io::Write;
use std::path::Path;

/// What a test cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// To be root.
    Root,
    /// A memory controller, v1 or v2.
    MemoryCgroup,
    /// A pids controller, v1 or v2.
    PidsCgroup,
}

impl Need {
    fn lacks(self) -> Option<&'static str> {
        let (met, why) = match self {
            Self::Root => (rustix::process::geteuid().is_root(), "root (run `make test`)"),
            Self::MemoryCgroup => (controller("memory"), "the memory controller"),
            Self::PidsCgroup => (controller("pids"), "the pids controller"),
        };
        (!met).then_some(why)
    }
}

fn controller(name: &str) -> bool {
    let v2 = std::fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").unwrap_or_default();
    v2.split_whitespace().any(|c| c == name) || Path::new("/sys/fs/cgroup").join(name).is_dir()
}

/// Whether all needs are met. If not, says so, and the test has to return: cargo then counts it as
/// passed, and `tests/run.sh` takes it out again.
#[must_use]
pub fn met(needs: &[Need]) -> bool {
    for need in needs {
        if let Some(why) = need.lacks() {
            let test = std::thread::current().name().unwrap_or("a test").to_owned();
            // Past cargo's capture, which hides what a passed test prints.
            if let Ok(mut tty) = std::fs::OpenOptions::new().append(true).open("/dev/stderr") {
                drop(writeln!(tty, "skip: {test}: needs {why}"));
            }
            if let Some(list) = std::env::var_os("LONGSHORE_TEST_SKIPS") {
                let mut list = std::fs::OpenOptions::new().append(true).create(true).open(list).unwrap();
                writeln!(list, "{test}\tneeds {why}").unwrap();
            }
            return false;
        }
    }
    true
}
