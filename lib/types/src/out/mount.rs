//! A mount, as `vol-bind` lists it and `ctr-inspect` and `ctr-ls` have it in `Mounts`.

use std::path::PathBuf;

use serde::Serialize;

use super::Record;
use crate::mount::{MountSpec, Propagation, Source};

/// A mount of a container on behalf of its user.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct MountPoint {
    /// `bind`, `volume` or `tmpfs`.
    #[serde(rename = "Type")]
    pub kind: &'static str,
    /// The volume's name; absent for others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where its content is on the host; absent for a tmpfs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<PathBuf>,
    /// Where it is in the container.
    pub destination: PathBuf,
    /// Options of a tmpfs, as mount(8) has them; absent for others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// It can be written.
    #[serde(rename = "RW")]
    pub rw: bool,
    /// What happens to later mounts below it; absent for a tmpfs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub propagation: Option<Propagation>,
}

impl MountPoint {
    /// Describes a mount; `data` says where the content of a volume is.
    pub fn new(spec: &MountSpec, data: impl Fn(&str) -> PathBuf) -> Self {
        let (kind, name, source, options) = match &spec.source {
            Source::Bind(path) => ("bind", None, Some(path.clone()), Vec::new()),
            Source::Volume(name) => ("volume", Some(name.clone()), Some(data(name)), Vec::new()),
            Source::Anonymous => ("volume", None, None, Vec::new()),
            Source::Tmpfs(options) => ("tmpfs", None, None, options.clone()),
        };
        let propagation = (kind != "tmpfs").then_some(spec.propagation);
        let (destination, rw) = (spec.target.clone(), !spec.read_only);
        Self { kind, name, source, destination, options, rw, propagation }
    }
}

impl Record for MountPoint {
    const HEADS: &'static [&'static str] = &["TYPE", "SOURCE", "TARGET", "MODE"];

    fn cells(&self) -> Vec<String> {
        let source = self.source.as_ref().map_or_else(String::new, |s| s.display().to_string());
        vec![
            self.kind.to_owned(),
            self.name.clone().unwrap_or(source),
            self.destination.display().to_string(),
            if self.rw { "rw" } else { "ro" }.to_owned(),
        ]
    }

    fn id(&self) -> &str {
        self.destination.to_str().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_apply_is_absent() {
        let json = |spec: &MountSpec| {
            serde_json::to_string(&MountPoint::new(spec, |name| format!("/v/{name}").into())).unwrap()
        };
        assert_eq!(
            json(&MountSpec::new(Source::Volume("data".into()), "/d".into())),
            r#"{"Type":"volume","Name":"data","Source":"/v/data","Destination":"/d","RW":true,"Propagation":"rprivate"}"#
        );
        let tmpfs = MountSpec {
            read_only: true,
            ..MountSpec::new(Source::Tmpfs(vec!["size=1".into()]), "/t".into())
        };
        assert_eq!(json(&tmpfs), r#"{"Type":"tmpfs","Destination":"/t","Options":["size=1"],"RW":false}"#);
    }
}
