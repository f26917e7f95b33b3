//! What users and registries write in small grammars: references, digests, platforms, times, ports, mounts,
//! limits, and manifests. What is understood must be written so that it is understood the same.

use std::fmt::{Debug, Display};
use std::path::{Component, Path};
use std::str::FromStr;

use types::limit::Ulimit;
use types::mount::{MountSpec, bind, mount, tmpfs, volume};
use types::oci::Document;
use types::port::{Forward, HostPort};

/// Gives the bytes to every reader.
///
/// # Panics
/// If what was read is not what it would be if it were read again, or promises of a reader do not hold.
pub fn check(data: &[u8]) {
    manifest(data);
    let Ok(text) = std::str::from_utf8(data) else { return };
    again::<types::reference::ImageRef>(text);
    again::<types::digest::Digest>(text);
    again::<types::platform::Platform>(text);
    again::<types::time::Time>(text);
    again::<types::restart::Restart>(text);
    if let Ok(number) = types::signal::parse(text) {
        assert!((0..=64).contains(&number), "{number}");
    }
    if let Ok(limit) = Ulimit::parse(text) {
        assert!(limit.soft <= limit.hard);
    }
    let _any = types::size::Cpus::parse(text);
    ports(text);
    let cwd = Path::new("/work");
    for read in [volume(text, cwd), bind(text, cwd), mount(text, cwd), tmpfs(text)] {
        read.iter().for_each(place);
    }
}

fn again<T: FromStr + Display + PartialEq + Debug>(text: &str) {
    let Ok(read) = text.parse::<T>() else { return };
    let written = read.to_string();
    assert_eq!(written.parse::<T>().ok().as_ref(), Some(&read), "{text:?} is written {written:?}");
}

fn ports(text: &str) {
    let _any = text.parse::<HostPort>();
    let Ok(forwards) = types::port::parse(text) else { return };
    assert!(!forwards.is_empty() && forwards.len() <= 65536, "{text:?}");
    // A range of the host's for one port is found by its first.
    let named = |f: &Forward| f.name().parse::<HostPort>().is_ok_and(|port| port.matches(f));
    assert!(forwards.iter().all(|f| f.host_port == 0 || named(f)), "{text:?}");
}

fn place(spec: &MountSpec) {
    let target = &spec.target;
    assert!(target.is_absolute() && !target.components().any(|c| c == Component::ParentDir), "{spec:?}");
}

/// CVE-2021-41190: one digest must not mean two things.
fn manifest(data: &[u8]) {
    let kinds = ["", "application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json"];
    let read: Vec<_> = kinds.iter().filter_map(|kind| Document::parse(data, kind).ok()).collect();
    let indexes = read.iter().filter(|(document, _)| matches!(document, Document::Index(_))).count();
    assert!(indexes == 0 || indexes == read.len(), "it is a manifest and an index");
}
