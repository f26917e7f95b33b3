//! Giving back what a run held. Every step is tried, whatever became of the others, and all of it
//! may have been done before.

use store::Store;
use types::{Kind, Result};

/// Releases ports, address and control group of a container that does not run. What fails is tried once
/// more: where the container removes itself, nobody comes by later.
///
/// # Errors
/// The first failure; the other steps were tried nevertheless.
pub(crate) fn release(store: &Store, id: &str, cgroup: Option<runtime::Cgroup>) -> Result<()> {
    let ports = net::release(store, id).or_else(|_| net::release(store, id));
    let group = cgroup.map_or_else(|| remove_group(id), |group| group.remove());
    ports.and(group.or_else(|_| remove_group(id)))
}

fn remove_group(id: &str) -> Result<()> {
    match runtime::Cgroup::open(id) {
        Err(e) if e.kind() == Kind::NotFound => Ok(()),
        group => group?.remove(),
    }
}
