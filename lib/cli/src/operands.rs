//! Operands: names and ids from the command line, or from stdin where `-` stands.

use std::io::{self, BufRead, Write};

use anyhow::Context;
use types::{Error, Kind};

use crate::Exit;

/// The objects that a tool works on.
#[derive(Debug, Clone, clap::Args)]
pub struct Operands {
    /// Names, ids or unique beginnings of ids; - reads them from stdin, one a line or JSON Lines
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
    /// Names on stdin end with NUL instead of newline
    #[arg(short = '0', long)]
    null: bool,
}

impl Operands {
    /// Operands that a tool has taken by itself, since it can do without any.
    #[must_use]
    pub fn of(names: Vec<String>) -> Self {
        Self { names, null: false }
    }

    /// Whether none were given, for a tool that can do without any.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// All names, with `-` replaced by what stdin holds. Nothing on stdin is no error: nothing to do.
    ///
    /// # Errors
    /// If stdin cannot be read, or a line of it names nothing.
    pub fn read(&self) -> anyhow::Result<Vec<String>> {
        let mut names = Vec::new();
        for name in &self.names {
            if name == "-" {
                names.extend(from_stdin(if self.null { 0 } else { b'\n' })?);
            } else {
                names.push(name.clone());
            }
        }
        Ok(names)
    }

    /// The one object that there must be.
    ///
    /// # Errors
    /// `Invalid` if there are several or none.
    pub fn only(&self) -> anyhow::Result<String> {
        match self.read()?.as_slice() {
            [name] => Ok(name.clone()),
            names => {
                Err(Error::new(Kind::Invalid, format!("one name is needed, {} were given", names.len()))
                    .into())
            }
        }
    }

    /// Does something for each object: goes on after a failure, reports each, and prints what
    /// `act` returns for each success as one line, so that pipelines go on. `verb` is for messages.
    ///
    /// # Errors
    /// If standard input cannot be read or standard output cannot be written.
    pub fn each(
        &self,
        verb: &str,
        mut act: impl FnMut(&str) -> types::Result<String>,
    ) -> anyhow::Result<Exit> {
        self.each_some(verb, |name| act(name).map(Some))
    }

    /// As [`Operands::each`], for what may be nothing to speak of.
    ///
    /// # Errors
    /// As [`Operands::each`].
    pub fn each_some(
        &self,
        verb: &str,
        mut act: impl FnMut(&str) -> types::Result<Option<String>>,
    ) -> anyhow::Result<Exit> {
        self.each_begun(verb, |_| Ok(()), |name, ()| act(name))
    }

    /// As [`Operands::each_some`], for what takes a while: begins it for all objects before it
    /// finishes it for the first.
    ///
    /// # Errors
    /// As [`Operands::each`].
    pub fn each_begun<T>(
        &self,
        verb: &str,
        mut begin: impl FnMut(&str) -> types::Result<T>,
        mut finish: impl FnMut(&str, T) -> types::Result<Option<String>>,
    ) -> anyhow::Result<Exit> {
        let names = self.read()?;
        let begun: Vec<_> = names.iter().map(|name| begin(name)).collect();
        let mut exit = Exit::Ok;
        for (name, begun) in names.iter().zip(begun) {
            match begun.and_then(|begun| finish(name, begun)) {
                Ok(Some(line)) => writeln!(io::stdout(), "{line}").context("write standard output")?,
                Ok(None) => {}
                Err(err) => {
                    exit = exit.after(&err);
                    crate::exit::report(&err.within(format!("{verb} {name:?}")).into());
                }
            }
        }
        Ok(exit)
    }
}

/// The one operand, or the one line of stdin if it is `-`.
///
/// # Errors
/// `Invalid` if stdin holds none or several.
pub fn one(name: &str) -> anyhow::Result<String> {
    if name != "-" {
        return Ok(name.to_owned());
    }
    let mut names = from_stdin(b'\n')?;
    match (names.pop(), names.is_empty()) {
        (Some(name), true) => Ok(name),
        (None, _) => Err(Error::new(Kind::Invalid, "no name on standard input").into()),
        (Some(_), false) => Err(Error::new(Kind::Invalid, "more than one name on standard input").into()),
    }
}

fn from_stdin(end: u8) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for record in io::stdin().lock().split(end) {
        let record =
            String::from_utf8(record.context("read standard input")?).context("read standard input")?;
        let text = record.trim();
        if text.starts_with('{') {
            names.push(name_in_json(text)?);
        } else if !text.is_empty() {
            names.push(text.to_owned());
        }
    }
    Ok(names)
}

/// Takes the id of a JSON record of another tool of ours.
fn name_in_json(text: &str) -> anyhow::Result<String> {
    let record: serde_json::Value = serde_json::from_str(text)
        .map_err(|e| Error::because(Kind::Invalid, "read a JSON record on standard input", e))?;
    ["Id", "Name"]
        .iter()
        .find_map(|key| record.get(*key).and_then(serde_json::Value::as_str))
        .map(str::to_owned)
        .ok_or_else(|| {
            Error::new(Kind::Invalid, "a JSON record on standard input has neither Id nor Name").into()
        })
}
