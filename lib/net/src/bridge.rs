//! The bridge `longshore0`, its subnet, and the host's settings that it needs.
//!
//! The order of the set-up makes a half-made one visible: the link's alias says whose it is, UP is
//! set last and says that it is complete; the table of nftables is made in one transaction and says
//! in its comment for what it was made. So [`ensure`] asks two questions and returns if the answers
//! are right.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use store::Store;
use types::{Context, Error, Kind, Result};

use crate::lease::mac_of;
use crate::link::{self, Link, Which};
use crate::netlink::{Messages, Netfilter, PUT, Socket};
use crate::nft::Table;
use crate::publish::restore;
use crate::subnet::{self, Subnet};

/// The network's name, in `networks/NAME.json`.
const NETWORK: &str = "bridge";
/// Bridges of different stores on one host have different numbers.
const NUMBERS: u32 = 64;
/// When nothing leads out.
const DEFAULT_MTU: u32 = 1500;
/// The kernel has IPv6 if this is there.
pub(crate) const IPV6: &str = "/proc/sys/net/ipv6/conf";
const IP_FORWARD: &str = "/proc/sys/net/ipv4/ip_forward";

/// `networks/bridge.json`: what stays the same over reboots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Record {
    /// The link's name is `longshore` and this number.
    number: u32,
    /// The addresses of host and containers.
    subnet: Subnet,
}

impl Record {
    fn table(&self) -> Table {
        Table::new(self.number, self.subnet)
    }
}

/// The bridge that containers are connected to, as it is now. Belongs to the network namespace of
/// the thread that called [`ensure`].
#[derive(Debug)]
pub struct Bridge {
    route: Socket,
    netfilter: Netfilter,
    number: u32,
    name: String,
    index: u32,
    mtu: u32,
    subnet: Subnet,
    ipv6: bool,
}

impl Bridge {
    /// The link's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The addresses of host and containers.
    #[must_use]
    pub const fn subnet(&self) -> Subnet {
        self.subnet
    }

    /// The host's address on it.
    #[must_use]
    pub fn gateway(&self) -> Ipv4Addr {
        self.subnet.gateway()
    }

    pub(crate) const fn number(&self) -> u32 {
        self.number
    }
    pub(crate) const fn index(&self) -> u32 {
        self.index
    }
    pub(crate) const fn mtu(&self) -> u32 {
        self.mtu
    }
    pub(crate) const fn ipv6(&self) -> bool {
        self.ipv6
    }
    pub(crate) fn table(&self) -> Table {
        Table::new(self.number, self.subnet)
    }

    pub(crate) const fn route(&self) -> &Socket {
        &self.route
    }
    pub(crate) const fn netfilter(&self) -> &Netfilter {
        &self.netfilter
    }

    fn of(sockets: Sockets, record: &Record, link: &Link) -> Self {
        Self {
            route: sockets.route,
            netfilter: sockets.netfilter,
            number: record.number,
            name: name_of(record.number),
            index: link.index,
            mtu: link.mtu,
            subnet: record.subnet,
            // A smaller link has no IPv6 (RFC 8200), and settings of it are refused.
            ipv6: link.mtu >= 1280 && std::path::Path::new(IPV6).exists(),
        }
    }
}

fn name_of(number: u32) -> String {
    format!("longshore{number}")
}

/// Makes sure that bridge, settings and table are there, and returns the bridge. Quick if they are.
///
/// # Errors
/// `Denied` without privilege; `Conflict` if no subnet or no name is free.
pub fn ensure(store: &Store) -> Result<Bridge> {
    let make = || {
        let sockets = Sockets { route: Socket::route()?, netfilter: Netfilter::open()? };
        if let Some((record, link)) = complete(store, &sockets)? {
            return Ok(Bridge::of(sockets, &record, &link));
        }
        let lock = store.lock_networks()?;
        // Whoever had the lock before us may have done all of it.
        let (record, link) = match complete(store, &sockets)? {
            Some(found) => found,
            None => set_up(store, &sockets, &lock)?,
        };
        Ok(Bridge::of(sockets, &record, &link))
    };
    make().map_err(|e: Error| {
        let denied = e.kind() == Kind::Denied;
        let e = e.within("set up the network");
        if denied { e.hint("networks need root, or --network none or host") } else { e }
    })
}

struct Sockets {
    route: Socket,
    netfilter: Netfilter,
}

/// The record and the link, if nothing is missing.
fn complete(store: &Store, sockets: &Sockets) -> Result<Option<(Record, Link)>> {
    let Some(record) = store.network::<Record>(NETWORK)? else { return Ok(None) };
    let link = link::get(&sockets.route, Which::Name(&name_of(record.number)))?;
    let Some(link) = link.filter(|link| link.up && link.alias == alias(store)) else { return Ok(None) };
    Ok((forwards_packets()? && record.table().is_complete(&sockets.netfilter)?).then_some((record, link)))
}

fn set_up(store: &Store, sockets: &Sockets, lock: &store::LockedDir) -> Result<(Record, Link)> {
    let socket = &sockets.route;
    let alias = alias(store);
    let old = store.network::<Record>(NETWORK)?;
    let (number, link) = find(socket, old.as_ref().map_or(0, |r| r.number), &alias)?;
    let used = link::used_subnets(socket, link.as_ref().map(|l| l.index))?;
    let subnet = match &old {
        // While the bridge is there, containers may be on it. If it is not, nothing is lost by
        // going out of the way of a network that came meanwhile.
        Some(old) if link.is_some() || subnet::is_free(old.subnet, &used) => old.subnet,
        _ => subnet::choose(&used).ok_or_else(|| {
            Error::new(Kind::Conflict, "no subnet is free: routes of this host cover all candidates")
        })?,
    };
    let record = Record { number, subnet };
    if old.as_ref() != Some(&record) {
        store.put_network(lock, NETWORK, &record)?;
    }
    let link = set_up_link(socket, &record, link, &alias)?;
    let table = record.table();
    if !table.is_complete(&sockets.netfilter)? {
        restore(store, &table, &sockets.netfilter)?;
    }
    if !forwards_packets()? {
        write_setting(IP_FORWARD, "1")?;
    }
    Ok((record, link))
}

/// The number to use, from the recorded one on, and the link if it is there already. A link with
/// another alias belongs to another store; one with none was left behind by a killed set-up of
/// ours or of another store, or is somebody else's: left alone, it costs a number.
fn find(socket: &Socket, first: u32, alias: &str) -> Result<(u32, Option<Link>)> {
    for n in 0..NUMBERS {
        let number = (first + n) % NUMBERS;
        match link::get(socket, Which::Name(&name_of(number)))? {
            None => return Ok((number, None)),
            Some(link) if link.alias == alias => return Ok((number, Some(link))),
            Some(_) => {}
        }
    }
    Err(Error::new(Kind::Conflict, format!("{NUMBERS} bridges of other stores are there")))
}

fn set_up_link(socket: &Socket, record: &Record, link: Option<Link>, alias: &str) -> Result<Link> {
    let name = name_of(record.number);
    let link = match link {
        Some(link) => link,
        None => {
            let mut all = Messages::new();
            link::new_bridge(&mut all, &name, mac_of(record.subnet.gateway()), alias);
            socket.send(all)?;
            look(socket, &name)?
        }
    };
    // A container's replies to 127.0.0.1 of the host come back by the bridge. What a container sends
    // to 127.0.0.1 by itself is dropped in the table.
    write_setting(&format!("/proc/sys/net/ipv4/conf/{name}/route_localnet"), "1")?;
    no_ipv6(&name)?;
    let mut all = Messages::new();
    link::set_bridge(&mut all, link.index, link::outward_mtu(socket)?.unwrap_or(DEFAULT_MTU));
    link::address(&mut all, PUT, link.index, record.subnet.gateway(), record.subnet);
    link::set_up(&mut all, "bring the bridge up", link.index);
    socket.send(all)?;
    look(socket, &name)
}

fn look(socket: &Socket, name: &str) -> Result<Link> {
    link::get(socket, Which::Name(name))?
        .ok_or_else(|| Error::new(Kind::Conflict, format!("{name:?} was deleted meanwhile")))
}

/// No IPv6 on the bridge yet: an advertisement of a container must not give the host a route.
fn no_ipv6(name: &str) -> Result<()> {
    let path = format!("{IPV6}/{name}/disable_ipv6");
    match write_setting(&path, "1") {
        // A kernel without IPv6.
        Err(e) if e.kind() == Kind::NotFound => Ok(()),
        other => other,
    }
}

fn forwards_packets() -> Result<bool> {
    let text = std::fs::read(IP_FORWARD).with_context(|| format!("read {IP_FORWARD:?}"))?;
    Ok(text.first() != Some(&b'0'))
}

/// Writes a file below `/proc/sys`, of the calling thread's network namespace.
pub(crate) fn write_setting(path: &str, value: &str) -> Result<()> {
    std::fs::write(path, value).with_context(|| format!("write {path:?}"))
}

/// Says whose a bridge is, for `ip link` and for other stores.
fn alias(store: &Store) -> String {
    format!("longshore {}", store.run_path().display())
}

/// The table, if a network was ever set up, whether or not it is there now.
pub(crate) fn recorded_table(store: &Store) -> Result<Option<Table>> {
    Ok(store.network::<Record>(NETWORK)?.map(|record| record.table()))
}

/// Takes bridge and table away, and the record of them; containers that are connected lose their
/// network. For uninstalling, and for tests that must leave nothing.
///
/// # Errors
/// If the kernel refuses.
pub fn remove(store: &Store) -> Result<()> {
    let lock = store.lock_networks()?;
    let Some(record) = store.network::<Record>(NETWORK)? else { return Ok(()) };
    record.table().delete(&Netfilter::open()?)?;
    let socket = Socket::route()?;
    let name = name_of(record.number);
    if link::get(&socket, Which::Name(&name))?.is_some_and(|link| link.alias == alias(store)) {
        link::delete(&socket, &name)?;
    }
    store.drop_network(&lock, NETWORK)
}
