//! How every tool behaves: entry, operands, output formats, errors and exit codes.
//!
//! The text of these rules is `longshore-cli(7)`. This is the only crate that prints, reads the
//! environment or ends a process.

mod attach;
mod container;
mod exec;
mod exit;
mod format;
mod interrupt;
mod logins;
mod logs;
mod make;
mod not_yet;
mod oci;
mod operands;
mod pull;
mod sources;
mod store_args;

pub use attach::{AttachArgs, CidFile, check_terminal, fail, print_line};
pub use container::{ContainerArgs, ImageArgs};
pub use exec::ExecArgs;
pub use exit::{Exit, explain, main, main_own, main_run, report, tool_name};
pub use format::{Format, Writer, json};
pub use interrupt::Interrupt;
pub use logins::{edit_logins, password};
pub use logs::{LogPrinter, Tail, moment, tail};
pub use make::{Compression, build_time, check_new_name};
pub use oci::{listen_fds, listen_names, notify_socket, oci_root};
pub use operands::{Operands, one};
pub use sources::default_platform;
pub use store_args::StoreArgs;
/// For tools that write to sockets: a peer that has gone is an error then, and not the end.
pub use sys::signal::ignore_sigpipe;
/// The time of day, for tools that print ages.
pub use sys::time::now;
