//! `config.json`: from any bytes to a plan, or to an error; nothing is changed on the host on the way.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use oci_spec::runtime::{LinuxResources, Spec};
use runtime::{Cgroup, Launch, Rootfs, StartGate};
use types::Kind;

/// A bundle whose configuration can be written at will.
#[derive(Debug)]
pub struct Scratch {
    dir: tempfile::TempDir,
    rootfs: Rootfs,
    cgroup: Cgroup,
    null: File,
}

impl Scratch {
    /// Makes it. Needs root.
    ///
    /// # Panics
    /// If it cannot be made.
    #[must_use]
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["rootfs/etc", "source"] {
            std::fs::create_dir_all(dir.path().join(name)).unwrap();
        }
        std::fs::write(dir.path().join("file"), "x").unwrap();
        let rootfs = Rootfs::directory(File::open(dir.path().join("rootfs")).unwrap().as_fd()).unwrap();
        let null = File::options().read(true).write(true).open("/dev/null").unwrap();
        Self { dir, rootfs, cgroup: Cgroup::none(), null }
    }

    /// What the configuration may name on the host: nothing outside of the scratch directory is opened.
    fn confine(&self, spec: &mut Spec) {
        let places = ["file", "source", "missing"].map(|name| self.dir.path().join(name));
        let mut mounts = spec.mounts().clone();
        for mount in mounts.iter_mut().flatten() {
            let place = |source: &PathBuf| places[source.as_os_str().len() % places.len()].clone();
            let source = mount.source().as_ref().map(place);
            mount.set_source(source);
        }
        spec.set_mounts(mounts);
        let Some(mut linux) = spec.linux().clone() else { return };
        let mut spaces = linux.namespaces().clone();
        for space in spaces.iter_mut().flatten().filter(|space| space.path().is_some()) {
            let long = space.path().as_ref().is_some_and(|path| path.as_os_str().len() % 4 == 1);
            let path = Path::new("/proc/self/ns").join(if long { "missing" } else { "uts" });
            space.set_path(Some(path));
        }
        linux.set_namespaces(spaces);
        spec.set_linux(Some(linux));
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

/// Loads a bundle and plans its start.
///
/// # Panics
/// If an error has no words, or a plan says nothing.
pub fn check(scratch: &Scratch, data: &[u8]) {
    std::fs::write(scratch.dir.path().join("config.json"), data).unwrap();
    let mut bundle = match oci::Bundle::open(scratch.dir.path(), None) {
        Ok(bundle) => bundle,
        Err(e) => return is_an_answer(&e),
    };
    scratch.confine(&mut bundle.spec);
    limits(scratch, &bundle.spec);
    let null = scratch.null.as_fd();
    for wait_start in [None, Some(StartGate { go: null, report: null })] {
        let launch =
            Launch { wait_start, ..Launch::new(&bundle.spec, &scratch.rootfs, [null; 3], &scratch.cgroup) };
        match runtime::plan(&launch) {
            Ok(plan) => assert!(plan.steps().all(|step| !step.is_empty())),
            Err(e) => is_an_answer(&e),
        }
    }
}

/// Limits are worked out, and find no group to be set in.
fn limits(scratch: &Scratch, spec: &Spec) {
    let resources = spec.linux().as_ref().and_then(|linux| linux.resources().clone());
    let resources: LinuxResources = resources.unwrap_or_default();
    if let Err(e) = scratch.cgroup.update(&resources) {
        is_an_answer(&e);
    }
}

fn is_an_answer(e: &types::Error) {
    assert!(!e.to_string().is_empty());
    assert!(e.kind() != Kind::TryLater);
}
