//! Create: everything but the program.

use std::path::Path;

use runtime::StartError;
use types::Error;

use crate::Root;
use crate::bundle::Bundle;
use crate::console::Terminal;
use crate::launch::{Goal, launch};

/// Who makes control groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Manager {
    /// This runtime, in `/sys/fs/cgroup`.
    #[default]
    Cgroupfs,
    /// Nobody: the container stays in those of its caller.
    Disabled,
}

/// What a container is made with.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// Its id, which no other container of the root may have.
    pub id: &'a str,
    /// The directory of the bundle.
    pub bundle: &'a Path,
    /// Another configuration than its `config.json`.
    pub config: Option<&'a Path>,
    /// Where to write the number of the first process.
    pub pid_file: Option<&'a Path>,
    /// Where to send the terminal's master.
    pub console_socket: Option<&'a Path>,
    /// Descriptors from 3 on that the program gets.
    pub preserve_fds: u32,
    /// The same for socket activation (`LISTEN_FDS`); they come first.
    pub listen_fds: u32,
    /// Their names (`LISTEN_FDNAMES`).
    pub listen_names: Option<&'a str>,
    /// Whom to tell that the program is ready (`NOTIFY_SOCKET`).
    pub notify_socket: Option<&'a Path>,
    /// Do not pivot into the root.
    pub no_pivot: bool,
    /// Stay in the caller's session keyring.
    pub no_new_keyring: bool,
    /// Who makes control groups.
    pub manager: Manager,
}

/// Makes a container whose first process waits for `start`. Returns what is to be told and stopped nothing.
///
/// # Errors
/// `Conflict` if the id is taken; with status 126 or 127 if the program cannot be executed.
pub fn create(root: &Root, options: &Options<'_>) -> Result<Vec<Error>, StartError> {
    let bundle = Bundle::open(options.bundle, options.config)?;
    let wanted = bundle.spec.process().as_ref().and_then(|process| process.terminal()).unwrap_or(false);
    let terminal = Terminal::choose(wanted, true, options.console_socket)?;
    launch(root, options, bundle, &terminal, Goal::Gate).map(|launched| launched.complaints)
}
