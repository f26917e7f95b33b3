//! Whether a process of the host has a port, and which.

use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, sockopt};
use types::port::{Forward, Proto};
use types::{Error, Kind, Result};

/// What trying to bind a port has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    /// No socket of the host is in the way.
    Free,
    /// One is.
    Taken,
}

/// Tries to bind a host port, and lets go of it at once. The kernel would lead packets to the
/// container in any case; this is for whoever wonders why the process gets none any more.
///
/// # Errors
/// `Invalid` if the address is none of the host's.
pub(crate) fn bind(forward: &Forward) -> Result<Bound> {
    let ip = match forward.host_ip {
        Some(IpAddr::V4(ip)) => ip,
        _ => Ipv4Addr::UNSPECIFIED,
    };
    match try_bind(forward.proto, SocketAddrV4::new(ip, forward.host_port)) {
        Ok(()) => Ok(Bound::Free),
        Err(Errno::ADDRINUSE) => Ok(Bound::Taken),
        // The kernel cannot speak SCTP itself, so no process of the host does.
        Err(Errno::PROTONOSUPPORT | Errno::SOCKTNOSUPPORT) if forward.proto == Proto::Sctp => Ok(Bound::Free),
        Err(Errno::ADDRNOTAVAIL) => {
            Err(Error::new(Kind::Invalid, format!("{ip} is not an address of this host")))
        }
        Err(e) => Err(Error::io(format!("try port {}/{}", forward.host_port, forward.proto), e)),
    }
}

fn try_bind(proto: Proto, address: SocketAddrV4) -> Result<(), Errno> {
    let (kind, protocol) = match proto {
        Proto::Tcp => (SocketType::STREAM, ipproto::TCP),
        Proto::Udp => (SocketType::DGRAM, ipproto::UDP),
        Proto::Sctp => (SocketType::STREAM, ipproto::SCTP),
    };
    let socket = rustix::net::socket_with(AddressFamily::INET, kind, SocketFlags::CLOEXEC, Some(protocol))?;
    if proto == Proto::Tcp {
        // Connections that were closed a moment ago are not in the way; who listens still is.
        sockopt::set_socket_reuseaddr(&socket, true)?;
    }
    rustix::net::bind(&socket, &address)
}

/// The process that has the port, as an error names it: `"nginx" (pid 123)`. Slow, since it looks
/// at all descriptors of all processes; for the error alone.
pub(crate) fn process(forward: &Forward) -> String {
    inode(forward).and_then(|inode| owner(&inode)).unwrap_or_else(|| "a process of this host".to_owned())
}

/// The inode of the socket that has the port, from `/proc/net`.
fn inode(forward: &Forward) -> Option<String> {
    let tables = match forward.proto {
        Proto::Tcp => ["tcp", "tcp6"],
        Proto::Udp => ["udp", "udp6"],
        Proto::Sctp => return None,
    };
    tables.iter().find_map(|table| {
        // Of the thread: a thread may have its own network namespace.
        let text = std::fs::read_to_string(format!("/proc/thread-self/net/{table}")).ok()?;
        find_inode(&text, forward.host_port, forward.proto == Proto::Tcp)
    })
}

fn find_inode(table: &str, port: u16, only_listening: bool) -> Option<String> {
    const LISTENING: &str = "0A";
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
        let (_, hex) = local.rsplit_once(':')?;
        let matches = u16::from_str_radix(hex, 16) == Ok(port) && (!only_listening || *state == LISTENING);
        matches.then(|| (*inode).to_owned())
    })
}

fn owner(inode: &str) -> Option<String> {
    let wanted = format!("socket:[{inode}]");
    std::fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let name = entry.file_name();
        let pid: u32 = name.to_str()?.parse().ok()?;
        let mut fds = std::fs::read_dir(entry.path().join("fd")).ok()?.flatten();
        fds.find(|fd| std::fs::read_link(fd.path()).is_ok_and(|to| to.as_os_str() == wanted.as_str()))?;
        let comm = std::fs::read_to_string(entry.path().join("comm")).ok()?;
        Some(format!("{:?} (pid {pid})", comm.trim_end()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, UdpSocket};

    fn forward(port: u16, proto: Proto) -> Forward {
        let host_ip = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
        Forward { host_ip, host_port: port, host_port_max: None, container_port: 80, proto }
    }

    #[test]
    fn a_process_that_listens_is_found_by_name_and_pid() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let me = format!("(pid {})", std::process::id());
        for (port, proto) in
            [(tcp.local_addr().unwrap().port(), Proto::Tcp), (udp.local_addr().unwrap().port(), Proto::Udp)]
        {
            let forward = forward(port, proto);
            assert_eq!(bind(&forward).unwrap(), Bound::Taken);
            assert_eq!(bind(&Forward { host_ip: None, ..forward }).unwrap(), Bound::Taken);
            assert!(process(&forward).ends_with(&me), "{}", process(&forward));
        }
        let port = tcp.local_addr().unwrap().port();
        drop(tcp);
        assert_eq!(bind(&forward(port, Proto::Tcp)).unwrap(), Bound::Free);
        assert_eq!(process(&forward(port, Proto::Tcp)), "a process of this host");
    }

    #[test]
    fn an_address_of_others_is_refused() {
        let other = Forward { host_ip: Some("203.0.113.9".parse().unwrap()), ..forward(9, Proto::Tcp) };
        let err = bind(&other).unwrap_err();
        assert_eq!(
            (err.kind(), err.to_string().as_str()),
            (Kind::Invalid, "203.0.113.9 is not an address of this host")
        );
    }
}
