//! Where images come from: the files that say so, found as skopeo, podman and docker find them.
//!
//! Only found and read here: the tools that speak to registries give the text to `image`, which
//! `ctr-*` do not link.

use std::path::{Path, PathBuf};

use anyhow::Context;
use types::platform::Platform;
use types::sources::{File, Sources};

use crate::StoreArgs;

/// The aliases that podman records, below a cache directory.
const RECORDED: &str = "containers/short-name-aliases.conf";

/// The platform that this user wants unless a command says otherwise.
///
/// # Errors
/// If it is none.
pub fn default_platform() -> anyhow::Result<Platform> {
    match std::env::var("DOCKER_DEFAULT_PLATFORM") {
        Ok(text) if !text.is_empty() => text.parse::<Platform>().context("read DOCKER_DEFAULT_PLATFORM"),
        _ => Ok(Platform::host()),
    }
}

impl StoreArgs {
    /// Where images come from, by the files of this machine and its user.
    ///
    /// # Errors
    /// If one is there and cannot be read.
    pub fn sources(&self) -> anyhow::Result<Sources> {
        Ok(Sources {
            registries: read_all(find_registry_files()?)?,
            recorded: read_all(recorded_aliases().into_iter().collect())?.pop(),
            logins: read_all(find_login_files())?,
            certificates: certificates(),
            tokens: Some(store::layout::tokens(&self.paths())),
        })
    }
}

/// As podman finds them: root's cache is the system's. Whoever names one file wants that one alone.
fn recorded_aliases() -> Option<PathBuf> {
    if var("CONTAINERS_REGISTRIES_CONF").is_some() {
        return None;
    }
    if rustix::process::geteuid().is_root() {
        return Some(Path::new("/var/cache").join(RECORDED));
    }
    let cache = var("XDG_CACHE_HOME").or_else(|| Some(var("HOME")?.join(".cache")))?;
    Some(cache.join(RECORDED))
}

/// containers-certs.d(5), then Docker's. The first one that has a directory for a host counts.
fn certificates() -> Vec<PathBuf> {
    let user = config_home().map(|c| c.join("containers/certs.d"));
    user.into_iter().chain(["/etc/containers/certs.d".into(), "/etc/docker/certs.d".into()]).collect()
}

fn config_home() -> Option<PathBuf> {
    var("XDG_CONFIG_HOME").or_else(|| Some(var("HOME")?.join(".config")))
}

fn read_all(paths: Vec<PathBuf>) -> anyhow::Result<Vec<File>> {
    let mut files = Vec::new();
    for path in paths {
        if let Some(text) = read(&path)? {
            files.push((path.to_string_lossy().into_owned(), text));
        }
    }
    Ok(files)
}

/// The main file, then the drop-ins, each of which may replace what an earlier one said. A user's
/// main file takes the place of the system's.
fn find_registry_files() -> anyhow::Result<Vec<PathBuf>> {
    if let Some(only) = var("CONTAINERS_REGISTRIES_CONF") {
        return Ok(vec![only]);
    }
    let system = PathBuf::from("/etc/containers");
    let user = config_home().map(|c| c.join("containers"));
    let own = user.as_ref().map(|u| u.join("registries.conf")).filter(|f| f.exists());
    let mut files = vec![own.unwrap_or_else(|| system.join("registries.conf"))];
    for dir in [Some(system), user].into_iter().flatten() {
        files.extend(drop_ins(&dir.join("registries.conf.d"))?);
    }
    Ok(files)
}

fn drop_ins(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(dir) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(|| format!("list {dir:?}"))?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("list {dir:?}"))?.path();
        if path.extension().is_some_and(|e| e == "conf") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The file that a login is written to: the one that is read, or Docker's.
pub(crate) fn own_login_file() -> Option<PathBuf> {
    find_login_files().pop()
}

fn find_login_files() -> Vec<PathBuf> {
    if let Some(only) = var("REGISTRY_AUTH_FILE") {
        return vec![only];
    }
    if let Some(dir) = var("DOCKER_CONFIG") {
        return vec![dir.join("config.json")];
    }
    // containers-auth.json(5): where `podman login` writes, which forgets at a reboot.
    let runtime = var("XDG_RUNTIME_DIR").map(|d| d.join("containers/auth.json"));
    let runtime = runtime.unwrap_or_else(|| {
        Path::new("/run/containers").join(rustix::process::geteuid().as_raw().to_string()).join("auth.json")
    });
    let own = config_home().map(|c| c.join("containers/auth.json"));
    let docker = var("HOME").map(|h| h.join(".docker/config.json"));
    [Some(runtime), own, docker].into_iter().flatten().collect()
}

pub(crate) fn read(file: &Path) -> anyhow::Result<Option<String>> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e).with_context(|| format!("read {file:?}")),
    }
}

fn var(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from)
}
