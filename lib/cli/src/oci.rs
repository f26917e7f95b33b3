//! What `ctr-oci` takes from its environment.

use std::path::PathBuf;

use crate::StoreArgs;

/// Where the state of bundles is kept unless told otherwise.
#[must_use]
pub fn oci_root() -> PathBuf {
    StoreArgs::default().paths().run.join(store::layout::OCI)
}

/// How many descriptors socket activation has handed to this process (sd_listen_fds(3)); none if they
/// were meant for another one.
#[must_use]
pub fn listen_fds() -> u32 {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u32>().ok();
    let for_us = number("LISTEN_PID").is_none_or(|pid| pid == std::process::id());
    number("LISTEN_FDS").filter(|_| for_us).unwrap_or(0)
}

/// The names of those descriptors, if they have some.
#[must_use]
pub fn listen_names() -> Option<String> {
    std::env::var("LISTEN_FDNAMES").ok().filter(|_| listen_fds() > 0)
}

/// Whom to tell that a program is ready (sd_notify(3)).
#[must_use]
pub fn notify_socket() -> Option<PathBuf> {
    std::env::var_os("NOTIFY_SOCKET").filter(|path| !path.is_empty()).map(PathBuf::from)
}
