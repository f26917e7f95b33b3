//! A bundle: a directory with a configuration and a root file system.

use std::path::{Path, PathBuf};

use oci_spec::runtime::Spec;
use types::{Context, Error, Kind, Result};

use crate::foreign;

/// A bundle whose configuration has been read.
#[derive(Debug)]
pub struct Bundle {
    /// Its directory, absolute and without symbolic links.
    pub dir: PathBuf,
    /// The configuration.
    pub spec: Spec,
    /// The same, as it was written.
    pub(crate) text: Vec<u8>,
    /// The root file system, absolute.
    pub rootfs: PathBuf,
    /// What it says that does nothing.
    pub complaints: Vec<Error>,
}

/// No configuration is larger: the largest seen in practice have a few hundred KiB.
const LARGEST: u64 = 64 << 20;

impl Bundle {
    /// Reads a bundle; `config` is another name for its `config.json`.
    ///
    /// # Errors
    /// `Invalid` if the configuration is malformed or of another major version.
    pub fn open(dir: &Path, config: Option<&Path>) -> Result<Self> {
        let dir = std::fs::canonicalize(dir).with_context(|| format!("open bundle {dir:?}"))?;
        let path = config.map_or_else(|| dir.join("config.json"), Path::to_owned);
        let text = read(&path)?;
        let (mut spec, unread) = foreign::read(&text)
            .map_err(|e| Error::because(Kind::Invalid, format!("read configuration {path:?}"), e))?;
        check_version(spec.version())?;
        foreign::refuse_other_systems(&spec, &unread)?;
        let complaints = foreign::complaints(&spec, &unread);
        let root = spec.root().as_ref().ok_or_else(|| invalid("configuration has no root"))?.path();
        if root.as_os_str().is_empty() {
            return Err(invalid("configuration has no root path"));
        }
        let rootfs = dir.join(root);
        let rootfs = std::fs::canonicalize(&rootfs).with_context(|| format!("open root {rootfs:?}"))?;
        absolute_sources(&mut spec, &dir);
        Ok(Self { dir, spec, text, rootfs, complaints })
    }
}

/// The source of a bind is absolute or relative to the bundle (runtime spec, `mounts`).
fn absolute_sources(spec: &mut Spec, dir: &Path) {
    for mount in spec.mounts_mut().iter_mut().flatten() {
        let is_bind = |option: &String| matches!(option.as_str(), "bind" | "rbind");
        let bind = mount.typ().as_deref() == Some("bind") || mount.options().iter().flatten().any(is_bind);
        if let Some(source) = mount.source().as_deref().filter(|s| bind && !s.as_os_str().is_empty()) {
            let source = dir.join(source);
            mount.set_source(Some(source));
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    use std::io::Read;
    let what = || format!("read configuration {path:?}");
    let file = std::fs::File::open(path).with_context(what)?;
    let mut text = Vec::with_capacity(16 << 10);
    file.take(LARGEST).read_to_end(&mut text).with_context(what)?;
    Ok(text)
}

/// A runtime must refuse what it does not know, and minor versions only add (runtime spec, `ociVersion`).
fn check_version(text: &str) -> Result<()> {
    match version(text) {
        Some((1, _)) => Ok(()),
        Some((other, _)) => Err(Error::new(
            Kind::Unsupported,
            format!("configuration is of version {other} of the specification"),
        )),
        None => Err(invalid(format!("bad ociVersion {text:?}"))),
    }
}

/// The first two numbers of a version, which has three.
pub fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split(['.', '-', '+']).map(|part| part.parse().ok());
    let (major, minor) = (parts.next()??, parts.next()??);
    parts.next()?.map(|_patch: u32| (major, minor))
}

fn invalid(what: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(Kind::Invalid, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_one_major_are_read() {
        for good in ["1.0.0", "1.0.2-dev", "1.3.0", "1.0.0-rc5-dev"] {
            assert!(check_version(good).is_ok(), "{good}");
        }
        assert_eq!(check_version("2.0.0").unwrap_err().kind(), Kind::Unsupported);
        for bad in ["", "1", "1.0", "x", "v1.0.0"] {
            assert_eq!(check_version(bad).unwrap_err().kind(), Kind::Invalid, "{bad}");
        }
    }

    #[test]
    fn the_source_of_a_bind_is_relative_to_the_bundle() {
        let mounts = r#"{"ociVersion":"1.0.0","root":{"path":"r"},"mounts":[
            {"destination":"/a","type":"bind","source":"data/a"}, {"destination":"/b","source":"b","options":["rbind"]},
            {"destination":"/c","type":"bind","source":"/c"}, {"destination":"/d","type":"tmpfs","source":"tmpfs"}]}"#;
        let mut spec: Spec = serde_json::from_str(mounts).unwrap();
        absolute_sources(&mut spec, Path::new("/bundle"));
        let sources: Vec<_> = spec.mounts().iter().flatten().filter_map(|m| m.source().clone()).collect();
        assert_eq!(sources, ["/bundle/data/a", "/bundle/b", "/c", "tmpfs"].map(PathBuf::from));
    }

    #[test]
    fn a_root_is_relative_to_the_bundle() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("r")).unwrap();
        let config = dir.path().join("config.json");
        std::fs::write(&config, r#"{"ociVersion":"1.0.0","root":{"path":"r"}}"#).unwrap();
        let bundle = Bundle::open(dir.path(), None).unwrap();
        assert_eq!(bundle.rootfs, std::fs::canonicalize(dir.path().join("r")).unwrap());
        std::fs::write(&config, r#"{"ociVersion":"1.0.0"}"#).unwrap();
        assert_eq!(Bundle::open(dir.path(), None).unwrap_err().to_string(), "configuration has no root");
    }
}
