//! Processes by descriptor: a pid can be reused, a pidfd cannot.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, WaitIdStatus, pidfd_open, waitid};

use crate::check;
use crate::process::{self, Fate};

/// A descriptor of a process (Linux 5.3).
#[derive(Debug)]
pub struct Pidfd(OwnedFd);

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// With this status.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl Exit {
    /// Reads a status as wait(2) gives it.
    #[must_use]
    pub const fn from_wait_status(status: i32) -> Self {
        match status & 0x7f {
            0 => Self::Code((status >> 8) & 0xff),
            signal => Self::Signal(signal),
        }
    }

    /// Returns the status as a shell tells it: its own, or 128 plus the signal.
    #[must_use]
    pub const fn code(self) -> i32 {
        match self {
            Self::Code(status) => status,
            Self::Signal(signal) => 128 + signal,
        }
    }
}

impl Pidfd {
    /// Opens a process that exists now. Whether it is the one that was meant, only its start time
    /// tells ([`crate::process::start_time`], read after this).
    ///
    /// # Errors
    /// `ESRCH` if there is none.
    pub fn open(pid: i32) -> io::Result<Self> {
        let pid = Pid::from_raw(pid).ok_or_else(|| io::Error::from_raw_os_error(libc::ESRCH))?;
        Ok(Self(pidfd_open(pid, PidfdFlags::empty())?))
    }

    /// Takes over a descriptor that `clone3(2)` made.
    ///
    /// # Errors
    /// `EBADF` if it is not an open descriptor.
    pub fn adopt(fd: RawFd) -> io::Result<Self> {
        // SAFETY: an integer; tells whether the descriptor is open.
        check(unsafe { libc::syscall(libc::SYS_fcntl, fd, libc::F_GETFD) })?;
        // SAFETY: open, as just checked, and the kernel gave it to our caller alone.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Sends a signal by number.
    ///
    /// # Errors
    /// `ESRCH` if the process has ended and was reaped.
    pub fn signal(&self, number: i32) -> io::Result<()> {
        let fd = self.0.as_raw_fd();
        // SAFETY: integers and a null pointer, which stands for "as kill(2)".
        let sent = unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                fd,
                number,
                std::ptr::null::<libc::siginfo_t>(),
                0 as libc::c_long,
            )
        };
        check(sent).map(drop)
    }

    /// Tells whether the process has ended; waits at most this many milliseconds, for ever if `None`.
    ///
    /// # Errors
    /// The kernel's reason.
    pub fn ended_within(&self, milliseconds: Option<u32>) -> io::Result<bool> {
        let timeout = milliseconds
            .map(|ms| Timespec { tv_sec: i64::from(ms / 1000), tv_nsec: i64::from(ms % 1000) * 1_000_000 });
        loop {
            let mut fds = [PollFd::new(&self.0, PollFlags::IN)];
            match poll(&mut fds, timeout.as_ref()) {
                Err(rustix::io::Errno::INTR) => {}
                other => return Ok(other? > 0),
            }
        }
    }

    /// Returns how a process ended that is no child of ours; `None` if the kernel does not tell, or
    /// it has not ended. `pid` and `started` name the same process as the descriptor.
    ///
    /// Once its parent has reaped it, the descriptor tells (Linux 6.15); until then `/proc` does.
    #[must_use]
    pub fn how_it_ended(&self, pid: i32, started: u64) -> Option<Exit> {
        let unreaped = || match process::fate(pid, started, process::boot_id().ok()?) {
            Ok(Fate::Ended(how)) => how,
            Ok(Fate::Alive) | Err(_) => None,
        };
        // A third look: it may have been reaped between the first and the second.
        self.reaped_status().or_else(unreaped).or_else(|| self.reaped_status())
    }

    /// `PIDFD_GET_INFO` with `PIDFD_INFO_EXIT` (`linux/pidfd.h`).
    fn reaped_status(&self) -> Option<Exit> {
        const PIDFD_GET_INFO: libc::c_ulong = 0xc040_ff0b; // _IOWR(0xff, 11, struct pidfd_info), 64 bytes
        const EXIT: u64 = 1 << 3;
        /// The first published form of `struct pidfd_info`.
        #[repr(C)]
        #[derive(Default)]
        struct Info {
            mask: u64,
            cgroup: u64,
            ids: [u32; 11],
            status: i32,
        }
        const { assert!(size_of::<Info>() == 64) };
        let mut info = Info { mask: EXIT, ..Info::default() };
        // SAFETY: the number says that 64 bytes are read and written, which is what there is.
        let asked = unsafe { libc::ioctl(self.0.as_raw_fd(), PIDFD_GET_INFO, &raw mut info) };
        (asked == 0 && info.mask & EXIT != 0).then(|| Exit::from_wait_status(info.status))
    }

    /// Waits for a child of ours and reaps it.
    ///
    /// # Errors
    /// `ECHILD` if it is not our child or was reaped.
    pub fn wait(&self) -> io::Result<Exit> {
        loop {
            match waitid(WaitId::PidFd(self.0.as_fd()), WaitIdOptions::EXITED) {
                Err(rustix::io::Errno::INTR) | Ok(None) => {}
                Ok(Some(status)) => return Ok(ended(&status)),
                Err(err) => return Err(err.into()),
            }
        }
    }

    /// Tells whether it is a child of ours that was not reaped yet.
    ///
    /// # Errors
    /// The kernel's reason.
    pub fn is_child(&self) -> io::Result<bool> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match waitid(WaitId::PidFd(self.0.as_fd()), options) {
            Ok(_) => Ok(true),
            Err(rustix::io::Errno::CHILD) => Ok(false),
            Err(err) => Err(err.into()),
        }
    }

    /// Reaps a child of ours if it has ended.
    ///
    /// # Errors
    /// `ECHILD` if it is not our child or was reaped.
    pub fn try_wait(&self) -> io::Result<Option<Exit>> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        Ok(waitid(WaitId::PidFd(self.0.as_fd()), options)?.map(|status| ended(&status)))
    }
}

impl AsFd for Pidfd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<Pidfd> for OwnedFd {
    fn from(pidfd: Pidfd) -> Self {
        pidfd.0
    }
}

fn ended(status: &WaitIdStatus) -> Exit {
    status
        .exit_status()
        .map(Exit::Code)
        .or_else(|| status.terminating_signal().map(Exit::Signal))
        .unwrap_or(Exit::Code(255))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::zombie_processes, reason = "reaped through the descriptor, which is the test")]
    fn a_child_is_signalled_and_reaped_by_descriptor() {
        let child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pidfd = Pidfd::open(child.id().cast_signed()).unwrap();
        assert!(!pidfd.ended_within(Some(0)).unwrap());
        pidfd.signal(15).unwrap();
        assert!(pidfd.ended_within(None).unwrap());
        let end = pidfd.wait().unwrap();
        assert_eq!((end, end.code()), (Exit::Signal(15), 143));
        assert!(pidfd.signal(15).is_err());
        let kernel = rustix::system::uname();
        let release = kernel.release().to_string_lossy();
        let mut numbers = release.split(['.', '-']).map_while(|n| n.parse::<u32>().ok());
        if (numbers.next(), numbers.next()) >= (Some(6), Some(15)) {
            assert_eq!(pidfd.how_it_ended(1, 0), Some(Exit::Signal(15)));
        }
    }
}
