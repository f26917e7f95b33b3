//! The table of nftables: a constant number of rules, and two maps with one element a forward.
//!
//! What the table does, in nft(8)'s words, for `longshore0` and its subnet:
//!
//! ```text
//! table inet longshore {
//!   map any4 { type inet_proto . inet_service : ipv4_addr . inet_service }
//!   map one4 { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service }
//!   chain guard       { hook prerouting priority raw;    bridge: drop from and to 127.0.0.0/8 }
//!   chain prerouting  { hook prerouting priority dstnat; not 127.0.0.0/8, local: jump forwards }
//!   chain output      { hook output priority -100;       local: jump forwards }
//!   chain forwards    { dnat by one4, then by any4 }
//!   chain forward     { hook forward priority filter;    to the bridge: known or published only }
//!   chain postrouting { hook postrouting priority srcnat; masquerade what would not come back }
//! }
//! ```
//!
//! The family is `inet`, and the maps' names end in 4, so that IPv6 gets two maps and two rules in
//! the same table. A base chain's `accept` only ends that chain: it opens nothing that another
//! table closes, so firewalls of others stay in force.
//!
//! The crate `nftnl` writes chains and rules. It knows no maps, no concatenated keys, no `fib` and
//! no lookup with a result, so [`raw`] writes those; and none of its types leaves this module.

mod raw;
mod rules;

use std::net::Ipv4Addr;

use rustix::io::Errno;
use types::port::Proto;
use types::{Context, Error, Result};

use crate::netlink::{Messages, Netfilter, Refused};
use crate::subnet::Subnet;

/// Changes with the rules: a table of another version is made anew.
const VERSION: u32 = 1;
/// Elements in one message: its list of them is an attribute, which ends at 64 KiB.
const PER_MESSAGE: usize = 500;
/// Elements in one transaction, which is one buffer that the kernel must take whole.
const PER_BATCH: usize = 8000;

/// One element of a map: where a port of the host leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) proto: Proto,
    /// The host's address; absent for all.
    pub(crate) ip: Option<Ipv4Addr>,
    pub(crate) port: u16,
    /// The container's address and port.
    pub(crate) to: (Ipv4Addr, u16),
}

/// The table of one bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    name: String,
    bridge: String,
    subnet: Subnet,
}

impl Table {
    /// The table for bridge `number`.
    pub(crate) fn new(number: u32, subnet: Subnet) -> Self {
        // `longshore` for the one bridge that a host normally has.
        let suffix = if number == 0 { String::new() } else { number.to_string() };
        Self { name: format!("longshore{suffix}"), bridge: format!("longshore{number}"), subnet }
    }

    /// What the table was made for; nft(8) shows it as the table's comment.
    fn comment(&self) -> String {
        format!("longshore rules {VERSION} for {} {}", self.bridge, self.subnet)
    }

    /// Whether the table is there and was made for this version, bridge and subnet. One question;
    /// since a table is made in one transaction, its rules are there if it is.
    pub(crate) fn is_complete(&self, socket: &Netfilter) -> Result<bool> {
        let mut all = Messages::new();
        raw::get_table(&mut all, &self.name);
        let wanted = raw::comment(&self.comment());
        let mut complete = false;
        match socket.ask(all, |m| complete |= raw::userdata(m.body) == Some(&wanted[..])) {
            Ok(()) => Ok(complete),
            Err(refused) if refused.errno == Errno::NOENT => Ok(false),
            Err(refused) => Err(explain(refused)),
        }
    }

    /// Makes the table anew, with these elements, in place of what may be there.
    pub(crate) fn build(&self, socket: &Netfilter, elements: &[Element]) -> Result<()> {
        let first = elements.len().min(PER_BATCH);
        let (now, later) = elements.split_at(first);
        let mut batch = Batch::new();
        // Deleting what is not there fails, adding what is there does not.
        raw::new_table(batch.all(), &self.name, None);
        raw::delete_table(batch.all(), &self.name);
        raw::new_table(batch.all(), &self.name, Some(&self.comment()));
        raw::new_maps(batch.all(), &self.name);
        rules::write(batch.all(), &self.name, &self.bridge, self.subnet)?;
        self.put(&mut batch, now, raw::Change::Add);
        batch.send(socket).map_err(explain).context("make the nftables rules")?;
        self.add(socket, later)
    }

    /// Adds elements; one that is there already is left or changed. In one transaction, up to
    /// some thousands.
    pub(crate) fn add(&self, socket: &Netfilter, elements: &[Element]) -> Result<()> {
        for some in elements.chunks(PER_BATCH) {
            let mut batch = Batch::new();
            self.put(&mut batch, some, raw::Change::Add);
            match batch.send(socket) {
                // A port of ours that leads elsewhere: what a killed process left behind.
                Err(refused) if matches!(refused.errno, Errno::BUSY | Errno::EXIST) => {
                    self.delete_elements(socket, some)?;
                    let mut batch = Batch::new();
                    self.put(&mut batch, some, raw::Change::Add);
                    batch.send(socket).map_err(explain)?;
                }
                other => other.map_err(explain)?,
            }
        }
        Ok(())
    }

    /// Deletes elements; one that is not there is no error.
    pub(crate) fn delete_elements(&self, socket: &Netfilter, elements: &[Element]) -> Result<()> {
        for some in elements.chunks(PER_BATCH) {
            let mut batch = Batch::new();
            self.put(&mut batch, some, raw::Change::Delete);
            match batch.send(socket) {
                // One is missing and none was deleted: now one by one.
                Err(refused) if refused.errno == Errno::NOENT && some.len() > 1 => {
                    for one in some {
                        self.delete_elements(socket, std::slice::from_ref(one))?;
                    }
                }
                Err(refused) if refused.errno == Errno::NOENT => {}
                other => other.map_err(explain)?,
            }
        }
        Ok(())
    }

    /// Takes the whole table away; no error if it is not there.
    pub(crate) fn delete(&self, socket: &Netfilter) -> Result<()> {
        let mut batch = Batch::new();
        raw::new_table(batch.all(), &self.name, None);
        raw::delete_table(batch.all(), &self.name);
        batch.send(socket).map_err(explain)
    }

    fn put(&self, batch: &mut Batch, elements: &[Element], change: raw::Change) {
        for map in [raw::Map::Any, raw::Map::One] {
            let of_map: Vec<&Element> = elements.iter().filter(|e| raw::Map::of(e) == map).collect();
            for some in of_map.chunks(PER_MESSAGE) {
                raw::elements(batch.all(), &self.name, map, some, change);
            }
        }
    }
}

/// A transaction: all of it happens or nothing.
struct Batch(Messages);

impl Batch {
    fn new() -> Self {
        let mut all = Messages::new();
        raw::begin(&mut all);
        Self(all)
    }

    fn all(&mut self) -> &mut Messages {
        &mut self.0
    }

    fn send(mut self, socket: &Netfilter) -> Result<(), Refused> {
        // Before Linux 6.10 the end of a batch does not answer; the last message inside does.
        let last = self.0.last();
        raw::end(&mut self.0);
        socket.send(self.0, last)
    }
}

fn explain(refused: Refused) -> Error {
    let unsupported = matches!(refused.errno, Errno::NOTSUP | Errno::AFNOSUPPORT | Errno::PROTONOSUPPORT);
    let err = Error::from(refused);
    if unsupported { err.hint("the kernel needs nf_tables with inet, nat, masq, fib and ct") } else { err }
}
