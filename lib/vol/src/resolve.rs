//! From what was asked for to the mounts of an OCI configuration.

use std::path::Path;

use oci_spec::runtime::{Mount, MountBuilder};
use store::Store;
use types::mount::{MountSpec, Recursive, Source};
use types::out::mount::MountPoint;
use types::{Context, Error, Kind, Result};

/// Turns the mounts of a container into those of its configuration, in an order in which none
/// hides another: the ones nearer to the root come first.
///
/// # Errors
/// `NotFound` if the source of a bind is missing.
pub fn resolve(store: &Store, mounts: &[MountSpec]) -> Result<Vec<Mount>> {
    let mut specs: Vec<&MountSpec> = mounts.iter().collect();
    specs.sort_by_key(|spec| spec.target.components().count());
    specs.into_iter().map(|spec| one(store, spec)).collect()
}

fn one(store: &Store, spec: &MountSpec) -> Result<Mount> {
    let (kind, source, options) = match &spec.source {
        Source::Bind(path) => {
            check_bind(spec)?;
            ("bind", path.clone(), bind_options(spec))
        }
        Source::Volume(volume) => {
            // It need not be there before the start ([`crate::ensure`]).
            ("bind", store.absolute(&store.volume_data(volume)), bind_options(spec))
        }
        Source::Anonymous => {
            let why = format!("mount on {:?}: the volume has no name", spec.target);
            return Err(Error::new(Kind::Corrupt, why));
        }
        Source::Tmpfs(options) => {
            let mut options = options.clone();
            if spec.read_only {
                options.push("ro".to_owned());
            }
            ("tmpfs", "tmpfs".into(), options)
        }
    };
    MountBuilder::default()
        .destination(&spec.target)
        .typ(kind)
        .source(source)
        .options(options)
        .build()
        .map_err(|e| Error::because(Kind::Invalid, format!("mount on {:?}", spec.target), e))
}

/// Describes mounts for people and programs.
#[must_use]
pub fn describe(store: &Store, mounts: &[MountSpec]) -> Vec<MountPoint> {
    let data = |volume: &str| store.absolute(&store.volume_data(volume));
    mounts.iter().map(|spec| MountPoint::new(spec, data)).collect()
}

fn bind_options(spec: &MountSpec) -> Vec<String> {
    let bind = if spec.recursive == Recursive::Disabled { "bind" } else { "rbind" };
    let mut options = vec![bind.to_owned(), spec.propagation.as_str().to_owned()];
    if spec.read_only {
        // `rro` reaches the mounts below as well (runtime-spec, mount options; Linux 5.12). As
        // `ro` alone, a disk mounted below a read-only bind could be written.
        let deep = matches!(spec.recursive, Recursive::Enabled | Recursive::Readonly);
        options.push(if deep { "rro" } else { "ro" }.to_owned());
    }
    options
}

/// Checks that the source of a bind is there, and makes it if that was asked for.
pub(crate) fn check_bind(spec: &MountSpec) -> Result<()> {
    let Source::Bind(path) = &spec.source else { return Ok(()) };
    let what = || format!("bind {path:?} on {:?}", spec.target);
    if spec.create_source && !exists(path).with_context(what)? {
        return std::fs::create_dir_all(path).with_context(what);
    }
    match exists(path).with_context(what)? {
        true => Ok(()),
        false => {
            let err = Error::io(what(), std::io::Error::from_raw_os_error(2));
            Err(err
                .hint(format!("make it first (mkdir -p {path:?}); unlike Docker we do not make it as root")))
        }
    }
}

fn exists(path: &Path) -> std::io::Result<bool> {
    match std::fs::metadata(path) {
        Ok(_) => Ok(true),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prepare::tests::scratch;
    use types::mount::Propagation;

    fn options(spec: &MountSpec) -> String {
        bind_options(spec).join(",")
    }

    #[test]
    fn options_say_what_was_asked_for() {
        let spec = MountSpec::new(Source::Bind("/".into()), "/host".into());
        assert_eq!(options(&spec), "rbind,rprivate");
        let ro = MountSpec { read_only: true, ..spec.clone() };
        assert_eq!(options(&ro), "rbind,rprivate,rro");
        assert_eq!(
            options(&MountSpec { recursive: Recursive::Readonly, ..ro.clone() }),
            "rbind,rprivate,rro"
        );
        assert_eq!(options(&MountSpec { recursive: Recursive::Writable, ..ro.clone() }), "rbind,rprivate,ro");
        let flat = MountSpec { recursive: Recursive::Disabled, propagation: Propagation::Rslave, ..ro };
        assert_eq!(options(&flat), "bind,rslave,ro");
    }

    #[test]
    fn mounts_are_absolute_and_none_hides_another() {
        let (dir, store) = scratch();
        crate::create(&store, "data", &std::collections::BTreeMap::new()).unwrap();
        let specs = [
            MountSpec::new(Source::Bind(dir.path().into()), "/data/below/x".into()),
            MountSpec::new(Source::Volume("data".into()), "/data".into()),
            MountSpec {
                read_only: true,
                ..MountSpec::new(Source::Tmpfs(vec!["size=1".into()]), "/data/below".into())
            },
        ];
        let mounts = resolve(&store, &specs).unwrap();
        let targets: Vec<_> = mounts.iter().map(|m| m.destination().to_str().unwrap()).collect();
        assert_eq!(targets, ["/data", "/data/below", "/data/below/x"]);
        assert!(mounts[0].source().as_ref().is_some_and(|s| s.is_absolute() && s.is_dir()));
        assert_eq!(mounts[1].typ().as_deref(), Some("tmpfs"));
        assert_eq!(mounts[1].options().as_deref(), Some(&["size=1".to_owned(), "ro".to_owned()][..]));
    }

    #[test]
    fn a_missing_source_is_an_error_unless_it_is_to_be_made() {
        let (dir, store) = scratch();
        let path = dir.path().join("a/b");
        let spec = MountSpec::new(Source::Bind(path.clone()), "/x".into());
        let err = resolve(&store, std::slice::from_ref(&spec)).unwrap_err();
        assert_eq!((err.kind(), err.to_string()), (Kind::NotFound, format!("bind {path:?} on \"/x\"")));
        assert!(!path.exists());
        resolve(&store, &[MountSpec { create_source: true, ..spec }]).unwrap();
        assert!(path.is_dir());
        // A volume is made at the start if it is missing then.
        let gone = MountSpec::new(Source::Volume("gone".into()), "/x".into());
        assert!(resolve(&store, &[gone]).is_ok());
    }
}
