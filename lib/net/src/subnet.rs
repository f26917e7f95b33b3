//! IPv4 subnets: the one of the bridge, and the search for one that nobody uses.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A block of IPv4 addresses, such as `10.90.0.0/16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Subnet {
    network: Ipv4Addr,
    prefix: u8,
}

impl Subnet {
    /// The block of `2^(32-prefix)` addresses that `address` is in.
    #[must_use]
    pub fn new(address: Ipv4Addr, prefix: u8) -> Self {
        let prefix = prefix.min(32);
        Self { network: Ipv4Addr::from_bits(address.to_bits() & mask(prefix)), prefix }
    }

    /// The first address of the block, which names it.
    #[must_use]
    pub const fn network(self) -> Ipv4Addr {
        self.network
    }

    /// How many leading bits all addresses share.
    #[must_use]
    pub const fn prefix(self) -> u8 {
        self.prefix
    }

    /// The bits that all addresses share, as a mask.
    pub(crate) fn mask(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(mask(self.prefix))
    }

    /// The host's address on the bridge: the first usable one.
    #[must_use]
    pub fn gateway(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.network.to_bits() | 1)
    }

    /// How many addresses containers can have: all but network, gateway and broadcast.
    pub(crate) fn hosts(self) -> u32 {
        (!mask(self.prefix)).saturating_sub(2)
    }

    /// The container address number `n`, counted round.
    pub(crate) fn host(self, n: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.network.to_bits() + 2 + n % self.hosts().max(1))
    }

    /// Whether `address` is in the block.
    #[must_use]
    pub fn contains(self, address: Ipv4Addr) -> bool {
        address.to_bits() & mask(self.prefix) == self.network.to_bits()
    }

    /// Whether an address is in both blocks.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        let common = mask(self.prefix.min(other.prefix));
        self.network.to_bits() & common == other.network.to_bits() & common
    }
}

const fn mask(prefix: u8) -> u32 {
    match prefix {
        0 => 0,
        p => u32::MAX << (32 - p as u32),
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

impl From<Subnet> for String {
    fn from(subnet: Subnet) -> Self {
        subnet.to_string()
    }
}

impl TryFrom<String> for Subnet {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for Subnet {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (address, prefix) = text.split_once('/')?;
            let subnet = Self::new(address.parse().ok()?, prefix.parse().ok().filter(|p| *p <= 32)?);
            (subnet.to_string() == text).then_some(subnet)
        };
        parse().ok_or_else(|| format!("{text:?} is not a subnet"))
    }
}

/// What a bridge may use, best first. 172.17 to 172.19 and 10.88 come first in engines that people
/// have beside this one and that do not look before they take them; 192.168.0 to 199 are homes and
/// offices, where a laptop may go tomorrow.
fn candidates() -> impl Iterator<Item = Subnet> {
    let ten = (89..=126).map(|n| Subnet::new(Ipv4Addr::new(10, n, 0, 0), 16));
    let seventeen = (24..=31).rev().map(|n| Subnet::new(Ipv4Addr::new(172, n, 0, 0), 16));
    let small = (200..=254).map(|n| Subnet::new(Ipv4Addr::new(192, 168, n, 0), 24));
    ten.chain(seventeen).chain(small)
}

/// The first candidate that shares no address with what is in use.
pub(crate) fn choose(used: &[Subnet]) -> Option<Subnet> {
    candidates().find(|subnet| is_free(*subnet, used))
}

/// Whether a subnet shares no address with what is in use. A default route uses nothing.
pub(crate) fn is_free(subnet: Subnet, used: &[Subnet]) -> bool {
    !used.iter().any(|other| other.prefix > 0 && other.overlaps(subnet))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> Subnet {
        text.parse().unwrap()
    }

    #[test]
    fn a_used_subnet_is_avoided_whether_wider_or_narrower() {
        let first = choose(&[]).unwrap();
        assert_eq!(choose(&[net("0.0.0.0/0")]).unwrap(), first);
        assert_ne!(choose(&[Subnet::new(first.host(300), 32)]).unwrap(), first);
        assert_eq!(choose(&[net("10.0.0.0/8")]).unwrap().network().octets()[0], 172);
        assert_eq!(choose(&[net("10.0.0.0/8"), net("172.16.0.0/12")]).unwrap(), net("192.168.200.0/24"));
        assert_eq!(choose(&[net("128.0.0.0/1"), net("0.0.0.0/1")]), None);
    }

    #[test]
    fn container_addresses_never_are_network_gateway_or_broadcast() {
        for subnet in [net("10.89.0.0/16"), net("192.168.200.0/24"), net("10.0.0.0/30")] {
            for n in 0..subnet.hosts() * 2 {
                let address = subnet.host(n);
                let host = address.to_bits() & !mask(subnet.prefix);
                assert!(subnet.contains(address) && host > 1 && host < !mask(subnet.prefix), "{address}");
            }
        }
    }

    #[test]
    fn only_the_canonical_form_is_a_subnet() {
        for bad in ["10.0.0.1/16", "10.0.0.0", "10.0.0.0/33", "10.0.0.0/016", "a/8", ""] {
            assert!(bad.parse::<Subnet>().is_err(), "{bad}");
        }
        assert_eq!(net("10.89.0.0/16").to_string(), "10.89.0.0/16");
    }
}
