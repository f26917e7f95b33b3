//! `/dev`: a small tmpfs of our own with the devices that every program may expect.

use oci_spec::runtime::{LinuxDevice, LinuxDeviceType};
use types::Result;

use super::{Draft, Step, invalid, target, text};

/// Name, major, minor of the six; all are open to everybody.
const NODES: [(&str, u32, u32); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

/// Links that programs use as files.
const LINKS: [(&str, &str); 6] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("core", "/proc/kcore"),
    ("ptmx", "pts/ptmx"),
];

/// Fills `/dev`, right after it is mounted and before anything is mounted in it.
pub fn plan(more: &[LinuxDevice], draft: &mut Draft) -> Result<()> {
    for (name, major, minor) in NODES {
        draft.push(Step::DevNode {
            name: text(name)?,
            mode: libc::S_IFCHR | 0o666,
            device: libc::makedev(major, minor),
            uid: 0,
            gid: 0,
        });
    }
    for (name, to) in LINKS {
        draft.push(Step::DevLink { name: text(name)?, to: text(to)? });
    }
    let mut dirs = Vec::new();
    for device in more {
        node(device, &mut dirs, draft)?;
    }
    Ok(())
}

/// A device of the configuration. It has to be in `/dev`, which is ours and not the image's.
fn node(device: &LinuxDevice, dirs: &mut Vec<String>, draft: &mut Draft) -> Result<()> {
    let path = target::inside(device.path())?;
    let Some(name) = path.strip_prefix("dev/") else {
        return Err(invalid(format!("device \"/{path}\" is not in \"/dev\"")));
    };
    // `ptmx` is that of the container's own devpts, whatever the configuration says (as with runc).
    if name == "ptmx" || NODES.iter().any(|(known, ..)| *known == name) {
        return Ok(());
    }
    for (at, _) in name.match_indices('/') {
        let dir = name.get(..at).unwrap_or(name);
        if !dirs.iter().any(|made| made == dir) {
            draft.push(Step::DevDir { name: text(dir)?, mode: 0o755 });
            dirs.push(dir.to_owned());
        }
    }
    let number = |n: i64| u32::try_from(n).map_err(|_| invalid(format!("device \"/{path}\" has number {n}")));
    let (kind, device_number) = match device.typ() {
        LinuxDeviceType::B => {
            (libc::S_IFBLK, libc::makedev(number(device.major())?, number(device.minor())?))
        }
        LinuxDeviceType::C | LinuxDeviceType::U => {
            (libc::S_IFCHR, libc::makedev(number(device.major())?, number(device.minor())?))
        }
        LinuxDeviceType::P => (libc::S_IFIFO, 0),
        LinuxDeviceType::A => return Err(invalid(format!("device \"/{path}\" has no type"))),
    };
    draft.push(Step::DevNode {
        name: text(name)?,
        mode: kind | (device.file_mode().unwrap_or(0o666) & 0o7777),
        device: device_number,
        uid: device.uid().unwrap_or(0),
        gid: device.gid().unwrap_or(0),
    });
    Ok(())
}
