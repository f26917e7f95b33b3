//! exec: one more program in a container.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;

use crate::log::Log;
use crate::make::status;

/// Run one more program in a container
#[derive(Debug, clap::Args)]
pub struct ExecArgs {
    /// Send the terminal's master over the socket PATH
    #[arg(long, value_name = "PATH")]
    console_socket: Option<PathBuf>,
    /// Working directory (default: the container's)
    #[arg(long, value_name = "DIR")]
    cwd: Option<PathBuf>,
    /// Set a variable (can be repeated)
    #[arg(short, long, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// Give it a terminal
    #[arg(short, long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    tty: Option<bool>,
    /// User and group, as numbers (default: the container's)
    #[arg(short, long, value_name = "UID[:GID]")]
    user: Option<String>,
    /// One more group (can be repeated)
    #[arg(short = 'g', long, value_name = "GID")]
    additional_gids: Vec<u32>,
    /// Read the whole process from FILE
    #[arg(short, long, value_name = "FILE")]
    process: Option<PathBuf>,
    /// Leave the program running
    #[arg(short, long)]
    detach: bool,
    /// Write the number of the process to FILE
    #[arg(long, value_name = "FILE")]
    pid_file: Option<PathBuf>,
    /// SELinux label
    #[arg(long, value_name = "LABEL")]
    process_label: Option<String>,
    /// AppArmor profile
    #[arg(long, value_name = "PROFILE")]
    apparmor: Option<String>,
    /// It cannot gain privileges
    #[arg(long)]
    no_new_privs: bool,
    /// One more capability (can be repeated)
    #[arg(short, long, value_name = "NAME")]
    cap: Vec<String>,
    /// Pass N descriptors on, from 3
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    preserve_fds: u32,
    /// Run it in a group below the container's, in all hierarchies or in some (can be repeated)
    #[arg(long, value_name = "[CONTROLLER,...:]PATH")]
    cgroup: Vec<String>,
    /// Also if the container is paused; it runs when that goes on
    #[arg(long)]
    ignore_paused: bool,
    /// Container, then the program and its arguments
    // One list, so that everything behind the container is the program's, whatever it looks like.
    #[arg(value_name = "ID COMMAND [ARG]...", required = true, trailing_var_arg = true)]
    operands: Vec<String>,
}

impl ExecArgs {
    pub fn run(&self, root: &oci::Root, log: &Log) -> anyhow::Result<ExitCode> {
        let Some((id, args)) = self.operands.split_first() else { bail!("no container") };
        log.debug(&format!("exec {args:?} in container {id:?}"));
        let options = oci::ExecOptions {
            args,
            process: self.process.as_deref(),
            cwd: self.cwd.as_deref(),
            env: &self.env,
            user: self.user.as_deref(),
            additional_gids: &self.additional_gids,
            caps: &self.cap,
            tty: self.tty.unwrap_or(false),
            detach: self.detach,
            no_new_privs: self.no_new_privs,
            apparmor: self.apparmor.as_deref(),
            process_label: self.process_label.as_deref(),
            cgroup: &self.cgroup,
            pid_file: self.pid_file.as_deref(),
            console_socket: self.console_socket.as_deref(),
            preserve_fds: self.preserve_fds,
            ignore_paused: self.ignore_paused,
        };
        let (exit, complaints) = oci::exec(root, id, &options).map_err(types::Error::from)?;
        complaints.iter().for_each(|complaint| log.warn(complaint));
        Ok(exit.map_or(ExitCode::SUCCESS, status))
    }
}
