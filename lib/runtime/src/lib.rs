//! An OCI runtime: configuration to plan to process; cgroups, seccomp, capabilities, mounts, exec.
//!
//! The way of a container: [`Rootfs::overlay`] stacks its layers without mounting them anywhere,
//! [`Cgroup::create`] makes its cgroups, [`start`] clones its first process, which builds the
//! container's view of the world while the caller connects its network, and
//! [`Starting::release`] lets it go on to exec. [`exec`](exec()) runs one more process in it.
//!
//! Promises: the host's mount table never grows; names of a container are resolved inside its
//! root, once, to a descriptor; a security step that fails is fatal; nothing of ours is inherited.
//! Refuses what a configuration asks for and this version cannot do, by name, instead of ignoring it.

mod between;
mod born;
pub mod caps;
pub mod cgroup;
pub mod console;
pub mod defaults;
mod died;
mod exec;
pub mod hooks;
mod launch;
mod netdev;
mod plan;
mod process;
mod rootfs;
pub mod seccomp;
pub mod user;
mod words;

pub use cgroup::Cgroup;
pub use console::Console;
pub use died::has_run;
pub use exec::{ExecLaunch, exec, exec_with, root_of};
pub use launch::{Launch, Listen, StartGate, Starting, plan, start};
pub use plan::Plan;
pub use process::{Process, StartError};
pub use rootfs::{Overlay, Rootfs, Upper};
pub use sys::pidfd::Exit;
