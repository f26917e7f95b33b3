//! Bridges, veth pairs, addresses and published ports through nftables maps.
