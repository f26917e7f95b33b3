//! Origins: where a request goes, and who may send us where.

use std::net::IpAddr;

use reqwest::Url;
use types::{Error, Kind, Result};

/// How near a host is. A server may send us no nearer than itself: a registry of the internet
/// has no business with our loopback, our network, or a cloud's metadata service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    Public,
    Private,
    LinkLocal,
    Loopback,
}

/// Whether a host (`HOST[:PORT]`) is this machine: there, plain HTTP is as good as TLS.
pub(crate) fn is_loopback(host: &str) -> bool {
    Url::parse(&format!("http://{host}/")).is_ok_and(|url| is_near(&url))
}

/// The same for an address.
pub(crate) fn is_near(url: &Url) -> bool {
    reach(url) == Reach::Loopback
}

/// Scheme, host and port: what credentials belong to.
pub(crate) fn same(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme()
        && a.host_str() == b.host_str()
        && a.port_or_known_default() == b.port_or_known_default()
}

/// Checks where a redirect leads: `from` sent us to `to`.
///
/// # Errors
/// `Denied`.
pub(crate) fn check_redirect(from: &Url, to: &Url) -> Result<()> {
    let refuse = |why: &str| Err(Error::new(Kind::Denied, format!("{from} redirects to {to}: {why}")));
    match (from.scheme(), to.scheme()) {
        (_, "https") | ("http", "http") => {}
        ("https", "http") => return refuse("not encrypted"),
        _ => return refuse("not HTTP"),
    }
    if !to.username().is_empty() || to.password().is_some() {
        return refuse("with credentials in it");
    }
    if nearer(from, to) { refuse("into a network that is not the server's own") } else { Ok(()) }
}

/// Checks the token server that a registry names.
///
/// # Errors
/// `Denied`.
pub(crate) fn check_realm(registry: &Url, realm: &Url) -> Result<()> {
    let refuse = |why: &str| Err(Error::new(Kind::Denied, format!("its token server {realm} is {why}")));
    match realm.scheme() {
        "https" => {}
        "http" if registry.scheme() == "http" && registry.host_str() == realm.host_str() => {}
        "http" => return refuse("not encrypted"),
        _ => return refuse("not a web address"),
    }
    if nearer(registry, realm) { refuse("in a network that is not the registry's own") } else { Ok(()) }
}

/// Whether a registry's credentials may go to this token server: the same host, or one under the
/// same domain (`registry-1.docker.io` and `auth.docker.io`).
pub(crate) fn may_have_credentials(registry: &Url, realm: &Url) -> bool {
    let (Some(a), Some(b)) = (registry.host_str(), realm.host_str()) else { return false };
    if a == b {
        return true;
    }
    let is_address = |host: &str| host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    if is_address(a) || is_address(b) || realm.scheme() != "https" {
        return false;
    }
    match (domain(a), domain(b)) {
        (Some(a), Some(b)) => a == b,
        _ => false,
    }
}

/// The last two labels of a name, or three where the second one is a short public suffix
/// (`co.uk`): a guess that errs towards refusing.
fn domain(host: &str) -> Option<String> {
    let labels: Vec<&str> = host.trim_end_matches('.').split('.').collect();
    let count = match labels.as_slice() {
        [.., second, last] if last.len() == 2 && second.len() <= 3 => 3,
        _ => 2,
    };
    let start = labels.len().checked_sub(count)?;
    labels.get(start..).map(|l| l.join("."))
}

fn nearer(from: &Url, to: &Url) -> bool {
    reach(to) > reach(from)
}

fn reach(url: &Url) -> Reach {
    let host = url.host_str().unwrap_or_default();
    match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(ip) => reach_of(ip),
        Err(_) if host == "localhost" || host.ends_with(".localhost") => Reach::Loopback,
        Err(_) => Reach::Public,
    }
}

fn reach_of(ip: IpAddr) -> Reach {
    match ip.to_canonical() {
        IpAddr::V4(v4) if v4.is_loopback() || v4.is_unspecified() => Reach::Loopback,
        IpAddr::V4(v4) if v4.is_link_local() => Reach::LinkLocal,
        IpAddr::V4(v4) if v4.is_private() => Reach::Private,
        IpAddr::V6(v6) if v6.is_loopback() || v6.is_unspecified() => Reach::Loopback,
        IpAddr::V6(v6) if v6.is_unicast_link_local() => Reach::LinkLocal,
        IpAddr::V6(v6) if v6.is_unique_local() => Reach::Private,
        _ => Reach::Public,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).expect(text)
    }

    #[test]
    fn this_machine_is_recognised_by_its_addresses() {
        for host in
            ["localhost", "localhost:5000", "127.0.0.1:5000", "127.9.9.9", "[::1]:5000", "x.localhost"]
        {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["example.com", "localhost.example.com", "10.0.0.1", "128.0.0.1", "[::2]"] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn a_server_sends_us_no_nearer_than_itself() {
        for (from, to) in [
            ("https://r.example/a", "https://cdn.example/b"),
            ("http://127.0.0.1:5000/a", "http://127.0.0.1:5001/b"),
            ("http://10.0.0.1/a", "http://10.0.0.2/b"),
            ("http://127.0.0.1/", "https://cdn.example/"),
        ] {
            assert!(check_redirect(&url(from), &url(to)).is_ok(), "{from} -> {to}");
        }
        for (from, to) in [
            ("https://r.example/a", "http://r.example/a"),
            ("https://r.example/a", "https://127.0.0.1/"),
            ("https://r.example/a", "https://localhost/"),
            ("https://r.example/a", "https://169.254.169.254/latest"),
            ("https://r.example/a", "https://[::ffff:127.0.0.1]/"),
            ("https://r.example/a", "https://[fe80::1]/"),
            ("https://r.example/a", "https://0/"),
            ("https://r.example/a", "https://0x7f.1/"),
            ("https://r.example/a", "file:///etc/passwd"),
            ("https://r.example/a", "https://u:p@cdn.example/"),
            ("http://10.0.0.1/a", "http://169.254.169.254/"),
        ] {
            assert!(check_redirect(&url(from), &url(to)).is_err(), "{from} -> {to}");
        }
    }

    #[test]
    fn a_realm_is_encrypted_and_no_nearer_than_its_registry() {
        let ok = |r: &str, t: &str| check_realm(&url(r), &url(t)).is_ok();
        assert!(ok("https://registry-1.docker.io/", "https://auth.docker.io/token"));
        assert!(ok("http://127.0.0.1:5000/", "http://127.0.0.1:5001/token"));
        for (registry, realm) in [
            ("https://r.example/", "http://r.example/token"),
            ("http://127.0.0.1:5000/", "http://evil.example/token"),
            ("https://r.example/", "https://169.254.169.254/token"),
            ("https://r.example/", "file:///etc/passwd"),
        ] {
            assert!(!ok(registry, realm), "{registry} {realm}");
        }
    }

    #[test]
    fn credentials_stay_in_the_domain() {
        let may = |r: &str, t: &str| may_have_credentials(&url(r), &url(t));
        assert!(may("https://registry-1.docker.io/", "https://auth.docker.io/token"));
        assert!(may("https://r.example:5000/", "https://r.example/token"));
        assert!(may("https://registry.a.co.uk/", "https://a.co.uk/token"));
        assert!(!may("https://r.example/", "https://evil.com/token"));
        assert!(!may("https://r.b.co.uk/", "https://a.co.uk/token"));
        assert!(!may("https://10.0.0.1/", "https://11.0.0.1/token"));
        assert!(!may("http://r.a.example/", "http://t.a.example/token"));
    }
}
