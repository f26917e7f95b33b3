//! Giving back what a container has on the network.

use store::{Holder, LockMode, Store};
use types::{Context, Kind, Result};

use crate::bridge::recorded_table;
use crate::netlink::Netfilter;
use crate::publish::give_back;

/// Gives back all that a container has: its host ports, then its address. No error if it has
/// nothing; the veth pair is not touched, it ends with the container's network namespace.
///
/// # Errors
/// If the kernel or the store refuses. Then the address stays taken: it must not get another owner
/// while a port still leads to it.
pub fn release(store: &Store, id: &str) -> Result<()> {
    let _own = match store.lock_attached(id) {
        Ok(lock) => lock,
        Err(e) if e.kind() == Kind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    let attached = store.attached(id)?;
    release_forwards(store, id, &attached).context("give back the host's ports")?;
    if let Some(address) = attached.address
        && store.lease_holder(address)?.as_deref() == Some(id)
    {
        store.drop_lease(address)?;
    }
    store.detach(id, &attached)
}

/// Gives back the host ports alone; the caller holds the container's lock.
pub(crate) fn release_forwards(store: &Store, id: &str, attached: &store::Attached) -> Result<()> {
    if attached.forwards.is_empty() {
        return Ok(());
    }
    let _shared = store.lock_forwards(LockMode::Shared)?;
    let table = recorded_table(store)?;
    let socket = Netfilter::open()?;
    let from = table.as_ref().map(|table| (table, &socket));
    give_back(store, id, from, &attached.forwards, attached.address)
}

/// Gives back what containers have that do not run and are not being started, because their monitor
/// was killed. Returns their ids. Nothing needs it: a claim of such a container stands in nobody's
/// way ([`crate::lease()`], [`crate::publish`]).
///
/// # Errors
/// As [`release`].
pub fn sweep(store: &Store) -> Result<Vec<String>> {
    let mut swept = Vec::new();
    for id in store.attachments()? {
        if let Holder::Dead { guard: _guard } = store.holder(&id)? {
            release(store, &id)?;
            swept.push(id);
        }
    }
    Ok(swept)
}
