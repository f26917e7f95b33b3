//! Commands that print.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};

use crate::log::Log;

/// List the processes of a container
#[derive(Debug, clap::Args)]
pub struct PsArgs {
    /// Form: table or json (default: table)
    #[arg(short, long, value_name = "FORM")]
    format: Option<String>,
    /// Container, then options of ps(1)
    #[arg(value_name = "ID [OPTION]...", required = true, trailing_var_arg = true)]
    operands: Vec<String>,
}

/// List containers
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Form: table or json (default: table)
    #[arg(short, long, value_name = "FORM")]
    format: Option<String>,
    /// Print only ids
    #[arg(short, long)]
    quiet: bool,
}

/// Print what a container uses, now and then
#[derive(Debug, clap::Args)]
pub struct EventsArgs {
    /// Time between two reports (default: 5s)
    #[arg(long, value_name = "TIME", default_value = "5s", hide_default_value = true)]
    interval: String,
    /// Print one report and end
    #[arg(long)]
    stats: bool,
    /// Container
    #[arg(value_name = "ID")]
    id: String,
}

/// Whether a form is that of programs.
fn is_json(form: Option<&str>) -> anyhow::Result<bool> {
    match form {
        None | Some("" | "table") => Ok(false),
        Some("json") => Ok(true),
        Some(_) => bail!("invalid format option: it is table or json"),
    }
}

fn print(text: &str) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("write standard output")?;
    Ok(ExitCode::SUCCESS)
}

pub fn state(root: &oci::Root, id: &str) -> anyhow::Result<ExitCode> {
    let text = serde_json::to_string_pretty(&oci::state(root, id)?)?;
    print(&format!("{text}\n"))
}

pub fn features() -> anyhow::Result<ExitCode> {
    let text = serde_json::to_string_pretty(&oci::features(env!("CARGO_PKG_VERSION")))?;
    print(&format!("{text}\n"))
}

impl PsArgs {
    pub fn run(&self, root: &oci::Root) -> anyhow::Result<ExitCode> {
        let Some((id, options)) = self.operands.split_first() else { bail!("no container") };
        if is_json(self.format.as_deref())? {
            return print(&format!("{}\n", serde_json::to_string(&oci::pids(root, id)?)?));
        }
        print(&oci::table(root, id, options)?)
    }
}

impl ListArgs {
    pub fn run(&self, root: &oci::Root, log: &Log) -> anyhow::Result<ExitCode> {
        let json = is_json(self.format.as_deref())?;
        let found = oci::list(root)?;
        found.errors.iter().for_each(|damaged| log.warn(damaged));
        if self.quiet {
            return print(&found.states.iter().map(|row| format!("{}\n", row.id)).collect::<String>());
        }
        if json {
            return print(&format!("{}\n", serde_json::to_string(&found.states)?));
        }
        print(&found.table())
    }
}

impl EventsArgs {
    pub fn run(&self, root: &oci::Root) -> anyhow::Result<ExitCode> {
        let nanos = u64::try_from(types::time::duration(&self.interval)?).unwrap_or(0);
        if nanos == 0 {
            bail!("duration interval must be greater than 0");
        }
        let mut events = oci::events(root, &self.id, Duration::from_nanos(nanos))?;
        let line = |event: &oci::Event| anyhow::Ok(format!("{}\n", serde_json::to_string(event)?));
        if self.stats {
            return print(&line(&events.stats()?)?);
        }
        while let Some(event) = events.wait()? {
            print(&line(&event)?)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
