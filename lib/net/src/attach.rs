//! Connecting a container's network namespace to the bridge.
//!
//! The parent makes the veth pair with one message ([`attach`]); the container's own process does
//! the rest inside its namespace, by sending bytes that were made ready before it was cloned
//! ([`child_messages`]). Nobody ever deletes a pair: it ends with the namespace.

use rustix::io::Errno;
use types::{Context, Result};

use crate::bridge::Bridge;
use crate::lease::Lease;
use crate::link::{self, End};
use crate::netlink::{Messages, NEW, Refused, Socket};

/// The link's name inside the container.
const ETH0: &str = "eth0";
/// The link's number inside the container. Fixed, so that the messages of the container's side can
/// be written before the link is there; not 2, because a kernel with tunnel modules puts their
/// fallback devices into every new namespace, and those are counted from 2.
const ETH0_INDEX: u32 = 100;
/// Numbers of links on the host's side start here, far above those that the kernel hands out.
const FIRST_INDEX: u32 = 1 << 30;

/// The bytes that a container's first process sends on a `NETLINK_ROUTE` socket inside its network
/// namespace after [`attach`]: loopback up, address, `eth0` up, default route. Each message that
/// fails answers with an error; the last one answers in any case.
#[must_use]
pub fn child_messages(lease: &Lease) -> Vec<u8> {
    let mut all = Messages::new();
    link::loopback_up(&mut all);
    link::address(&mut all, NEW, ETH0_INDEX, lease.address, lease.subnet);
    if lease.ipv6 {
        link::no_ipv6_address(&mut all, ETH0_INDEX);
    }
    link::set_up(&mut all, "bring eth0 up", ETH0_INDEX);
    link::default_route(&mut all, ETH0_INDEX, lease.gateway);
    all.into_bytes()
}

/// Settings that a container's first process writes below `/proc/sys` of its network namespace
/// before it sends [`child_messages`], name with dots and value: no IPv6 on `eth0`, where it could
/// only be talked into a route by a neighbour (CVE-2020-13401). `::1` stays.
#[must_use]
pub const fn child_sysctls(lease: &Lease) -> &'static [(&'static str, &'static str)] {
    if lease.ipv6 { &[("net.ipv6.conf.eth0.disable_ipv6", "1")] } else { &[] }
}

/// The bytes for a container without a network: loopback up.
#[must_use]
pub fn loopback_messages() -> Vec<u8> {
    let mut all = Messages::new();
    link::loopback_up(&mut all);
    all.into_bytes()
}

/// Connects the network namespace of `pid` to the bridge: `eth0` is there when this returns, still
/// down. The container's own process brings it up by sending [`child_messages`].
///
/// # Errors
/// If the process or the bridge is gone.
pub fn attach(bridge: &Bridge, pid: i32, lease: &Lease) -> Result<()> {
    let socket = Socket::route()?;
    let result = match pair(&socket, bridge, pid, lease) {
        // A pair of an earlier run of the same container, whose namespace is not taken down yet:
        // the kernel does that some milliseconds after the last process.
        Err(refused) if matches!(refused.errno, Errno::EXIST | Errno::BUSY) => {
            link::delete(&socket, &lease.link_name()).and_then(|()| pair(&socket, bridge, pid, lease))
        }
        other => other,
    };
    result.map_err(types::Error::from).with_context(|| format!("connect to {:?}", bridge.name()))
}

fn pair(socket: &Socket, bridge: &Bridge, pid: i32, lease: &Lease) -> Result<(), Refused> {
    let index = FIRST_INDEX + (bridge.number() << 24) + (lease.address.to_bits() & 0x00ff_ffff);
    let name = lease.link_name();
    let here = End { name: &name, index, mac: None };
    let there = End { name: ETH0, index: ETH0_INDEX, mac: Some(lease.mac) };
    let mut all = Messages::new();
    link::new_veth(&mut all, here, there, pid, bridge.index(), bridge.mtu());
    if lease.ipv6 {
        link::no_ipv6_address(&mut all, index);
    }
    link::set_up(&mut all, "bring the veth pair up", index);
    socket.send(all)
}
