//! create, run and spec: from a bundle to a container.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::args::Global;
use crate::log::Log;

/// What create and run have in common.
#[derive(Debug, clap::Args)]
pub struct MakeArgs {
    /// Directory of the bundle
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    bundle: PathBuf,
    /// Read the configuration from FILE instead of the bundle's config.json
    #[arg(short = 'f', long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Send the terminal's master over the socket PATH
    #[arg(long, value_name = "PATH")]
    console_socket: Option<PathBuf>,
    /// Write the number of the first process to FILE
    #[arg(long, value_name = "FILE")]
    pid_file: Option<PathBuf>,
    /// Do not pivot into the root, which an initramfs does not allow
    #[arg(long)]
    no_pivot: bool,
    /// Stay in the caller's session keyring
    #[arg(long)]
    no_new_keyring: bool,
    /// Do not adopt processes that lose their parent
    #[arg(long)]
    no_subreaper: bool,
    /// Pass N descriptors on, from 3
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    preserve_fds: u32,
    #[arg(skip = cli::listen_names())]
    listen_names: Option<String>,
    #[arg(skip = cli::notify_socket())]
    notify_socket: Option<PathBuf>,
    /// Container
    #[arg(value_name = "ID")]
    id: String,
}

/// Make a container that waits to be started
#[derive(Debug, clap::Args)]
pub struct CreateArgs {
    #[command(flatten)]
    make: MakeArgs,
}

/// Create and start a container
#[derive(Debug, clap::Args)]
pub struct RunArgs {
    #[command(flatten)]
    make: MakeArgs,
    /// Leave the program running
    #[arg(short, long)]
    detach: bool,
    /// Do not delete the container when its program ends
    #[arg(long)]
    keep: bool,
}

/// Write a configuration to begin with
#[derive(Debug, clap::Args)]
pub struct SpecArgs {
    /// Directory of the bundle
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    bundle: PathBuf,
}

impl MakeArgs {
    fn options(&self, global: &Global) -> anyhow::Result<oci::Options<'_>> {
        Ok(oci::Options {
            id: &self.id,
            bundle: &self.bundle,
            config: self.config.as_deref(),
            pid_file: self.pid_file.as_deref(),
            console_socket: self.console_socket.as_deref(),
            preserve_fds: self.preserve_fds,
            listen_fds: cli::listen_fds(),
            listen_names: self.listen_names.as_deref(),
            notify_socket: self.notify_socket.as_deref(),
            no_pivot: self.no_pivot,
            no_new_keyring: self.no_new_keyring,
            manager: global.manager()?,
        })
    }
}

impl CreateArgs {
    pub fn run(&self, root: &oci::Root, global: &Global, log: &Log) -> anyhow::Result<ExitCode> {
        log.debug(&format!("create container {:?} of bundle {:?}", self.make.id, self.make.bundle));
        let complaints = oci::create(root, &self.make.options(global)?).map_err(types::Error::from)?;
        complaints.iter().for_each(|complaint| log.warn(complaint));
        Ok(ExitCode::SUCCESS)
    }
}

impl RunArgs {
    pub fn run(&self, root: &oci::Root, global: &Global, log: &Log) -> anyhow::Result<ExitCode> {
        log.debug(&format!("run container {:?} of bundle {:?}", self.make.id, self.make.bundle));
        let how = oci::Run {
            detach: self.detach,
            keep: if self.keep { oci::Keep::Yes } else { oci::Keep::No },
            subreaper: !self.make.no_subreaper,
        };
        let (exit, complaints) =
            oci::run(root, &self.make.options(global)?, &how).map_err(types::Error::from)?;
        complaints.iter().for_each(|complaint| log.warn(complaint));
        Ok(exit.map_or(ExitCode::SUCCESS, status))
    }
}

impl SpecArgs {
    pub fn run(&self, rootless: bool) -> anyhow::Result<ExitCode> {
        oci::template(&self.bundle, rootless)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The status of a program as this tool's own.
pub fn status(exit: oci::Exit) -> ExitCode {
    ExitCode::from(u8::try_from(exit.code()).unwrap_or(255))
}
