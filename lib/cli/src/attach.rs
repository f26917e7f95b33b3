//! What the tools that stay with a program share: the terminal, the keys, the file of the id.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

use anyhow::Context;
use types::{Error, Kind};

use crate::Exit;

/// Options of a tool that stays with a program.
#[derive(Debug, Clone, clap::Args)]
pub struct AttachArgs {
    /// Keys that leave the program running (default: ctrl-p,ctrl-q)
    #[arg(long, value_name = "KEYS")]
    detach_keys: Option<String>,
}

impl AttachArgs {
    /// The keys, if they were given.
    #[must_use]
    pub fn detach_keys(&self) -> Option<&str> {
        self.detach_keys.as_deref()
    }
}

/// A terminal inside that is fed from here needs a terminal here.
///
/// # Errors
/// `Invalid` if standard input is none.
pub fn check_terminal(tty: bool, stdin: bool) -> anyhow::Result<()> {
    if tty && stdin && !io::stdin().is_terminal() {
        return Err(Error::new(Kind::Invalid, "standard input is not a terminal")
            .hint("leave out -t to pass on a pipe or a file")
            .into());
    }
    Ok(())
}

/// Prints the one line that is a tool's result.
///
/// # Errors
/// If standard output cannot be written.
pub fn print_line(line: &str) -> anyhow::Result<Exit> {
    writeln!(io::stdout(), "{line}").context("write standard output")?;
    Ok(Exit::Ok)
}

/// Reports an error and ends with a status of its own.
#[must_use]
pub fn fail(status: u8, err: Error) -> Exit {
    crate::exit::report(&err.into());
    Exit::Status(status)
}

/// A file that is to hold the id, made before the container so that a bad name is found in time.
#[derive(Debug)]
pub struct CidFile(Option<File>);

impl CidFile {
    pub(crate) fn create(path: Option<&Path>) -> anyhow::Result<Self> {
        let Some(path) = path else { return Ok(Self(None)) };
        let file = File::create_new(path).with_context(|| format!("make {path:?}"))?;
        Ok(Self(Some(file)))
    }

    /// Writes the id.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(self, id: &str) -> anyhow::Result<()> {
        match self.0 {
            Some(mut file) => file.write_all(id.as_bytes()).context("write the file of the id"),
            None => Ok(()),
        }
    }
}
