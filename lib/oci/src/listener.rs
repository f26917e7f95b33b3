//! The agent that decides about system calls (`SCMP_ACT_NOTIFY`, seccomp_unotify(2)).

use std::os::fd::{AsFd, OwnedFd};

use oci_spec::runtime::Spec;
use serde::Serialize;
use types::{Error, Kind, Result};

use crate::record::Record;
use crate::state::{State, with_status};
use crate::status::Status;
use crate::{OCI_VERSION, socket};

/// What the agent reads beside the descriptor (runtime spec, container process state).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ProcessState<'a> {
    oci_version: &'a str,
    /// What the descriptors are.
    fds: [&'a str; 1],
    /// The process that has the filter.
    pid: i32,
    /// The agent's own word of the configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a str>,
    state: State,
}

/// Sends the listener of a process to the agent that the configuration names.
pub fn send(spec: &Spec, record: &Record, status: Status, pid: i32, listener: &OwnedFd) -> Result<()> {
    let profile = spec.linux().as_ref().and_then(|linux| linux.seccomp().as_ref());
    let path = profile.and_then(|profile| profile.listener_path().as_ref());
    let path = path.ok_or_else(|| Error::new(Kind::Invalid, "seccomp listenerPath is not set"))?;
    let metadata = profile.and_then(|profile| profile.listener_metadata().as_deref());
    let state = with_status(record.clone(), status);
    let state = ProcessState { oci_version: OCI_VERSION, fds: ["seccompFd"], pid, metadata, state };
    let text = serde_json::to_vec(&state).map_err(|e| Error::because(Kind::Invalid, "encode state", e))?;
    // runc's words, which callers look for.
    let agent = socket::connect_to(path)
        .map_err(|e| Error::io(format!("failed to connect with seccomp agent {path:?}"), e))?;
    socket::send(&agent, &text, listener.as_fd()).map_err(|e| Error::io("send seccomp listener to agent", e))
}
