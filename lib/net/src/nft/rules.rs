//! The constant rules, as data, and how `nftnl` writes them.

use std::ffi::{CStr, CString};
use std::net::Ipv4Addr;

use nftnl::expr::{
    Bitwise, Cmp, CmpOp, Conntrack, ConntrackStatus, Ipv4HeaderField, Masquerade, Meta, NetworkHeaderField,
    Payload, States, Verdict,
};
use nftnl::{Batch, Chain, ChainType, Hook, MsgType, NlMsg, Policy, ProtoFamily, Rule, Table};
use types::{Error, Kind, Result};

use super::raw;
use crate::netlink::{Messages, messages};
use crate::subnet::Subnet;

/// What a packet must be for a rule to apply.
#[derive(Debug, Clone, Copy)]
enum When<'a> {
    /// Came by this link.
    In(&'a str),
    /// Leaves by this link.
    Out(&'a str),
    /// Leaves by another link.
    NotOut(&'a str),
    /// Has its source there.
    From(Subnet),
    /// Has its destination there.
    To(Subnet),
    /// Belongs to a connection that was let through, or follows from one.
    Known,
    /// Was led here by a map.
    Published,
}

/// What a rule does.
#[derive(Debug, Clone, Copy)]
enum Then {
    Accept,
    Drop,
    Return,
    Masquerade,
}

/// The names and places of the base chains.
const CHAINS: [(&CStr, ChainType, Hook, i32); 5] = [
    // Before connection tracking, which would make a reply out of what must be dropped.
    (c"guard", ChainType::Filter, Hook::PreRouting, libc::NF_IP_PRI_RAW),
    (c"prerouting", ChainType::Nat, Hook::PreRouting, libc::NF_IP_PRI_NAT_DST),
    (c"output", ChainType::Nat, Hook::Out, libc::NF_IP_PRI_NAT_DST),
    (c"forward", ChainType::Filter, Hook::Forward, libc::NF_IP_PRI_FILTER),
    (c"postrouting", ChainType::Nat, Hook::PostRouting, libc::NF_IP_PRI_NAT_SRC),
];

/// Writes all chains and rules.
pub(super) fn write(all: &mut Messages, table: &str, bridge: &str, subnet: Subnet) -> Result<()> {
    let nul = |_| Error::new(Kind::Invalid, "a name with a NUL");
    let handle = Table::new(CString::new(table).map_err(nul)?, ProtoFamily::Inet);
    add(all, "add a chain", &Chain::new(CString::new(raw::FORWARDS).map_err(nul)?, &handle));
    for (name, kind, hook, priority) in CHAINS {
        let mut chain = Chain::new(name, &handle);
        chain.set_type(kind);
        chain.set_hook(hook, priority);
        chain.set_policy(Policy::Accept);
        add(all, "add a chain", &chain);
    }
    for (chain, when, then) in simple(bridge, subnet) {
        let chain = Chain::new(chain, &handle);
        let mut rule = Rule::new(&chain);
        when.iter().for_each(|when| when.write(&mut rule));
        then.write(&mut rule);
        add(all, "add a rule", &rule);
    }
    raw::jump_if_local(all, table, "prerouting");
    raw::jump_if_local(all, table, "output");
    raw::forward_by_maps(all, table);
    Ok(())
}

/// The rules without maps, in order.
fn simple(bridge: &str, subnet: Subnet) -> Vec<(&'static CStr, Vec<When<'_>>, Then)> {
    use Then::{Accept, Drop, Masquerade, Return};
    use When::{From, In, Known, NotOut, Out, Published, To};
    let loopback = Subnet::new(Ipv4Addr::LOCALHOST, 8);
    vec![
        // The bridge has route_localnet, which would let a container reach what listens on the
        // host's 127.0.0.1 (CVE-2020-8558).
        (c"guard", vec![In(bridge), To(loopback)], Drop),
        (c"guard", vec![In(bridge), From(loopback)], Drop),
        // A port published on 127.0.0.1 is for this host alone: the kernel drops such a packet from
        // outside as a martian, but only if no map has given it another destination before
        // (CVE-2025-54410). The host's own packets pass through `output` instead.
        (c"prerouting", vec![To(loopback)], Return),
        // From containers to anywhere, and what is not for containers at all.
        (c"forward", vec![In(bridge)], Accept),
        (c"forward", vec![NotOut(bridge)], Accept),
        // To containers: answers, and what was published.
        (c"forward", vec![Known], Accept),
        (c"forward", vec![Published], Accept),
        (c"forward", vec![], Drop),
        // Others do not know a route to containers.
        (c"postrouting", vec![From(subnet), NotOut(bridge)], Masquerade),
        // A container answers to its own 127.0.0.1 instead of the host's ...
        (c"postrouting", vec![Out(bridge), From(loopback)], Masquerade),
        // ... and to a neighbour directly, who does not expect an answer from there, because it
        // has spoken to a published port of the host.
        (c"postrouting", vec![Out(bridge), From(subnet), Published], Masquerade),
    ]
}

impl When<'_> {
    fn write(self, rule: &mut Rule<'_>) {
        match self {
            Self::In(link) => named(rule, &Meta::IifName, CmpOp::Eq, link),
            Self::Out(link) => named(rule, &Meta::OifName, CmpOp::Eq, link),
            Self::NotOut(link) => named(rule, &Meta::OifName, CmpOp::Neq, link),
            Self::From(subnet) => in_subnet(rule, Ipv4HeaderField::Saddr, subnet),
            Self::To(subnet) => in_subnet(rule, Ipv4HeaderField::Daddr, subnet),
            Self::Known => has(rule, &Conntrack::State, (States::ESTABLISHED | States::RELATED).bits()),
            Self::Published => has(rule, &Conntrack::Status, ConntrackStatus::DST_NAT.bits()),
        }
    }
}

impl Then {
    fn write(self, rule: &mut Rule<'_>) {
        match self {
            Self::Accept => rule.add_expr(&Verdict::Accept),
            Self::Drop => rule.add_expr(&Verdict::Drop),
            Self::Return => rule.add_expr(&Verdict::Return),
            Self::Masquerade => rule.add_expr(&Masquerade),
        }
    }
}

/// All 16 bytes of the name are compared: with fewer, the name would be a beginning. By name and
/// not by number, which is quicker, because the table may outlive the bridge.
fn named(rule: &mut Rule<'_>, meta: &Meta, op: CmpOp, link: &str) {
    let mut name = link.as_bytes().to_vec();
    name.resize(libc::IFNAMSIZ, 0);
    rule.add_expr(meta);
    rule.add_expr(&Cmp::new(op, &name[..]));
}

fn in_subnet(rule: &mut Rule<'_>, field: Ipv4HeaderField, subnet: Subnet) {
    rule.add_expr(&Meta::NfProto);
    rule.add_expr(&Cmp::new(CmpOp::Eq, ProtoFamily::Ipv4 as u8));
    rule.add_expr(&Payload::Network(NetworkHeaderField::Ipv4(field)));
    rule.add_expr(&Bitwise::new(subnet.mask(), Ipv4Addr::UNSPECIFIED));
    rule.add_expr(&Cmp::new(CmpOp::Eq, subnet.network()));
}

fn has(rule: &mut Rule<'_>, field: &Conntrack, bits: u32) {
    rule.add_expr(field);
    rule.add_expr(&Bitwise::new(bits, 0u32));
    rule.add_expr(&Cmp::new(CmpOp::Neq, 0u32));
}

/// Takes a message out of `nftnl`'s own batch into ours, where it stands beside those of [`raw`].
fn add(all: &mut Messages, label: &'static str, message: &impl NlMsg) {
    let mut batch = Batch::new();
    batch.add(message, MsgType::Add);
    for page in &batch.finalize() {
        for message in messages(page) {
            // Its batch has a beginning and an end of its own.
            if !matches!(i32::from(message.kind), libc::NFNL_MSG_BATCH_BEGIN | libc::NFNL_MSG_BATCH_END) {
                all.push_written(label, &message);
            }
        }
    }
}
