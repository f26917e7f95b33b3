//! Results on stdout: a plain table for people, JSON Lines for programs, ids for pipes.

use std::io::{self, BufWriter, Stdout, Write};

use types::out::Record;

use crate::Exit;

/// The output options of a tool that lists.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Format {
    /// Print only ids (or names, where names are the ids)
    #[arg(short, long)]
    quiet: bool,
    /// Print one JSON object a record and line
    #[arg(long, conflicts_with = "quiet")]
    json: bool,
}

impl Format {
    /// Whether records are printed as JSON, with all their fields.
    #[must_use]
    pub const fn is_json(self) -> bool {
        self.json
    }

    /// A writer to stdout in this format.
    #[must_use]
    pub fn writer<R: Record>(self) -> Writer<R> {
        Writer {
            format: self,
            out: BufWriter::new(io::stdout()),
            rows: Vec::new(),
            _record: std::marker::PhantomData,
        }
    }
}

/// Writes records in the chosen format.
#[derive(Debug)]
pub struct Writer<R> {
    format: Format,
    out: BufWriter<Stdout>,
    rows: Vec<Vec<String>>,
    _record: std::marker::PhantomData<R>,
}

impl<R: Record> Writer<R> {
    /// Writes one record.
    ///
    /// # Errors
    /// If stdout cannot be written.
    pub fn record(&mut self, record: &R) -> anyhow::Result<()> {
        if self.format.json {
            writeln!(self.out, "{}", json(record)?)?;
        } else if self.format.quiet {
            writeln!(self.out, "{}", record.id())?;
        } else {
            self.rows.push(record.cells());
        }
        Ok(())
    }

    /// Writes what is still held back. A table is written now, since its widths depend on all rows.
    ///
    /// # Errors
    /// If stdout cannot be written.
    pub fn finish(mut self) -> anyhow::Result<Exit> {
        if !self.format.json && !self.format.quiet {
            let heads = R::HEADS.iter().map(ToString::to_string).collect();
            self.rows.insert(0, heads);
            write_table(&mut self.out, &self.rows)?;
        }
        self.out.flush()?;
        Ok(Exit::Ok)
    }
}

/// One record as one line of JSON.
///
/// # Errors
/// `Invalid` if it holds what JSON cannot, such as a path that is not UTF-8.
pub fn json(record: &impl serde::Serialize) -> types::Result<String> {
    let text = serde_json::to_string(record)
        .map_err(|e| types::Error::because(types::Kind::Invalid, "encode it", e))?;
    Ok(tame(text))
}

/// Control characters that JSON allows in a string steer a terminal all the same; outside of strings there
/// are none.
fn tame(text: String) -> String {
    let steers = |c: char| matches!(c, '\u{7f}'..='\u{9f}');
    if !text.contains(steers) {
        return text;
    }
    let mut tamed = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if steers(c) { tamed.push_str(&format!("\\u{:04x}", u32::from(c))) } else { tamed.push(c) }
    }
    tamed
}

/// Columns of equal width, three blanks apart as Docker's; the last one is not padded.
fn write_table(out: &mut impl Write, rows: &[Vec<String>]) -> io::Result<()> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |c: usize| rows.iter().filter_map(|r| r.get(c)).map(|s| s.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            // Foreign text (a label, a tag, a command) must not steer the terminal.
            let clean: String = cell.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
            line.push_str(&format!("{clean:<width$}   "));
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_no_character_that_steers_a_terminal_and_means_the_same() {
        let text = json(&"a\u{7f}\u{9b}31m\u{1b}ü").unwrap();
        assert_eq!(text, r#""a\u007f\u009b31m\u001bü""#);
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), "a\u{7f}\u{9b}31m\u{1b}ü");
    }
}
