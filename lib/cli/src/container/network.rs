//! Options about the network.

use std::net::IpAddr;

use types::container::Network;
use types::request::Request;
use types::{Error, Kind, Result};

#[derive(Debug, clap::Args)]
pub(super) struct NetworkArgs {
    /// Connect to: bridge, none, host
    #[arg(
        long,
        visible_alias = "net",
        value_name = "NETWORK",
        default_value = "bridge",
        help_heading = "Network"
    )]
    network: String,
    /// Publish a port on the host (can be repeated)
    #[arg(short, long, value_name = "[[IP:][PORT]:]PORT[/PROTO]", help_heading = "Network")]
    publish: Vec<String>,
    /// Publish all ports that the image exposes, on free ports of the host
    #[arg(short = 'P', long, help_heading = "Network")]
    publish_all: bool,
    /// Expose a port to --publish-all (can be repeated)
    #[arg(long, value_name = "PORT[/PROTO]", help_heading = "Network")]
    expose: Vec<String>,
    /// Host name inside (default: the first 12 digits of the id)
    #[arg(short = 'h', long, value_name = "NAME", help_heading = "Network")]
    hostname: Option<String>,
    /// Add a line to /etc/hosts; the address host-gateway is the host's (can be repeated)
    #[arg(long, value_name = "NAME:ADDRESS", help_heading = "Network")]
    add_host: Vec<String>,
    /// Ask this name server instead of the host's (can be repeated)
    #[arg(long, value_name = "ADDRESS", help_heading = "Network")]
    dns: Vec<String>,
    /// Search this domain (can be repeated)
    #[arg(long, value_name = "DOMAIN", help_heading = "Network")]
    dns_search: Vec<String>,
    /// Set an option of resolv.conf(5) (can be repeated)
    #[arg(long, visible_alias = "dns-opt", value_name = "OPTION", help_heading = "Network")]
    dns_option: Vec<String>,
}

impl NetworkArgs {
    pub(super) fn apply(&self, request: &mut Request) -> Result<()> {
        request.network = match self.network.as_str() {
            "bridge" | "default" => Network::Bridge,
            "none" => Network::None,
            "host" => Network::Host,
            other => {
                return Err(Error::new(Kind::Unsupported, format!("network {other:?}: not supported yet"))
                    .hint("bridge, none and host are"));
            }
        };
        for text in &self.publish {
            request.ports.extend(types::port::parse(text)?);
        }
        for text in &self.expose {
            request.expose.extend(types::port::parse(text)?);
        }
        request.publish_all = self.publish_all;
        if request.network != Network::Bridge && (self.publish_all || !request.ports.is_empty()) {
            return Err(Error::new(
                Kind::Invalid,
                format!("network {:?} cannot publish ports", self.network),
            )
            .hint("with --network host the program's own ports are the host's"));
        }
        request.hostname = self.hostname.as_deref().map(hostname).transpose()?;
        request.add_hosts = self.add_host.iter().map(|text| add_host(text)).collect::<Result<_>>()?;
        for server in &self.dns {
            let bad = |_| Error::new(Kind::Invalid, format!("bad name server {server:?}: not an address"));
            server.parse::<IpAddr>().map_err(bad)?;
        }
        for word in self.dns_search.iter().chain(&self.dns_option) {
            if !is_word(word) {
                return Err(Error::new(Kind::Invalid, format!("bad word {word:?} for resolv.conf")));
            }
        }
        request.dns.clone_from(&self.dns);
        request.dns_search.clone_from(&self.dns_search);
        request.dns_options.clone_from(&self.dns_option);
        Ok(())
    }
}

/// What reaches a file of lines is checked here: no blank, no control character.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic())
}

fn hostname(text: &str) -> Result<String> {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    if text.is_empty() || text.len() > 64 || !text.bytes().all(good) {
        return Err(Error::new(Kind::Invalid, format!("bad host name {text:?}"))
            .hint("up to 64 letters, digits, dots and hyphens"));
    }
    Ok(text.to_owned())
}

/// `NAME:ADDRESS` or `NAME=ADDRESS`.
fn add_host(text: &str) -> Result<(String, String)> {
    let bad = || Error::new(Kind::Invalid, format!("bad --add-host {text:?}")).hint("write NAME:ADDRESS");
    let at = text.find(['=', ':']).ok_or_else(bad)?;
    let (name, address) = (text.get(..at).unwrap_or_default(), text.get(at + 1..).unwrap_or_default());
    let address = address.trim_start_matches('[').trim_end_matches(']');
    if !is_word(name) || (address != "host-gateway" && address.parse::<IpAddr>().is_err()) {
        return Err(bad());
    }
    Ok((name.to_owned(), address.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_names_and_addresses_reaches_the_hosts_file() {
        assert_eq!(add_host("db:10.0.0.1").unwrap(), ("db".to_owned(), "10.0.0.1".to_owned()));
        assert_eq!(add_host("db=::1").unwrap(), ("db".to_owned(), "::1".to_owned()));
        assert_eq!(add_host("me:host-gateway").unwrap().1, "host-gateway");
        for bad in ["db", "db:", ":1.2.3.4", "a b:1.2.3.4", "a\nb:1.2.3.4", "a:1.2.3.4\nx"] {
            assert!(add_host(bad).is_err(), "{bad:?}");
        }
    }
}
