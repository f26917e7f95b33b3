//! The rtnetlink(7) messages of a bridge, of a veth pair, and of what goes on inside a container.

use std::net::Ipv4Addr;

use rustix::io::Errno;
use types::Result;

use crate::netlink::{Body, DUMP, Message, Messages, NEW, Refused, Socket, attrs, u32_at};
use crate::subnet::Subnet;

/// Size of `struct ifinfomsg`.
const IFINFO: usize = 16;
/// Size of `struct rtmsg`.
const RTMSG: usize = 12;
/// Size of `struct ifaddrmsg`.
const IFADDR: usize = 8;
/// `linux/veth.h`; the libc crate has no name for it.
const VETH_INFO_PEER: u16 = 1;
/// `linux/if_link.h`.
const IFLA_INET6_ADDR_GEN_MODE: u16 = 8;
/// `linux/if_link.h`.
const IN6_ADDR_GEN_MODE_NONE: u8 = 1;
/// `linux/if_link.h`: hairpin mode.
const IFLA_BRPORT_MODE: u16 = 4;
/// `linux/if.h`.
const IF_OPER_UP: u8 = 6;
const AF_INET: u8 = libc::AF_INET as u8;
const UP: u32 = libc::IFF_UP as u32;

/// A hardware address.
pub type Mac = [u8; 6];

/// Which link a message is about.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Which<'a> {
    /// By its name.
    Name(&'a str),
    /// By its number.
    Index(u32),
}

/// What is known about a link.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) up: bool,
    /// It has a carrier, and the kernel has drawn the consequences.
    pub(crate) works: bool,
    pub(crate) mtu: u32,
    pub(crate) alias: String,
}

/// One end of a veth pair.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End<'a> {
    pub(crate) name: &'a str,
    pub(crate) index: u32,
    pub(crate) mac: Option<Mac>,
}

fn ifinfo(m: &mut Body<'_>, index: u32, flags: u32, change: u32) {
    m.bytes(&[0; 4]); // family, padding, type: the kernel knows
    m.bytes(&index.to_ne_bytes());
    m.bytes(&flags.to_ne_bytes());
    m.bytes(&change.to_ne_bytes());
}

fn which(m: &mut Body<'_>, link: Which<'_>, flags: u32, change: u32) {
    match link {
        Which::Index(index) => ifinfo(m, index, flags, change),
        Which::Name(name) => {
            ifinfo(m, 0, flags, change);
            m.text(libc::IFLA_IFNAME, name);
        }
    }
}

/// Makes a bridge, down, and says whose it is. A fixed hardware address, else it changes with every
/// port that comes and goes, and neighbours that know the old one talk to nobody.
///
/// The kernel does both messages inside one call, so a killed maker leaves no bridge without alias.
pub(crate) fn new_bridge(all: &mut Messages, name: &str, mac: Mac, alias: &str) {
    all.push("make the bridge", libc::RTM_NEWLINK, NEW, |m| {
        ifinfo(m, 0, 0, 0);
        m.text(libc::IFLA_IFNAME, name);
        m.attr(libc::IFLA_ADDRESS, &mac);
        m.nest(libc::IFLA_LINKINFO, |m| m.text(libc::IFLA_INFO_KIND, "bridge"));
    });
    all.push("mark the bridge", libc::RTM_NEWLINK, 0, |m| {
        which(m, Which::Name(name), 0, 0);
        m.text(libc::IFLA_IFALIAS, alias);
    });
}

/// Sets a bridge's MTU, in a message of its own: only so the kernel takes it as set by us and does
/// not go back to 1500 when the last port leaves.
pub(crate) fn set_bridge(all: &mut Messages, index: u32, mtu: u32) {
    all.push("set up the bridge", libc::RTM_NEWLINK, 0, |m| {
        ifinfo(m, index, 0, 0);
        m.number(libc::IFLA_MTU, mtu);
    });
}

/// One queue in each direction. The kernel would make one a processor, with an object in sysfs for
/// each, and a veth pair never uses them: it hands a packet over on the processor that sends it.
fn one_queue(m: &mut Body<'_>) {
    m.number(libc::IFLA_NUM_TX_QUEUES, 1);
    m.number(libc::IFLA_NUM_RX_QUEUES, 1);
}

/// Makes a veth pair with its second end already inside the network namespace of `pid`. No end is
/// up: one cannot be before the other is there (ENOTCONN).
///
/// Both numbers must be given, or the kernel ignores the one of the second end.
pub(crate) fn new_veth(all: &mut Messages, here: End<'_>, there: End<'_>, pid: i32, master: u32, mtu: u32) {
    all.push("make a veth pair", libc::RTM_NEWLINK, NEW, |m| {
        ifinfo(m, here.index, 0, 0);
        m.text(libc::IFLA_IFNAME, here.name);
        m.number(libc::IFLA_MTU, mtu);
        one_queue(m);
        m.number(libc::IFLA_MASTER, master);
        m.nest(libc::IFLA_LINKINFO, |m| {
            m.text(libc::IFLA_INFO_KIND, "veth");
            m.nest(libc::IFLA_INFO_DATA, |m| {
                m.nest(VETH_INFO_PEER, |m| {
                    ifinfo(m, there.index, 0, 0);
                    m.text(libc::IFLA_IFNAME, there.name);
                    m.number(libc::IFLA_MTU, mtu);
                    one_queue(m);
                    if let Some(mac) = there.mac {
                        m.attr(libc::IFLA_ADDRESS, &mac);
                    }
                    m.attr(libc::IFLA_NET_NS_PID, &pid.to_ne_bytes());
                });
            });
        });
    });
}

/// Prepares a port of a bridge, in a message of its own before [`set_up`]: in one message the kernel
/// brings the link up first.
///
/// The bridge may send back by a port what came by it: with `br_netfilter`, which other engines
/// load, what a container sends to a published port of its own is redirected inside the bridge.
///
/// With `ipv6`, which a kernel without IPv6 refuses, the link gets no link-local address: it would
/// listen to router advertisements of whoever is on the link (CVE-2020-13401), and duplicate address
/// detection would send to all ports of the bridge.
pub(crate) fn set_port(all: &mut Messages, index: u32, ipv6: bool) {
    all.push("set up the port of the bridge", libc::RTM_NEWLINK, 0, |m| {
        ifinfo(m, index, 0, 0);
        m.nest(libc::IFLA_LINKINFO, |m| {
            m.text(libc::IFLA_INFO_SLAVE_KIND, "bridge");
            m.nest(libc::IFLA_INFO_SLAVE_DATA, |m| m.attr(IFLA_BRPORT_MODE, &[1]));
        });
        if ipv6 {
            m.nest(libc::IFLA_AF_SPEC, |m| {
                m.nest(libc::AF_INET6 as u16, |m| {
                    m.attr(IFLA_INET6_ADDR_GEN_MODE, &[IN6_ADDR_GEN_MODE_NONE]);
                });
            });
        }
    });
}

/// Brings a link up.
pub(crate) fn set_up(all: &mut Messages, label: &'static str, index: u32) {
    all.push(label, libc::RTM_NEWLINK, 0, |m| ifinfo(m, index, UP, UP));
}

/// Brings the loopback link up, which has number 1 in every network namespace.
pub(crate) fn loopback_up(all: &mut Messages) {
    all.push("bring lo up", libc::RTM_NEWLINK, 0, |m| ifinfo(m, 1, UP, UP));
}

/// Gives a link an address.
pub(crate) fn address(all: &mut Messages, flags: u16, index: u32, address: Ipv4Addr, subnet: Subnet) {
    all.push("add the address", libc::RTM_NEWADDR, flags, |m| {
        m.bytes(&[AF_INET, subnet.prefix(), 0, libc::RT_SCOPE_UNIVERSE]);
        m.bytes(&index.to_ne_bytes());
        m.attr(libc::IFA_LOCAL, &address.octets());
        m.attr(libc::IFA_ADDRESS, &address.octets());
        let last = subnet.network().to_bits() | !subnet.mask().to_bits();
        m.attr(libc::IFA_BROADCAST, &last.to_be_bytes());
    });
}

/// Sends everything that is not on the link to `gateway`.
pub(crate) fn default_route(all: &mut Messages, index: u32, gateway: Ipv4Addr) {
    all.push("add the default route", libc::RTM_NEWROUTE, NEW, |m| {
        let (table, proto) = (libc::RT_TABLE_MAIN, libc::RTPROT_BOOT);
        m.bytes(&[AF_INET, 0, 0, 0, table, proto, libc::RT_SCOPE_UNIVERSE, libc::RTN_UNICAST, 0, 0, 0, 0]);
        m.attr(libc::RTA_GATEWAY, &gateway.octets());
        m.number(libc::RTA_OIF, index);
    });
}

/// Deletes a link by name. Slow: waits for everyone who may still look at it.
pub(crate) fn delete(socket: &Socket, name: &str) -> Result<(), Refused> {
    let mut all = Messages::new();
    all.push("delete a link", libc::RTM_DELLINK, 0, |m| which(m, Which::Name(name), 0, 0));
    match socket.send(all) {
        Err(refused) if refused.errno == Errno::NODEV => Ok(()),
        other => other,
    }
}

/// Asks about one link; `None` if there is none.
pub(crate) fn get(socket: &Socket, link: Which<'_>) -> Result<Option<Link>> {
    let mut all = Messages::new();
    all.push("look at a link", libc::RTM_GETLINK, 0, |m| which(m, link, 0, 0));
    let mut found = None;
    match socket.ask(all, |message| found = Some(read_link(message))) {
        Ok(()) => Ok(found),
        Err(refused) if refused.errno == Errno::NODEV => Ok(None),
        Err(refused) => Err(refused.into()),
    }
}

fn read_link(message: Message<'_>) -> Link {
    let mut link = Link {
        index: u32_at(message.body, 4).unwrap_or(0),
        up: u32_at(message.body, 8).unwrap_or(0) & UP != 0,
        ..Link::default()
    };
    for (kind, value) in attrs(message.body, IFINFO) {
        match kind {
            libc::IFLA_OPERSTATE => link.works = value.first() == Some(&IF_OPER_UP),
            libc::IFLA_MTU => link.mtu = u32_at(value, 0).unwrap_or(0),
            libc::IFLA_IFALIAS => {
                link.alias = String::from_utf8_lossy(value).trim_end_matches('\0').to_owned();
            }
            _ => {}
        }
    }
    link
}

/// The MTU of the link that leads out; `None` if nothing leads out.
pub(crate) fn outward_mtu(socket: &Socket) -> Result<Option<u32>> {
    let mut all = Messages::new();
    all.push("look up the default route", libc::RTM_GETROUTE, 0, |m| {
        m.bytes(&[AF_INET, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        // Any address that is not ours: where it would go. Nothing is sent there (RFC 5737).
        m.attr(libc::RTA_DST, &[203, 0, 113, 1]);
    });
    let mut out = None;
    match socket.ask(all, |message| {
        out = attrs(message.body, RTMSG)
            .find(|(kind, _)| *kind == libc::RTA_OIF)
            .and_then(|(_, v)| u32_at(v, 0));
    }) {
        Ok(()) => {}
        Err(refused) if matches!(refused.errno, Errno::NETUNREACH | Errno::HOSTUNREACH | Errno::ACCESS) => {}
        Err(refused) => return Err(refused.into()),
    }
    let Some(index) = out else { return Ok(None) };
    Ok(get(socket, Which::Index(index))?.map(|link| link.mtu))
}

/// The IPv4 blocks that this host has routes to or addresses in, except by the link `but`.
pub(crate) fn used_subnets(socket: &Socket, but: Option<u32>) -> Result<Vec<Subnet>> {
    let mut used = Vec::new();
    let mut all = Messages::new();
    all.push("list the routes", libc::RTM_GETROUTE, DUMP, |m| {
        m.bytes(&[AF_INET, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    });
    socket.ask(all, |message| {
        let prefix = message.body.get(1).copied().unwrap_or(0);
        note(&mut used, &message, RTMSG, prefix, libc::RTA_DST, |kind, v| {
            kind == libc::RTA_OIF && u32_at(v, 0) == but
        });
    })?;
    let mut all = Messages::new();
    all.push("list the addresses", libc::RTM_GETADDR, DUMP, |m| m.bytes(&[AF_INET, 0, 0, 0, 0, 0, 0, 0]));
    socket.ask(all, |message| {
        if but.is_none() || u32_at(message.body, 4) != but {
            let prefix = message.body.get(1).copied().unwrap_or(0);
            note(&mut used, &message, IFADDR, prefix, libc::IFA_ADDRESS, |_, _| false);
        }
    })?;
    Ok(used)
}

/// The IPv4 addresses of this host.
pub(crate) fn addresses(socket: &Socket) -> Result<Vec<Ipv4Addr>> {
    let mut found = Vec::new();
    let mut all = Messages::new();
    all.push("list the addresses", libc::RTM_GETADDR, DUMP, |m| m.bytes(&[AF_INET, 0, 0, 0, 0, 0, 0, 0]));
    socket.ask(all, |message| {
        let local = attrs(message.body, IFADDR).find(|(kind, _)| *kind == libc::IFA_LOCAL);
        found.extend(local.and_then(|(_, v)| <[u8; 4]>::try_from(v).ok()).map(Ipv4Addr::from));
    })?;
    Ok(found)
}

fn note(
    used: &mut Vec<Subnet>,
    message: &Message<'_>,
    skip: usize,
    prefix: u8,
    wanted: u16,
    but: impl Fn(u16, &[u8]) -> bool,
) {
    let mut found = None;
    for (kind, value) in attrs(message.body, skip) {
        if but(kind, value) {
            return;
        }
        if kind == wanted {
            found = value.try_into().ok().map(|octets: [u8; 4]| Subnet::new(octets.into(), prefix));
        }
    }
    used.extend(found);
}
