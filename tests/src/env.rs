//! The world of one test.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock};

use crate::fixtures::{self, registries_conf};
use crate::leaks;
use crate::machine::{Machine, Relay};
use crate::{Tool, bin_dir};

/// A store and a machine that exist for one test.
#[derive(Debug)]
pub struct Env {
    machine: Machine,
    lan: OnceLock<Machine>,
    registry: Option<Relay>,
    /// Every container that was ever seen, since a leaked cgroup outlives all other traces of it.
    seen: Mutex<BTreeSet<String>>,
    leaks_expected: bool,
    dir: tempfile::TempDir,
}

impl Env {
    /// An empty store on a machine without a registry.
    #[expect(clippy::new_without_default, reason = "it makes directories and namespaces")]
    #[must_use]
    pub fn new() -> Self {
        Self::in_dir(&std::env::temp_dir())
    }

    fn in_dir(parent: &Path) -> Self {
        let dir = tempfile::Builder::new().prefix("longshore-test-").tempdir_in(parent).unwrap();
        for name in ["root", "run", "home", "work"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        fs::write(dir.path().join("registries.conf"), registries_conf("127.0.0.1:5000")).unwrap();
        Self {
            machine: Machine::new(),
            lan: OnceLock::new(),
            registry: None,
            seen: Mutex::default(),
            leaks_expected: false,
            dir,
        }
    }

    /// An empty store on a machine whose port 5000 is the registry, which also mirrors Docker Hub.
    #[must_use]
    pub fn online() -> Self {
        let mut env = Self::new();
        env.connect();
        env
    }

    fn connect(&mut self) {
        self.registry = Some(self.machine.relay("127.0.0.1:5000", &fixtures::registry().socket));
    }

    /// A store that has these images, which were pulled once for all tests.
    #[must_use]
    pub fn with_images(names: &[&str]) -> Self {
        static SEEDS: Mutex<BTreeMap<String, Env>> = Mutex::new(BTreeMap::new());
        let mut seeds = SEEDS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let seed = seeds.entry(names.join(" ")).or_insert_with(|| {
            let mut seed = Self::in_dir(&fixtures::registry().dir);
            seed.connect();
            drop(seed.tool("img-pull").args(names).run().ok());
            seed
        });
        let env = Self::online();
        // Hard links: content of a store never changes once it has its name.
        let copied =
            Command::new("cp").args(["-a", "--link"]).arg(seed.root().join(".")).arg(env.root()).status();
        assert!(copied.unwrap().success(), "copy the store with the images");
        env
    }

    /// The registry goes away, or does not answer any more.
    pub fn cut_off(&mut self) {
        self.registry = None;
    }

    /// For a test that kills tools with -9: what they leave on the machine goes with the machine,
    /// and only the containers' processes must be gone.
    pub fn expect_leaks(&mut self) {
        self.leaks_expected = true;
    }

    /// The durable tree of the store.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    /// The volatile tree of the store.
    #[must_use]
    pub fn run_dir(&self) -> PathBuf {
        self.dir.path().join("run")
    }

    /// Where commands are run: an empty directory for what a test needs.
    #[must_use]
    pub fn dir(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    /// Writes a file below [`Env::dir`].
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// The machine of this test.
    #[must_use]
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Another machine, 192.0.2.2, on a LAN where this one is 192.0.2.1.
    pub fn lan(&self) -> &Machine {
        self.lan.get_or_init(|| self.machine.lan())
    }

    /// A tool of ours.
    pub fn tool(&self, name: &str) -> Tool<'_> {
        Tool::new(self, &self.machine, bin_dir().join(name))
    }

    /// A program of the host, run on this machine.
    pub fn program(&self, name: &str) -> Tool<'_> {
        Tool::new(self, &self.machine, name)
    }

    /// A line for the shell as a user types it. A pipe fails if any part of it fails.
    pub fn sh(&self, line: &str) -> Tool<'_> {
        self.program("bash").args(["-o", "pipefail", "-c", line])
    }

    /// A line for the shell of the other machine on the LAN.
    pub fn sh_on_lan(&self, line: &str) -> Tool<'_> {
        Tool::new(self, self.lan(), "bash").args(["-o", "pipefail", "-c", line])
    }

    /// The environment of every command.
    pub(crate) fn clean(&self, command: &mut Command) {
        command
            .env_clear()
            .env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", bin_dir().display()))
            .env("HOME", self.dir.path().join("home"))
            .env("LC_ALL", "C.UTF-8")
            .env("LONGSHORE_ROOT", self.root())
            .env("LONGSHORE_RUN", self.run_dir())
            .env("CONTAINERS_REGISTRIES_CONF", self.dir.path().join("registries.conf"));
    }

    /// What has stayed although its container is gone, as the kernel sees it, after tools were killed.
    #[must_use]
    pub fn leaks(&self) -> Vec<String> {
        let found = leaks::find_of_killed(self.dir.path(), &self.machine, &self.seen());
        if found.is_empty() {
            // Of those that were seen nothing is left to look for, and a thousand take long to look for.
            self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clear();
            self.note_containers();
        }
        found
    }

    /// The processes of a container.
    #[must_use]
    pub fn processes_of(&self, id: &str) -> Vec<u32> {
        leaks::processes_of(id)
    }

    fn seen(&self) -> BTreeSet<String> {
        self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Remembers the containers that there are.
    pub(crate) fn note_containers(&self) {
        if let Ok(entries) = fs::read_dir(self.root().join("containers")) {
            let mut seen = self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            seen.extend(entries.filter_map(|e| e.ok()?.file_name().into_string().ok()));
        }
    }

    /// The names in the store, not deep, for messages.
    pub(crate) fn tree(&self) -> String {
        let out = Command::new("find")
            .args(["root", "run", "-maxdepth", "3", "-not", "-path", "*/sha256/*"])
            .current_dir(self.dir.path())
            .output();
        out.map_or_else(|e| e.to_string(), |o| String::from_utf8_lossy(&o.stdout).into_owned())
    }

    /// Ends what the test has left running, as its user would.
    fn tidy(&self) {
        for line in ["ctr-ls -aq | ctr-rm -f -", "vol-ls -q | vol-rm -"] {
            let mut command = Command::new("timeout");
            command.args(["-s", "KILL", "20", "sh", "-c", line]).current_dir("/");
            self.clean(&mut command);
            if let Ok(out) = self.machine.enter(|| command.output())
                && !out.stderr.is_empty()
            {
                eprintln!("tidy up: {line}: {}", String::from_utf8_lossy(&out.stderr));
            }
        }
    }
}

impl Drop for Env {
    fn drop(&mut self) {
        self.note_containers();
        self.tidy();
        let seen = self.seen();
        let leaks = leaks::find(self.dir.path(), &self.machine, &seen);
        leaks::end_processes(self.dir.path(), &self.machine, &seen);
        if leaks.is_empty() || self.leaks_expected {
            return;
        }
        let text = format!("left behind:\n  {}\n--- store\n{}", leaks.join("\n  "), self.tree());
        if std::thread::panicking() {
            eprintln!("{text}");
        } else {
            panic!("{text}");
        }
    }
}

/// Whether a path exists, also as a link that leads nowhere.
#[must_use]
pub(crate) fn there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}
