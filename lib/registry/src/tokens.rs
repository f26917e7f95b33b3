//! Tokens, kept for the rest of this process and, on disk, for the next ones until they expire.
//!
//! A file's name is a digest of what its token is good for. The token itself is in it, with a digest that
//! binds it to the login that it was given for: another login does not find it. Files are their owner's alone
//! and appear whole; nobody locks. Whatever is wrong with one, it is as if it were not there: a new token is
//! asked for, and the registry decides in any case.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use reqwest::Method;
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::credentials::Login;

/// No file with a token is larger.
const MAX_FILE: u64 = 1 << 20;
/// A token that is about to end is not begun with.
const MARGIN: u64 = 10;
/// No token is believed for longer, whatever its server says.
const MAX_LIFE: u64 = 3600;

/// What a token is good for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Use {
    /// The origin of the registry.
    base: String,
    path: String,
    /// Changing something takes another scope.
    writes: bool,
}

/// A token, as a header, and how long it lasts; `None` for what is none and for this process only.
#[derive(Debug, Clone)]
pub(crate) struct Fresh {
    pub(crate) header: String,
    pub(crate) life: Option<u64>,
}

/// All that are known.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    known: Mutex<HashMap<Use, String>>,
    dir: Option<PathBuf>,
}

#[derive(Serialize, Deserialize)]
struct File {
    header: String,
    /// Seconds since 1970.
    expires: u64,
    /// Whose it is.
    bound: String,
}

impl Use {
    pub(crate) fn new(base: &reqwest::Url, path: &str, method: &Method) -> Self {
        let writes = !matches!(*method, Method::GET | Method::HEAD);
        Self { base: base.to_string(), path: path.to_owned(), writes }
    }

    /// A name for it that tells nothing.
    fn name(&self) -> String {
        hex(&[&self.base, &self.path, if self.writes { "write" } else { "read" }])
    }
}

impl Tokens {
    pub(crate) fn new(dir: Option<PathBuf>) -> Self {
        Self { known: Mutex::default(), dir }
    }

    /// The header for a use, if one is known. `login` is asked for only if another process has left a token.
    pub(crate) fn get(&self, what: &Use, login: impl FnOnce() -> Option<Login>) -> Option<String> {
        if let Some(known) = self.known.lock().ok()?.get(what) {
            return Some(known.clone());
        }
        let file = read(&self.dir.as_ref()?.join(what.name()))?;
        let now = seconds(SystemTime::now());
        if file.expires <= now || file.expires > now + MAX_LIFE || file.bound != bound(&file.header, login())
        {
            return None;
        }
        self.known.lock().ok()?.insert(what.clone(), file.header.clone());
        Some(file.header)
    }

    /// Takes notice of a header that the registry has accepted.
    pub(crate) fn put(&self, what: Use, fresh: &Fresh, login: Option<Login>) {
        if let (Some(dir), Some(life)) = (&self.dir, fresh.life) {
            let file = File {
                header: fresh.header.clone(),
                expires: seconds(SystemTime::now()) + life.min(MAX_LIFE).saturating_sub(MARGIN),
                bound: bound(&fresh.header, login),
            };
            // Without it the next process asks for its own.
            drop(write(dir, &what.name(), &file));
        }
        if let Ok(mut known) = self.known.lock() {
            known.insert(what, fresh.header.clone());
        }
    }
}

/// A digest over parts, each with its length, so that no two lists of parts have the same.
fn hex(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Binds a token to a login; its own text makes the digest one of a kind, so that it tells nothing of a
/// password that somebody could try out elsewhere.
fn bound(header: &str, login: Option<Login>) -> String {
    match login {
        None => hex(&[header]),
        Some(Login::Basic { user, password }) => hex(&[header, &user, &password]),
        Some(Login::Identity(token)) => hex(&[header, &token]),
    }
}

/// Reads a file that is ours alone. Anything else may have been put there by somebody else.
fn read(path: &Path) -> Option<File> {
    let file = OpenOptions::new().read(true).custom_flags(nofollow()).open(path).ok()?;
    let meta = file.metadata().ok()?;
    if !meta.is_file() || meta.uid() != rustix::process::geteuid().as_raw() || meta.mode() & 0o077 != 0 {
        return None;
    }
    let mut text = Vec::new();
    file.take(MAX_FILE).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

fn write(dir: &Path, name: &str, file: &File) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let meta = fs::symlink_metadata(dir)?;
    if !meta.is_dir() || meta.uid() != rustix::process::geteuid().as_raw() || meta.mode() & 0o022 != 0 {
        return Err(std::io::ErrorKind::PermissionDenied.into());
    }
    sweep(dir);
    let text = serde_json::to_vec(file)?;
    let nonce = seconds(SystemTime::now());
    let new = dir.join(format!(".{name}.{}.{nonce}", std::process::id()));
    // One of a killed process with the same number.
    drop(fs::remove_file(&new));
    let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    let done = out.write_all(&text).and_then(|()| fs::rename(&new, dir.join(name)));
    done.inspect_err(|_| drop(fs::remove_file(&new)))
}

/// Removes what has expired for certain.
fn sweep(dir: &Path) {
    let old = |path: &Path| {
        let changed = fs::symlink_metadata(path).ok()?.modified().ok()?;
        changed.elapsed().ok().map(|age| age > Duration::from_secs(MAX_LIFE))
    };
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if old(&entry.path()) == Some(true) {
            // Another process may have been quicker.
            drop(fs::remove_file(entry.path()));
        }
    }
}

fn nofollow() -> i32 {
    (OFlags::NOFOLLOW | OFlags::CLOEXEC).bits().cast_signed()
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn basic(user: &str, password: &str) -> Option<Login> {
        Some(Login::Basic { user: user.to_owned(), password: password.to_owned() })
    }

    fn on(base: &str, path: &str, method: &Method) -> Use {
        Use::new(&reqwest::Url::parse(base).expect(base), path, method)
    }

    #[test]
    fn a_token_is_found_by_its_use_and_its_login() {
        let scratch = tempfile::tempdir().expect("tempdir");
        let dir = scratch.path().join("tokens");
        let (pull, fresh) = (
            on("https://r.example/", "a/b", &Method::GET),
            Fresh { header: "Bearer secret".to_owned(), life: Some(300) },
        );
        Tokens::new(Some(dir.clone())).put(pull.clone(), &fresh, basic("u", "p"));
        let next = |what: &Use, login: Option<Login>| Tokens::new(Some(dir.clone())).get(what, || login);
        assert_eq!(next(&pull, basic("u", "p")).as_deref(), Some("Bearer secret"));
        assert_eq!(
            next(&on("https://r.example/", "a/b", &Method::HEAD), basic("u", "p")).as_deref(),
            Some("Bearer secret")
        );
        for (base, path, method, login) in [
            ("https://r.example/", "a/b", Method::GET, None),
            ("https://r.example/", "a/b", Method::GET, basic("u", "q")),
            ("https://r.example/", "a/b", Method::GET, basic("up", "")),
            ("https://r.example/", "a/b", Method::PUT, basic("u", "p")),
            ("https://r.example/", "a/c", Method::GET, basic("u", "p")),
            ("https://r.example:1/", "a/b", Method::GET, basic("u", "p")),
            ("http://r.example/", "a/b", Method::GET, basic("u", "p")),
        ] {
            assert_eq!(next(&on(base, path, &method), login), None, "{base} {path} {method}");
        }
        let entries: Vec<_> = fs::read_dir(&dir).expect("list").map(|e| e.expect("entry").path()).collect();
        let [file] = entries.as_slice() else { panic!("{entries:?}") };
        assert_eq!(fs::metadata(file).expect("file").mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&dir).expect("dir").mode() & 0o777, 0o700);
        let name = file.to_string_lossy();
        assert!(!name.contains("r.example") && !name.contains("secret"), "{name}");
    }

    #[test]
    fn what_has_ended_or_is_not_ours_alone_is_not_there() {
        let scratch = tempfile::tempdir().expect("tempdir");
        let dir = scratch.path().join("tokens");
        let what = on("https://r.example/", "a", &Method::GET);
        let put = |life: Option<u64>| {
            let fresh = Fresh { header: "Bearer x".to_owned(), life };
            Tokens::new(Some(dir.clone())).put(what.clone(), &fresh, None);
        };
        let next = || Tokens::new(Some(dir.clone())).get(&what, || None);
        put(Some(5));
        assert_eq!(next(), None, "within the margin");
        put(None);
        assert_eq!(next(), None, "no token at all");
        put(Some(300));
        assert!(next().is_some());
        let file = dir.join(what.name());
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("chmod");
        assert_eq!(next(), None, "others read it");
        let aside = scratch.path().join("aside");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("chmod");
        fs::rename(&file, &aside).expect("rename");
        std::os::unix::fs::symlink(&aside, &file).expect("link");
        assert_eq!(next(), None, "a link");
        fs::remove_file(&file).expect("remove");
        for damage in ["", "{", r#"{"header":"Bearer x","expires":99999999999,"bound":""}"#] {
            fs::write(&file, damage).expect("write");
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("chmod");
            assert_eq!(next(), None, "{damage}");
        }
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o777)).expect("chmod");
        fs::remove_file(&file).expect("remove");
        put(Some(300));
        assert!(!file.exists(), "nothing is written where others may write");
    }
}
