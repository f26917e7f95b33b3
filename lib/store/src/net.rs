//! Networks: the record of the bridge, and claims of addresses and host ports.
//!
//! Claims are in the volatile tree: after a reboot no container runs, so none stands. What a
//! container has claimed is noted in a directory of its own *before* a port is claimed and until
//! after it is given back, so that [`Store::attached`] never misses one, whoever is killed when.

use std::net::{IpAddr, Ipv4Addr};

use serde::Serialize;
use serde::de::DeserializeOwned;
use types::port::{Forward, Proto};
use types::{Kind, Result};

use crate::layout::{self, in_attached};
use crate::{LockMode, LockedDir, Place, Status, Store, Sync};

/// What a container has on the network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attached {
    /// Its address.
    pub address: Option<Ipv4Addr>,
    /// Host ports that lead to it, sorted.
    pub forwards: Vec<Forward>,
}

/// A claimed host port: which, and by whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedPort {
    /// The protocol.
    pub proto: Proto,
    /// The host's address; absent for all.
    pub ip: Option<IpAddr>,
    /// The port.
    pub port: u16,
    /// The id of the container.
    pub id: String,
}

/// Who holds a claim.
#[derive(Debug)]
pub enum Holder {
    /// A container that runs or is being started: the claim stands.
    Live {
        /// Its name, if its record can be read.
        name: String,
    },
    /// Nobody: its container does not exist, or does not run and is not being started, although
    /// its claims were not given back, because its monitor was killed.
    Dead {
        /// Keeps it from being started while its claims are taken away.
        guard: Option<LockedDir>,
    },
}

impl Store {
    /// The record of a network; `None` if it was never set up.
    pub fn network<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        self.read_json(&layout::network(name))
    }

    /// Records a network. The caller holds [`Store::lock_networks`].
    pub fn put_network(&self, _lock: &LockedDir, name: &str, record: &impl Serialize) -> Result<()> {
        self.publish_json(&layout::network(name), record, Sync::Durable)
    }

    /// Forgets a network. The caller holds [`Store::lock_networks`].
    pub fn drop_network(&self, _lock: &LockedDir, name: &str) -> Result<()> {
        self.remove(&layout::network(name))
    }

    /// Locks the set-up of networks.
    pub fn lock_networks(&self) -> Result<LockedDir> {
        self.lock_dir(&layout::networks(), LockMode::Exclusive)
    }

    /// Locks the taking over of stale claims: one at a time decides what is stale.
    pub fn lock_leases(&self) -> Result<LockedDir> {
        self.lock_dir(&layout::leases(), LockMode::Exclusive)
    }

    /// Locks the host ports: shared by who claims some and adds them to the kernel's table,
    /// exclusive for who makes that table anew from the claims.
    pub fn lock_forwards(&self, mode: LockMode) -> Result<LockedDir> {
        self.lock_dir(&layout::forwards(), mode)
    }

    /// Locks what one container has on the network; `NotFound` if it has nothing.
    pub fn lock_attached(&self, id: &str) -> Result<LockedDir> {
        self.lock_dir(&layout::attached(id), LockMode::Exclusive)
    }

    /// Claims an address; `false` if it is taken.
    pub fn claim_lease(&self, address: Ipv4Addr, id: &str) -> Result<bool> {
        taken_is_false(self.claim(&layout::lease(address), id))
    }

    /// The container that has an address.
    pub fn lease_holder(&self, address: Ipv4Addr) -> Result<Option<String>> {
        self.claimed(&layout::lease(address))
    }

    /// Gives an address back. The caller has made sure that it is the container's.
    pub fn drop_lease(&self, address: Ipv4Addr) -> Result<()> {
        self.remove(&layout::lease(address))
    }

    /// Notes the address that a container has claimed.
    pub fn attach_address(&self, id: &str, address: Ipv4Addr) -> Result<()> {
        let place = layout::attached(id);
        self.make_dir(&place)?;
        self.note(&place.join(in_attached::ADDRESS), &address.to_string())
    }

    /// Notes that a container is about to claim a host port.
    pub fn attach_forward(&self, id: &str, forward: &Forward) -> Result<()> {
        let place = layout::attached(id).join(&forward_name(forward));
        self.note(&place, &forward.container_port.to_string())
    }

    fn note(&self, place: &Place, value: &str) -> Result<()> {
        match self.claim(place, value) {
            Err(e) if e.kind() == Kind::Conflict && self.claimed(place)?.as_deref() == Some(value) => Ok(()),
            Err(e) if e.kind() == Kind::Conflict => {
                self.remove(place)?;
                self.claim(place, value)
            }
            other => other,
        }
    }

    /// Forgets a host port of a container, after the claim was given back.
    pub fn detach_forward(&self, id: &str, forward: &Forward) -> Result<()> {
        self.remove(&layout::attached(id).join(&forward_name(forward)))
    }

    /// What a container has on the network; empty if it has nothing.
    pub fn attached(&self, id: &str) -> Result<Attached> {
        let place = layout::attached(id);
        let mut all = Attached::default();
        for name in self.list_if_there(&place)? {
            let Some(value) = self.claimed(&place.join(&name))? else { continue };
            if name == in_attached::ADDRESS {
                all.address = value.parse().ok();
            } else if let (Some((proto, host_ip, host_port)), Ok(container_port)) =
                (parse_name(&name), value.parse())
            {
                all.forwards.push(Forward { host_ip, host_port, host_port_max: None, container_port, proto });
            }
        }
        all.forwards.sort_unstable();
        Ok(all)
    }

    /// Forgets all that a container had, after everything was given back.
    pub fn detach(&self, id: &str, attached: &Attached) -> Result<()> {
        let place = layout::attached(id);
        for forward in &attached.forwards {
            self.detach_forward(id, forward)?;
        }
        self.remove(&place.join(in_attached::ADDRESS))?;
        self.remove_dir(&place)
    }

    /// The ids of all containers that have something on the network.
    pub fn attachments(&self) -> Result<Vec<String>> {
        self.list_if_there(&layout::attachments())
    }

    /// Claims a host port; `false` if exactly this one is taken.
    pub fn claim_forward(&self, forward: &Forward, id: &str) -> Result<bool> {
        taken_is_false(self.claim(&layout::forward(&forward_name(forward)), id))
    }

    /// The container that has claimed exactly this host port.
    pub fn forward_holder(&self, forward: &Forward) -> Result<Option<String>> {
        self.claimed(&layout::forward(&forward_name(forward)))
    }

    /// Gives a host port back. The caller has made sure that it is the container's.
    pub fn drop_forward(&self, forward: &Forward) -> Result<()> {
        self.remove(&layout::forward(&forward_name(forward)))
    }

    /// The claims of the host ports for which this holds: a directory read, and one look at each.
    pub fn claimed_ports(
        &self,
        wanted: impl Fn(Proto, Option<IpAddr>, u16) -> bool,
    ) -> Result<Vec<ClaimedPort>> {
        let mut found = Vec::new();
        for name in self.list_if_there(&layout::forwards())? {
            if let Some((proto, ip, port)) =
                parse_name(&name).filter(|(proto, ip, port)| wanted(*proto, *ip, *port))
                && let Some(id) = self.claimed(&layout::forward(&name))?
            {
                found.push(ClaimedPort { proto, ip, port, id });
            }
        }
        Ok(found)
    }

    /// Whether a claim of this container stands. One that is being started holds its lock
    /// ([`Store::lock_container`]) from before its claims until its run is recorded.
    pub fn holder(&self, id: &str) -> Result<Holder> {
        if !self.claim_is_alive(id)? {
            return Ok(Holder::Dead { guard: None });
        }
        let live = || Holder::Live { name: self.record(id).map_or_else(|_| id.to_owned(), |r| r.name) };
        if self.state(id)?.status == Status::Running {
            return Ok(live());
        }
        match self.try_lock_dir(&layout::container(id), LockMode::Exclusive) {
            Ok(None) => Ok(live()),
            Ok(guard) if self.state(id)?.status == Status::Running => {
                drop(guard);
                Ok(live())
            }
            Ok(guard) => Ok(Holder::Dead { guard }),
            // Staged and not committed yet, or removed this moment.
            Err(e) if e.kind() == Kind::NotFound && self.claim_is_alive(id)? => Ok(live()),
            Err(e) if e.kind() == Kind::NotFound => Ok(Holder::Dead { guard: None }),
            Err(e) => Err(e),
        }
    }

    fn list_if_there(&self, place: &Place) -> Result<Vec<String>> {
        match self.list(place) {
            Err(e) if e.kind() == Kind::NotFound => Ok(Vec::new()),
            other => other,
        }
    }

    /// Where the volatile tree is: the name by which a bridge knows whose it is.
    #[must_use]
    pub fn run_path(&self) -> &std::path::Path {
        &self.paths.run
    }
}

fn taken_is_false(claimed: Result<()>) -> Result<bool> {
    match claimed {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == Kind::Conflict => Ok(false),
        Err(e) => Err(e),
    }
}

/// `PROTO-IP-PORT`: `tcp-any-8080`, `udp-127.0.0.1-53`. A name, so without a colon or slash.
fn forward_name(forward: &Forward) -> String {
    let ip = forward.host_ip.map_or_else(|| "any".to_owned(), |ip| ip.to_string());
    format!("{}-{ip}-{}", forward.proto, forward.host_port)
}

fn parse_name(name: &str) -> Option<(Proto, Option<IpAddr>, u16)> {
    let (proto, rest) = name.split_once('-')?;
    let (ip, port) = rest.rsplit_once('-')?;
    let ip = if ip == "any" { None } else { Some(ip.parse().ok()?) };
    Some((proto.parse().ok()?, ip, port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_claim_says_what_is_claimed() {
        for (ip, name) in [
            (None, "tcp-any-8080"),
            (Some("127.0.0.1".parse().unwrap()), "tcp-127.0.0.1-8080"),
            (Some("::1".parse().unwrap()), "tcp-::1-8080"),
        ] {
            let forward = Forward {
                host_ip: ip,
                host_port: 8080,
                host_port_max: None,
                container_port: 80,
                proto: Proto::Tcp,
            };
            assert_eq!(forward_name(&forward), name);
            assert_eq!(parse_name(name), Some((Proto::Tcp, ip, 8080)));
        }
        for bad in ["address", "tcp-any", "tcp-any-99999", "icmp-any-1", "tcp-x-1"] {
            assert_eq!(parse_name(bad), None, "{bad}");
        }
    }
}
