//! State: one container in the words of the specification.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;
use types::{Error, Kind, Result};

use crate::record::Record;
use crate::status::{self, Status};
use crate::{Container, OCI_VERSION, Root};

/// What `state` prints: the specification's fields, and the three that runc has beside them.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// Version of the specification that this document follows.
    pub oci_version: String,
    /// The container's id.
    pub id: String,
    /// Its first process in our pid namespace; 0 if it has ended.
    pub pid: i32,
    /// What it is doing.
    pub status: Status,
    /// Its bundle, absolute.
    pub bundle: PathBuf,
    /// Its root file system, absolute.
    pub rootfs: PathBuf,
    /// When it was made, RFC 3339.
    pub created: String,
    /// Its annotations; absent if there are none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Who made it; empty for the superuser.
    pub owner: String,
}

/// Returns the state of a container.
///
/// # Errors
/// `NotFound` if there is none of this id.
pub fn state(root: &Root, id: &str) -> Result<State> {
    let container = root.container(id)?;
    let record = container.record()?;
    of(&container, record)
}

/// The state of a container whose record was read.
pub fn of(container: &Container, record: Record) -> Result<State> {
    let status = status::of(container, &record)?;
    Ok(with_status(record, status))
}

/// The state of a container whose status is known.
pub fn with_status(record: Record, status: Status) -> State {
    State {
        oci_version: OCI_VERSION.to_owned(),
        pid: if status == Status::Stopped { 0 } else { record.pid },
        status,
        id: record.id,
        bundle: record.bundle,
        rootfs: record.rootfs,
        created: record.created,
        annotations: record.annotations,
        owner: if record.owner == 0 { String::new() } else { record.owner.to_string() },
    }
}

impl State {
    /// The document on one line.
    pub(crate) fn to_json(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|e| Error::because(Kind::Invalid, "encode state", e))
    }
}
