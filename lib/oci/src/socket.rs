//! Sockets of our callers, to which descriptors are sent.

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags,
    SocketType, connect, sendmsg, socket_with,
};

/// Connects to a socket by its path, however long.
pub fn connect_to(path: &Path) -> Result<OwnedFd, Errno> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    let address = match SocketAddrUnix::new(path) {
        Ok(address) => return connect(&socket, &address).map(|()| socket),
        // Longer than the 107 bytes of an address (unix(7)): a descriptor is a short name.
        Err(Errno::NAMETOOLONG) => openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?,
        Err(e) => return Err(e),
    };
    let short = SocketAddrUnix::new(format!("/proc/self/fd/{}", address.as_raw_fd()))?;
    connect(&socket, &short)?;
    Ok(socket)
}

/// Sends a text with a descriptor beside its first byte.
pub fn send(socket: &OwnedFd, mut text: &[u8], fd: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = [fd];
    if !control.push(SendAncillaryMessage::ScmRights(&fds)) {
        return Err(Errno::NOBUFS);
    }
    while !text.is_empty() {
        match sendmsg(socket.as_fd(), &[IoSlice::new(text)], &mut control, SendFlags::NOSIGNAL) {
            Err(Errno::INTR) => {}
            sent => text = text.get(sent?..).unwrap_or_default(),
        }
        control.clear();
    }
    Ok(())
}
