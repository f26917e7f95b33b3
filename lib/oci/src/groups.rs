//! The control groups of a container, as its record names them.

use std::path::Path;

use oci_spec::runtime::{LinuxResources, Spec};
use runtime::Cgroup;
use types::{Error, Kind, Result};

use crate::create::{Manager, Options};
use crate::record::Record;

/// Makes the groups of a new container.
pub fn make(options: &Options<'_>, spec: &Spec) -> Result<Cgroup> {
    if options.manager == Manager::Disabled {
        return Ok(Cgroup::none());
    }
    let linux = spec.linux().as_ref();
    let none = LinuxResources::default();
    let resources = linux.and_then(|linux| linux.resources().as_ref()).unwrap_or(&none);
    let path: Option<&Path> = linux.and_then(|linux| linux.cgroups_path().as_deref());
    Cgroup::for_bundle(options.id, path, resources)
}

/// Opens the groups of a container; those that are gone are left out.
///
/// # Errors
/// `Unsupported` if it has none.
pub fn of(record: &Record) -> Result<Cgroup> {
    match &record.cgroup {
        Some(saved) => Cgroup::reopen(saved),
        None => Err(Error::new(Kind::Unsupported, format!("container {:?} has no cgroup", record.id))),
    }
}
