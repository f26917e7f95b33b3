//! A registry that misbehaves on purpose: a few blobs made by code, and one fault at a time.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::Machine;

/// What the registry does wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// The connection ends in the middle of a layer, once or always.
    Cut {
        /// Only the first request for it is cut.
        once: bool,
    },
    /// The layer is shorter than the manifest says, and the length of the body says so too.
    Short,
    /// The layer is longer than the manifest says.
    Long,
    /// One byte of the layer is another one.
    Flipped,
    /// One byte of the configuration is another one.
    FlippedConfig,
    /// The manifest asked for by digest is another one.
    FlippedManifest,
    /// The manifest is a web page.
    Page,
    /// The manifest has a media type that nobody knows.
    UnknownType,
    /// Every request is answered with this status.
    Status(u16),
    /// The first requests are answered with this status, then all is well.
    StatusAtFirst(u16, usize),
    /// Blobs are promised and never come.
    Stall,
    /// Everything needs a token, which is given to anybody who asks.
    Token,
    /// The tag leads to an index without any platform that runs here.
    NoPlatform,
    /// A layer that wants to write outside of its directory.
    Escape,
}

/// A request, as it arrived.
#[derive(Debug, Clone)]
pub struct Request {
    /// `GET` or `HEAD`.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Headers, with names in lower case.
    pub headers: BTreeMap<String, String>,
}

#[derive(Debug, Default)]
struct Response {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    /// Send this much of the body, then hang up.
    cut: Option<usize>,
    /// Send the head and nothing more for this long.
    stall: Option<Duration>,
}

/// An image of one layer with one file, `hello`, under every name.
#[derive(Debug)]
struct Image {
    blobs: BTreeMap<String, (&'static str, Vec<u8>)>,
    top: String,
    layer: String,
    config: String,
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// The registry.
#[derive(Debug)]
pub struct Registry {
    listener: TcpListener,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    address: String,
    image: Image,
    fault: Fault,
    requests: Mutex<Vec<Request>>,
}

impl Registry {
    /// Listens on an address of a machine.
    #[must_use]
    pub fn start(machine: &Machine, address: &str, fault: Fault) -> Self {
        let listener = machine.enter(|| TcpListener::bind(address)).expect(address);
        let shared = Arc::new(Shared {
            address: address.to_owned(),
            image: Image::new(&fault),
            fault,
            requests: Mutex::default(),
        });
        let (accepting, for_all) = (listener.try_clone().unwrap(), Arc::clone(&shared));
        std::thread::spawn(move || {
            while let Ok((client, _)) = accepting.accept() {
                let shared = Arc::clone(&for_all);
                std::thread::spawn(move || converse(client, &shared));
            }
        });
        Self { listener, shared }
    }

    /// All requests so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// The digest that the tag leads to.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.shared.image.top
    }

    /// The digest of the layer as it is sent.
    #[must_use]
    pub fn layer(&self) -> &str {
        &self.shared.image.layer
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both).unwrap_or_default();
    }
}

impl Image {
    fn new(fault: &Fault) -> Self {
        // Large enough to be cut in the middle after several reads.
        let content = b"hello from a layer\n".repeat(20_000);
        let name = if *fault == Fault::Escape { "../../../escaped" } else { "hello" };
        let layer = tar(name, &content);
        let architecture = if *fault == Fault::NoPlatform { "z80" } else { architecture() };
        let config = format!(
            "{{\"architecture\":\"{architecture}\",\"os\":\"linux\",\"config\":{{\"Cmd\":[\"/hello\"]}},\
             \"rootfs\":{{\"type\":\"layers\",\"diff_ids\":[\"{}\"]}}}}",
            digest(&layer)
        );
        let mut image = Self {
            blobs: BTreeMap::new(),
            top: String::new(),
            layer: digest(&layer),
            config: digest(config.as_bytes()),
        };
        let manifest = format!(
            "{{\"schemaVersion\":2,\"mediaType\":\"{MANIFEST}\",\"config\":{{\"mediaType\":\
             \"application/vnd.oci.image.config.v1+json\",\"digest\":\"{}\",\"size\":{}}},\"layers\":[{{\"mediaType\":\
             \"application/vnd.oci.image.layer.v1.tar\",\"digest\":\"{}\",\"size\":{}}}]}}",
            image.config,
            config.len(),
            image.layer,
            layer.len()
        );
        let mut add = |kind, bytes: Vec<u8>| {
            let name = digest(&bytes);
            image.blobs.insert(name.clone(), (kind, bytes));
            name
        };
        add("application/octet-stream", layer);
        add("application/octet-stream", config.into_bytes());
        let size = manifest.len();
        let mut top = add(MANIFEST, manifest.into_bytes());
        if *fault == Fault::NoPlatform {
            let index = format!(
                "{{\"schemaVersion\":2,\"mediaType\":\"{INDEX}\",\"manifests\":[{{\"mediaType\":\"{MANIFEST}\",\
                 \"digest\":\"{top}\",\"size\":{size},\"platform\":{{\"os\":\"linux\",\"architecture\":\"z80\"}}}}]}}"
            );
            top = add(INDEX, index.into_bytes());
        }
        image.top = top;
        image
    }
}

fn architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold("sha256:".to_owned(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// An archive of one file.
fn tar(name: &str, content: &[u8]) -> Vec<u8> {
    let mut head = [0u8; 512];
    head[..name.len()].copy_from_slice(name.as_bytes());
    head[100..107].copy_from_slice(b"0000755");
    head[108..115].copy_from_slice(b"0000000");
    head[116..123].copy_from_slice(b"0000000");
    head[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
    head[136..147].copy_from_slice(b"00000000000");
    head[156] = b'0';
    head[257..265].copy_from_slice(b"ustar\x0000");
    head[148..156].copy_from_slice(b"        ");
    let sum: u32 = head.iter().map(|b| u32::from(*b)).sum();
    head[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    let mut archive = head.to_vec();
    archive.extend_from_slice(content);
    archive.resize(archive.len().next_multiple_of(512) + 1024, 0);
    archive
}

/// Answers requests until the client goes away.
fn converse(client: TcpStream, shared: &Shared) {
    let Ok(reading) = client.try_clone() else { return };
    let mut reader = BufReader::new(reading);
    let mut writer = client;
    while let Some(request) = read_request(&mut reader) {
        let (seen, head) = {
            let mut requests = shared.requests.lock().unwrap();
            requests.push(request.clone());
            let again =
                requests.iter().filter(|r| r.path == request.path && r.method == request.method).count();
            ((again, requests.len()), request.method == "HEAD")
        };
        let response = answer(&request, shared, seen);
        if send(&mut writer, &response, head).is_none() || response.cut.is_some() {
            return;
        }
    }
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim().is_empty() {
            break;
        }
        lines.push(line.trim().to_owned());
    }
    let mut words = lines.first()?.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let headers = lines.iter().skip(1).filter_map(|l| l.split_once(": "));
    let headers: BTreeMap<_, _> = headers.map(|(n, v)| (n.to_lowercase(), v.to_owned())).collect();
    let length = headers.get("content-length").and_then(|l| l.parse().ok()).unwrap_or(0);
    reader.read_exact(&mut vec![0; length]).ok()?;
    Some(Request { method, path, headers })
}

fn send(writer: &mut TcpStream, response: &Response, head: bool) -> Option<()> {
    let mut text = format!("HTTP/1.1 {} X\r\n", response.status);
    for (name, value) in &response.headers {
        write!(text, "{name}: {value}\r\n").ok()?;
    }
    write!(text, "Content-Length: {}\r\n\r\n", response.body.len()).ok()?;
    writer.write_all(text.as_bytes()).ok()?;
    if let Some(time) = response.stall {
        std::thread::sleep(time);
        return None;
    }
    if !head {
        writer.write_all(&response.body[..response.cut.unwrap_or(response.body.len())]).ok()?;
    }
    writer.flush().ok()
}

fn error(status: u16, code: &str) -> Response {
    let body = format!("{{\"errors\":[{{\"code\":\"{code}\",\"message\":\"no such thing\"}}]}}").into_bytes();
    Response {
        status,
        headers: vec![("Content-Type", "application/json".to_owned())],
        body,
        ..Response::default()
    }
}

fn answer(request: &Request, shared: &Shared, (again, all): (usize, usize)) -> Response {
    match shared.fault {
        Fault::Status(status) => return error(status, "TOOMANYREQUESTS"),
        Fault::StatusAtFirst(status, count) if all <= count => {
            let mut response = error(status, "TOOMANYREQUESTS");
            response.headers.push(("Retry-After", "0".to_owned()));
            return response;
        }
        Fault::Token => {
            if request.path.starts_with("/token") {
                let body = b"{\"token\":\"let-me-in\",\"expires_in\":300}".to_vec();
                return Response { status: 200, body, ..Response::default() };
            }
            if request.headers.get("authorization").map(String::as_str) != Some("Bearer let-me-in") {
                let mut response = error(401, "UNAUTHORIZED");
                let challenge = format!(
                    "Bearer realm=\"http://{}/token\",service=\"test\",scope=\"repository:library/hello:pull\"",
                    shared.address
                );
                response.headers.push(("WWW-Authenticate", challenge));
                return response;
            }
        }
        _ => {}
    }
    let path = request.path.split('?').next().unwrap_or_default();
    if path == "/v2/" {
        return Response { status: 200, body: b"{}".to_vec(), ..Response::default() };
    }
    let last = path.rsplit('/').next().unwrap_or_default();
    if path.contains("/manifests/") {
        let name = if last.starts_with("sha256:") { last } else { &shared.image.top };
        return manifest(name, shared);
    }
    blob(request, last, shared, again)
}

fn manifest(name: &str, shared: &Shared) -> Response {
    let Some((kind, bytes)) = shared.image.blobs.get(name) else { return error(404, "MANIFEST_UNKNOWN") };
    let (mut kind, mut body) = ((*kind).to_owned(), bytes.clone());
    match shared.fault {
        Fault::Page => {
            kind = "text/html".to_owned();
            body = b"<html><body>Please sign in to the guest network</body></html>".to_vec();
        }
        Fault::UnknownType => kind = "application/vnd.example.future.v9+json".to_owned(),
        // A blank keeps it JSON: only the digest can tell.
        Fault::FlippedManifest => body.push(b' '),
        _ => {}
    }
    if shared.fault == Fault::UnknownType {
        body = String::from_utf8_lossy(&body).replace(MANIFEST, &kind).into_bytes();
    }
    let headers = vec![("Content-Type", kind), ("Docker-Content-Digest", name.to_owned())];
    Response { status: 200, headers, body, ..Response::default() }
}

fn blob(request: &Request, name: &str, shared: &Shared, again: usize) -> Response {
    let Some((_, bytes)) = shared.image.blobs.get(name) else { return error(404, "BLOB_UNKNOWN") };
    let layer = name == shared.image.layer;
    let mut body = bytes.clone();
    let mut response = Response { status: 200, ..Response::default() };
    response.headers.push(("Content-Type", "application/octet-stream".to_owned()));
    match shared.fault {
        Fault::Short if layer => body.truncate(bytes.len() / 2),
        Fault::Long if layer => body.extend_from_slice(b"more"),
        Fault::Flipped if layer => body[bytes.len() / 2] ^= 1,
        Fault::FlippedConfig if name == shared.image.config => body.push(b' '),
        Fault::Stall if layer => response.stall = Some(Duration::from_secs(60)),
        _ => {}
    }
    let from =
        request.headers.get("range").and_then(|r| r.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    if let Some(from @ 1..) = from.filter(|from| *from < body.len()) {
        let range = format!("bytes {from}-{}/{}", body.len() - 1, body.len());
        response.headers.push(("Content-Range", range));
        response.status = 206;
        body.drain(..from);
    }
    if let Fault::Cut { once } = shared.fault
        && layer
        && (!once || again == 1)
    {
        response.cut = Some(body.len() / 2);
    }
    response.body = body;
    response
}
