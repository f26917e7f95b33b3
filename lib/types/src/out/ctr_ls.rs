//! `ctr-ls`: the records of `ctr-inspect` without their details, and a table.

use serde::Serialize;

use super::Record;
use super::ctr_inspect::{Container, Status};
use crate::name;
use crate::port::Forward;
use crate::time::{Time, human};

/// Characters of a command that people see.
const COMMAND: usize = 20;

/// A container in a list.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct Listed {
    /// The record.
    pub container: Container,
    /// Its ports, for the table.
    #[serde(skip)]
    pub ports: Vec<Forward>,
    /// When the list was asked for: ages are from here.
    #[serde(skip)]
    pub now: Time,
    /// Whole ids and commands in the table.
    #[serde(skip)]
    pub whole: bool,
}

impl Listed {
    fn command(&self) -> String {
        let ctr = &self.container;
        let command = [std::slice::from_ref(&ctr.path), &ctr.args].concat().join(" ");
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
        let state = &self.container.state;
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
        let ctr = &self.container;
        let ports: Vec<String> = self.ports.iter().map(ToString::to_string).collect();
        vec![
            self.id().to_owned(),
            ctr.image.clone(),
            self.command(),
            format!("{} ago", self.ago(ctr.created)),
            self.status(),
            // Those of a container that does not run lead nowhere.
            if ctr.state.running { ports.join(", ") } else { String::new() },
            ctr.name.clone(),
        ]
    }

    fn id(&self) -> &str {
        if self.whole { &self.container.id } else { name::short(&self.container.id) }
    }
}

#[cfg(test)]
#[path = "ctr_ls_tests.rs"]
mod tests;
