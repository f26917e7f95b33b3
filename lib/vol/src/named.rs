//! Volumes by name: made, listed, removed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use store::{LockMode, Store};
use types::container;
use types::mount::Source;
use types::volume::Record;
use types::{Error, Kind, Result, name};

/// A volume and its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Its name.
    pub name: String,
    /// What it was made with.
    pub record: Record,
    /// Where its content is on the host.
    pub path: PathBuf,
}

impl From<Volume> for types::out::vol_ls::Volume {
    fn from(volume: Volume) -> Self {
        Self {
            name: volume.name,
            driver: "local",
            mountpoint: volume.path,
            created_at: volume.record.created,
            labels: volume.record.labels,
            anonymous: volume.record.anonymous,
        }
    }
}

/// Makes a volume; `false` if there is one of that name, which stays as it is.
///
/// # Errors
/// `Invalid` if no volume can have that name.
pub fn create(store: &Store, volume: &str, labels: &BTreeMap<String, String>) -> Result<bool> {
    name::check("volume", volume)?;
    create_as(store, volume, labels, false)
}

/// Makes a volume that nobody named, and returns the name it gets: that of an id.
///
/// # Errors
/// If the store cannot be written.
pub fn create_anonymous(store: &Store, labels: &BTreeMap<String, String>) -> Result<String> {
    loop {
        let volume = new_name();
        if create_as(store, &volume, labels, true)? {
            return Ok(volume);
        }
    }
}

/// A name for a volume that nobody has named.
pub(crate) fn new_name() -> String {
    loop {
        if let Some(name) = name::id(&random()) {
            return name;
        }
    }
}

pub(crate) fn create_as(
    store: &Store,
    volume: &str,
    labels: &BTreeMap<String, String>,
    anonymous: bool,
) -> Result<bool> {
    store
        .create_volume(volume, &Record { created: sys::time::now(), labels: labels.clone(), anonymous })
        .map_err(|e| e.within(format!("make volume {volume:?}")))
}

/// The volumes of a store, sorted by name. One that is removed meanwhile is left out.
///
/// # Errors
/// If the store cannot be read.
pub fn list(store: &Store) -> Result<Vec<Volume>> {
    let mut volumes = Vec::new();
    for name in store.volumes()? {
        if let Some(record) = store.volume(&name)? {
            let path = store.absolute(&store.volume_data(&name));
            volumes.push(Volume { name, record, path });
        }
    }
    Ok(volumes)
}

/// The containers that use each volume, running or not, by the volume's name.
///
/// # Errors
/// If the store cannot be read.
pub fn users(store: &Store) -> Result<BTreeMap<String, Vec<container::Record>>> {
    let mut users: BTreeMap<String, Vec<container::Record>> = BTreeMap::new();
    for id in store.containers()? {
        let record = match store.record(&id) {
            Ok(record) => record,
            Err(e) if e.kind() == Kind::NotFound => continue, // removed meanwhile
            Err(e) => return Err(e),
        };
        for volume in used_by(&record) {
            users.entry(volume).or_default().push(record.clone());
        }
    }
    Ok(users)
}

fn used_by(record: &container::Record) -> std::collections::BTreeSet<String> {
    let mounted = record.mounts.iter().filter_map(|m| match &m.source {
        Source::Volume(name) => Some(name.clone()),
        _ => None,
    });
    mounted.chain(record.anonymous_volumes.iter().cloned()).collect()
}

/// Removes a volume and its content, or with `dry_run` says whether that would be refused.
///
/// # Errors
/// `NotFound`; `Conflict` if a container uses it, running or not.
pub fn remove(store: &Store, volume: &str, dry_run: bool) -> Result<()> {
    let missing = || Error::new(Kind::NotFound, format!("no such volume: {volume:?}"));
    if !name::is_valid(volume) {
        return Err(missing());
    }
    // From here on no container is made that uses a volume, until the lock is let go.
    let lock = store.lock_volumes(LockMode::Exclusive)?;
    if store.volume(volume)?.is_none() {
        return Err(missing());
    }
    if let Some(user) = users(store)?.get(volume).and_then(|users| users.first()) {
        let (id, name) = (name::short(&user.id), &user.name);
        return Err(Error::new(
            Kind::Conflict,
            format!("volume {volume:?} is in use by container {name:?} ({id})"),
        )
        .hint(format!("remove the container first: ctr-rm {name}")));
    }
    if dry_run { Ok(()) } else { store.remove_volume(&lock, volume) }
}

/// Removes the anonymous volumes of a container that is about to be removed, unless others use them.
/// Before the container and not after it: if the remover is killed, the container is still there and
/// can be removed again, and no volume is left that belongs to nobody.
///
/// # Errors
/// The first failure; the others were tried nevertheless.
pub fn remove_anonymous(store: &Store, owner: &container::Record) -> Result<()> {
    if owner.anonymous_volumes.is_empty() {
        return Ok(());
    }
    let lock = store.lock_volumes(LockMode::Exclusive)?;
    let users = users(store)?;
    let by_others =
        |volume: &String| users.get(volume).is_some_and(|users| users.iter().any(|user| user.id != owner.id));
    let mut done = Ok(());
    for volume in owner.anonymous_volumes.iter().filter(|volume| !by_others(volume)) {
        // One that is gone already is no error.
        done = done.and(store.remove_volume(&lock, volume));
    }
    done
}

fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    // getrandom(2) never fails for so few bytes; it waits until the pool is ready.
    while rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()).is_err() {}
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prepare::tests::{container, scratch};
    use types::mount::MountSpec;

    #[test]
    fn a_volume_has_labels_and_a_path() {
        let (_dir, store) = scratch();
        assert!(create(&store, "data", &[("a".into(), "b".into())].into()).unwrap());
        assert!(!create(&store, "data", &BTreeMap::new()).unwrap());
        let all = list(&store).unwrap();
        let [volume] = all.as_slice() else { panic!("{all:?}") };
        assert_eq!((volume.name.as_str(), volume.record.anonymous), ("data", false));
        assert_eq!(volume.record.labels.get("a").map(String::as_str), Some("b"));
        assert!(volume.path.is_dir());
        assert!(create(&store, "../x", &BTreeMap::new()).is_err_and(|e| e.kind() == Kind::Invalid));
    }

    #[test]
    fn a_volume_in_use_is_not_removed() {
        let (_dir, store) = scratch();
        create(&store, "data", &BTreeMap::new()).unwrap();
        create(&store, "free", &BTreeMap::new()).unwrap();
        let anonymous = create_anonymous(&store, &BTreeMap::new()).unwrap();
        let mount = MountSpec::new(Source::Volume("data".into()), "/data".into());
        container(&store, "web", &[mount], std::slice::from_ref(&anonymous));
        for used in ["data", &anonymous] {
            let err = remove(&store, used, false).unwrap_err();
            assert_eq!(err.kind(), Kind::Conflict);
            assert!(err.to_string().contains("is in use by container \"web\""), "{err}");
        }
        remove(&store, "free", true).unwrap();
        remove(&store, "free", false).unwrap();
        let err = remove(&store, "free", false).unwrap_err();
        assert_eq!((err.kind(), err.to_string().as_str()), (Kind::NotFound, "no such volume: \"free\""));
        assert_eq!(list(&store).unwrap().len(), 2);
        for bad in ["", "..", "../containers", "/etc", "-a"] {
            assert!(remove(&store, bad, false).is_err_and(|e| e.kind() == Kind::NotFound), "{bad}");
        }
    }
}
