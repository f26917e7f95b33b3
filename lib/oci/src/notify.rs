//! Readiness: what a program tells its supervisor over `NOTIFY_SOCKET` (sd_notify(3)).
//!
//! The program gets a socket of our own, in a directory that is bound into the container, and only its
//! `READY=1` is passed on: the other words of that protocol are about the process that the supervisor
//! has started, which is not the program.

use std::fs::Permissions;
use std::io::ErrorKind;
use std::os::fd::{AsFd, AsRawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};

use oci_spec::runtime::{Mount, MountBuilder};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, mkdirat, openat};
use rustix::io::Errno;
use sys::pidfd::Pidfd;
use types::{Context, Error, Kind, Result};

use crate::bundle::Bundle;
use crate::root::Container;
use crate::{environment, socket};

/// The directory, in that of the container and in the container; the names are runc's.
const DIR: &str = "notify";
const INSIDE: &str = "/run/notify";
const SOCKET: &str = "notify.sock";

/// How long a supervisor may take to read what it was told.
const PATIENCE: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };

/// Puts the directory into the container, and says so to the program.
pub fn prepare(container: &Container, bundle: &mut Bundle) -> Result<()> {
    let path = container.path().join(DIR);
    let failed = |e| Error::io(format!("make directory {path:?}"), e);
    mkdirat(container.dir(), DIR, Mode::from_raw_mode(0o755)).map_err(failed)?;
    std::fs::set_permissions(&path, Permissions::from_mode(0o755))
        .with_context(|| format!("open {path:?}"))?;
    let mut mounts = bundle.spec.mounts().clone().unwrap_or_default();
    mounts.push(mount(path)?);
    bundle.spec.set_mounts(Some(mounts));
    if let Some(process) = bundle.spec.process_mut() {
        environment::add(process, "NOTIFY_SOCKET", &format!("{INSIDE}/{SOCKET}"));
    }
    Ok(())
}

fn mount(source: PathBuf) -> Result<Mount> {
    let options = ["bind", "ro", "nosuid", "nodev", "noexec"].map(str::to_owned).to_vec();
    MountBuilder::default()
        .destination(INSIDE)
        .typ("bind")
        .source(source)
        .options(options)
        .build()
        .map_err(|e| Error::because(Kind::Invalid, "mount notify socket", e))
}

/// Our socket, and whom to tell.
#[derive(Debug)]
pub struct Notify {
    ours: UnixDatagram,
    supervisor: PathBuf,
}

impl Notify {
    /// Makes the socket, before the program can look for it. `None` if the container was made without.
    pub fn bind(container: &Container, supervisor: &Path) -> Result<Option<Self>> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir = match openat(container.dir(), DIR, flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(None),
            other => other.map_err(|e| Error::io(format!("open {:?}", container.path().join(DIR)), e))?,
        };
        // By descriptor: an address has 107 bytes at most (unix(7)).
        let path = format!("/proc/self/fd/{}/{SOCKET}", dir.as_raw_fd());
        let what = || format!("make notify socket {:?}", container.path().join(DIR).join(SOCKET));
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(Error::io(what(), e)),
            _ => {}
        }
        let ours = UnixDatagram::bind(&path).with_context(what)?;
        // Whoever the program is in the container.
        std::fs::set_permissions(&path, Permissions::from_mode(0o777)).with_context(what)?;
        Ok(Some(Self { ours, supervisor: supervisor.to_owned() }))
    }

    /// Waits until the program is ready, or has ended, and tells the supervisor; with a number also that this is
    /// the main process from now on.
    pub fn relay(&self, program: &Pidfd, main: Option<i32>) -> Result<()> {
        let mut buffer = [0; 4096];
        loop {
            let mut fds = [PollFd::new(&self.ours, PollFlags::IN), PollFd::new(program, PollFlags::IN)];
            match poll(&mut fds, None) {
                Err(Errno::INTR) => continue,
                done => done.map_err(|e| Error::io("wait for the program to be ready", e))?,
            };
            let [said, _] = fds;
            if said.revents().is_empty() {
                return Ok(());
            }
            let length = self.ours.recv(&mut buffer).context("read notify socket")?;
            if is_ready(buffer.get(..length).unwrap_or_default()) {
                return self.tell(main);
            }
        }
    }

    fn tell(&self, main: Option<i32>) -> Result<()> {
        let what = || format!("tell {:?} that the program is ready", self.supervisor);
        let socket = UnixDatagram::unbound().with_context(what)?;
        match self.supervisor.to_str().and_then(|path| path.strip_prefix('@')) {
            Some(name) => SocketAddr::from_abstract_name(name).and_then(|to| socket.connect_addr(&to)),
            None => socket.connect(&self.supervisor),
        }
        .with_context(what)?;
        let main = main.map_or_else(String::new, |pid| format!("MAINPID={pid}\n"));
        socket.send(format!("{main}READY=1").as_bytes()).with_context(what)?;
        // Whose word this is, the supervisor asks the kernel: we must live until it has read it. It closes
        // the descriptor that comes with this one (sd_notify_barrier(3)).
        let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
            .map_err(|e| Error::io("make barrier pipe", e))?;
        let socket = socket.into();
        if socket::send(&socket, b"BARRIER=1", write.as_fd()).is_ok() {
            drop(write);
            // One that does not know of barriers, or is gone, has heard what it was told.
            let _heard = poll(&mut [PollFd::new(&read, PollFlags::IN)], Some(&PATIENCE));
        }
        Ok(())
    }
}

fn is_ready(message: &[u8]) -> bool {
    message.split(|byte| *byte == b'\n').any(|line| line == b"READY=1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Root;

    #[test]
    fn only_readiness_is_passed_on() {
        assert!(is_ready(b"READY=1") && is_ready(b"STATUS=up\nREADY=1\n"));
        assert!(!is_ready(b"READY=0") && !is_ready(b"XREADY=1") && !is_ready(b""));
        let dir = tempfile::tempdir().unwrap();
        let container = Root::new(dir.path().join("root")).claim("a").unwrap();
        let supervisor = dir.path().join("supervisor");
        assert!(Notify::bind(&container, &supervisor).unwrap().is_none());
        mkdirat(container.dir(), DIR, Mode::from_raw_mode(0o755)).unwrap();
        let host = UnixDatagram::bind(&supervisor).unwrap();
        let notify = Notify::bind(&container, &supervisor).unwrap().unwrap();
        let program = UnixDatagram::unbound().unwrap();
        for message in ["MAINPID=1", "STATUS=x\nREADY=1"] {
            program.send_to(message.as_bytes(), container.path().join("notify/notify.sock")).unwrap();
        }
        let heard = std::thread::spawn(move || {
            let mut texts = Vec::new();
            for _ in 0..2 {
                let mut buffer = [0; 100];
                let length = host.recv(&mut buffer).unwrap();
                texts.push(String::from_utf8(buffer[..length].to_vec()).unwrap());
            }
            texts
        });
        let me = Pidfd::open(i32::try_from(std::process::id()).unwrap()).unwrap();
        notify.relay(&me, Some(7)).unwrap();
        assert_eq!(heard.join().unwrap(), ["MAINPID=7\nREADY=1", "BARRIER=1"]);
    }
}
