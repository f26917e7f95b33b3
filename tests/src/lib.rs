//! The harness of the end-to-end tests: hermetic roots, real binaries, leak checks.
//!
//! A test makes an [`Env`]: a store in a scratch directory and a machine of its own, which is a
//! network namespace with a loopback and nothing else, so that several tests can forward port 8080
//! at once and none touches the network of the host. What the tools do is observed from the kernel
//! and from foreign programs, not from our own tools. When the `Env` goes, everything that the test
//! has left must go with its containers; what stays is a leak and fails the test.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]
#![expect(clippy::expect_used, reason = "a test ends at the first surprise")]
#![expect(clippy::print_stderr, reason = "what a test has to say goes to its log")]

mod bundle;
mod command;
mod env;
mod fixtures;
mod host;
mod leaks;
mod machine;
mod skip;
mod terminal;

pub mod http;
pub mod man;
pub mod probe;
pub mod schema;

pub use bundle::Bundle;
pub use command::{Output, Running, Tool};
pub use env::Env;
pub use host::Host;
pub use machine::Machine;
pub use skip::{Need, met};
pub use terminal::Terminal;

use std::path::{Path, PathBuf};

/// The top of the source tree.
#[must_use]
pub fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Where the built tools are: `LONGSHORE_BIN`, or beside this test program.
#[must_use]
pub fn bin_dir() -> PathBuf {
    std::env::var_os("LONGSHORE_BIN").map_or_else(
        // target/debug/deps/e2e-0123 -> target/debug
        || std::env::current_exe().unwrap().ancestors().nth(2).unwrap().to_owned(),
        PathBuf::from,
    )
}

/// How many times longer than usual anything may take: `LONGSHORE_TEST_PATIENCE`, for a machine that is
/// emulated.
#[must_use]
pub fn patience() -> u32 {
    std::env::var("LONGSHORE_TEST_PATIENCE").ok().and_then(|factor| factor.parse().ok()).unwrap_or(1)
}

/// The names of all tools, from their folders, so that none is forgotten.
#[must_use]
pub fn tools() -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(top().join("tools"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
