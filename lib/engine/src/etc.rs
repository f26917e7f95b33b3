//! `/etc/hosts`, `/etc/hostname` and `/etc/resolv.conf` of a container, made anew at every start.

use std::net::IpAddr;

use store::Store;
use types::Result;
use types::container::{Network, Record};

/// Names that every container knows, as Docker writes them.
const HOSTS: &str = "127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
";

/// Where to ask if the host's own servers are all on its loopback, which a container cannot
/// reach; Docker's choice.
const FALLBACK_SERVERS: [&str; 2] = ["8.8.8.8", "8.8.4.4"];

/// The stand-in for the host's own address in `--add-host`.
const HOST_GATEWAY: &str = "host-gateway";

/// Writes the three files. They are bound into the container, so they are written in place.
pub(crate) fn write(store: &Store, record: &Record, lease: Option<&net::Lease>) -> Result<()> {
    let host = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let mut hosts = if record.network == Network::Host { host("/etc/hosts") } else { HOSTS.to_owned() };
    if let Some(lease) = lease {
        hosts.push_str(&format!("{}\t{}\n", lease.address, host_names(&record.hostname)));
    }
    for (name, address) in &record.add_hosts {
        let gateway = || lease.map_or_else(|| "127.0.0.1".to_owned(), |lease| lease.gateway.to_string());
        let address = if address == HOST_GATEWAY { gateway() } else { address.clone() };
        hosts.push_str(&format!("{address}\t{name}\n"));
    }
    let resolv = resolv_conf(&host("/etc/resolv.conf"), record, record.network == Network::Bridge);
    store.write_etc(&record.id, [&hosts, &format!("{}\n", record.hostname), &resolv])
}

/// The full name, then the short one if they differ.
fn host_names(hostname: &str) -> String {
    match hostname.split_once('.') {
        Some((short, _)) => format!("{hostname} {short}"),
        None => hostname.to_owned(),
    }
}

fn resolv_conf(host: &str, asked: &Record, bridged: bool) -> String {
    let mut out = String::new();
    let mut servers: Vec<&str> = asked.dns.iter().map(String::as_str).collect();
    for line in host.lines() {
        match line.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["nameserver", server, ..] if asked.dns.is_empty() => {
                if !bridged || !is_loopback(server) {
                    servers.push(server);
                }
            }
            ["nameserver", ..] | [] => {}
            ["search" | "domain", ..] if !asked.dns_search.is_empty() => {}
            ["options", ..] if !asked.dns_options.is_empty() => {}
            _ => out.push_str(&format!("{line}\n")),
        }
    }
    if servers.is_empty() && bridged {
        servers.extend(FALLBACK_SERVERS);
    }
    for server in servers {
        out.push_str(&format!("nameserver {server}\n"));
    }
    for (word, values) in [("search", &asked.dns_search), ("options", &asked.dns_options)] {
        if !values.is_empty() {
            out.push_str(&format!("{word} {}\n", values.join(" ")));
        }
    }
    out
}

fn is_loopback(server: &str) -> bool {
    server.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(extra: &str) -> Record {
        let digest = format!("sha256:{}", "0".repeat(64));
        let text = format!(
            r#"{{"id":"","name":"","created":"","image":"","image_id":"{digest}","manifest":"{digest}","layers":[],
                "args":[],"workdir":"/","hostname":"h","network":"bridge","stop_signal":15,"stop_timeout":10{extra}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn servers_on_the_hosts_loopback_are_of_no_use_inside() {
        let host = "# x\nsearch example.org\nnameserver 127.0.0.53\n";
        let kept = "# x\nsearch example.org\n";
        let plain = record("");
        assert_eq!(
            resolv_conf(host, &plain, true),
            format!("{kept}nameserver 8.8.8.8\nnameserver 8.8.4.4\n")
        );
        assert_eq!(resolv_conf(host, &plain, false), format!("{kept}nameserver 127.0.0.53\n"));
        let two = "nameserver 127.0.0.53\nnameserver 10.0.0.1\n";
        assert_eq!(resolv_conf(two, &plain, true), "nameserver 10.0.0.1\n");
    }

    #[test]
    fn what_was_asked_for_replaces_the_hosts_own() {
        let asked = record(r#","dns":["1.1.1.1"],"dns_search":["a.example","b.example"]"#);
        assert_eq!(
            resolv_conf("search example.org\nnameserver 10.0.0.1\noptions ndots:2\n", &asked, true),
            "options ndots:2\nnameserver 1.1.1.1\nsearch a.example b.example\n"
        );
    }
}
