//! Published ports: the grammar of `-p`, and one concrete forward.
//!
//! `[[IP:][HOST[-HOST]]:]CTR[-CTR][/tcp|udp|sctp]`, an IPv6 address in brackets:
//!
//! | text | meaning |
//! |---|---|
//! | `80` or `0:80` | a free port of the host leads to port 80 of the container |
//! | `8080:80` | port 8080 of every address of the host |
//! | `127.0.0.1:8080:80` | port 8080 of one address |
//! | `127.0.0.1::80` | a free port of one address |
//! | `[::1]:8080:80` | the same with IPv6 |
//! | `8000-8010:80-90` | eleven ports to eleven ports |
//! | `8000-8010:80` | the first free one of eleven |
//! | `53:53/udp` | another protocol than TCP |

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, Kind, Result};

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

impl Proto {
    const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}

impl fmt::Display for Proto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Proto {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        [Self::Tcp, Self::Udp, Self::Sctp]
            .into_iter()
            .find(|p| p.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| Error::new(Kind::Invalid, format!("unknown protocol {text:?}")))
    }
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
    /// The last port of a range that begins with `HostPort` and of which the first free one is
    /// taken when the container starts; absent means exactly `HostPort`.
    #[serde(rename = "HostPortMax", default, skip_serializing_if = "Option::is_none")]
    pub host_port_max: Option<u16>,
    /// The container's port.
    #[serde(rename = "ContainerPort")]
    pub container_port: u16,
    /// The protocol of both.
    #[serde(rename = "Proto")]
    pub proto: Proto,
}

impl Forward {
    /// The host's side as people write it: `0.0.0.0:8080`, `[::1]:8080`, `0.0.0.0:8000-8010`.
    #[must_use]
    pub fn host(&self) -> String {
        let ip = match self.host_ip {
            None => "0.0.0.0".to_owned(),
            Some(IpAddr::V4(ip)) => ip.to_string(),
            Some(IpAddr::V6(ip)) => format!("[{ip}]"),
        };
        match self.host_port_max {
            Some(max) => format!("{ip}:{}-{max}", self.host_port),
            None => format!("{ip}:{}", self.host_port),
        }
    }

    /// Whether a start may make `chosen` of this one, whose port on the host is left open.
    #[must_use]
    pub fn stands_for(&self, chosen: &Self) -> bool {
        let in_range = match self.host_port_max {
            Some(max) => (self.host_port..=max).contains(&chosen.host_port),
            None => self.host_port == 0 || self.host_port == chosen.host_port,
        };
        let inside = |f: &Self| (f.host_ip, f.container_port, f.proto);
        in_range && inside(self) == inside(chosen)
    }

    /// The host's side as an error names it and as [`HostPort`] takes it: `8080/tcp`,
    /// `127.0.0.1:8080/tcp`.
    #[must_use]
    pub fn name(&self) -> String {
        match self.host_ip {
            None => format!("{}/{}", self.host_port, self.proto),
            Some(_) => format!("{}/{}", self.host(), self.proto),
        }
    }
}

/// As Docker's list of containers shows it: `0.0.0.0:8080->80/tcp`.
impl fmt::Display for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}->{}/{}", self.host(), self.container_port, self.proto))
    }
}

/// Parses one value of `-p` into the forwards that it stands for, at least one.
///
/// # Errors
/// `Invalid`, naming the whole value and what is wrong with it.
pub fn parse(text: &str) -> Result<Vec<Forward>> {
    expand(text).map_err(|why| {
        Error::new(Kind::Invalid, format!("bad port {text:?}: {why}"))
            .hint("the form is [[IP:][HOST[-HOST]]:]CONTAINER[-CONTAINER][/tcp|udp|sctp], an IPv6 address in brackets")
    })
}

/// Which forwards of a container are meant by a host's port: `[IP:]HOST[/PROTO]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostPort {
    /// The host's address; absent means whichever.
    pub ip: Option<IpAddr>,
    /// The host's port.
    pub port: u16,
    /// The protocol; absent means whichever.
    pub proto: Option<Proto>,
}

impl HostPort {
    /// Whether this forward is meant.
    #[must_use]
    pub fn matches(&self, forward: &Forward) -> bool {
        forward.host_port == self.port
            && self.proto.is_none_or(|proto| proto == forward.proto)
            && self.ip.is_none_or(|ip| same_ip(Some(ip), forward.host_ip))
    }
}

impl FromStr for HostPort {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let parse = || -> Result<Self, String> {
            let (rest, proto) = match text.rsplit_once('/') {
                Some((rest, proto)) => (rest, Some(proto.parse::<Proto>().map_err(|e| e.to_string())?)),
                None => (text, None),
            };
            let (ip, rest) = split_ip(rest)?;
            Ok(Self { ip, port: one(rest)?, proto })
        };
        parse().map_err(|why| {
            Error::new(Kind::Invalid, format!("bad port {text:?}: {why}"))
                .hint("the form is [IP:]HOST[/tcp|udp|sctp], an IPv6 address in brackets")
        })
    }
}

/// `0.0.0.0` is every address.
fn same_ip(a: Option<IpAddr>, b: Option<IpAddr>) -> bool {
    let every = |ip: Option<IpAddr>| ip.filter(|ip| !is_every(*ip));
    every(a) == every(b)
}

const fn is_every(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V4(v4) if v4.is_unspecified())
}

fn expand(text: &str) -> Result<Vec<Forward>, String> {
    let (ports, proto) = match text.rsplit_once('/') {
        Some((ports, proto)) => (ports, proto.parse::<Proto>().map_err(|e| e.to_string())?),
        None => (text, Proto::Tcp),
    };
    let (host_ip, ports) = split_ip(ports)?;
    let host_ip = host_ip.filter(|ip| !is_every(*ip));
    let (host, container) = match ports.rsplit_once(':') {
        Some((host, container)) => (host, container),
        None if text.starts_with(ports) => ("", ports),
        None => return Err("a container's port is missing".to_owned()),
    };
    let (first, last) = range(container).map_err(|why| format!("container port: {why}"))?;
    let make = |host_port, host_port_max, container_port| Forward {
        host_ip,
        host_port,
        host_port_max,
        container_port,
        proto,
    };
    if host.is_empty() || host == "0" {
        return Ok((first..=last).map(|port| make(0, None, port)).collect());
    }
    let (host_first, host_last) = range(host).map_err(|why| format!("host port: {why}"))?;
    if host_last - host_first == last - first {
        return Ok((host_first..=host_last).zip(first..=last).map(|(h, c)| make(h, None, c)).collect());
    }
    if first == last {
        return Ok(vec![make(host_first, Some(host_last), first)]);
    }
    Err("the ranges differ in length".to_owned())
}

/// Takes an address and the colon after it off the front, if one is there.
fn split_ip(text: &str) -> Result<(Option<IpAddr>, &str), String> {
    let bad = |ip: &str| format!("{ip:?} is not an IP address");
    if let Some(rest) = text.strip_prefix('[') {
        let (ip, rest) = rest.split_once("]:").ok_or("a closing bracket and a colon are missing")?;
        let ip = ip.parse().map_err(|_| bad(ip))?;
        return Ok((Some(IpAddr::V6(ip)), rest));
    }
    match text.split_once(':') {
        // In `HOST:CONTAINER` no address is before the colon; in `IP:PORT` only an address has dots.
        Some((ip, rest)) if rest.contains(':') || ip.contains('.') => {
            if ip.is_empty() {
                return Ok((None, rest));
            }
            Ok((Some(IpAddr::V4(ip.parse().map_err(|_| bad(ip))?)), rest))
        }
        _ => Ok((None, text)),
    }
}

fn range(text: &str) -> Result<(u16, u16), String> {
    match text.split_once('-') {
        None => one(text).map(|port| (port, port)),
        Some((first, last)) => match (one(first)?, one(last)?) {
            (first, last) if first <= last => Ok((first, last)),
            _ => Err(format!("the range {text:?} runs backwards")),
        },
    }
}

fn one(text: &str) -> Result<u16, String> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match text.parse::<u16>() {
        Ok(port) if digits && port > 0 => Ok(port),
        _ if text.is_empty() => Err("a number is missing".to_owned()),
        _ => Err(format!("{text:?} is not a number from 1 to 65535")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(text: &str) -> String {
        let all = parse(text).unwrap();
        all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn every_form_means_what_the_manual_says() {
        for (text, meaning) in [
            ("80", "0.0.0.0:0->80/tcp"),
            ("80/udp", "0.0.0.0:0->80/udp"),
            ("80-82", "0.0.0.0:0->80/tcp 0.0.0.0:0->81/tcp 0.0.0.0:0->82/tcp"),
            ("8080:80", "0.0.0.0:8080->80/tcp"),
            (":80", "0.0.0.0:0->80/tcp"),
            ("0:80", "0.0.0.0:0->80/tcp"),
            ("0.0.0.0:8080:80", "0.0.0.0:8080->80/tcp"),
            ("127.0.0.1:8080:80", "127.0.0.1:8080->80/tcp"),
            ("127.0.0.1::80", "127.0.0.1:0->80/tcp"),
            ("[::1]:8080:80", "[::1]:8080->80/tcp"),
            ("[::1]::80", "[::1]:0->80/tcp"),
            ("8000-8002:80-82/sctp", "0.0.0.0:8000->80/sctp 0.0.0.0:8001->81/sctp 0.0.0.0:8002->82/sctp"),
            ("8000-8010:80", "0.0.0.0:8000-8010->80/tcp"),
            ("53:53/UDP", "0.0.0.0:53->53/udp"),
            ("65535:65535", "0.0.0.0:65535->65535/tcp"),
        ] {
            assert_eq!(show(text), meaning, "{text}");
        }
        assert_eq!(parse("1-65535:1-65535").unwrap().len(), 65535);
    }

    #[test]
    fn what_is_no_port_is_refused_with_its_reason() {
        for (text, why) in [
            ("", "a number is missing"),
            ("x", "\"x\" is not a number from 1 to 65535"),
            ("0", "\"0\" is not a number"),
            ("8080:0", "container port: \"0\" is not a number"),
            ("0-10:80", "host port: \"0\" is not a number"),
            ("65536:80", "host port: \"65536\""),
            ("+80", "\"+80\" is not a number"),
            ("8080:", "container port: a number is missing"),
            ("127.0.0.1:80", "a container's port is missing"),
            ("90-80", "runs backwards"),
            ("8000-8002:80-83", "the ranges differ in length"),
            ("8000:80-83", "the ranges differ in length"),
            ("80/icmp", "unknown protocol \"icmp\""),
            ("80/", "unknown protocol \"\""),
            ("1.2.3:80:80", "\"1.2.3\" is not an IP address"),
            ("localhost:80:80", "\"localhost\" is not an IP address"),
            ("::1:80:80", "is not a number"),
            ("[::1:80:80", "a closing bracket and a colon are missing"),
            ("[127.0.0.1]:80:80", "\"127.0.0.1\" is not an IP address"),
            ("[::1]:80", "a container's port is missing"),
            ("1:2:3:4", "\"1\" is not an IP address"),
        ] {
            let err = parse(text).unwrap_err();
            assert_eq!(err.kind(), Kind::Invalid, "{text}");
            assert!(err.to_string().contains(why), "{text}: {err}");
        }
    }

    #[test]
    fn a_host_port_names_forwards() {
        let forward = parse("127.0.0.1:8080:80").unwrap()[0];
        let every = parse("8080:80/udp").unwrap()[0];
        let meant = |text: &str| {
            let wanted: HostPort = text.parse().unwrap();
            (wanted.matches(&forward), wanted.matches(&every))
        };
        assert_eq!(meant("8080"), (true, true));
        assert_eq!(meant("8080/tcp"), (true, false));
        assert_eq!(meant("127.0.0.1:8080"), (true, false));
        assert_eq!(meant("0.0.0.0:8080"), (false, true));
        assert_eq!(meant("8081"), (false, false));
        for bad in ["", "x", "8080:80", "8080/x", "1.2.3:80"] {
            assert!(bad.parse::<HostPort>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_open_port_stands_for_what_was_chosen() {
        let stands =
            |open: &str, chosen: &str| parse(open).unwrap()[0].stands_for(&parse(chosen).unwrap()[0]);
        assert!(stands("80", "32768:80") && stands("8000-8010:80", "8010:80") && stands("1:80", "1:80"));
        assert!(!stands("80", "32768:81") && !stands("8000-8010:80", "8011:80") && !stands("1:80", "2:80"));
        assert!(!stands("80", "32768:80/udp") && !stands("127.0.0.1::80", "32768:80"));
    }

    #[test]
    fn a_forward_is_written_as_docker_inspect_names_its_parts() {
        let json = serde_json::to_string(&parse("127.0.0.1:8080:80").unwrap()[0]).unwrap();
        assert_eq!(json, r#"{"HostIp":"127.0.0.1","HostPort":8080,"ContainerPort":80,"Proto":"tcp"}"#);
    }
}
