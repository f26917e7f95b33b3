//! Commands that change a container and print nothing.

use std::process::ExitCode;

use crate::log::Log;

/// Send a signal to a container
#[derive(Debug, clap::Args)]
pub struct KillArgs {
    /// Send it to every process of the container
    #[arg(short, long)]
    all: bool,
    /// ID is a regular expression: send it to every container that matches
    #[arg(short, long)]
    regex: bool,
    /// Container
    #[arg(value_name = "ID")]
    id: String,
    /// Signal, by name or number (default: TERM)
    #[arg(value_name = "SIGNAL", default_value = "TERM", hide_default_value = true)]
    signal: String,
}

/// Delete a container that has ended
#[derive(Debug, clap::Args)]
pub struct DeleteArgs {
    /// Kill it first if it has not ended, and do not mind if it is not there
    #[arg(short, long)]
    force: bool,
    /// ID is a regular expression: delete every container that matches
    #[arg(short, long)]
    regex: bool,
    /// Container
    #[arg(value_name = "ID")]
    id: String,
}

pub fn start(root: &oci::Root, id: &str, log: &Log) -> anyhow::Result<ExitCode> {
    log.debug(&format!("start container {id:?}"));
    let complaints = oci::start(root, id, cli::notify_socket().as_deref())?;
    complaints.iter().for_each(|complaint| log.warn(complaint));
    Ok(ExitCode::SUCCESS)
}

pub fn pause(root: &oci::Root, id: &str) -> anyhow::Result<ExitCode> {
    oci::pause(root, id)?;
    Ok(ExitCode::SUCCESS)
}

pub fn resume(root: &oci::Root, id: &str) -> anyhow::Result<ExitCode> {
    oci::resume(root, id)?;
    Ok(ExitCode::SUCCESS)
}

impl KillArgs {
    pub fn run(&self, root: &oci::Root) -> anyhow::Result<ExitCode> {
        let reach = if self.all { oci::Reach::All } else { oci::Reach::First };
        // 0 is no signal to parse by name: it asks whether there is somebody to get one.
        let signal = if self.signal == "0" { 0 } else { types::signal::parse(&self.signal)? };
        for id in chosen(root, &self.id, self.regex)? {
            oci::kill(root, &id, signal, reach)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl DeleteArgs {
    pub fn run(&self, root: &oci::Root, log: &Log) -> anyhow::Result<ExitCode> {
        let force = if self.force { oci::Force::Yes } else { oci::Force::No };
        for id in chosen(root, &self.id, self.regex)? {
            oci::delete(root, &id, force)?.iter().for_each(|complaint| log.warn(complaint));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// One container, or all whose id matches.
fn chosen(root: &oci::Root, id: &str, regex: bool) -> anyhow::Result<Vec<String>> {
    if !regex {
        return Ok(vec![id.to_owned()]);
    }
    let pattern = regex_lite::Regex::new(id)?;
    Ok(root.ids()?.into_iter().filter(|id| pattern.is_match(id)).collect())
}
