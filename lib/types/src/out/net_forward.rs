//! A published port, as `net-forward` lists it and `ctr-inspect` and `ctr-ls` have it in `Ports`.

use serde::Serialize;

use super::Record;
use crate::port::Forward;

/// A port of the host that leads to a container.
#[derive(Debug, Clone, Serialize)]
pub struct Port {
    /// The forward.
    #[serde(flatten)]
    forward: Forward,
    /// Its host's side, in the form that `net-forward --rm` takes.
    #[serde(skip)]
    name: String,
}

impl From<Forward> for Port {
    fn from(forward: Forward) -> Self {
        Self { name: forward.name(), forward }
    }
}

impl Record for Port {
    const HEADS: &'static [&'static str] = &["HOST", "CONTAINER"];

    fn cells(&self) -> Vec<String> {
        let Forward { container_port, proto, .. } = self.forward;
        vec![self.forward.host(), format!("{container_port}/{proto}")]
    }

    fn id(&self) -> &str {
        &self.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::{HostPort, parse};

    #[test]
    fn what_a_list_names_can_be_removed_by_that_name() {
        for text in ["8080:80", "127.0.0.1:53:53/udp", "[::1]:80:80/sctp"] {
            let forward = parse(text).unwrap()[0];
            let port = Port::from(forward);
            let wanted: HostPort = port.id().parse().unwrap();
            assert!(wanted.matches(&forward), "{text}: {}", port.id());
        }
        let port = Port::from(parse("127.0.0.1:53:5353/udp").unwrap()[0]);
        assert_eq!(
            (port.id(), port.cells().join(" ")),
            ("127.0.0.1:53/udp", "127.0.0.1:53 5353/udp".to_owned())
        );
        let port = Port::from(parse("8080:80").unwrap()[0]);
        assert_eq!((port.id(), port.cells().join(" ")), ("8080/tcp", "0.0.0.0:8080 80/tcp".to_owned()));
    }
}
