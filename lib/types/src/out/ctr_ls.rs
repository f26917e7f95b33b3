//! `ctr-ls`: the records of `ctr-inspect` without their details, and a table.

use serde::Serialize;

use super::Record;
use super::ctr_inspect::{Container, State, Status};
use crate::container::Brief;
use crate::name;
use crate::port::Forward;
use crate::time::{Time, human};

/// Characters of a command that people see.
const COMMAND: usize = 20;

/// A container in a list, as far as a table shows it.
#[derive(Debug, Clone)]
pub struct Row {
    /// 64 hexadecimal digits.
    pub id: String,
    /// What does not change while it runs.
    pub brief: Brief,
    /// When it was made.
    pub created: Time,
    /// What it is doing.
    pub state: State,
    /// Its ports.
    pub ports: Vec<Forward>,
}

/// A container in a list, as it is printed.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct Listed {
    /// All of it, for JSON.
    pub container: Option<Box<Container>>,
    /// For the table.
    #[serde(skip)]
    pub row: Row,
    /// When the list was asked for: ages are from here.
    #[serde(skip)]
    pub now: Time,
    /// Whole ids and commands in the table.
    #[serde(skip)]
    pub whole: bool,
}

impl Listed {
    fn command(&self) -> String {
        let command = self.row.brief.args.join(" ");
        let mut chars = command.chars();
        let begin: String = chars.by_ref().take(COMMAND - 1).collect();
        // One character more still fits; from two on, the last one says that there is more.
        match (self.whole, chars.next(), chars.next()) {
            (false, Some(_), Some(_)) => format!("\"{begin}…\""),
            _ => format!("\"{command}\""),
        }
    }

    fn ago(&self, then: Time) -> String {
        human(self.now.since(then))
    }

    /// As Docker says it: `Up 5 minutes`, `Exited (0) 3 seconds ago`.
    #[must_use]
    pub fn status(&self) -> String {
        let state = &self.row.state;
        let code = state.exit_code.map_or_else(|| "unknown".to_owned(), |code| code.to_string());
        let ended = state.finished_at.map_or_else(String::new, |at| format!(" {} ago", self.ago(at)));
        match state.status {
            Status::Created => "Created".to_owned(),
            Status::Running => {
                state.started_at.map_or_else(|| "Up".to_owned(), |at| format!("Up {}", self.ago(at)))
            }
            Status::Restarting => format!("Restarting ({code}){ended}"),
            Status::Exited => format!("Exited ({code}){ended}"),
            Status::Lost => "Exited (unknown)".to_owned(),
        }
    }
}

impl Record for Listed {
    const HEADS: &'static [&'static str] =
        &["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"];

    fn cells(&self) -> Vec<String> {
        let row = &self.row;
        let ports: Vec<String> = row.ports.iter().map(ToString::to_string).collect();
        vec![
            self.id().to_owned(),
            image(&row.brief.image).to_owned(),
            self.command(),
            format!("{} ago", self.ago(row.created)),
            self.status(),
            // Those of a container that does not run lead nowhere.
            if row.state.running { ports.join(", ") } else { String::new() },
            row.brief.name.clone(),
        ]
    }

    fn id(&self) -> &str {
        if self.whole { &self.row.id } else { name::short(&self.row.id) }
    }
}

/// The name of an image as `docker ps` of `docker run httpd` shows it: without the tag that stands
/// for itself.
#[must_use]
pub fn image(name: &str) -> &str {
    name.strip_suffix(":latest").unwrap_or(name)
}

#[cfg(test)]
#[path = "ctr_ls_tests.rs"]
mod tests;
