//! The registry and its images, made by `tests/fixtures` once and shared by all tests.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::{patience, top};

/// A registry on a socket in the file system, which every machine can be given a port to.
#[derive(Debug)]
pub(crate) struct Registry {
    pub(crate) socket: PathBuf,
    /// For what is shared by all tests and must go with this program.
    pub(crate) dir: PathBuf,
    /// Its shell waits for the end of its stdin, so it goes however this program ends.
    _process: Child,
}

/// The registry of this test program.
pub(crate) fn registry() -> &'static Registry {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    REGISTRY.get_or_init(start)
}

fn start() -> Registry {
    let images = dir();
    let made = Command::new(top().join("tests/fixtures/images.sh")).arg(&images).output().expect("images.sh");
    assert!(made.status.success(), "make the images: {}", String::from_utf8_lossy(&made.stderr));

    // Nothing is dropped when a test program ends, so the shell removes the directory.
    let dir = tempfile::Builder::new().prefix("longshore-test-registry-").tempdir().unwrap().keep();
    let socket = dir.join("socket");
    let config = dir.join("config.yml");
    let text = format!(
        "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nstorage:\n  filesystem: \
         {{rootdirectory: {}}}\n  maintenance: {{readonly: {{enabled: true}}}}\nhttp: {{net: unix, addr: {}}}\n",
        images.join("registry").display(),
        socket.display(),
    );
    fs::write(&config, text).unwrap();
    let process = Command::new("sh")
        .args(["-c", "docker-registry serve \"$1\" & server=$!; cat; kill $server; rm -r \"$2\"", "registry"])
        .arg(&config)
        .arg(&dir)
        .env("OTEL_TRACES_EXPORTER", "none")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("start the registry");
    wait_for(&socket);
    Registry { socket, dir, _process: process }
}

fn wait_for(socket: &Path) {
    let start = Instant::now();
    while UnixStream::connect(socket).is_err() {
        assert!(start.elapsed() < Duration::from_secs(10) * patience(), "the registry does not start");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Where the images are kept between runs.
fn dir() -> PathBuf {
    std::env::var_os("LONGSHORE_FIXTURES").map_or_else(
        // target/debug/deps/e2e-0123 -> target
        || std::env::current_exe().unwrap().ancestors().nth(3).unwrap().join("fixtures"),
        PathBuf::from,
    )
}

/// Sends `docker.io` and `localhost:5000` to the registry at `address`.
pub(crate) fn registries_conf(address: &str) -> String {
    format!(
        "unqualified-search-registries = [\"docker.io\"]\n\n\
         [[registry]]\nprefix = \"docker.io\"\nlocation = \"docker.io\"\n\
         [[registry.mirror]]\nlocation = \"{address}\"\ninsecure = true\n\n\
         [[registry]]\nlocation = \"localhost:5000\"\ninsecure = true\n\n\
         [[registry]]\nlocation = \"127.0.0.1:5000\"\ninsecure = true\n\n\
         [[registry]]\nlocation = \"127.0.0.1:5001\"\ninsecure = true\n"
    )
}
