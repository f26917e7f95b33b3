//! The console socket: whoever asked for a terminal gets its master there.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

use oci_spec::runtime::Process;
use runtime::console::Size;
use types::{Error, Kind, Result};

use crate::socket;

/// How a terminal reaches its user.
#[derive(Debug)]
pub enum Terminal {
    /// There is none.
    None,
    /// Its master is sent over this socket.
    Socket(OwnedFd),
    /// It is relayed to the terminal of this process.
    Relay,
}

impl Terminal {
    /// Chooses, as runc does and says.
    ///
    /// # Errors
    /// `Invalid` for a socket without a terminal, and for a terminal that nobody would have.
    pub fn choose(wanted: bool, detached: bool, socket: Option<&Path>) -> Result<Self> {
        match (wanted, socket) {
            (true, Some(path)) => connect_to(path).map(Self::Socket),
            (true, None) if detached => {
                Err(invalid("cannot allocate tty if the runtime will detach without setting console socket"))
            }
            (true, None) => Ok(Self::Relay),
            (false, Some(_)) => {
                Err(invalid("cannot use console socket if the runtime will not detach or allocate tty"))
            }
            (false, None) => Ok(Self::None),
        }
    }

    /// There is a terminal.
    pub const fn is_wanted(&self) -> bool {
        !matches!(self, Self::None)
    }
}

/// The size that the configuration asks for.
pub fn size_of(process: &Process) -> Option<Size> {
    let size = process.console_size()?;
    let side = |n: u64| u16::try_from(n).unwrap_or(u16::MAX);
    (size.height() > 0 || size.width() > 0)
        .then(|| Size { rows: side(size.height()), columns: side(size.width()) })
}

/// Connects before anything is made, so that a wrong name costs nothing.
fn connect_to(path: &Path) -> Result<OwnedFd> {
    socket::connect_to(path).map_err(|e| Error::io(format!("connect to console socket {path:?}"), e))
}

/// Sends the master; the text beside it is its name, as runc sends it.
pub fn send(socket: &OwnedFd, master: BorrowedFd<'_>) -> Result<()> {
    let failed = |e| Error::io("send terminal to console socket", e);
    let name = rustix::pty::ptsname(master, Vec::new()).map_err(failed)?;
    socket::send(socket, name.as_bytes(), master).map_err(failed)
}

fn invalid(what: &'static str) -> Error {
    Error::new(Kind::Invalid, what)
}

#[cfg(test)]
mod tests {
    use std::mem::MaybeUninit;
    use std::os::fd::{AsFd, AsRawFd};

    use super::*;

    #[test]
    fn a_terminal_has_one_owner() {
        assert!(matches!(Terminal::choose(false, true, None), Ok(Terminal::None)));
        assert!(matches!(Terminal::choose(true, false, None), Ok(Terminal::Relay)));
        assert_eq!(Terminal::choose(true, true, None).unwrap_err().kind(), Kind::Invalid);
        assert_eq!(Terminal::choose(false, true, Some(Path::new("/x"))).unwrap_err().kind(), Kind::Invalid);
        assert_eq!(
            Terminal::choose(true, true, Some(Path::new("/not/there"))).unwrap_err().kind(),
            Kind::NotFound
        );
    }

    #[test]
    fn a_master_arrives_also_over_a_socket_with_a_long_name() {
        let dir = tempfile::tempdir().unwrap();
        let long = dir.path().join("d".repeat(120));
        std::fs::create_dir(&long).unwrap();
        let path = long.join("s");
        // Bound by a short name, as the kernel wants it.
        let handle = std::fs::File::open(&long).unwrap();
        let listener =
            std::os::unix::net::UnixListener::bind(format!("/proc/self/fd/{}/s", handle.as_raw_fd()))
                .unwrap();
        let Ok(Terminal::Socket(socket)) = Terminal::choose(true, true, Some(&path)) else {
            panic!("no socket")
        };
        let (peer, _) = listener.accept().unwrap();
        let console = rustix::pty::openpt(rustix::pty::OpenptFlags::RDWR).unwrap();
        send(&socket, console.as_fd()).unwrap();
        let mut text = [0; 64];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = rustix::net::RecvAncillaryBuffer::new(&mut space);
        let got = rustix::net::recvmsg(
            &peer,
            &mut [std::io::IoSliceMut::new(&mut text)],
            &mut control,
            rustix::net::RecvFlags::empty(),
        )
        .unwrap();
        assert!(text[..got.bytes].starts_with(b"/dev/pts/"));
        let received = control.drain().map(|message| match message {
            rustix::net::RecvAncillaryMessage::ScmRights(fds) => fds.count(),
            _ => 0,
        });
        assert_eq!(received.sum::<usize>(), 1);
    }
}
