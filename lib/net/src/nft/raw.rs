//! Messages of nf_tables that the crate `nftnl` cannot write: the table with its comment, maps and
//! their elements, and the four rules with `fib` and map lookups.
//!
//! Numbers are those of `linux/netfilter/nf_tables.h`; comments name them as there.

use std::net::Ipv4Addr;

use types::port::Proto;

use super::Element;
use crate::netlink::{Body, MAKE, Messages, NEW, attrs};

const INET: u8 = 1; // NFPROTO_INET
const IPV4: u32 = 2; // NFPROTO_IPV4
const NFTABLES: u16 = 10; // NFNL_SUBSYS_NFTABLES

const NEW_TABLE: u16 = 0;
const GET_TABLE: u16 = 1;
const DEL_TABLE: u16 = 2;
const NEW_RULE: u16 = 6;
const NEW_SET: u16 = 9;
const NEW_SETELEM: u16 = 12;
const DEL_SETELEM: u16 = 14;

const REG_VERDICT: u32 = 0;
const REG_1: u32 = 1; // 16 bytes: the same as the 4-byte registers 8 to 11
const REG32_01: u32 = 9;
const REG32_02: u32 = 10;

const TYPE_IPV4: u32 = 7; // nft(8)'s own numbers of types; the kernel only keeps them
const TYPE_PROTO: u32 = 12;
const TYPE_SERVICE: u32 = 13;

/// The chain with the lookups.
pub(super) const FORWARDS: &str = "forwards";

/// The two maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Map {
    /// Protocol and port: on every address of the host.
    Any,
    /// Address, protocol and port.
    One,
}

impl Map {
    /// The map that an element belongs to.
    pub(super) const fn of(element: &Element) -> Self {
        if element.ip.is_some() { Self::One } else { Self::Any }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Any => "any4",
            Self::One => "one4",
        }
    }
}

/// What to do with elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Add them; one that is there with the same value is no error.
    Add,
    /// Delete them by their keys.
    Delete,
}

fn push(all: &mut Messages, label: &'static str, kind: u16, flags: u16, body: impl FnOnce(&mut Body<'_>)) {
    all.push(label, NFTABLES << 8 | kind, flags, |m| {
        m.bytes(&[INET, 0, 0, 0]); // struct nfgenmsg
        body(m);
    });
}

fn boundary(all: &mut Messages, kind: i32) {
    all.push("change the nftables rules", kind as u16, 0, |m| {
        let [high, low] = NFTABLES.to_be_bytes();
        m.bytes(&[0, 0, high, low]);
    });
}

/// Begins a transaction.
pub(super) fn begin(all: &mut Messages) {
    boundary(all, libc::NFNL_MSG_BATCH_BEGIN);
}

/// Ends a transaction.
pub(super) fn end(all: &mut Messages) {
    boundary(all, libc::NFNL_MSG_BATCH_END);
}

/// Adds a table, or leaves it if it is there.
pub(super) fn new_table(all: &mut Messages, table: &str, about: Option<&str>) {
    push(all, "add the table", NEW_TABLE, MAKE, |m| {
        m.text(1, table); // NFTA_TABLE_NAME
        if let Some(about) = about {
            m.attr(6, &comment(about)); // NFTA_TABLE_USERDATA
        }
    });
}

/// Deletes a table with all that is in it.
pub(super) fn delete_table(all: &mut Messages, table: &str) {
    push(all, "delete the table", DEL_TABLE, 0, |m| m.text(1, table));
}

/// Asks for a table.
pub(super) fn get_table(all: &mut Messages, table: &str) {
    push(all, "look at the nftables table", GET_TABLE, 0, |m| m.text(1, table));
}

/// A comment as nft(8) keeps it: type 0, length, text with its NUL.
pub(super) fn comment(text: &str) -> Vec<u8> {
    let len = u8::try_from(text.len() + 1).unwrap_or(u8::MAX);
    [&[0, len], text.as_bytes(), &[0]].concat()
}

/// The comment of a table in an answer to [`get_table`].
pub(super) fn userdata(body: &[u8]) -> Option<&[u8]> {
    attrs(body, 4).find(|(kind, _)| *kind == 6).map(|(_, value)| value)
}

/// Adds both maps.
pub(super) fn new_maps(all: &mut Messages, table: &str) {
    let to = TYPE_IPV4 << 6 | TYPE_SERVICE;
    let any = TYPE_PROTO << 6 | TYPE_SERVICE;
    for (map, id, key, len) in [(Map::Any, 1, any, 8), (Map::One, 2, TYPE_IPV4 << 12 | any, 12)] {
        push(all, "add a map", NEW_SET, NEW, |m| {
            m.text(1, table); // NFTA_SET_TABLE
            m.text(2, map.name()); // NFTA_SET_NAME
            m.be(3, 8); // NFTA_SET_FLAGS: NFT_SET_MAP
            m.be(4, key); // NFTA_SET_KEY_TYPE
            m.be(5, len); // NFTA_SET_KEY_LEN
            m.be(6, to); // NFTA_SET_DATA_TYPE
            m.be(7, 8); // NFTA_SET_DATA_LEN
            m.be(10, id); // NFTA_SET_ID
        });
    }
}

/// Adds or deletes elements of one map.
pub(super) fn elements(all: &mut Messages, table: &str, map: Map, elements: &[&Element], change: Change) {
    let (label, kind, flags) = match change {
        Change::Add => ("add a port", NEW_SETELEM, MAKE),
        Change::Delete => ("delete a port", DEL_SETELEM, 0),
    };
    push(all, label, kind, flags, |m| {
        m.text(1, table); // NFTA_SET_ELEM_LIST_TABLE
        m.text(2, map.name()); // NFTA_SET_ELEM_LIST_SET
        m.nest(3, |m| {
            for element in elements {
                m.nest(1, |m| {
                    m.nest(1, |m| m.attr(1, &key(element))); // NFTA_SET_ELEM_KEY: NFTA_DATA_VALUE
                    if change == Change::Add {
                        m.nest(2, |m| m.attr(1, &target(element))); // NFTA_SET_ELEM_DATA
                    }
                });
            }
        });
    });
}

const fn number(proto: Proto) -> u8 {
    match proto {
        Proto::Tcp => libc::IPPROTO_TCP as u8,
        Proto::Udp => libc::IPPROTO_UDP as u8,
        Proto::Sctp => libc::IPPROTO_SCTP as u8,
    }
}

/// Each part of a concatenated key fills a multiple of four bytes.
fn key(element: &Element) -> Vec<u8> {
    let mut key = Vec::with_capacity(12);
    key.extend(element.ip.iter().flat_map(Ipv4Addr::octets));
    key.extend([number(element.proto), 0, 0, 0]);
    key.extend(element.port.to_be_bytes());
    key.extend([0, 0]);
    key
}

fn target(element: &Element) -> [u8; 8] {
    let [a, b, c, d] = element.to.0.octets();
    let [high, low] = element.to.1.to_be_bytes();
    [a, b, c, d, high, low, 0, 0]
}

fn rule(all: &mut Messages, table: &str, chain: &str, expressions: impl FnOnce(&mut Body<'_>)) {
    let flags = NEW | libc::NLM_F_APPEND as u16;
    push(all, "add a rule", NEW_RULE, flags, |m| {
        m.text(1, table); // NFTA_RULE_TABLE
        m.text(2, chain); // NFTA_RULE_CHAIN
        m.nest(4, expressions); // NFTA_RULE_EXPRESSIONS
    });
}

fn expression(m: &mut Body<'_>, name: &str, data: impl FnOnce(&mut Body<'_>)) {
    m.nest(1, |m| {
        m.text(1, name); // NFTA_EXPR_NAME
        m.nest(2, data); // NFTA_EXPR_DATA
    });
}

/// `meta KEY` into a register.
fn meta(m: &mut Body<'_>, key: u32, register: u32) {
    expression(m, "meta", |m| {
        m.be(1, register); // NFTA_META_DREG
        m.be(2, key); // NFTA_META_KEY
    });
}

/// Goes on if register 1 begins with these bytes.
fn equals(m: &mut Body<'_>, value: &[u8]) {
    expression(m, "cmp", |m| {
        m.be(1, REG_1); // NFTA_CMP_SREG
        m.be(2, 0); // NFTA_CMP_OP: NFT_CMP_EQ
        m.nest(3, |m| m.attr(1, value)); // NFTA_CMP_DATA: NFTA_DATA_VALUE
    });
}

/// Bytes of a header into a register.
fn payload(m: &mut Body<'_>, base: u32, offset: u32, len: u32, register: u32) {
    expression(m, "payload", |m| {
        m.be(1, register); // NFTA_PAYLOAD_DREG
        m.be(2, base); // NFTA_PAYLOAD_BASE: 1 is the network header, 2 the transport header
        m.be(3, offset);
        m.be(4, len);
    });
}

fn is_ipv4(m: &mut Body<'_>) {
    meta(m, 15, REG_1); // NFT_META_NFPROTO
    equals(m, &[IPV4 as u8]);
}

/// `meta nfproto ipv4 fib daddr type local jump forwards`: what is addressed to this host, and not
/// what only passes through it (CVE-2025-67499).
pub(super) fn jump_if_local(all: &mut Messages, table: &str, chain: &str) {
    rule(all, table, chain, |m| {
        is_ipv4(m);
        expression(m, "fib", |m| {
            m.be(1, REG_1); // NFTA_FIB_DREG
            m.be(2, 3); // NFTA_FIB_RESULT: NFT_FIB_RESULT_ADDRTYPE
            m.be(3, 2); // NFTA_FIB_FLAGS: NFTA_FIB_F_DADDR
        });
        equals(m, &u32::from(libc::RTN_LOCAL).to_ne_bytes());
        expression(m, "immediate", |m| {
            m.be(1, REG_VERDICT); // NFTA_IMMEDIATE_DREG
            m.nest(2, |m| {
                m.nest(2, |m| {
                    m.be(1, (-3i32) as u32); // NFTA_VERDICT_CODE: NFT_JUMP
                    m.text(2, FORWARDS); // NFTA_VERDICT_CHAIN
                });
            });
        });
    });
}

/// `dnat ip to [ip daddr .] meta l4proto . th dport map @MAP`, for both maps; a forward of one
/// address goes before one of all.
pub(super) fn forward_by_maps(all: &mut Messages, table: &str) {
    for map in [Map::One, Map::Any] {
        rule(all, table, FORWARDS, |m| {
            is_ipv4(m);
            let (proto, port) = match map {
                Map::Any => (REG_1, REG32_01),
                Map::One => {
                    payload(m, 1, 16, 4, REG_1); // ip daddr
                    (REG32_01, REG32_02)
                }
            };
            meta(m, 16, proto); // NFT_META_L4PROTO
            payload(m, 2, 2, 2, port); // the same place in TCP, UDP and SCTP
            expression(m, "lookup", |m| {
                m.text(1, map.name()); // NFTA_LOOKUP_SET
                m.be(2, REG_1); // NFTA_LOOKUP_SREG
                m.be(3, REG_1); // NFTA_LOOKUP_DREG
            });
            expression(m, "nat", |m| {
                m.be(1, 1); // NFTA_NAT_TYPE: NFT_NAT_DNAT
                m.be(2, IPV4); // NFTA_NAT_FAMILY
                m.be(3, REG_1); // NFTA_NAT_REG_ADDR_MIN
                m.be(5, REG32_01); // NFTA_NAT_REG_PROTO_MIN
            });
        });
    }
}
