//! Bridges, veth pairs, addresses and published ports through nftables maps.
//!
//! How a container comes to its network:
//!
//! 1. [`ensure`]: the bridge, the host's settings and the nftables table are there.
//! 2. [`lease`]: an address is the container's.
//! 3. [`publish`]: host ports are claimed and lead to the address. A taken port is refused here,
//!    before anything was started.
//! 4. [`attach`], as soon as the container's process exists: its network namespace has an `eth0`
//!    that works.
//! 5. The process sends [`child_messages`], or [`loopback_messages`] without a network.
//! 6. [`release`], when it has ended: host ports, then the address.
//!
//! [`publish`], [`unpublish`] and [`published`] work on a running container as well.
//!
//! Promises: every step can be repeated, is safe beside others of its kind, and if its process is
//! killed halfway the next call completes or undoes it. Nothing of others is changed: rules are in
//! a table of our own, and the only setting of the whole host that is touched is `ip_forward`,
//! which is switched on if it is off. After a reboot nothing is left but the choice of the subnet.
//!
//! Does not: start programs (`ip`, `nft`), delete links on the way, know what a container is.

mod attach;
mod bridge;
mod conntrack;
mod holder;
mod lease;
mod link;
mod netlink;
mod nft;
mod publish;
mod release;
mod subnet;

pub use attach::{attach, child_messages, loopback_messages};
pub use bridge::{Bridge, ensure, remove};
pub use lease::{Lease, lease};
pub use link::Mac;
pub use publish::{publish, published, unpublish};
pub use release::{release, sweep};
pub use subnet::Subnet;
