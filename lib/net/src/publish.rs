//! Host ports that lead to containers: claimed by name first, then known to the kernel.
//!
//! A claim is a link in the store, so two containers never get the same port, whoever is killed
//! when. What the container is about to claim is noted before ([`Store::attach_forward`]), so that
//! [`crate::release`] finds all of it. The order backwards is element, claim, note: a port is free
//! only after it leads nowhere.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use store::{ClaimedPort, Holder, LockMode, Store};
use types::port::{Forward, Proto};
use types::{Context, Error, Kind, Result};

use crate::bridge::{Bridge, recorded_table};
use crate::conntrack;
use crate::holder::{self, Bound};
use crate::netlink::Netfilter;
use crate::nft::{Element, Table};
use crate::release::release;

const PORT_RANGE: &str = "/proc/sys/net/ipv4/ip_local_port_range";

/// Publishes host ports of a container that has a lease, running or not yet started. All of them or
/// none. Returns them in the same order, with the ports that were chosen where 0 or a range was
/// asked for.
///
/// # Errors
/// `Conflict` if a port is taken, naming the container or the process that has it where it can be
/// found out, or if the container has no lease; `Unsupported` for IPv6 addresses of the host.
pub fn publish(store: &Store, bridge: &Bridge, id: &str, wanted: &[Forward]) -> Result<Vec<Forward>> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let _shared = store.lock_forwards(LockMode::Shared)?;
    let _own = store.lock_attached(id).map_err(|e| match e.kind() {
        Kind::NotFound => not_connected(),
        _ => e,
    })?;
    let had = store.attached(id)?;
    let address = had.address.ok_or_else(not_connected)?;
    let mut claims = Claims::new(store, id, &had.forwards, wanted)?;
    let table = bridge.table();
    let done = (|| {
        for forward in wanted {
            claims.claim(forward)?;
        }
        claims.verify()?;
        table.add(bridge.netfilter(), &elements(&claims.claimed, address))
    })();
    if let Err(err) = done {
        give_back(store, id, Some((&table, bridge.netfilter())), &claims.claimed, Some(address))
            .context("undo")?;
        return Err(err);
    }
    conntrack::forget_before(bridge.netfilter(), bridge.route(), &claims.claimed)?;
    Ok(claims.claimed)
}

/// Ends the publication of one host port of a container. Connections that exist go on.
///
/// # Errors
/// `NotFound` if the container has not published it.
pub fn unpublish(store: &Store, id: &str, forward: &Forward) -> Result<()> {
    let missing = || Error::new(Kind::NotFound, format!("port {} is not published", forward.name()));
    let _shared = store.lock_forwards(LockMode::Shared)?;
    let _own = store.lock_attached(id).map_err(|e| match e.kind() {
        Kind::NotFound => missing(),
        _ => e,
    })?;
    let attached = store.attached(id)?;
    let Some(found) = attached.forwards.iter().find(|f| same_host_port(f, forward)) else {
        return Err(missing());
    };
    let table = recorded_table(store)?;
    let socket = Netfilter::open()?;
    let from = table.as_ref().map(|table| (table, &socket));
    give_back(store, id, from, std::slice::from_ref(found), attached.address)
}

/// The host ports of a container, sorted.
///
/// # Errors
/// If the store cannot be read.
pub fn published(store: &Store, id: &str) -> Result<Vec<Forward>> {
    Ok(store.attached(id)?.forwards)
}

/// Gives host ports back: element, claim, note. The caller holds the locks.
pub(crate) fn give_back(
    store: &Store,
    id: &str,
    table: Option<(&Table, &Netfilter)>,
    forwards: &[Forward],
    address: Option<Ipv4Addr>,
) -> Result<()> {
    let mut ours = Vec::new();
    for forward in forwards {
        // A note without its claim: it was killed between the two, or lost the race for it.
        if store.forward_holder(forward)?.as_deref() == Some(id) {
            ours.push(*forward);
        }
    }
    if let Some((table, socket)) = table {
        let address = address.unwrap_or(Ipv4Addr::UNSPECIFIED);
        table.delete_elements(socket, &elements(&ours, address))?;
        conntrack::forget_after(socket, &ours, address)?;
    }
    for forward in &ours {
        store.drop_forward(forward)?;
    }
    forwards.iter().try_for_each(|forward| store.detach_forward(id, forward))
}

/// Makes the table anew from the claims. The caller holds the lock of the networks.
pub(crate) fn restore(store: &Store, table: &Table, socket: &Netfilter) -> Result<()> {
    let _all = store.lock_forwards(LockMode::Exclusive)?;
    let mut all = Vec::new();
    for id in store.attachments()? {
        let attached = store.attached(&id)?;
        let Some(address) = attached.address else { continue };
        for forward in attached.forwards {
            if store.forward_holder(&forward)?.as_deref() == Some(&id) {
                all.extend(element(&forward, address));
            }
        }
    }
    table.build(socket, &all)
}

fn elements(forwards: &[Forward], address: Ipv4Addr) -> Vec<Element> {
    forwards.iter().filter_map(|forward| element(forward, address)).collect()
}

fn element(forward: &Forward, address: Ipv4Addr) -> Option<Element> {
    let ip = match forward.host_ip {
        None => None,
        Some(IpAddr::V4(ip)) => Some(ip),
        Some(IpAddr::V6(_)) => return None,
    };
    let to = (address, forward.container_port);
    Some(Element { proto: forward.proto, ip, port: forward.host_port, to })
}

fn not_connected() -> Error {
    Error::new(Kind::Conflict, "it has no address on the bridge")
        .hint("only a container on the network \"bridge\" can publish ports, while it runs")
}

fn same_host_port(a: &Forward, b: &Forward) -> bool {
    (a.proto, a.host_ip, a.host_port) == (b.proto, b.host_ip, b.host_port)
}

/// Why a port cannot be had.
enum Refusal {
    /// Somebody has it: this is who, as the error says it.
    Taken(String),
    /// Another reason.
    Other(Error),
}

impl From<Error> for Refusal {
    fn from(err: Error) -> Self {
        Self::Other(err)
    }
}

/// The claims of one call.
struct Claims<'a> {
    store: &'a Store,
    id: &'a str,
    /// What others had claimed of these ports when we began: to see overlapping addresses without
    /// a look at the disk for each.
    taken: Vec<ClaimedPort>,
    /// What this container has already.
    had: &'a [Forward],
    claimed: Vec<Forward>,
    /// The ports of `had` and `claimed`, since there may be thousands.
    own: BTreeSet<(Proto, u16)>,
}

impl<'a> Claims<'a> {
    fn new(store: &'a Store, id: &'a str, had: &'a [Forward], wanted: &[Forward]) -> Result<Self> {
        let open = wanted.iter().any(|f| f.host_port == 0 || f.host_port_max.is_some());
        let ports: BTreeSet<_> = wanted.iter().map(|f| (f.proto, f.host_port)).collect();
        let taken = store.claimed_ports(|proto, _, port| open || ports.contains(&(proto, port)))?;
        let own = had.iter().map(|f| (f.proto, f.host_port)).collect();
        Ok(Self { store, id, taken, had, claimed: Vec::new(), own })
    }

    /// Claims what is asked for; chooses a port if that is left open.
    fn claim(&mut self, wanted: &Forward) -> Result<()> {
        if let Some(IpAddr::V6(_)) = wanted.host_ip {
            let what = format!("publish {}: IPv6 addresses of the host are not supported yet", wanted.name());
            return Err(Error::new(Kind::Unsupported, what));
        }
        let exactly = |port| Forward { host_port: port, host_port_max: None, ..*wanted };
        if wanted.host_port != 0 && wanted.host_port_max.is_none() {
            return self.claim_one(&exactly(wanted.host_port)).map_err(|refusal| match refusal {
                Refusal::Other(err) => err,
                Refusal::Taken(by) => taken(wanted, &by),
            });
        }
        for port in candidates(wanted)? {
            match self.claim_one(&exactly(port)) {
                Ok(()) => return Ok(()),
                Err(Refusal::Taken(_)) => {}
                Err(Refusal::Other(err)) => return Err(err),
            }
        }
        Err(Error::new(Kind::Conflict, format!("no port of the range for {wanted} is free")))
    }

    fn claim_one(&mut self, forward: &Forward) -> Result<(), Refusal> {
        self.check_own(forward)?;
        self.check_overlap(forward)?;
        self.store.attach_forward(self.id, forward)?;
        if !self.take(forward).inspect_err(|_| self.forget_note(forward))? {
            self.forget_note(forward);
            return Err(Refusal::Taken("another container".to_owned()));
        }
        match holder::bind(forward) {
            Ok(Bound::Free) => {
                self.claimed.push(*forward);
                self.own.insert((forward.proto, forward.host_port));
                Ok(())
            }
            Ok(Bound::Taken) => {
                self.drop_one(forward)?;
                Err(Refusal::Taken(holder::process(forward)))
            }
            Err(err) => {
                self.drop_one(forward)?;
                Err(err.into())
            }
        }
    }

    /// Claims a port, after the claim of a container that does not run was taken away.
    fn take(&self, forward: &Forward) -> Result<bool, Refusal> {
        if self.store.claim_forward(forward, self.id)? {
            return Ok(true);
        }
        match self.store.forward_holder(forward)? {
            // Ours without a note: of a killed tool.
            Some(holder) if holder == self.id => return Ok(true),
            Some(holder) => self.free_if_dead(&holder)?,
            None => {}
        }
        Ok(self.store.claim_forward(forward, self.id)?)
    }

    /// The first error is the one to tell; a note without a claim means nothing.
    fn forget_note(&self, forward: &Forward) {
        drop(self.store.detach_forward(self.id, forward));
    }

    /// Refuses a port that this container has.
    fn check_own(&self, forward: &Forward) -> Result<(), Refusal> {
        if !self.own.contains(&(forward.proto, forward.host_port)) {
            return Ok(());
        }
        let mut own = self.had.iter().chain(&self.claimed);
        match own.find(|f| overlaps(f, forward.proto, forward.host_ip, forward.host_port)) {
            Some(_) => Err(Refusal::Taken("this container".to_owned())),
            None => Ok(()),
        }
    }

    /// Refuses a port that another container has under another address of the host.
    fn check_overlap(&self, forward: &Forward) -> Result<(), Refusal> {
        let others = self.taken.iter().filter(|t| t.id != self.id);
        let mut others = others.filter(|t| overlaps(forward, t.proto, t.ip, t.port));
        others.try_for_each(|other| self.free_if_dead(&other.id))
    }

    /// A claim of a container that does not run and is not being started is taken away.
    fn free_if_dead(&self, holder: &str) -> Result<(), Refusal> {
        match self.store.holder(holder)? {
            Holder::Live { name } => Err(Refusal::Taken(format!("container {name:?}"))),
            Holder::Dead { guard: _guard } => Ok(release(self.store, holder)?),
        }
    }

    /// Looks once more, now that our claims are seen by everyone: of two that claim overlapping
    /// addresses at the same moment, at least one finds the other here.
    fn verify(&mut self) -> Result<()> {
        let exactly: BTreeSet<_> = self.claimed.iter().map(|f| (f.proto, f.host_ip, f.host_port)).collect();
        let ports: BTreeSet<_> = exactly.iter().map(|(proto, _, port)| (*proto, *port)).collect();
        self.taken = self.store.claimed_ports(|proto, ip, port| {
            ports.contains(&(proto, port)) && !exactly.contains(&(proto, ip, port))
        })?;
        if self.taken.is_empty() {
            return Ok(());
        }
        for forward in &self.claimed {
            self.check_overlap(forward).map_err(|refusal| match refusal {
                Refusal::Other(err) => err,
                Refusal::Taken(by) => taken(forward, &by),
            })?;
        }
        Ok(())
    }

    fn drop_one(&self, forward: &Forward) -> Result<()> {
        self.store.drop_forward(forward)?;
        self.store.detach_forward(self.id, forward)
    }
}

fn overlaps(forward: &Forward, proto: Proto, ip: Option<IpAddr>, port: u16) -> bool {
    forward.proto == proto
        && forward.host_port == port
        && (forward.host_ip.is_none() || ip.is_none() || forward.host_ip == ip)
}

fn taken(forward: &Forward, by: &str) -> Error {
    Error::new(Kind::Conflict, format!("port {} is in use by {by}", forward.name()))
}

/// The ports to try, each once: a range from its beginning, the range of free ports from somewhere,
/// so that containers that start at the same moment do not try the same ones.
fn candidates(wanted: &Forward) -> Result<impl Iterator<Item = u16>> {
    let (first, last, start) = match wanted.host_port_max {
        Some(max) => (wanted.host_port, max, 0),
        None => {
            let (first, last) = free_range()?;
            (first, last, random())
        }
    };
    let count = u32::from(last.saturating_sub(first)) + 1;
    Ok((0..count).filter_map(move |n| u16::try_from(u32::from(first) + (start % count + n) % count).ok()))
}

fn free_range() -> Result<(u16, u16)> {
    let text = std::fs::read_to_string(PORT_RANGE).with_context(|| format!("read {PORT_RANGE:?}"))?;
    let mut numbers = text.split_whitespace().map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(first)), Some(Ok(last))) if first > 0 => Ok((first, last)),
        _ => Err(Error::new(Kind::Corrupt, format!("read {PORT_RANGE:?}: {text:?}"))),
    }
}

/// Where to begin is only a matter of speed: 0 will do.
fn random() -> u32 {
    let mut bytes = [0u8; 4];
    match rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()) {
        Ok(_) => u32::from_ne_bytes(bytes),
        Err(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::port::parse;

    #[test]
    fn every_address_overlaps_each_and_two_addresses_do_not() {
        let forward = |text: &str| parse(text).unwrap()[0];
        let pair = |a: &str, b: &str| {
            let b = forward(b);
            overlaps(&forward(a), b.proto, b.host_ip, b.host_port)
        };
        assert!(pair("80:80", "80:1") && pair("80:80", "127.0.0.1:80:1") && pair("127.0.0.1:80:80", "80:1"));
        assert!(!pair("127.0.0.1:80:80", "127.0.0.2:80:80"));
        assert!(!pair("80:80", "80:80/udp") && !pair("80:80", "81:80"));
    }

    #[test]
    fn a_range_is_tried_in_order_and_whole() {
        let ports: Vec<u16> = candidates(&parse("8000-8003:80").unwrap()[0]).unwrap().collect();
        assert_eq!(ports, [8000, 8001, 8002, 8003]);
        let free: BTreeSet<u16> = candidates(&parse("80").unwrap()[0]).unwrap().collect();
        let (first, last) = free_range().unwrap();
        assert_eq!((free.first(), free.last()), (Some(&first), Some(&last)));
        assert_eq!(free.len(), usize::from(last - first) + 1);
    }
}
