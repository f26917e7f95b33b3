//! Machines: network namespaces that play a host, or another host on its LAN.

use std::fs::File;
use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use nix::sched::{CloneFlags, setns, unshare};

/// A network namespace without a name: it is gone when the last process in it and this are gone.
#[derive(Debug)]
pub struct Machine {
    ns: File,
}

impl Machine {
    /// A machine with a loopback that is up, and nothing else.
    pub(crate) fn new() -> Self {
        // A namespace is a property of a thread, so one made for this ends with it.
        let ns = on_a_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("make a network namespace");
            File::open("/proc/thread-self/ns/net").unwrap()
        });
        let machine = Self { ns };
        machine.ip("link set lo up");
        machine
    }

    /// The network that a process, such as the first one of a container, is in.
    #[must_use]
    pub fn of_process(pid: u32) -> Self {
        Self { ns: File::open(format!("/proc/{pid}/ns/net")).unwrap() }
    }

    /// Another machine on a cable to this one: 192.0.2.1 here, 192.0.2.2 there.
    pub(crate) fn lan(&self) -> Self {
        let other = Self::new();
        let path = format!("/proc/{}/fd/{}", std::process::id(), other.ns.as_raw_fd());
        self.ip(&format!("link add lan0 type veth peer name lan0 netns {path}"));
        self.ip("address add 192.0.2.1/24 dev lan0");
        self.ip("link set lan0 up");
        other.ip("address add 192.0.2.2/24 dev lan0");
        other.ip("link set lan0 up");
        other
    }

    /// Does something, such as making a socket or starting a program, on this machine.
    pub fn enter<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        on_a_thread(|| {
            setns(self.ns.as_fd(), CloneFlags::CLONE_NEWNET).expect("enter a network namespace");
            act()
        })
    }

    /// Runs ip(8) here.
    pub fn ip(&self, args: &str) -> String {
        self.read("ip", &args.split(' ').collect::<Vec<_>>())
    }

    /// Runs a program of the host here and returns what it prints.
    pub fn read(&self, program: &str, args: &[&str]) -> String {
        let out = self.enter(|| Command::new(program).args(args).output().expect(program));
        assert!(out.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).into_owned()
    }

    /// What names this namespace in `/proc/PID/ns/net`.
    pub(crate) fn inode(&self) -> u64 {
        self.ns.metadata().unwrap().ino()
    }

    /// Lets a port of this machine lead to a socket in the file system, which belongs to no network.
    pub(crate) fn relay(&self, address: &str, to: &Path) -> Relay {
        let listener = self.enter(|| TcpListener::bind(address)).expect(address);
        let guard = Relay { listener: listener.try_clone().unwrap().into() };
        let to = to.to_owned();
        thread::spawn(move || {
            // Ends when the guard shuts the listener down.
            while let Ok((client, _)) = listener.accept() {
                let to = to.clone();
                thread::spawn(move || drop(pump(client, &to)));
            }
        });
        guard
    }
}

/// Ends a relay.
#[derive(Debug)]
pub(crate) struct Relay {
    listener: OwnedFd,
}

impl Drop for Relay {
    fn drop(&mut self) {
        // Wakes the thread in accept(2); that it has gone already is as good.
        rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both).unwrap_or_default();
    }
}

fn pump(client: TcpStream, to: &PathBuf) -> io::Result<()> {
    let server = UnixStream::connect(to)?;
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    let up = thread::spawn(move || {
        drop(io::copy(&mut from_client, &mut to_server));
        drop(to_server.shutdown(Shutdown::Write));
    });
    let (mut from_server, mut to_client) = (server, client);
    drop(io::copy(&mut from_server, &mut to_client));
    drop(to_client.shutdown(Shutdown::Both));
    drop(up.join());
    Ok(())
}

fn on_a_thread<T: Send>(act: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| match scope.spawn(act).join() {
        Ok(value) => value,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}
