//! Network namespaces that play host, LAN peer and container, so that this machine's own network
//! is never touched.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]
#![allow(missing_docs, reason = "names say it")]

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};
use store::{Paths, Store};

/// Returns from a test, loudly and counted, if this is not root.
macro_rules! needs_root {
    () => {
        if !tests::met(&[tests::Need::Root]) {
            return;
        }
    };
}
pub(crate) use needs_root;

/// A network namespace, kept by a sleeping process.
#[derive(Debug)]
pub struct Namespace(Child);

impl Namespace {
    /// A new one, with nothing in it but a loopback link that is down.
    pub fn new() -> Self {
        let child =
            Command::new("unshare").args(["--net", "sleep", "600"]).stdin(Stdio::null()).spawn().unwrap();
        let ours = std::fs::read_link("/proc/self/ns/net").unwrap();
        let theirs = format!("/proc/{}/ns/net", child.id());
        let end = Instant::now() + Duration::from_secs(5);
        while std::fs::read_link(&theirs).is_ok_and(|ns| ns == ours) {
            assert!(Instant::now() < end, "unshare --net does not work here");
            std::thread::sleep(Duration::from_millis(1));
        }
        Self(child)
    }

    /// The process that keeps it.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.0.id()).unwrap()
    }

    /// Does something in a thread inside the namespace.
    pub fn run<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        let ns = self.file();
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                setns(ns, CloneFlags::CLONE_NEWNET).expect("setns");
                act()
            });
            match inside.join() {
                Ok(value) => value,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    fn file(&self) -> File {
        File::open(format!("/proc/{}/ns/net", self.pid())).unwrap()
    }

    /// Runs a shell command inside and returns what it printed.
    pub fn sh(&self, script: &str) -> String {
        let out = self.run(|| Command::new("sh").args(["-ec", script]).output().unwrap());
        assert!(out.status.success(), "{script}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    }

    /// Serves TCP on a port until the test ends: each client is told who serves and who it is.
    pub fn serve(&self, address: &str, name: &'static str) -> u16 {
        let listener = self.run(|| TcpListener::bind(address).unwrap());
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(mut client) = client else { return };
                let who = client.peer_addr().unwrap().ip();
                drop(client.write_all(format!("{name} to {who}").as_bytes()));
            }
        });
        port
    }

    /// Serves UDP: echoes with the server's name before it.
    pub fn serve_udp(&self, address: &str, name: &'static str) {
        let socket = self.run(|| UdpSocket::bind(address).unwrap());
        std::thread::spawn(move || {
            let mut buf = [0; 512];
            while let Ok((len, from)) = socket.recv_from(&mut buf) {
                let text = String::from_utf8_lossy(&buf[..len]).into_owned();
                drop(socket.send_to(format!("{name} {text}").as_bytes(), from));
            }
        });
    }

    /// What a TCP server says to a client in this namespace, or why it does not.
    pub fn call(&self, to: &str) -> Result<String, String> {
        let to: SocketAddr = to.parse().unwrap();
        self.run(|| {
            let mut stream = TcpStream::connect_timeout(&to, Duration::from_millis(700))
                .map_err(|e| e.kind().to_string())?;
            stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).map_err(|e| e.kind().to_string())?;
            Ok(text)
        })
    }

    /// What a UDP server answers to "ping" from this namespace.
    pub fn call_udp(&self, to: &str) -> Result<String, String> {
        self.run(|| {
            let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
            socket.set_read_timeout(Some(Duration::from_millis(700))).unwrap();
            socket.connect(to).unwrap();
            socket.send(b"ping").map_err(|e| e.kind().to_string())?;
            let mut buf = [0; 512];
            let len = socket.recv(&mut buf).map_err(|e| e.kind().to_string())?;
            Ok(String::from_utf8_lossy(&buf[..len]).into_owned())
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The host's address on the LAN, and the peer's.
pub const HOST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// The peer, which is the host's way out as well.
pub const PEER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

/// A host with a store, and another machine on its LAN.
#[derive(Debug)]
pub struct World {
    pub host: Namespace,
    pub peer: Namespace,
    pub dir: tempfile::TempDir,
}

impl World {
    pub fn new() -> Self {
        let (host, peer) = (Namespace::new(), Namespace::new());
        host.sh(&format!(
            "echo 0 > /proc/sys/net/ipv4/ip_forward # a new namespace has the setting of this machine
             ip link set lo up
             ip link add eth0 mtu 1400 type veth peer name eth0 netns {}
             ip address add {HOST}/24 dev eth0
             ip link set eth0 up",
            peer.pid()
        ));
        peer.sh(&format!(
            "ip link set lo up
             ip address add {PEER}/24 dev eth0
             ip link set eth0 up
             ip route add default via {HOST}"
        ));
        host.sh(&format!("ip route add default via {PEER}"));
        Self { host, peer, dir: tempfile::tempdir().unwrap() }
    }

    pub fn store(&self) -> Store {
        open(self.dir.path())
    }

    /// A container with an address, connected to the bridge.
    pub fn container(&self, id: &str) -> Container {
        let ns = Namespace::new();
        let lease = self.host.run(|| {
            let store = self.store();
            let bridge = net::ensure(&store).unwrap();
            let lease = net::lease(&store, &bridge, id).unwrap();
            net::attach(&bridge, ns.pid(), &lease).unwrap();
            lease
        });
        ns.run(|| send(&net::child_messages(&lease)));
        Container { ns, lease }
    }

    pub fn publish(&self, id: &str, ports: &str) -> types::Result<Vec<types::port::Forward>> {
        let wanted: Vec<_> = ports.split(' ').flat_map(|p| types::port::parse(p).unwrap()).collect();
        self.host.run(|| {
            let store = self.store();
            let bridge = net::ensure(&store)?;
            net::publish(&store, &bridge, id, &wanted)
        })
    }

    /// The elements of our maps, as nft(8) sees them.
    pub fn elements(&self) -> Vec<String> {
        let text = self.host.sh("nft -j list table inet longshore");
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let maps = json["nftables"].as_array().unwrap().iter().filter_map(|item| item.get("map"));
        maps.flat_map(|map| map.get("elem").and_then(|e| e.as_array()).cloned().unwrap_or_default())
            .map(|element| element.to_string())
            .collect()
    }
}

/// A namespace on the bridge.
#[derive(Debug)]
pub struct Container {
    pub ns: Namespace,
    pub lease: net::Lease,
}

pub fn open(dir: &std::path::Path) -> Store {
    Store::open(&Paths { root: dir.join("root"), run: dir.join("run") }).unwrap()
}

/// Makes a container's record, so that its claims are those of somebody. While the lock is held it
/// is being started.
pub fn record(store: &Store, id: &str, name: &str) -> store::LockedDir {
    let digest = format!("sha256:{}", "0".repeat(64));
    let record = serde_json::json!({
        "id": id, "name": name, "created": "2026-01-01T00:00:00Z", "image": "test",
        "image_id": digest, "manifest": digest, "layers": [], "args": ["true"], "workdir": "/",
        "hostname": name, "network": "bridge", "stop_signal": 15, "stop_timeout": 10,
    });
    let record: types::container::Record = serde_json::from_value(record).unwrap();
    store.stage_container(id).unwrap().commit(&record, b"{}", store::Sync::Lazy).unwrap()
}

/// An id that looks like one.
pub fn id(n: u32) -> String {
    format!("{n:08x}").repeat(8)
}

/// Sends ready-made messages as a container's first process does, and reads all answers.
pub fn send(messages: &[u8]) {
    use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, recv, socket};
    let socket = socket(AddressFamily::NETLINK, SocketType::RAW, None).unwrap();
    rustix::net::send(&socket, messages, SendFlags::empty()).unwrap();
    let mut answers = 0;
    let mut buf = [0u8; 8192];
    while let Ok((len, _)) = recv(&socket, &mut buf[..], RecvFlags::DONTWAIT) {
        let mut at = 0;
        while at < len {
            let word = |i: usize| i32::from_ne_bytes(buf[at + i..at + i + 4].try_into().unwrap());
            assert_eq!(word(16), 0, "message {} was refused", word(8));
            answers += 1;
            at += usize::try_from(word(0)).unwrap();
        }
    }
    assert_eq!(answers, 1, "the last message alone asks for an answer");
}
