//! The few requests of rtnetlink(7) that a move takes.
//!
//! The kernel answers a request before `send` returns, so nothing here waits for long.

use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};
use types::{Error, Result};

/// Sizes of `struct nlmsghdr`, `ifinfomsg` and `ifaddrmsg`.
const HEADER: usize = 16;
const LINK: usize = 16;
const ADDRESS: usize = 8;

const IFLA_NET_NS_FD: u16 = 28;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_BROADCAST: u16 = 4;
const IFA_FLAGS: u16 = 8;
const IFA_RT_PRIORITY: u16 = 9;
/// `IFA_F_PERMANENT`: somebody has configured it.
const PERMANENT: u32 = 0x80;
/// `IFA_F_NODAD`, `IFA_F_MANAGETEMPADDR`, `IFA_F_NOPREFIXROUTE`: how it was configured.
const HOW: u32 = 0x02 | 0x100 | 0x200;

/// A socket of one network namespace.
#[derive(Debug)]
pub struct Route(OwnedFd);

/// An address, as the kernel has told it: the message without its device, and the attributes to give back.
#[derive(Debug, PartialEq, Eq)]
pub struct Address {
    family: u8,
    prefix: u8,
    attributes: Vec<u8>,
}

impl Route {
    /// Opens one in the namespace of this thread.
    pub fn open() -> Result<Self> {
        let kind = (AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC);
        socket_with(kind.0, kind.1, kind.2, None).map(Self).map_err(|e| Error::io("open rtnetlink socket", e))
    }

    /// The number of a device.
    pub fn index(&self, name: &str) -> io::Result<u32> {
        let body = link(0, 0, 0, &attribute(libc::IFLA_IFNAME, &with_nul(name)));
        let mut index = None;
        self.ask(libc::RTM_GETLINK, 0, &body, |kind, body| {
            if kind == libc::RTM_NEWLINK {
                index = number(body, 4);
            }
        })?;
        index.ok_or_else(|| io::Error::from_raw_os_error(libc::ENODEV))
    }

    /// Addresses of a device that somebody has configured, of global scope.
    pub fn addresses(&self, device: u32) -> io::Result<Vec<Address>> {
        let mut found = Vec::new();
        self.ask(libc::RTM_GETADDR, libc::NLM_F_DUMP, &[0; ADDRESS], |kind, body| {
            if kind == libc::RTM_NEWADDR && number(body, 4) == Some(device) {
                found.extend(configured(body));
            }
        })?;
        Ok(found)
    }

    /// Moves a device into a namespace under this name.
    pub fn transfer(&self, device: u32, namespace: BorrowedFd<'_>, name: &str) -> io::Result<()> {
        let mut attributes = attribute(IFLA_NET_NS_FD, &namespace.as_raw_fd().to_ne_bytes());
        attributes.extend(attribute(libc::IFLA_IFNAME, &with_nul(name)));
        self.ask(libc::RTM_SETLINK, 0, &link(device, 0, 0, &attributes), |_, _| {})
    }

    /// Gives a device an address.
    pub fn add(&self, device: u32, address: &Address) -> io::Result<()> {
        let mut body = vec![address.family, address.prefix, 0, 0];
        body.extend(device.to_ne_bytes());
        body.extend(&address.attributes);
        self.ask(libc::RTM_NEWADDR, libc::NLM_F_CREATE | libc::NLM_F_EXCL, &body, |_, _| {})
    }

    /// Sets a device up.
    pub fn up(&self, device: u32) -> io::Result<()> {
        let up = libc::IFF_UP.cast_unsigned();
        self.ask(libc::RTM_SETLINK, 0, &link(device, up, up, &[]), |_, _| {})
    }

    /// Sends one request and hands out what is answered, up to the acknowledgement.
    fn ask(&self, kind: u16, flags: i32, body: &[u8], mut each: impl FnMut(u16, &[u8])) -> io::Result<()> {
        let flags = flags | libc::NLM_F_REQUEST | libc::NLM_F_ACK;
        send(&self.0, &message(kind, flags, body)?, SendFlags::empty())?;
        let mut buffer = vec![0; 64 << 10];
        loop {
            let (length, _) = match recv(&self.0, buffer.as_mut_slice(), RecvFlags::empty()) {
                Err(rustix::io::Errno::INTR) => continue,
                other => other?,
            };
            let mut rest = buffer.get(..length).unwrap_or_default();
            while let Some((kind, body, next)) = split(rest) {
                match i32::from(kind) {
                    libc::NLMSG_DONE => return Ok(()),
                    libc::NLMSG_ERROR => {
                        let errno = number(body, 0).unwrap_or(0).cast_signed();
                        return if errno == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(-errno)) };
                    }
                    _ => each(kind, body),
                }
                rest = next;
            }
            if !rest.is_empty() {
                return Err(ErrorKind::InvalidData.into());
            }
        }
    }
}

fn message(kind: u16, flags: i32, body: &[u8]) -> io::Result<Vec<u8>> {
    let length = u32::try_from(HEADER + body.len()).map_err(io::Error::other)?;
    let flags = u16::try_from(flags).map_err(io::Error::other)?;
    let mut message = length.to_ne_bytes().to_vec();
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend([0; 8]);
    message.extend(body);
    Ok(message)
}

/// `struct ifinfomsg` with attributes.
fn link(index: u32, flags: u32, change: u32, attributes: &[u8]) -> Vec<u8> {
    let mut body = vec![0; 4];
    for word in [index, flags, change] {
        body.extend(word.to_ne_bytes());
    }
    debug_assert_eq!(body.len(), LINK);
    body.extend(attributes);
    body
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn with_nul(name: &str) -> Vec<u8> {
    let mut bytes = name.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

/// An address, if it is one to be given back. Its label is not: that begins with the device's old name.
fn configured(body: &[u8]) -> Option<Address> {
    let [family, prefix, short_flags, scope, ..] = *body else { return None };
    let (mut flags, mut kept) = (u32::from(short_flags), Vec::new());
    let mut rest = body.get(ADDRESS..)?;
    while let Some((kind, value, next)) = split_attribute(rest) {
        match kind {
            IFA_FLAGS => flags = number(value, 0)?,
            IFA_ADDRESS | IFA_LOCAL | IFA_BROADCAST | IFA_RT_PRIORITY => kept.extend(attribute(kind, value)),
            _ => {}
        }
        rest = next;
    }
    if flags & PERMANENT == 0 || scope != libc::RT_SCOPE_UNIVERSE {
        return None;
    }
    kept.extend(attribute(IFA_FLAGS, &(flags & HOW).to_ne_bytes()));
    Some(Address { family, prefix, attributes: kept })
}

/// The first message: its kind, its body, what follows.
fn split(messages: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = usize::try_from(number(messages, 0)?).ok()?;
    let kind = u16::from_ne_bytes(*messages.get(4..)?.first_chunk()?);
    let body = messages.get(HEADER..length)?;
    Some((kind, body, messages.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

fn split_attribute(attributes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = usize::from(u16::from_ne_bytes(*attributes.first_chunk()?));
    let kind = u16::from_ne_bytes(*attributes.get(2..)?.first_chunk()?);
    let value = attributes.get(4..length)?;
    Some((kind, value, attributes.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(scope: u8, flags: u32) -> Vec<u8> {
        let mut body = vec![2, 24, 0, scope, 7, 0, 0, 0];
        body.extend(attribute(IFA_LOCAL, &[10, 0, 0, 1]));
        body.extend(attribute(3, b"eth0\0"));
        body.extend(attribute(IFA_FLAGS, &flags.to_ne_bytes()));
        body
    }

    #[test]
    fn addresses_that_somebody_has_configured_are_given_back() {
        let kept = configured(&told(0, PERMANENT | 0x200)).unwrap();
        let mut attributes = attribute(IFA_LOCAL, &[10, 0, 0, 1]);
        attributes.extend(attribute(IFA_FLAGS, &0x200u32.to_ne_bytes()));
        assert_eq!(kept, Address { family: 2, prefix: 24, attributes });
        assert_eq!(configured(&told(0, 0)), None, "from a router");
        assert_eq!(configured(&told(253, PERMANENT)), None, "of the link");
        assert_eq!(configured(&[2, 24]), None);
    }

    #[test]
    fn what_is_cut_off_ends_the_walk() {
        let one = message(libc::RTM_NEWADDR, 0, &told(0, 0)).unwrap();
        assert_eq!(split(&one).map(|(kind, body, rest)| (kind, body.len(), rest.len())), Some((20, 36, 0)));
        assert!(split(one.get(..20).unwrap()).is_none());
        assert!(split_attribute(&[200, 0, 1, 0]).is_none());
        assert!(split_attribute(&[0, 0, 1, 0]).is_none());
    }
}
