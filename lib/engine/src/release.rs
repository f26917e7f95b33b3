//! Giving back what a run held. Every step is tried, whatever became of the others, and all of it
//! may have been done before.

use store::Store;
use types::{Kind, Result};

/// Releases ports, address and control group of a container that does not run.
///
/// # Errors
/// The first failure; the other steps were tried nevertheless.
pub(crate) fn release(store: &Store, id: &str, cgroup: Option<runtime::Cgroup>) -> Result<()> {
    let ports = net::release(store, id);
    let group = match cgroup {
        Some(group) => group.remove(),
        None => match runtime::Cgroup::open(id) {
            Err(e) if e.kind() == Kind::NotFound => Ok(()),
            group => group?.remove(),
        },
    };
    ports.and(group)
}
