//! The command line: global options, before or after the command, and one command.

use std::path::PathBuf;

use anyhow::bail;

use crate::log::{Form, Log};
use crate::{commands, exec, make, show, update};

/// What `--version` prints; engines read the words before `version` and after it.
const VERSION: &str = concat!(
    "version ",
    env!("CARGO_PKG_VERSION"),
    "\ncommit: v",
    env!("CARGO_PKG_VERSION"),
    "\nspec: ",
    "1.2.1"
);

/// Run bundles for other engines: the command line of OCI runtimes
///
/// Makes and runs containers from bundles, directories with a config.json and a
/// root file system, as runc and crun do, so that podman, dockerd and
/// containerd can use it in their place.
#[derive(Debug, clap::Parser)]
#[command(version = VERSION, disable_version_flag = true, disable_help_subcommand = true)]
pub struct Args {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
    /// Print version
    #[arg(short = 'V', short_alias = 'v', long, action = clap::ArgAction::Version)]
    version: Option<bool>,
}

/// Options of all commands.
#[derive(Debug, clap::Args)]
pub struct Global {
    /// Keep state in DIR (default: $XDG_RUNTIME_DIR/longshore/oci, for root /run/longshore/oci)
    #[arg(long, value_name = "DIR", global = true)]
    root: Option<PathBuf>,
    /// Write messages to FILE
    #[arg(long, value_name = "FILE", global = true)]
    log: Option<PathBuf>,
    /// Form of messages: text or json (default: text)
    #[arg(long, value_name = "FORM", global = true)]
    log_format: Option<String>,
    /// Write more messages
    #[arg(long, global = true)]
    debug: bool,
    /// Refused: systemd is not asked to make control groups
    #[arg(long, global = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    systemd_cgroup: Option<bool>,
    /// Who makes control groups: cgroupfs or disabled (default: cgroupfs)
    #[arg(long, value_name = "MANAGER", global = true)]
    cgroup_manager: Option<String>,
    /// Whether to do without privileges: auto, true or false (default: auto); with spec: for a user without them
    #[arg(long, global = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "WHEN")]
    rootless: Option<String>,
}

/// The commands.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make a container that waits to be started
    Create(make::CreateArgs),
    /// Start the program of a container that was created
    Start(Id),
    /// Create and start a container
    Run(make::RunArgs),
    /// Print the state of a container
    State(Id),
    /// Send a signal to a container
    Kill(commands::KillArgs),
    /// Delete a container that has ended
    Delete(commands::DeleteArgs),
    /// Run one more program in a container
    Exec(exec::ExecArgs),
    /// List the processes of a container
    Ps(show::PsArgs),
    /// List containers
    List(show::ListArgs),
    /// Stop all processes of a container for a while
    Pause(Id),
    /// Let them go on
    Resume(Id),
    /// Change the limits of a container
    Update(update::UpdateArgs),
    /// Print what a container uses, now and then
    Events(show::EventsArgs),
    /// Print what this runtime can do
    Features,
    /// Write a configuration to begin with
    Spec(make::SpecArgs),
}

/// A container.
#[derive(Debug, clap::Args)]
pub struct Id {
    /// Container
    #[arg(value_name = "ID")]
    pub id: String,
}

impl Global {
    /// Where messages go.
    pub fn log(&self) -> anyhow::Result<Log> {
        let form = match self.log_format.as_deref() {
            None | Some("text") => Form::Text,
            Some("json") => Form::Json,
            Some(other) => bail!("invalid log format {other:?}: it is text or json"),
        };
        Ok(Log::new(self.log.clone(), form, self.log_format.is_some(), self.debug))
    }

    /// Where state is.
    pub fn root(&self) -> anyhow::Result<oci::Root> {
        if self.systemd_cgroup == Some(true) {
            bail!("--systemd-cgroup is not supported: control groups are made in /sys/fs/cgroup");
        }
        if let Some(other) = self.rootless.as_deref()
            && !matches!(other, "auto" | "true" | "false")
        {
            bail!("bad value {other:?} of --rootless: it is auto, true or false");
        }
        Ok(oci::Root::new(self.root.clone().unwrap_or_else(cli::oci_root)))
    }

    /// Do without privileges, whatever those of this process are.
    pub fn is_rootless(&self) -> bool {
        self.rootless.as_deref() == Some("true")
    }

    /// Who makes control groups.
    pub fn manager(&self) -> anyhow::Result<oci::Manager> {
        match self.cgroup_manager.as_deref() {
            None | Some("cgroupfs") => Ok(oci::Manager::Cgroupfs),
            Some("disabled") => Ok(oci::Manager::Disabled),
            Some(other) => bail!("cgroup manager {other:?} is not supported: it is cgroupfs or disabled"),
        }
    }
}
