//! Addresses of containers: claimed one by one, by name, without a lock.

use std::net::Ipv4Addr;

use store::{Holder, Store};
use types::{Context, Error, Kind, Result};

use crate::bridge::Bridge;
use crate::link::Mac;
use crate::release::{release, release_forwards};
use crate::subnet::Subnet;

/// An address on the bridge that belongs to one container until [`crate::release`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The container.
    pub id: String,
    /// Its address.
    pub address: Ipv4Addr,
    /// Length of the subnet's prefix.
    pub prefix: u8,
    /// The host on the bridge, where everything else is reached.
    pub gateway: Ipv4Addr,
    /// The hardware address that goes with the address.
    pub mac: Mac,
    pub(crate) subnet: Subnet,
    /// The kernel has IPv6, and the link is large enough for it.
    pub(crate) ipv6: bool,
}

impl Lease {
    fn new(id: &str, address: Ipv4Addr, subnet: Subnet, ipv6: bool) -> Self {
        Self {
            id: id.to_owned(),
            address,
            prefix: subnet.prefix(),
            gateway: subnet.gateway(),
            mac: mac_of(address),
            subnet,
            ipv6,
        }
    }

    /// The name of the link on the host's side: the container's short id is in it.
    pub(crate) fn link_name(&self) -> String {
        let short: String = self.id.chars().take(12).collect();
        format!("ls{short}") // with the final NUL, 15 of the 16 bytes of IFNAMSIZ
    }
}

/// The hardware address of an address: locally administered, and the same for the same address, so
/// that no neighbour's cache is ever wrong when an address gets another owner.
pub(crate) fn mac_of(address: Ipv4Addr) -> Mac {
    let [a, b, c, d] = address.octets();
    [0x02, 0x4c, a, b, c, d]
}

/// Takes an address for the container `id`, or finds the one that it has.
///
/// The search starts where the id's hash says: containers that start at the same moment do not meet,
/// a restarted one gets its address back, and one that has just ended does not leave its address to
/// the next one, whose peers may still talk to the old.
///
/// # Errors
/// `Conflict` if all addresses are taken.
pub fn lease(store: &Store, bridge: &Bridge, id: &str) -> Result<Lease> {
    let subnet = bridge.subnet();
    let start = hash(id);
    let find = || {
        if let Some(address) = earlier_address(store, id)?.filter(|address| subnet.contains(*address)) {
            return Ok(Lease::new(id, address, subnet, bridge.ipv6()));
        }
        for n in 0..subnet.hosts() {
            let address = subnet.host(start.wrapping_add(n));
            // Noted first: what is claimed is found and given back, whoever is killed when.
            store.attach_address(id, address)?;
            if take(store, address, id)? {
                return Ok(Lease::new(id, address, subnet, bridge.ipv6()));
            }
        }
        Err(Error::new(Kind::Conflict, format!("all addresses of {subnet} are in use")))
    };
    find().context("take an address")
}

/// The address that an earlier run has left behind, because its monitor was killed. Its ports are
/// given back: the container is being started, so none of them is in use.
fn earlier_address(store: &Store, id: &str) -> Result<Option<Ipv4Addr>> {
    let _own = match store.lock_attached(id) {
        Ok(own) => own,
        Err(e) if e.kind() == Kind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    let attached = store.attached(id)?;
    release_forwards(store, id, &attached)?;
    let Some(address) = attached.address else { return Ok(None) };
    Ok((store.lease_holder(address)?.as_deref() == Some(id)).then_some(address))
}

/// Claims one address. A claim of a container that was removed does not count.
fn take(store: &Store, address: Ipv4Addr, id: &str) -> Result<bool> {
    if store.claim_lease(address, id)? {
        return Ok(true);
    }
    match store.lease_holder(address)? {
        Some(holder) if holder == id => Ok(true),
        // Released this moment.
        None => store.claim_lease(address, id),
        Some(holder) => match store.holder(&holder)? {
            Holder::Live { .. } => Ok(false),
            Holder::Dead { guard: _guard } => {
                // One at a time, so that nobody frees what another has just taken over.
                let _one = store.lock_leases()?;
                if store.lease_holder(address)?.as_deref() == Some(&holder) {
                    release(store, &holder)?;
                    // A claim without a note is none that we make.
                    store.drop_lease(address)?;
                }
                store.claim_lease(address, id)
            }
        },
    }
}

/// FNV-1a, 32 bits: spreads ids over the subnet; nobody is kept out by choosing an id.
fn hash(id: &str) -> u32 {
    id.bytes().fold(0x811c_9dc5, |h, b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_name_fits_the_kernel_and_shows_the_short_id() {
        let id = "0123456789abcdef".repeat(4);
        let lease =
            Lease::new(&id, Ipv4Addr::new(10, 89, 0, 2), Subnet::new(Ipv4Addr::new(10, 89, 0, 0), 16), true);
        assert_eq!(lease.link_name(), "ls0123456789ab");
        assert!(lease.link_name().len() < 16);
        assert_eq!(lease.mac[0] & 3, 2, "locally administered, not a group");
    }

    #[test]
    fn ids_that_differ_in_one_digit_start_far_apart() {
        let a = hash(&"a".repeat(64));
        let b = hash(&("a".repeat(63) + "b"));
        assert_ne!(a % 65533, b % 65533);
    }
}
