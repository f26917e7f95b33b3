//! The only module that spells a name of the store.
//!
//! One function an entry, and one row of [`ENTRIES`] an entry; `longshore-store(5)` has one
//! heading an entry, and a test compares the two.

use types::digest::Digest;

/// Which of the two trees a place is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Area {
    /// Survives a reboot: `/var/lib/longshore`.
    Root,
    /// Gone after a reboot: `/run/longshore`.
    Run,
}

/// A name inside the store. Only [`crate::Store`] turns it into a file, so that it cannot be
/// given to `std::fs` by mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub(crate) area: Area,
    pub(crate) path: String,
}

impl Place {
    pub(crate) fn root(path: impl Into<String>) -> Self {
        Self { area: Area::Root, path: path.into() }
    }
    pub(crate) fn run(path: impl Into<String>) -> Self {
        Self { area: Area::Run, path: path.into() }
    }
    /// The place called `name` in this directory. `name` is a checked id or name, never a path.
    pub(crate) fn join(&self, name: &str) -> Self {
        Self { area: self.area, path: format!("{}/{name}", self.path) }
    }
}

/// A row of the table that `longshore-store(5)` repeats.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The tree it is in.
    pub area: Area,
    /// The path below the tree, with the variable parts in capitals.
    pub pattern: &'static str,
    /// `dir`, `file` or `link`.
    pub kind: &'static str,
}

const fn root(pattern: &'static str, kind: &'static str) -> Entry {
    Entry { area: Area::Root, pattern, kind }
}

const fn run(pattern: &'static str, kind: &'static str) -> Entry {
    Entry { area: Area::Run, pattern, kind }
}

/// Every name of the store.
pub const ENTRIES: &[Entry] = &[
    root("store.json", "file"),
    root("tmp/NAME", "dir"),
    root("names/NAME", "link"),
    root("containers/ID", "dir"),
    root("containers/ID/record.json", "file"),
    root("containers/ID/config.json", "file"),
    root("containers/ID/run.jsonl", "file"),
    root("containers/ID/stop", "file"),
    root("containers/ID/log", "file"),
    root("containers/ID/log.N", "file"),
    root("containers/ID/upper", "dir"),
    root("containers/ID/work", "dir"),
    root("oci-layout", "file"),
    root("index.json", "file"),
    root("blobs/sha256/HEX", "file"),
    root("partial/HEX", "file"),
    root("tmp/layer-NAME", "dir"),
    root("layers/sha256/HEX/tree", "dir"),
    root("layers/sha256/HEX/layer.json", "file"),
    root("mountpoints", "dir"),
    root("networks/NAME.json", "file"),
    run("tmp/NAME", "dir"),
    run("leases/ADDRESS", "link"),
    run("forwards/PROTO-IP-PORT", "link"),
    run("attached/ID", "dir"),
    run("attached/ID/address", "link"),
    run("attached/ID/PROTO-IP-PORT", "link"),
    run("etc/ID", "dir"),
    run("etc/ID/hosts", "file"),
    run("etc/ID/hostname", "file"),
    run("etc/ID/resolv.conf", "file"),
    run("oci/ID", "dir"),
    run("uses/NAME", "file"),
    run("tokens/HEX", "file"),
    root("volumes/NAME/volume.json", "file"),
    root("volumes/NAME/_data", "dir"),
    root("volumes/NAME/_new", "dir"),
    root("volumes/NAME/_ready", "dir"),
];

/// `oci`: the state of bundles that other engines run, made when the first is. Its inside belongs to the
/// room `oci` alone.
pub const OCI: &str = "oci";

/// The directories that exist from the start.
pub(crate) const TOP_DIRS: &[(Area, &str)] = &[
    (Area::Root, "tmp"),
    (Area::Root, "names"),
    (Area::Root, "containers"),
    (Area::Root, "blobs"),
    (Area::Root, "blobs/sha256"),
    (Area::Root, "partial"),
    (Area::Root, "layers"),
    (Area::Root, "layers/sha256"),
    (Area::Root, "networks"),
    (Area::Root, "volumes"),
    (Area::Run, "leases"),
    (Area::Run, "forwards"),
    (Area::Run, "attached"),
    (Area::Run, "tmp"),
    (Area::Run, "etc"),
    // The newest of them is last: where it is there, the others are.
    (Area::Run, "uses"),
];

/// `store.json`: the version of the format.
pub(crate) fn store_json() -> Place {
    Place::root("store.json")
}

/// `tmp`: what has no name yet, and what has lost its name.
pub(crate) fn tmp_in(area: Area) -> Place {
    Place { area, path: "tmp".to_owned() }
}

/// `names`: one claim a name of a container.
pub(crate) fn names() -> Place {
    Place::root("names")
}

/// `names/NAME`: leads to the id of the container that has the name.
pub(crate) fn name(name: &str) -> Place {
    names().join(name)
}

/// `containers`: one directory a container.
pub(crate) fn containers() -> Place {
    Place::root("containers")
}

/// `containers/ID`: an OCI bundle, the writable layer, the log.
pub(crate) fn container(id: &str) -> Place {
    containers().join(id)
}

/// The names inside a container's directory.
pub(crate) mod in_container {
    /// What was asked for.
    pub(crate) const RECORD: &str = "record.json";
    /// The OCI runtime configuration.
    pub(crate) const CONFIG: &str = "config.json";
    /// What was started last, and how that ended; locked by its monitor.
    pub(crate) const RUN: &str = "run.jsonl";
    /// The user wants it to end, and not to be started again by its monitor.
    pub(crate) const STOP: &str = "stop";
    /// What it wrote.
    pub(crate) const LOG: &str = "log";
    /// The writable layer.
    pub(crate) const UPPER: &str = "upper";
    /// Overlay's own scratch space.
    pub(crate) const WORK: &str = "work";
}

/// `oci-layout`: says that the store is an OCI image layout.
pub(crate) fn oci_layout() -> Place {
    Place::root("oci-layout")
}

/// `index.json`: the names of the images.
pub(crate) fn index_json() -> Place {
    Place::root("index.json")
}

/// `blobs`: locked by whoever changes which images there are.
pub(crate) fn blobs() -> Place {
    Place::root("blobs")
}

/// `blobs/sha256/HEX`: verified content, named by its digest.
pub(crate) fn blob(digest: &Digest) -> Place {
    Place::root(format!("blobs/sha256/{}", digest.hex()))
}

/// `blobs/sha256`: one file a blob.
pub(crate) fn blob_dir() -> Place {
    blobs().join("sha256")
}

/// `layers/sha256`: one directory a layer.
pub(crate) fn layer_dir() -> Place {
    Place::root("layers/sha256")
}

/// `partial`: downloads that are not complete.
pub(crate) fn partials() -> Place {
    Place::root("partial")
}

/// `partial/HEX`: what has arrived of a blob; locked by its writer.
pub(crate) fn partial(digest: &Digest) -> Place {
    partials().join(&digest.hex())
}

/// `layers/sha256/HEX`: an unpacked layer, named by the digest of its uncompressed archive.
pub(crate) fn layer(digest: &Digest) -> Place {
    Place::root(format!("layers/sha256/{}", digest.hex()))
}

/// The names inside a layer's directory.
pub(crate) mod in_layer {
    /// The unpacked files; a lower directory of overlays.
    pub(crate) const TREE: &str = "tree";
    /// What is known of it.
    pub(crate) const RECORD: &str = "layer.json";
}

/// `mountpoints`: what containers mount over, as far as their images lack it; the lowest layer of
/// each.
pub(crate) fn mountpoints() -> Place {
    Place::root("mountpoints")
}

const TMP_LAYER: &str = "layer-";

/// `tmp/layer-NAME`: a layer that is being unpacked, locked by its writer, or one that was
/// removed.
pub(crate) fn tmp_layer(name: &str) -> Place {
    tmp_in(Area::Root).join(&format!("{TMP_LAYER}{name}"))
}

/// The place in `tmp` with this name, if it is one of [`tmp_layer`]'s.
pub(crate) fn tmp_layer_named(name: &str) -> Option<Place> {
    name.strip_prefix(TMP_LAYER).map(tmp_layer)
}

/// Annotations of the entries of `index.json`.
pub(crate) mod annotation {
    /// The full name of an image: `docker.io/library/httpd:latest`.
    pub(crate) const REF_NAME: &str = "org.opencontainers.image.ref.name";
    /// The digest of the index that the manifest was chosen from.
    pub const INDEX: &str = "dev.longshore.image.index";
    /// The full name, with a tag or a digest, of what is kept for others and is no image here.
    pub(crate) const KEPT: &str = "dev.longshore.kept.name";
}

/// `networks`: one record a network; locked while one is set up.
pub(crate) fn networks() -> Place {
    Place::root("networks")
}

/// `networks/NAME.json`: the bridge and the subnet of a network.
pub(crate) fn network(name: &str) -> Place {
    networks().join(&format!("{name}.json"))
}

/// `leases`: one claim an address; locked while a stale one is taken over.
pub(crate) fn leases() -> Place {
    Place::run("leases")
}

/// `leases/ADDRESS`: leads to the id of the container that has the address.
pub(crate) fn lease(address: std::net::Ipv4Addr) -> Place {
    leases().join(&address.to_string())
}

/// `forwards`: one claim a published port of the host.
pub(crate) fn forwards() -> Place {
    Place::run("forwards")
}

/// `forwards/PROTO-IP-PORT`: leads to the id of the container that has the port.
pub(crate) fn forward(name: &str) -> Place {
    forwards().join(name)
}

/// `attached`: one directory a container on a network.
pub(crate) fn attachments() -> Place {
    Place::run("attached")
}

/// `attached/ID`: what the container has claimed, one link a claim.
pub(crate) fn attached(id: &str) -> Place {
    attachments().join(id)
}

/// The names inside `attached/ID`, beside those of its forwards.
pub(crate) mod in_attached {
    /// The container's address.
    pub(crate) const ADDRESS: &str = "address";
}

/// `etc/ID`: what is bound into the container's `/etc`, made anew at each start and therefore not worth
/// an inode of a disk.
pub(crate) fn etc(id: &str) -> Place {
    etcs().join(id)
}

/// `tokens`: what token servers gave, for the processes that pull next. Its inside belongs to the crate
/// `registry`, as that of `oci` does to its own.
#[must_use]
pub fn tokens(paths: &crate::Paths) -> std::path::PathBuf {
    paths.run.join("tokens")
}

/// `etc`: one directory a container.
pub(crate) fn etcs() -> Place {
    Place::run("etc")
}

/// `uses`: one record for each use of an image's layers that no container is.
pub(crate) fn uses() -> Place {
    Place::run("uses")
}

/// `uses/NAME`: which layers somebody reads, who holds a lock on it, or has mounted, with its name as the
/// source of the mount.
pub(crate) fn use_record(name: &str) -> Place {
    uses().join(name)
}

/// The files in `etc/ID`.
pub const ETC: [&str; 3] = ["hosts", "hostname", "resolv.conf"];

/// `volumes`: one directory a volume.
pub(crate) fn volumes() -> Place {
    Place::root("volumes")
}

/// `volumes/NAME`: a volume's record and content.
pub(crate) fn volume(name: &str) -> Place {
    volumes().join(name)
}

/// The names inside a volume's directory.
pub(crate) mod in_volume {
    /// What it was made with.
    pub(crate) const RECORD: &str = "volume.json";
    /// What containers see.
    pub(crate) const DATA: &str = "_data";
    /// A copy of an image's content that is being made.
    pub(crate) const NEW: &str = "_new";
    /// The same, complete, on its way into `_data`.
    pub(crate) const READY: &str = "_ready";
}
