//! Spec: a configuration to begin with, in the shape that people and scripts know.

use std::path::Path;

use serde_json::{Value, json};
use types::{Context, Error, Kind, Result};

use crate::OCI_VERSION;

/// Writes `config.json` into a bundle.
///
/// # Errors
/// `Conflict` if there is one.
pub fn template(bundle: &Path, rootless: bool) -> Result<()> {
    use std::io::Write;
    let path = bundle.join("config.json");
    let mut file = std::fs::File::create_new(&path).map_err(|e| match e.kind() {
        std::io::ErrorKind::AlreadyExists => {
            Error::new(Kind::Conflict, format!("file {path:?} exists")).hint("remove it first")
        }
        _ => Error::io(format!("make {path:?}"), e),
    })?;
    let mut text = Vec::with_capacity(4 << 10);
    let mut tabs = serde_json::Serializer::with_formatter(
        &mut text,
        serde_json::ser::PrettyFormatter::with_indent(b"\t"),
    );
    serde::Serialize::serialize(&document(rootless), &mut tabs)
        .map_err(|e| Error::because(Kind::Invalid, "encode configuration", e))?;
    text.push(b'\n');
    file.write_all(&text).with_context(|| format!("write {path:?}"))
}

fn document(rootless: bool) -> Value {
    let caps = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];
    let mut document = json!({
        "ociVersion": OCI_VERSION,
        "process": {
            "terminal": true,
            "user": { "uid": 0, "gid": 0 },
            "args": ["sh"],
            "env": [format!("PATH={}", runtime::defaults::DEFAULT_PATH), "TERM=xterm"],
            "cwd": "/",
            "capabilities": { "bounding": caps, "effective": caps, "permitted": caps },
            "rlimits": [{ "type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024 }],
            "noNewPrivileges": true,
        },
        "root": { "path": "rootfs", "readonly": true },
        "hostname": "longshore",
        "mounts": mounts(),
        "linux": {
            "resources": { "devices": [{ "allow": false, "access": "rwm" }] },
            "namespaces": namespaces(),
            "maskedPaths": [
                "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
                "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi",
            ],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
        },
    });
    if rootless {
        make_rootless(&mut document);
    }
    document
}

fn mounts() -> Value {
    json!([
        { "destination": "/proc", "type": "proc", "source": "proc" },
        { "destination": "/dev", "type": "tmpfs", "source": "tmpfs",
          "options": ["nosuid", "strictatime", "mode=755", "size=65536k"] },
        { "destination": "/dev/pts", "type": "devpts", "source": "devpts",
          "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"] },
        { "destination": "/dev/shm", "type": "tmpfs", "source": "shm",
          "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"] },
        { "destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue",
          "options": ["nosuid", "noexec", "nodev"] },
        { "destination": "/sys", "type": "sysfs", "source": "sysfs",
          "options": ["nosuid", "noexec", "nodev", "ro"] },
        { "destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
          "options": ["nosuid", "noexec", "nodev", "relatime", "ro"] },
    ])
}

fn namespaces() -> Value {
    let mut all = vec!["pid", "network", "ipc", "uts", "mount"];
    // As runc: where the hierarchy is one, a container should see its own part only.
    if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        all.push("cgroup");
    }
    all.into_iter().map(|kind| json!({ "type": kind })).collect()
}

/// For a user without privileges: a user namespace with one id, the host's network, and the mounts that
/// such a user may make.
fn make_rootless(document: &mut Value) {
    let own = |id: u32| json!([{ "containerID": 0, "hostID": id, "size": 1 }]);
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let Some(linux) = document.get_mut("linux").and_then(Value::as_object_mut) else { return };
    linux.insert("uidMappings".into(), own(uid));
    linux.insert("gidMappings".into(), own(gid));
    linux.remove("resources");
    if let Some(spaces) = linux.get_mut("namespaces").and_then(Value::as_array_mut) {
        spaces.retain(|space| !matches!(space.get("type").and_then(Value::as_str), Some("network" | "user")));
        spaces.push(json!({ "type": "user" }));
    }
    let Some(mounts) = document.get_mut("mounts").and_then(Value::as_array_mut) else { return };
    for mount in mounts {
        let at = mount.get("destination").and_then(Value::as_str).unwrap_or_default().to_owned();
        match at.as_str() {
            // Without a network namespace of its own it may not mount sysfs, but show the host's.
            "/sys" => {
                *mount = json!({ "destination": at, "type": "none", "source": "/sys",
                    "options": ["rbind", "nosuid", "noexec", "nodev", "ro"] });
            }
            "/sys/fs/cgroup" => {
                *mount = json!({ "destination": at, "type": "none", "source": at,
                    "options": ["rbind", "rprivate", "nosuid", "noexec", "nodev", "ro"] });
            }
            // Group 5 is not mapped.
            _ => {
                if let Some(options) = mount.get_mut("options").and_then(Value::as_array_mut) {
                    options.retain(|option| option.as_str() != Some("gid=5"));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read_and_is_never_overwritten() {
        for rootless in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            template(dir.path(), rootless).unwrap();
            std::fs::create_dir(dir.path().join("rootfs")).unwrap();
            let bundle = crate::Bundle::open(dir.path(), None).unwrap();
            assert_eq!(bundle.spec.linux().as_ref().unwrap().uid_mappings().is_some(), rootless);
            assert_eq!(template(dir.path(), rootless).unwrap_err().kind(), Kind::Conflict);
        }
    }
}
