//! A registry in the test's own process, which serves what it is told to, faults included.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use types::digest::Digest;
use types::oci::{Descriptor, OCI_INDEX, OCI_MANIFEST};

/// What a request asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) body: Vec<u8>,
    pub(crate) headers: BTreeMap<String, String>,
}

impl Request {
    pub(crate) fn range_start(&self) -> Option<usize> {
        self.headers.get("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    }
}

/// What is sent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Say this length instead of the body's.
    pub(crate) length: Option<usize>,
    /// Send so much of the body, then close the connection.
    pub(crate) cut: Option<usize>,
    /// Send so much of the body, then nothing for a while.
    pub(crate) stall: Option<usize>,
    /// Do this with the connection instead, then close it.
    pub(crate) raw: Option<fn(&mut TcpStream) -> std::io::Result<()>>,
}

impl Answer {
    pub(crate) fn ok(body: &[u8], kind: &str) -> Self {
        let headers = vec![("Content-Type".to_owned(), kind.to_owned())];
        Self { status: 200, headers, body: body.to_vec(), ..Self::default() }
    }

    pub(crate) fn status(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    pub(crate) fn raw(act: fn(&mut TcpStream) -> std::io::Result<()>) -> Self {
        Self { raw: Some(act), ..Self::default() }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

type Handler = dyn Fn(&Request) -> Answer + Send + Sync;

/// A running server. It ends with the test's process.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    log: Arc<Mutex<Vec<Request>>>,
    /// Bytes of bodies that were sent.
    sent: Arc<Mutex<usize>>,
}

impl Server {
    pub(crate) fn start(handler: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let address = listener.local_addr().expect("address");
        let server = Self { address, log: Arc::default(), sent: Arc::default() };
        let (shared, handler) = (server.clone(), Arc::new(handler) as Arc<Handler>);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (server, handler) = (shared.clone(), Arc::clone(&handler));
                // A client that hangs up ends its thread; that is no failure of the test.
                std::thread::spawn(move || drop(server.serve(stream, &*handler)));
            }
        });
        server
    }

    pub(crate) fn requests(&self, part: &str) -> Vec<Request> {
        let log = self.log.lock().expect("log");
        log.iter().filter(|r| r.path.contains(part)).cloned().collect()
    }

    pub(crate) fn sent(&self) -> usize {
        *self.sent.lock().expect("sent")
    }

    fn serve(&self, mut stream: TcpStream, handler: &Handler) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        loop {
            let mut line = String::new();
            // A TLS handshake is no UTF-8: closes the connection, as a plain server does.
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let mut words = line.split(' ').map(str::to_owned);
            let mut request = Request {
                method: words.next().unwrap_or_default(),
                path: words.next().unwrap_or_default(),
                ..Request::default()
            };
            loop {
                let mut header = String::new();
                reader.by_ref().read_line(&mut header)?;
                let Some((name, value)) = header.trim_end().split_once(": ") else { break };
                request.headers.insert(name.to_ascii_lowercase(), value.to_owned());
            }
            let length = request.headers.get("content-length").and_then(|l| l.parse().ok()).unwrap_or(0);
            request.body.resize(length, 0);
            reader.read_exact(&mut request.body)?;
            let head_only = request.method == "HEAD";
            let answer = handler(&request);
            self.log.lock().expect("log").push(request);
            if let Some(act) = answer.raw {
                act(&mut stream)?;
                return stream.shutdown(std::net::Shutdown::Both);
            }
            self.send(&mut stream, &answer, head_only)?;
            if answer.cut.is_some() || answer.length.is_some() {
                return stream.shutdown(std::net::Shutdown::Both);
            }
        }
    }

    fn send(&self, stream: &mut TcpStream, answer: &Answer, head_only: bool) -> std::io::Result<()> {
        let length = answer.length.unwrap_or(answer.body.len());
        let mut head = format!("HTTP/1.1 {} X\r\nContent-Length: {length}\r\n", answer.status);
        for (name, value) in &answer.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        stream.write_all(format!("{head}\r\n").as_bytes())?;
        if head_only {
            return Ok(());
        }
        let end = answer.cut.or(answer.stall).unwrap_or(answer.body.len()).min(answer.body.len());
        stream.write_all(&answer.body[..end])?;
        *self.sent.lock().expect("sent") += end;
        if answer.stall.is_some() {
            std::thread::sleep(Duration::from_secs(3));
        }
        Ok(())
    }
}

/// An image in memory, by the paths of the protocol.
#[derive(Debug, Clone, Default)]
pub(crate) struct Image {
    pub(crate) layers: Vec<Descriptor>,
    pub(crate) config: Option<Descriptor>,
    pub(crate) manifest: Option<Descriptor>,
    pub(crate) index: Option<Descriptor>,
    pub(crate) blobs: BTreeMap<String, Vec<u8>>,
    pub(crate) manifests: BTreeMap<String, (String, Vec<u8>)>,
}

pub(crate) fn digest(content: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(content).into())
}

pub(crate) fn descriptor(media_type: &str, content: &[u8]) -> Descriptor {
    Descriptor { media_type: media_type.to_owned(), digest: digest(content), size: content.len() as u64 }
}

/// A gzipped layer with one file of that many bytes, which do not compress.
pub(crate) fn layer(name: &str, size: usize) -> (Vec<u8>, Digest) {
    let mut state = 1u64;
    let mut noise = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    let content: Vec<u8> = (0..size).map(|_| noise()).collect();
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(size as u64);
    header.set_mode(0o644);
    header.set_uid(u64::from(rustix_uid()));
    header.set_gid(u64::from(rustix_uid()));
    builder.append_data(&mut header, name, &*content).expect("append");
    let tar = builder.into_inner().expect("tar");
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&tar).expect("gzip");
    (encoder.finish().expect("gzip"), digest(&tar))
}

/// Who we are, so that the tests need no root.
fn rustix_uid() -> u32 {
    std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").expect("self"))
}

impl Image {
    /// An image with these layers, and an index that leads to it.
    pub(crate) fn new(layers: &[(&str, usize)]) -> Self {
        let packed: Vec<_> = layers.iter().map(|(name, size)| layer(name, *size)).collect();
        let diff_ids: Vec<Digest> = packed.iter().map(|(_, id)| *id).collect();
        Self::of(packed.into_iter().map(|(blob, _)| blob).collect(), &diff_ids, "amd64")
    }

    pub(crate) fn of(layers: Vec<Vec<u8>>, diff_ids: &[Digest], arch: &str) -> Self {
        let mut image = Self::default();
        let config = serde_json::json!({"os": "linux", "architecture": arch,
            "rootfs": {"type": "layers", "diff_ids": diff_ids}})
        .to_string();
        for blob in layers {
            let d = descriptor("application/vnd.oci.image.layer.v1.tar+gzip", &blob);
            image.blobs.insert(d.digest.to_string(), blob);
            image.layers.push(d);
        }
        let d = descriptor("application/vnd.oci.image.config.v1+json", config.as_bytes());
        image.blobs.insert(d.digest.to_string(), config.into_bytes());
        let manifest =
            serde_json::json!({"schemaVersion": 2, "config": d, "layers": image.layers}).to_string();
        image.config = Some(d);
        let m = image.add("one", OCI_MANIFEST, manifest.as_bytes());
        let entry = serde_json::json!({"mediaType": OCI_MANIFEST, "digest": m.digest, "size": m.size,
            "platform": {"os": "linux", "architecture": arch}});
        let index = serde_json::json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]});
        image.manifest = Some(m);
        image.index = Some(image.add("latest", OCI_INDEX, index.to_string().as_bytes()));
        image
    }

    /// Adds a document under a tag.
    pub(crate) fn add(&mut self, tag: &str, media_type: &str, content: &[u8]) -> Descriptor {
        let d = descriptor(media_type, content);
        let document = (media_type.to_owned(), content.to_vec());
        self.manifests.insert(tag.to_owned(), document.clone());
        self.manifests.insert(d.digest.to_string(), document);
        d
    }

    /// Answers as an honest registry.
    pub(crate) fn answer(&self, request: &Request) -> Answer {
        let last = request.path.rsplit('/').next().unwrap_or_default();
        if request.path.contains("/manifests/") {
            return self
                .manifests
                .get(last)
                .map_or_else(|| Answer::status(404), |(kind, body)| Answer::ok(body, kind));
        }
        if request.path.contains("/blobs/") {
            let Some(blob) = self.blobs.get(last) else { return Answer::status(404) };
            return match request.range_start() {
                Some(from) if from < blob.len() => {
                    let range = format!("bytes {from}-{}/{}", blob.len() - 1, blob.len());
                    Answer { status: 206, ..Answer::ok(&blob[from..], "x") }.with("Content-Range", &range)
                }
                Some(_) => Answer::status(416),
                None => Answer::ok(blob, "application/octet-stream"),
            };
        }
        Answer::status(200)
    }
}

/// Asks a server for a path and waits for the end of its answer's head.
pub(crate) fn get(address: SocketAddr, path: &str) {
    let mut stream = TcpStream::connect(address).expect("connect");
    write!(stream, "GET {path} HTTP/1.1\r\n\r\n").expect("ask");
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).expect("answer");
}
