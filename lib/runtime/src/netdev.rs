//! Network devices of the host that a container is given (`linux.netDevices`, OCI runtime spec 1.3).
//!
//! This process moves them, before anything of the container runs: a device goes into the other network
//! namespace and gets its new name there in one request, and stays where it is if that name is taken. The kernel takes its addresses away on the way; those that somebody has
//! configured are given back, as the specification wants it, and the device is set up. When the container's namespace
//! ends, the kernel returns real devices to the first one and removes the others.

mod rtnl;

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use oci_spec::runtime::{Linux, LinuxNamespaceType};
use rustix::fs::{Mode, OFlags, open};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use types::{Error, Kind, Result};

use crate::plan::{invalid, is_own};
use rtnl::Route;

/// Names on the host, and in the container.
pub type Devices = BTreeMap<String, String>;

/// Reads what a configuration asks for.
///
/// # Errors
/// `Invalid` for a name that no device can have, for two of one name, and without a network namespace of the
/// container's own.
pub fn asked(linux: &Linux) -> Result<Devices> {
    let mut devices = Devices::new();
    let mut taken = BTreeSet::new();
    for (name, device) in linux.net_devices().iter().flatten() {
        let inside = device.name().clone().filter(|name| !name.is_empty()).unwrap_or_else(|| name.clone());
        for name in [name, &inside] {
            if !is_name(name) {
                return Err(invalid(format!("network device cannot be called {name:?}")));
            }
        }
        if !taken.insert(inside.clone()) {
            return Err(invalid(format!("two network devices are to be called {inside:?}")));
        }
        devices.insert(name.clone(), inside);
    }
    if !devices.is_empty() && !is_own(linux, LinuxNamespaceType::Network) {
        return Err(invalid("network devices need a network namespace of the container's own"));
    }
    Ok(devices)
}

/// As the kernel has it (`dev_valid_name()`), and without the pattern that would have it choose a number.
fn is_name(name: &str) -> bool {
    let odd = |c: char| c == '/' || c == ':' || c == '%' || c.is_whitespace();
    !matches!(name, "" | "." | "..")
        && name.len() < libc::IFNAMSIZ
        && !name.contains(odd)
        && !name.contains('\0')
}

/// Moves devices to where the process `pid`, a child of ours that was just made, is to have them.
pub fn give(devices: &Devices, linux: &Linux, pid: i32) -> Result<()> {
    if devices.is_empty() {
        return Ok(());
    }
    let namespace = namespace(linux, pid)?;
    let here = Route::open()?;
    let there = route_in(namespace.as_fd())?;
    for (name, inside) in devices {
        let why = |e: std::io::Error| {
            let taken = e.raw_os_error() == Some(libc::EEXIST);
            let error = Error::io(format!("move network device {name:?} to the container"), e);
            if taken { error.hint(format!("it has a device {inside:?}")) } else { error }
        };
        one(&here, &there, namespace.as_fd(), (name, inside)).map_err(why)?;
    }
    Ok(())
}

fn one(
    here: &Route,
    there: &Route,
    namespace: BorrowedFd<'_>,
    (name, inside): (&str, &str),
) -> std::io::Result<()> {
    let index = here.index(name)?;
    // The kernel moves a device first and renames it then.
    if there.index(inside).is_ok() {
        return Err(std::io::Error::from_raw_os_error(libc::EEXIST));
    }
    let addresses = here.addresses(index)?;
    here.transfer(index, namespace, inside)?;
    let index = there.index(inside)?;
    for address in &addresses {
        there.add(index, address)?;
    }
    there.up(index)
}

/// A namespace that is joined is opened by its path: the process may not be in it yet.
fn namespace(linux: &Linux, pid: i32) -> Result<OwnedFd> {
    let mut spaces = linux.namespaces().iter().flatten();
    let space = spaces.find(|space| space.typ() == LinuxNamespaceType::Network);
    let path = space.and_then(|space| space.path().clone()).filter(|path| !path.as_os_str().is_empty());
    let path = path.unwrap_or_else(|| Path::new("/proc").join(pid.to_string()).join("ns/net"));
    open(&path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|e| Error::io(format!("open network namespace {path:?}"), e))
}

/// A socket belongs to the namespace in which it was made, and stays there. A thread goes, so that this process
/// is never elsewhere.
fn route_in(namespace: BorrowedFd<'_>) -> Result<Route> {
    let visit = || {
        move_into_link_name_space(namespace, Some(LinkNameSpaceType::Network))
            .map_err(|e| Error::io("enter network namespace", e))?;
        Route::open()
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, visit);
        let thread = thread.map_err(|e| Error::io("start thread", e))?;
        thread.join().unwrap_or_else(|_| Err(Error::new(Kind::Io, "enter network namespace")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(devices: &str, spaces: &str) -> Result<Devices> {
        asked(
            &serde_json::from_str(&format!(r#"{{"netDevices": {devices}, "namespaces": [{spaces}]}}"#))
                .unwrap(),
        )
    }

    #[test]
    fn names_are_those_that_a_device_can_have_and_each_there_once() {
        let own = r#"{"type": "network"}"#;
        let good = names(r#"{"eth1": {"name": "up0"}, "eth2": {}}"#, own).unwrap();
        assert_eq!(
            good.into_iter().collect::<Vec<_>>(),
            [("eth1", "up0"), ("eth2", "eth2")].map(|(a, b)| (a.into(), b.into()))
        );
        for bad in ["", "a/b", "a b", "..", "eth%d", "a:1", "longer-than-fifteen"] {
            assert!(names(&format!(r#"{{"{bad}": {{}}}}"#), own).is_err(), "{bad:?}");
        }
        assert!(names(r#"{"a": {"name": "x"}, "b": {"name": "x"}}"#, own).is_err());
        let error = names(r#"{"a": {}}"#, r#"{"type": "mount"}"#).unwrap_err();
        assert!(error.to_string().contains("network namespace"), "{error}");
        assert!(names("{}", "").unwrap().is_empty());
    }
}
