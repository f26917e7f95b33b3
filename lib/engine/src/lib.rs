//! The life of a container: composes store, runtime, net and vol; the monitor.
//!
//! Promises: what a killed tool or monitor leaves behind is seen for what it is, and released by
//! the next start or removal; a program's status is passed on exactly; a tool that dies in the
//! foreground takes its container with it.
//! Does not: print, read arguments, speak to a registry.

mod bind;
mod client;
mod clock;
mod create;
mod etc;
mod exec;
mod forward;
mod forward_signals;
mod keys;
mod list;
mod logs;
mod monitor;
mod pause;
mod profile;
mod pump;
mod release;
mod remove;
mod session;
mod signals;
mod spec;
mod standby;
mod start;
mod stop;
mod streams;
mod tty;
mod view;
mod wire;

pub use bind::{bind, mounts, unbind};
pub use create::{Created, create};
pub use exec::exec;
pub use forward::{forward, forwards, unforward};
pub use keys::detach_keys;
pub use list::{Found, Wanted, list};
pub use logs::{LogOptions, logs};
pub use pause::{Paused, pause};
pub use remove::{discard, remove};
pub use start::{Attach, Outcome, start, start_created};
pub use stop::{Stopping, begin_stop, kill, wait};
pub use view::inspect;
