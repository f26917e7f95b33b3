//! Published ports: the grammar of `-p`, and one concrete forward.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// A transport protocol that can be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Proto {
    /// Transmission Control Protocol.
    #[default]
    Tcp,
    /// User Datagram Protocol.
    Udp,
    /// Stream Control Transmission Protocol.
    Sctp,
}

/// One host port that leads to one container port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forward {
    /// The host's address; absent means every address of the host.
    #[serde(rename = "HostIp", default, skip_serializing_if = "Option::is_none")]
    pub host_ip: Option<IpAddr>,
    /// The host's port; 0 asks for a free one when the container starts.
    #[serde(rename = "HostPort")]
    pub host_port: u16,
    /// The container's port.
    #[serde(rename = "ContainerPort")]
    pub container_port: u16,
    /// The protocol of both.
    #[serde(rename = "Proto")]
    pub proto: Proto,
}

/// Parses `-p`. TEMPORARY
pub fn parse(_text: &str) -> crate::Result<Vec<Forward>> {
    Ok(Vec::new())
}
