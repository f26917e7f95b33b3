//! The volumes of a container that is being made.

use std::path::PathBuf;

use store::{LockMode, LockedDir, Store};
use types::container::Record;
use types::mount::{self, MountSpec, Source};
use types::{Error, Kind, Result, name};

use crate::named::{create_as, new_name};
use crate::{remove, resolve};

/// The volumes of a container that does not exist yet, by name. They are made once its record is
/// there: whoever is killed in between leaves no volume that belongs to nobody, and what is missing
/// is made by [`ensure`] at the start. Dropping it removes again what was made and nobody else uses;
/// [`Self::keep`] ends the care.
#[must_use = "dropping it removes the volumes that were made"]
#[derive(Debug)]
pub struct Prepared<'s> {
    store: &'s Store,
    /// Keeps `vol-rm` out until the container's record says what it uses.
    hold: Option<LockedDir>,
    wanted: Vec<String>,
    anonymous: Vec<String>,
    made: Vec<String>,
}

impl Prepared<'_> {
    /// The volumes that belong to this container alone, for its record.
    #[must_use]
    pub fn anonymous(&self) -> &[String] {
        &self.anonymous
    }

    /// Makes those that are missing, now that the container's record names them.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub fn make(&mut self) -> Result<()> {
        for volume in &self.wanted {
            if make(self.store, volume, self.anonymous.contains(volume))? {
                self.made.push(volume.clone());
            }
        }
        Ok(())
    }

    /// The container exists, and they do: everything stays.
    pub fn keep(mut self) {
        self.made.clear();
    }
}

fn make(store: &Store, volume: &str, anonymous: bool) -> Result<bool> {
    create_as(store, volume, &std::collections::BTreeMap::new(), anonymous)
}

/// Makes the volumes of a container that are missing, at its start: its maker, or who began to remove
/// it, was killed.
///
/// # Errors
/// If the store cannot be written.
pub fn ensure(store: &Store, record: &Record) -> Result<()> {
    for mount in &record.mounts {
        if let Source::Volume(volume) = &mount.source
            && !store.has_volume(volume)?
        {
            make(store, volume, record.anonymous_volumes.contains(volume))?;
        }
    }
    Ok(())
}

impl Drop for Prepared<'_> {
    fn drop(&mut self) {
        self.hold = None; // remove() takes the same lock
        for volume in self.made.drain(..) {
            // It fails if another container has begun to use the volume, and then shall stay. Any
            // other failure leaves an unused volume, which vol-ls shows.
            drop(remove(self.store, &volume, false));
        }
    }
}

/// Finds out which volumes `mounts` names, gives the anonymous ones a name, and checks that the sources
/// of binds are there.
///
/// # Errors
/// `Invalid` if two mounts share a target; `NotFound` if a bind's source is missing. Then
/// nothing is left behind.
pub fn prepare<'s>(store: &'s Store, mounts: &mut [MountSpec]) -> Result<Prepared<'s>> {
    if let Some(target) = mount::duplicate(mounts) {
        return Err(Error::new(Kind::Invalid, format!("two mounts on {target:?}")));
    }
    for spec in &*mounts {
        resolve::check_bind(spec)?;
    }
    let uses_volumes = |m: &MountSpec| matches!(m.source, Source::Volume(_) | Source::Anonymous);
    let hold = match mounts.iter().any(uses_volumes) {
        true => Some(store.lock_volumes(LockMode::Shared)?),
        false => None,
    };
    let mut prepared = Prepared { store, hold, wanted: Vec::new(), anonymous: Vec::new(), made: Vec::new() };
    for spec in mounts {
        match &spec.source {
            Source::Volume(volume) => {
                name::check("volume", volume)?;
                prepared.wanted.push(volume.clone());
            }
            Source::Anonymous => {
                let volume = new_name();
                prepared.wanted.push(volume.clone());
                prepared.anonymous.push(volume.clone());
                spec.source = Source::Volume(volume);
            }
            Source::Bind(_) | Source::Tmpfs(_) => {}
        }
    }
    Ok(prepared)
}

/// Adds an anonymous volume for each path that an image declares (`VOLUME`) and nothing is
/// mounted on yet. Paths that make no sense are left out: an image is not the user's to correct.
pub fn add_image_volumes<'a>(mounts: &mut Vec<MountSpec>, paths: impl IntoIterator<Item = &'a str>) {
    let mut targets: Vec<PathBuf> =
        paths.into_iter().filter_map(|p| mount::target("volume", p, p).ok()).collect();
    targets.sort();
    targets.dedup();
    targets.retain(|target| !mounts.iter().any(|m| m.target == *target));
    mounts.extend(targets.into_iter().map(|target| MountSpec::new(Source::Anonymous, target)));
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::create;
    use store::{Paths, Sync};

    /// A store of its own for one test.
    pub(crate) fn scratch() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths { root: dir.path().join("root"), run: dir.path().join("run") };
        let store = Store::open(&paths).unwrap();
        (dir, store)
    }

    /// Puts the record of a container into a store.
    pub(crate) fn container(store: &Store, name: &str, mounts: &[MountSpec], anonymous: &[String]) {
        let id = format!("{name:0>64}").replace(|c: char| !c.is_ascii_hexdigit(), "0");
        // As JSON, so that it holds what every record must, whatever may be added.
        let digest = format!("sha256:{}", "0".repeat(64));
        let record = serde_json::json!({
            "id": id, "name": name, "created": "2026-01-01T00:00:00Z", "image": "busybox",
            "image_id": digest, "manifest": digest, "layers": [], "args": ["true"], "workdir": "/",
            "hostname": name, "network": "none", "mounts": mounts, "anonymous_volumes": anonymous,
            "stop_signal": 15, "stop_timeout": 10,
        });
        let record: Record = serde_json::from_value(record).unwrap();
        store.stage_container(&id).unwrap().commit(&record, b"{}", Sync::Lazy).map(drop).unwrap();
    }

    fn names(store: &Store) -> Vec<String> {
        crate::list(store).unwrap().into_iter().map(|v| v.name).collect()
    }

    #[test]
    fn volumes_are_made_and_anonymous_ones_get_a_name() {
        let (_dir, store) = scratch();
        let mut mounts = vec![
            MountSpec::new(Source::Volume("data".into()), "/data".into()),
            MountSpec::new(Source::Anonymous, "/cache".into()),
        ];
        let mut prepared = prepare(&store, &mut mounts).unwrap();
        prepared.make().unwrap();
        let anonymous = prepared.anonymous().to_vec();
        prepared.keep();
        assert!(anonymous.iter().all(|n| name::is_id(n)) && anonymous.len() == 1);
        assert_eq!(mounts[1].source, Source::Volume(anonymous[0].clone()));
        assert!(store.volume(&anonymous[0]).unwrap().unwrap().anonymous);
        assert_eq!(names(&store).len(), 2);
    }

    #[test]
    fn what_was_made_in_vain_is_removed_and_what_was_there_stays() {
        let (_dir, store) = scratch();
        create(&store, "old", &std::collections::BTreeMap::new()).unwrap();
        create(&store, "shared", &std::collections::BTreeMap::new()).unwrap();
        let mut mounts: Vec<MountSpec> = ["old", "new", "other"]
            .map(|n| MountSpec::new(Source::Volume(n.into()), format!("/{n}").into()))
            .to_vec();
        mounts.push(MountSpec::new(Source::Anonymous, "/x".into()));
        let mut prepared = prepare(&store, &mut mounts).unwrap();
        prepared.make().unwrap();
        assert_eq!(names(&store).len(), 5);
        // Someone else begins to use one meanwhile.
        container(&store, "web", &mounts[2..3], &[]);
        drop(prepared);
        assert_eq!(names(&store), ["old", "other", "shared"]);
    }

    #[test]
    fn while_a_container_is_made_no_volume_is_removed() {
        let (_dir, store) = scratch();
        let mut mounts = vec![MountSpec::new(Source::Volume("data".into()), "/data".into())];
        let mut prepared = prepare(&store, &mut mounts).unwrap();
        prepared.make().unwrap();
        std::thread::scope(|scope| {
            let remover = scope.spawn(|| remove(&store, "data", false));
            std::thread::sleep(std::time::Duration::from_millis(50));
            container(&store, "web", &mounts, &[]);
            prepared.keep();
            assert!(remover.join().unwrap().is_err_and(|e| e.kind() == Kind::Conflict));
        });
    }

    #[test]
    fn a_failure_leaves_no_volume() {
        let (dir, store) = scratch();
        let missing = dir.path().join("missing");
        let mut mounts = vec![
            MountSpec::new(Source::Volume("data".into()), "/data".into()),
            MountSpec::new(Source::Bind(missing), "/bind".into()),
        ];
        assert!(prepare(&store, &mut mounts).is_err_and(|e| e.kind() == Kind::NotFound));
        mounts[1] = MountSpec::new(Source::Anonymous, "/data".into());
        let err = prepare(&store, &mut mounts).unwrap_err();
        assert_eq!(err.to_string(), "two mounts on \"/data\"");
        assert!(names(&store).is_empty());
    }

    #[test]
    fn an_images_volumes_give_way_to_the_users_mounts() {
        let mut mounts = vec![MountSpec::new(Source::Tmpfs(vec![]), "/cache".into())];
        add_image_volumes(&mut mounts, ["/var/lib/db/", "/cache", "relative", "/", "/var/lib/db"]);
        let targets: Vec<_> = mounts.iter().map(|m| m.target.to_string_lossy()).collect();
        assert_eq!(targets, ["/cache", "/var/lib/db"]);
        assert_eq!(mounts[1].source, Source::Anonymous);
    }
}
