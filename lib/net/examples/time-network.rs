//! Times what a container's start spends on its network, step by step.
//!
//! `cargo build --release -p net --example time-network`, then as root
//! `unshare --net target/release/examples/time-network`: inside a network namespace of its
//! own, with a store in a temporary directory. Each round waits a little, as a person or a script
//! does, because waits inside the kernel hide when calls follow each other at once.

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};
use store::{Paths, Store};
use types::Result;

const ROUNDS: u32 = 60;

fn main() -> Result<()> {
    let (Ok(root), Ok(run)) = (tempfile::tempdir(), tempfile::tempdir_in("/dev/shm")) else { return Ok(()) };
    let paths = Paths { root: root.path().to_owned(), run: run.path().to_owned() };
    let forwards = types::port::parse("8080:80")?;
    let mut steps: Vec<(&str, Vec<Duration>)> = Vec::new();
    net::ensure(&Store::open(&paths)?)?;
    for round in 0..ROUNDS {
        let Some(namespace) = Namespace::new() else { return Ok(()) };
        std::thread::sleep(Duration::from_millis(60));
        let id = format!("{round:08x}").repeat(8);
        let mut clock = Clock { steps: &mut steps, at: 0 };
        let store = clock.time("open the store", || Store::open(&paths))?;
        let bridge = clock.time("ensure", || net::ensure(&store))?;
        let lease = clock.time("lease", || net::lease(&store, &bridge, &id))?;
        clock.time("publish one port", || net::publish(&store, &bridge, &id, &forwards))?;
        clock.time("attach", || net::attach(&bridge, namespace.pid(), &lease))?;
        let messages = clock.time("child_messages", || net::child_messages(&lease));
        let gateway = lease.gateway;
        let inside = namespace.enter(move || {
            let begin = Instant::now();
            let socket =
                rustix::net::socket(rustix::net::AddressFamily::NETLINK, rustix::net::SocketType::RAW, None);
            let sent = socket.and_then(|s| rustix::net::send(s, &messages, rustix::net::SendFlags::empty()));
            let sent = sent.map_or(Duration::ZERO, |_| begin.elapsed());
            // Refused at once, by a host on which nothing listens on that port.
            drop(std::net::TcpStream::connect((gateway, 1)));
            (sent, begin.elapsed())
        });
        let (sent, heard) = inside.unwrap_or_default();
        clock.note("the child's messages", sent);
        clock.note("... and a first answer", heard);
        clock.time("release", || net::release(&store, &id))?;
        clock.time("drop the bridge", || drop(bridge));
    }
    let mut out = std::io::stdout().lock();
    for (name, mut times) in steps {
        times.sort_unstable();
        let at = |part: usize| times.get(times.len() * part / 10).copied().unwrap_or_default().as_micros();
        if writeln!(out, "{name:22} median {:>6} us   best {:>6}   9 of 10 {:>6}", at(5), at(0), at(9))
            .is_err()
        {
            break;
        }
    }
    Ok(())
}

struct Clock<'a> {
    steps: &'a mut Vec<(&'static str, Vec<Duration>)>,
    at: usize,
}

impl Clock<'_> {
    fn time<T>(&mut self, name: &'static str, act: impl FnOnce() -> T) -> T {
        let begin = Instant::now();
        let value = act();
        self.note(name, begin.elapsed());
        value
    }

    fn note(&mut self, name: &'static str, time: Duration) {
        if self.steps.len() == self.at {
            self.steps.push((name, Vec::new()));
        }
        if let Some((_, times)) = self.steps.get_mut(self.at) {
            times.push(time);
        }
        self.at += 1;
    }
}

struct Namespace(Child);

impl Namespace {
    fn new() -> Option<Self> {
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", "echo; exec sleep 60"]).stdout(Stdio::piped());
        let mut child = command.spawn().ok()?;
        std::io::Read::read_exact(child.stdout.as_mut()?, &mut [0]).ok()?;
        Some(Self(child))
    }

    fn pid(&self) -> i32 {
        self.0.id().try_into().unwrap_or_default()
    }

    fn enter<T: Send + 'static>(&self, act: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let file = std::fs::File::open(format!("/proc/{}/ns/net", self.pid())).ok()?;
        let inside = std::thread::spawn(move || {
            setns(file, CloneFlags::CLONE_NEWNET).ok()?;
            Some(act())
        });
        inside.join().ok()?
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
