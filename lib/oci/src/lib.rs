//! The life of a bundle behind the command line of OCI runtimes.
//!
//! Callers such as conmon, containerd's shim and dockerd know a container by an id and a directory
//! of state, and speak to a runtime in verbs: create, start, kill, delete. Each verb is a file here;
//! [`Root`] is the directory, [`Container`] one entry of it.
//!
//! Promises: facts are stored and the status is derived (a process with its start time, a gate that
//! is still closed, a freezer), so that a reboot or a killed caller leaves no lie behind. What a verb
//! has set up half, it undoes. Where texts and numbers are parsed by callers they are runc's.
//!
//! Does not know the store, images or networks: that is `engine`'s.

mod bundle;
mod console;
mod create;
mod delete;
mod environment;
mod events;
mod exec;
mod exec_process;
mod features;
mod foreign;
mod gate;
mod groups;
mod hooks;
mod kill;
mod launch;
mod list;
mod listener;
mod making;
mod notify;
mod pause;
mod pid_file;
mod ps;
mod record;
mod relay;
mod root;
mod run;
mod signals;
mod socket;
mod start;
mod state;
mod status;
mod stdio;
mod template;
mod update;
mod warnings;

pub use bundle::Bundle;
pub use create::{Manager, Options, create};
pub use delete::{Force, delete};
pub use events::{Event, Events, events};
pub use exec::{ExecOptions, exec};
pub use features::features;
pub use kill::{Reach, kill};
pub use list::{Found, list};
pub use pause::{pause, resume};
pub use ps::{pids, table};
pub use record::Record;
pub use root::{Container, Root};
pub use run::{Keep, Run, run};
pub use runtime::{Exit, StartError};
pub use start::start;
pub use state::{State, state};
pub use status::Status;
pub use template::template;
pub use update::{Limits, read_resources, update};

/// The newest version of the runtime specification that this room knows.
pub const OCI_VERSION: &str = "1.2.1";
