//! Connecting a container's network namespace to the bridge.
//!
//! The parent does all of it, while the container's process is busy with its mounts: it makes the
//! veth pair with one message, opens a socket inside the container's network namespace, and sends
//! the rest there. Nobody ever deletes a pair: it ends with the namespace.
//!
//! Why not the container's own process: two ends of a pair come up one after the other, and the
//! one that was first learns of its carrier by a worker of the kernel. Until that has run, the
//! bridge drops what comes from the container, and a program that speaks at once loses its first
//! packet and waits a second before it repeats it. Only outside the namespace can this be awaited.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::thread::LinkNameSpaceType;
use types::{Context, Error, Result};

use crate::bridge::{Bridge, IPV6, write_setting};
use crate::lease::Lease;
use crate::link::{self, End, Which};
use crate::netlink::{Messages, NEW, Refused, Socket};

/// The link's name inside the container.
const ETH0: &str = "eth0";
/// The link's number inside the container. Fixed, so that nobody has to ask for it; not 2, because
/// a kernel with tunnel modules puts their fallback devices into every new namespace, and those are
/// counted from 2.
const ETH0_INDEX: u32 = 100;
/// Numbers of links on the host's side start here, far above those that the kernel hands out.
const FIRST_INDEX: u32 = 1 << 30;

/// The bytes that a container's first process sends on a `NETLINK_ROUTE` socket inside its network
/// namespace after [`attach`]. Since that leaves nothing to do but what is harmless to repeat,
/// these are [`loopback_messages`]; the last message asks for an answer.
#[must_use]
pub fn child_messages(_lease: &Lease) -> Vec<u8> {
    loopback_messages()
}

/// The bytes for a container without a network: loopback up.
#[must_use]
pub fn loopback_messages() -> Vec<u8> {
    let mut all = Messages::new();
    link::loopback_up(&mut all);
    all.into_bytes()
}

/// Connects the network namespace of `pid` to the bridge: `eth0` has its address and its route and
/// is up when this returns, and what the container sends arrives.
///
/// The calling thread is in that namespace for a moment; no other thread is concerned.
///
/// # Errors
/// If the process or the bridge is gone.
pub fn attach(bridge: &Bridge, pid: i32, lease: &Lease) -> Result<()> {
    let connect = || {
        let host = bridge.route();
        match pair(host, bridge, pid, lease) {
            // A pair of an earlier run of the same container, whose namespace is not taken down
            // yet: the kernel does that some milliseconds after the last process.
            Err(refused) if matches!(refused.errno, Errno::EXIST | Errno::BUSY) => {
                link::delete(host, &lease.link_name())?;
                pair(host, bridge, pid, lease)?;
            }
            other => other?,
        }
        let inside = socket_inside(pid, lease)?;
        let mut all = Messages::new();
        link::loopback_up(&mut all);
        link::address(&mut all, NEW, ETH0_INDEX, lease.address, lease.subnet);
        link::set_up(&mut all, "bring eth0 up", ETH0_INDEX);
        link::default_route(&mut all, ETH0_INDEX, lease.gateway);
        inside.send(all)?;
        // In this order: the first port that works gives the bridge its carrier.
        await_carrier(host, index_of(bridge, lease))?;
        await_carrier(host, bridge.index())
    };
    connect().with_context(|| format!("connect to {:?}", bridge.name()))
}

/// A socket that speaks to the network namespace of `pid`, where IPv6 was switched off on `eth0`:
/// a neighbour could talk it into a route (CVE-2020-13401). `::1` stays.
fn socket_inside(pid: i32, lease: &Lease) -> Result<Socket> {
    let there = namespace(&format!("/proc/{pid}/ns/net"))?;
    let home = namespace("/proc/thread-self/ns/net")?;
    enter(&there)?;
    let made = (|| {
        if lease.ipv6 {
            write_setting(&format!("{IPV6}/{ETH0}/disable_ipv6"), "1")?;
        }
        Socket::route()
    })();
    enter(&home).context("come back")?;
    made
}

fn namespace(path: &str) -> Result<OwnedFd> {
    rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|e| Error::io(format!("open {path:?}"), e))
}

fn enter(namespace: &OwnedFd) -> Result<()> {
    let network = Some(LinkNameSpaceType::Network);
    rustix::thread::move_into_link_name_space(namespace.as_fd(), network)
        .map_err(|e| Error::io("enter the container's network namespace", e))
}

/// Waits until the kernel has seen that a link has a carrier. Since Linux 6.8 the question itself
/// makes the kernel look; before, it takes as long as a worker takes to be scheduled.
fn await_carrier(host: &Socket, index: u32) -> Result<()> {
    const STEP: Duration = Duration::from_micros(300);
    const STEPS: u32 = 100;
    for _ in 0..STEPS {
        match link::get(host, Which::Index(index))? {
            Some(link) if !link.works => std::thread::sleep(STEP),
            // Gone: its container ended meanwhile, which others will notice.
            _ => break,
        }
    }
    // Not an error: the container's first packet may be late, that is all.
    Ok(())
}

fn index_of(bridge: &Bridge, lease: &Lease) -> u32 {
    FIRST_INDEX + (bridge.number() << 24) + (lease.address.to_bits() & 0x00ff_ffff)
}

fn pair(socket: &Socket, bridge: &Bridge, pid: i32, lease: &Lease) -> Result<(), Refused> {
    let index = index_of(bridge, lease);
    let name = lease.link_name();
    let here = End { name: &name, index, mac: None };
    let there = End { name: ETH0, index: ETH0_INDEX, mac: Some(lease.mac) };
    let mut all = Messages::new();
    link::new_veth(&mut all, here, there, pid, bridge.index(), bridge.mtu());
    link::set_port(&mut all, index, lease.ipv6);
    link::set_up(&mut all, "bring the veth pair up", index);
    socket.send(all)
}
