//! Netlink messages: written into one buffer, sent with one call, answered before the call returns.
//!
//! The kernel handles a netlink request inside `sendto(2)`, so all answers lie in the receive queue
//! when it returns: nothing here ever waits. Only the last message asks for an acknowledgement;
//! messages that fail before it answer by themselves. Each message has a label, which is the phrase
//! of the error that names it.
//!
//! Used for rtnetlink(7) and for nfnetlink. Does not: know any message's meaning.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Mutex;

use rustix::io::Errno;
use rustix::net::{AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, sockopt};
use types::{Context, Error, Result};

/// Size of `struct nlmsghdr`.
const HEADER: usize = 16;
/// Set in the type of an attribute that holds attributes; rtnetlink checks it for new families.
const NESTED: u16 = libc::NLA_F_NESTED as u16;
/// What the kernel lets a socket send at once without asking (`net.core.wmem_default`, less overhead).
const SMALL: usize = 64 << 10;

/// Flags of a request that makes something which must not be there yet.
pub(crate) const NEW: u16 = (libc::NLM_F_CREATE | libc::NLM_F_EXCL) as u16;
/// Flags of a request that makes something, or changes what is there to be so.
pub(crate) const PUT: u16 = (libc::NLM_F_CREATE | libc::NLM_F_REPLACE) as u16;
/// Flags of a request that makes something, or leaves it if it is there.
pub(crate) const MAKE: u16 = libc::NLM_F_CREATE as u16;
/// Flags of a request for all objects of a kind.
pub(crate) const DUMP: u16 = libc::NLM_F_DUMP as u16;

/// Messages that are sent together, in order.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    buf: Vec<u8>,
    /// One a message; its index plus one is the sequence number.
    labels: Vec<&'static str>,
    last: usize,
}

impl Messages {
    /// No message yet.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds a message. `label` says what it does, as a bare verb phrase.
    pub(crate) fn push(
        &mut self,
        label: &'static str,
        kind: u16,
        flags: u16,
        body: impl FnOnce(&mut Body<'_>),
    ) {
        self.last = self.buf.len();
        self.labels.push(label);
        self.buf.extend_from_slice(&[0; 4]);
        self.buf.extend_from_slice(&kind.to_ne_bytes());
        self.buf.extend_from_slice(&(flags | libc::NLM_F_REQUEST as u16).to_ne_bytes());
        self.buf.extend_from_slice(&(self.labels.len() as u32).to_ne_bytes());
        self.buf.extend_from_slice(&[0; 4]); // port: the kernel's
        body(&mut Body(&mut self.buf));
        let len = (self.buf.len() - self.last) as u32;
        put(&mut self.buf, self.last, &len.to_ne_bytes());
    }

    /// Adds a message that another library wrote, with our number and without its request for an
    /// acknowledgement.
    pub(crate) fn push_written(&mut self, label: &'static str, message: &Message<'_>) {
        let kind = message.kind;
        let flags = message.flags & !(libc::NLM_F_ACK as u16);
        self.push(label, kind, flags, |m| m.bytes(message.body));
    }

    /// Where the last message begins.
    pub(crate) const fn last(&self) -> usize {
        self.last
    }

    /// The bytes, with an acknowledgement asked for by the last message.
    pub(crate) fn into_bytes(mut self) -> Vec<u8> {
        self.ask_for_acknowledgement(self.last);
        self.buf
    }

    fn ask_for_acknowledgement(&mut self, at: usize) {
        let ack = libc::NLM_F_ACK as u16;
        if let Some(flags) = self.buf.get_mut(at + 6..at + 8)
            && let Ok(old) = <[u8; 2]>::try_from(&*flags)
        {
            flags.copy_from_slice(&(u16::from_ne_bytes(old) | ack).to_ne_bytes());
        }
    }
}

/// The inside of a message or of a nested attribute.
pub(crate) struct Body<'a>(&'a mut Vec<u8>);

impl Body<'_> {
    /// Adds bytes as they are, such as a family's header, up to the next multiple of four.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }

    /// Adds an attribute.
    pub(crate) fn attr(&mut self, kind: u16, value: &[u8]) {
        self.0.extend_from_slice(&((value.len() + 4) as u16).to_ne_bytes());
        self.0.extend_from_slice(&kind.to_ne_bytes());
        self.bytes(value);
    }

    /// Adds a string attribute, with its final NUL.
    pub(crate) fn text(&mut self, kind: u16, value: &str) {
        self.attr(kind, &[value.as_bytes(), &[0]].concat());
    }

    /// Adds a number in the host's byte order, as rtnetlink has them.
    pub(crate) fn number(&mut self, kind: u16, value: u32) {
        self.attr(kind, &value.to_ne_bytes());
    }

    /// Adds a number in network byte order, as nfnetlink has them.
    pub(crate) fn be(&mut self, kind: u16, value: u32) {
        self.attr(kind, &value.to_be_bytes());
    }

    /// Adds an attribute that holds attributes. It must stay below 64 KiB.
    pub(crate) fn nest(&mut self, kind: u16, inner: impl FnOnce(&mut Body<'_>)) {
        let start = self.0.len();
        self.0.extend_from_slice(&[0; 2]);
        self.0.extend_from_slice(&(kind | NESTED).to_ne_bytes());
        inner(&mut Body(self.0));
        let len = self.0.len() - start;
        debug_assert!(u16::try_from(len).is_ok(), "an attribute's length has 16 bits");
        put(self.0, start, &(len as u16).to_ne_bytes());
    }
}

fn put(buf: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = buf.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}

/// A received message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'a> {
    /// `nlmsg_type`.
    pub(crate) kind: u16,
    flags: u16,
    seq: u32,
    /// What follows the header.
    pub(crate) body: &'a [u8],
}

/// Walks over the messages of a buffer; ends at the first that is not whole.
pub(crate) fn messages(mut buf: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let len = u32_at(buf, 0)? as usize;
        let body = buf.get(HEADER..len)?;
        let message = Message { kind: u16_at(buf, 4)?, flags: u16_at(buf, 6)?, seq: u32_at(buf, 8)?, body };
        buf = buf.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    })
}

/// Walks over the attributes of a body, after the family's header of `skip` bytes.
pub(crate) fn attrs(body: &[u8], skip: usize) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = body.get(skip..).unwrap_or_default();
    std::iter::from_fn(move || {
        let len = u16_at(rest, 0)? as usize;
        let kind = u16_at(rest, 2)? & libc::NLA_TYPE_MASK as u16;
        let value = rest.get(4..len)?;
        rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// The two bytes at `at`, in the host's order.
pub(crate) fn u16_at(buf: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(buf.get(at..at + 2)?.try_into().ok()?))
}

/// The four bytes at `at`, in the host's order.
pub(crate) fn u32_at(buf: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(buf.get(at..at + 4)?.try_into().ok()?))
}

/// Why the kernel refused a message.
#[derive(Debug)]
pub(crate) struct Refused {
    /// The label of the message.
    pub(crate) label: &'static str,
    /// The error.
    pub(crate) errno: Errno,
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        Self::io(refused.label, io::Error::from(refused.errno))
    }
}

/// A socket of one netlink family, in the network namespace of the thread that opened it.
#[derive(Debug)]
pub(crate) struct Socket(OwnedFd);

impl Socket {
    /// rtnetlink(7).
    pub(crate) fn route() -> Result<Self> {
        Self::open(None).context("open a routing netlink socket")
    }

    fn open(protocol: Option<Protocol>) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC;
        Ok(Self(rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, protocol)?))
    }

    /// Sends all messages and returns when the kernel has done them.
    ///
    /// # Errors
    /// The first message that was refused. rtnetlink has done the others; an nfnetlink batch has
    /// done none.
    pub(crate) fn send(&self, messages: Messages) -> Result<(), Refused> {
        let last = messages.last;
        self.exchange(messages, last, |_| ())
    }

    /// Sends one question and gives each message of the answer to `on`.
    pub(crate) fn ask(&self, messages: Messages, on: impl FnMut(Message<'_>)) -> Result<(), Refused> {
        let last = messages.last;
        self.exchange(messages, last, on)
    }

    fn exchange(
        &self,
        mut messages: Messages,
        ack: usize,
        mut on: impl FnMut(Message<'_>),
    ) -> Result<(), Refused> {
        messages.ask_for_acknowledgement(ack);
        let Messages { buf, labels, .. } = messages;
        let label = |seq: u32| {
            let index = (seq as usize).wrapping_sub(1);
            labels.get(index).or(labels.last()).copied().unwrap_or("speak netlink")
        };
        let wanted = u32_at(&buf, ack + 8).unwrap_or(0);
        let lists = u16_at(&buf, ack + 6).is_some_and(|flags| flags & DUMP == DUMP);
        let failed = |errno| Refused { label: label(wanted), errno };
        if buf.len() > SMALL {
            // Needs CAP_NET_ADMIN, as everything here does.
            sockopt::set_socket_send_buffer_size_force(&self.0, buf.len() * 2).map_err(failed)?;
        }
        rustix::io::retry_on_intr(|| rustix::net::send(&self.0, &buf, SendFlags::empty())).map_err(failed)?;

        // The kernel fills up to 32 KiB at once when it lists; all other answers are short.
        let mut answer = vec![0u8; if lists { 32 << 10 } else { 4 << 10 }];
        let mut refused = None;
        let mut done = false;
        loop {
            let len = match rustix::net::recv(&self.0, &mut answer[..], RecvFlags::DONTWAIT) {
                Ok((len, _)) => len,
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => break,
                Err(errno) => return Err(failed(errno)),
            };
            for message in self::messages(answer.get(..len).unwrap_or_default()) {
                match i32::from(message.kind) {
                    libc::NLMSG_ERROR => {
                        let errno = u32_at(message.body, 0).map_or(0, |e| (e as i32).wrapping_neg());
                        if errno != 0 && refused.is_none() {
                            refused = Some(Refused {
                                label: label(message.seq),
                                errno: Errno::from_raw_os_error(errno),
                            });
                        }
                        done |= message.seq == wanted;
                    }
                    libc::NLMSG_DONE => done = true,
                    _ => on(message),
                }
            }
        }
        match refused {
            Some(refused) => Err(refused),
            None if done => Ok(()),
            None => Err(failed(Errno::PROTO)),
        }
    }
}

/// A socket of nfnetlink, which carries nftables. Dropping it does not close it.
///
/// After an element of a map was deleted, the kernel frees it when no processor can still look at
/// it, 5 to 20 ms later, and until then makes everyone wait who closes such a socket: us, and whoever
/// wants to change rules meanwhile. So the last ones stay open until the process ends, when nobody
/// waits for it any more.
#[derive(Debug)]
pub(crate) struct Netfilter(Option<Socket>);

/// The sockets that are to be closed later; in one process there are one or two of them.
static KEPT: Mutex<Vec<Socket>> = Mutex::new(Vec::new());
/// A process that needs more than a few does not care for milliseconds.
const KEEP: usize = 8;

impl Netfilter {
    /// Opens one in the network namespace of the calling thread.
    pub(crate) fn open() -> Result<Self> {
        // Now, not when the next one is kept: nothing was deleted a moment ago.
        if let Ok(mut kept) = KEPT.lock() {
            let surplus = kept.len().saturating_sub(KEEP);
            kept.drain(..surplus);
        }
        let socket = Socket::open(Some(netlink::NETFILTER)).context("open a netfilter netlink socket")?;
        Ok(Self(Some(socket)))
    }
}

impl Netfilter {
    /// Sends a transaction, of which the message at byte `ack` is the last that answers.
    pub(crate) fn send(&self, messages: Messages, ack: usize) -> Result<(), Refused> {
        self.socket()?.exchange(messages, ack, |_| ())
    }

    /// Sends one question and gives each message of the answer to `on`.
    pub(crate) fn ask(&self, messages: Messages, on: impl FnMut(Message<'_>)) -> Result<(), Refused> {
        self.socket()?.ask(messages, on)
    }

    fn socket(&self) -> Result<&Socket, Refused> {
        // Empty only while it is dropped.
        self.0.as_ref().ok_or(Refused { label: "speak to nftables", errno: Errno::BADF })
    }
}

impl Drop for Netfilter {
    fn drop(&mut self) {
        if let (Some(socket), Ok(mut kept)) = (self.0.take(), KEPT.lock()) {
            kept.push(socket);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read_back() {
        let mut all = Messages::new();
        all.push("one", 20, NEW, |m| {
            m.bytes(&[1, 2, 3, 4]);
            m.text(1, "ab");
            m.nest(2, |n| n.be(7, 9));
        });
        all.push("two", 21, 0, |_| ());
        let bytes = all.into_bytes();
        let read: Vec<Message<'_>> = messages(&bytes).collect();
        assert_eq!(read.iter().map(|m| (m.kind, m.seq)).collect::<Vec<_>>(), [(20, 1), (21, 2)]);
        assert_eq!(read[0].flags & libc::NLM_F_ACK as u16, 0);
        assert_eq!(read[1].flags & libc::NLM_F_ACK as u16, libc::NLM_F_ACK as u16);
        let fields: Vec<_> = attrs(read[0].body, 4).collect();
        assert_eq!(fields[0], (1, &b"ab\0"[..]));
        assert_eq!(attrs(fields[1].1, 0).collect::<Vec<_>>(), [(7, &[0, 0, 0, 9][..])]);
    }

    #[test]
    fn a_cut_message_ends_the_walk() {
        let mut all = Messages::new();
        all.push("one", 20, 0, |m| m.number(1, 5));
        let bytes = all.into_bytes();
        assert_eq!(messages(&bytes[..bytes.len() - 1]).count(), 0);
        assert_eq!(attrs(&bytes[HEADER..bytes.len() - 1], 0).count(), 0);
    }
}
