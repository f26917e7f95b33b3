//! Forgetting datagram flows that a change of ports has made wrong.
//!
//! The maps are asked for the first packet of a flow only. A UDP client that goes on sending keeps
//! its flow alive, so it would never come to a port that was published after its first packet, and
//! would go on to an address that has lost its port, perhaps to the next container there. TCP needs
//! none of this: a connection that leads to nobody is reset.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use rustix::io::Errno;
use types::Result;
use types::port::{Forward, Proto};

use crate::link;
use crate::netlink::{DUMP, Message, Messages, Netfilter, Socket, attrs};

const CONNTRACK: u16 = 1; // NFNL_SUBSYS_CTNETLINK
const GET: u16 = 1; // IPCTNL_MSG_CT_GET
const DELETE: u16 = 2; // IPCTNL_MSG_CT_DELETE
const TUPLE_ORIG: u16 = 1; // CTA_TUPLE_ORIG
const TUPLE_REPLY: u16 = 2; // CTA_TUPLE_REPLY
const FLOW_ID: u16 = 12; // CTA_ID
const IPV4: u8 = 2; // NFPROTO_IPV4
const UDP: u8 = libc::IPPROTO_UDP as u8;

/// One flow of datagrams: where its first packet was sent, and who answers.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Flow {
    to: Ipv4Addr,
    port: u16,
    answered_by: Ipv4Addr,
    /// The two attributes that name it, as the kernel gave them.
    orig: Vec<u8>,
    id: Vec<u8>,
}

/// Forgets flows to this host that began before these ports were published.
pub(crate) fn forget_before(socket: &Netfilter, route: &Socket, published: &[Forward]) -> Result<()> {
    let ports = udp_ports(published);
    if ports.is_empty() {
        return Ok(());
    }
    let ours: BTreeSet<Ipv4Addr> = link::addresses(route)?.into_iter().collect();
    forget(socket, |flow| {
        let local = ours.contains(&flow.to) || flow.to.is_loopback();
        local && flow.answered_by == flow.to && asks_for(&ports, flow)
    })
}

/// Forgets flows that these ports have led to `address`.
pub(crate) fn forget_after(socket: &Netfilter, ended: &[Forward], address: Ipv4Addr) -> Result<()> {
    let ports = udp_ports(ended);
    if ports.is_empty() {
        return Ok(());
    }
    forget(socket, |flow| flow.answered_by == address && flow.to != address && asks_for(&ports, flow))
}

/// Ports and the addresses they are published on.
fn udp_ports(forwards: &[Forward]) -> BTreeSet<(u16, Option<IpAddr>)> {
    forwards.iter().filter(|f| f.proto == Proto::Udp).map(|f| (f.host_port, f.host_ip)).collect()
}

fn asks_for(ports: &BTreeSet<(u16, Option<IpAddr>)>, flow: &Flow) -> bool {
    ports.contains(&(flow.port, None)) || ports.contains(&(flow.port, Some(IpAddr::V4(flow.to))))
}

/// Walks over all flows of datagrams. A kernel that cannot list them is no error: what would have
/// been forgotten goes on until its client is silent for a while.
fn forget(socket: &Netfilter, wrong: impl Fn(&Flow) -> bool) -> Result<()> {
    let mut found = Vec::new();
    let mut all = Messages::new();
    all.push("list connections", CONNTRACK << 8 | GET, DUMP, |m| m.bytes(&[IPV4, 0, 0, 0]));
    match socket.ask(all, |message| found.extend(read(message).filter(&wrong))) {
        Ok(()) => {}
        Err(refused) if matches!(refused.errno, Errno::NOTSUP | Errno::INVAL) => return Ok(()),
        Err(refused) => return Err(refused.into()),
    }
    for flow in found {
        let mut all = Messages::new();
        all.push("forget a connection", CONNTRACK << 8 | DELETE, 0, |m| {
            m.bytes(&[IPV4, 0, 0, 0]);
            m.nest(TUPLE_ORIG, |m| m.bytes(&flow.orig));
            m.attr(FLOW_ID, &flow.id);
        });
        match socket.ask(all, |_| ()) {
            // It has ended by itself.
            Err(refused) if refused.errno == Errno::NOENT => {}
            other => other?,
        }
    }
    Ok(())
}

fn read(message: Message<'_>) -> Option<Flow> {
    let find = |inside: &'_ [u8], wanted: u16| -> Option<Vec<u8>> {
        attrs(inside, 0).find(|(kind, _)| *kind == wanted).map(|(_, value)| value.to_vec())
    };
    let part = |wanted| attrs(message.body, 4).find(|(kind, _)| *kind == wanted).map(|(_, value)| value);
    let (orig, reply) = (part(TUPLE_ORIG)?, part(TUPLE_REPLY)?);
    let proto = find(orig, 2)?; // CTA_TUPLE_PROTO
    // CTA_PROTO_NUM, CTA_PROTO_DST_PORT
    if find(&proto, 1)?.first() != Some(&UDP) {
        return None;
    }
    let port = u16::from_be_bytes(find(&proto, 3)?.try_into().ok()?);
    // CTA_TUPLE_IP: CTA_IP_V4_SRC, CTA_IP_V4_DST
    let address = |tuple: &[u8], end: u16| -> Option<Ipv4Addr> {
        let octets: [u8; 4] = find(&find(tuple, 1)?, end)?.try_into().ok()?;
        Some(octets.into())
    };
    let (to, answered_by) = (address(orig, 2)?, address(reply, 1)?);
    Some(Flow { to, port, answered_by, orig: orig.to_vec(), id: part(FLOW_ID)?.to_vec() })
}
