//! Names and passwords, as `docker login` and `podman login` keep them: `config.json`.

use std::collections::BTreeMap;

use base64::Engine as _;
use serde::Deserialize;
use types::{Context, Error, Kind, Result};

use crate::helper::Helper;

/// The name that stands for files of logins where helpers are named.
const FILES: &str = "containers-auth.json";

/// Credentials by registry. What is secret is never printed.
#[derive(Clone, Default)]
pub struct Credentials {
    by_host: BTreeMap<String, Login>,
    /// Programs that keep logins, by host.
    helpers: BTreeMap<String, String>,
    /// The one for all hosts.
    store: Option<String>,
    /// Those of containers-registries.conf(5), for all hosts, in order; [`FILES`] stands for the files.
    order: Vec<String>,
}

/// A name and a password, or a token instead of both.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Login {
    Basic {
        user: String,
        password: String,
    },
    /// A refresh token ("identity token"), given by the token server in place of a password.
    Identity(String),
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.by_host.keys()).finish()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    #[serde(default)]
    auths: BTreeMap<String, Auth>,
    #[serde(default)]
    cred_helpers: BTreeMap<String, String>,
    #[serde(default)]
    creds_store: String,
}

#[derive(Deserialize)]
struct Auth {
    #[serde(default)]
    auth: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    identitytoken: String,
}

impl Credentials {
    /// Adds what a file holds; an earlier file wins. `name` is for messages.
    ///
    /// # Errors
    /// `Invalid` if it is damaged. No part of it appears in the message.
    pub fn add(&mut self, name: &str, text: &str) -> Result<()> {
        let bad = || Error::new(Kind::Invalid, format!("read {name:?}"));
        let file: File =
            serde_json::from_str(text).map_err(|_| bad().hint("it is not the JSON of docker login"))?;
        for (key, auth) in file.auths {
            let Some(login) = auth.login().with_context(|| format!("read {name:?}"))? else { continue };
            self.by_host.entry(canonical(&key)).or_insert(login);
        }
        for (key, helper) in file.cred_helpers {
            self.helpers.entry(canonical(&key)).or_insert(helper);
        }
        if self.store.is_none() && !file.creds_store.is_empty() {
            self.store = Some(file.creds_store);
        }
        Ok(())
    }

    /// Sets `credential-helpers` of containers-registries.conf(5): who is asked for logins, in order.
    pub fn ask_in_order(&mut self, helpers: &[String]) {
        self.order = helpers.to_vec();
    }

    /// One login, for all registries that are asked.
    pub(crate) fn one(host: &str, user: &str, password: &str) -> Self {
        let login = Login::Basic { user: user.to_owned(), password: password.to_owned() };
        Self { by_host: BTreeMap::from([(canonical(host), login)]), ..Self::default() }
    }

    /// The program that keeps the login of a registry, if one does.
    #[must_use]
    pub fn helper(&self, host: &str) -> Option<Helper> {
        let name = self.helpers.get(&canonical(host)).or(self.store.as_ref())?;
        Some(Helper::new(name))
    }

    /// The login for a repository: what a helper has for the host, otherwise that of the longest prefix
    /// of `HOST/PATH`, or of the host.
    ///
    /// # Errors
    /// `Denied` if a helper fails.
    pub(crate) fn find(&self, host: &str, path: &str) -> Result<Option<Login>> {
        if self.order.is_empty() {
            return self.find_in_files(host, path);
        }
        for name in &self.order {
            let found = match name.as_str() {
                FILES => self.find_in_files(host, path)?,
                helper => Helper::new(helper).get(&server_key(host))?,
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn find_in_files(&self, host: &str, path: &str) -> Result<Option<Login>> {
        if let Some(helper) = self.helper(host)
            && let Some(login) = helper.get(&server_key(host))?
        {
            return Ok(Some(login));
        }
        let host = canonical(host);
        let mut key = format!("{host}/{path}");
        loop {
            if let Some(login) = self.by_host.get(&key) {
                return Ok(Some(login.clone()));
            }
            let Some(end) = key.rfind('/') else { return Ok(None) };
            key.truncate(end);
        }
    }
}

impl Auth {
    fn login(self) -> Result<Option<Login>> {
        if !self.identitytoken.is_empty() {
            return Ok(Some(Login::Identity(self.identitytoken)));
        }
        if self.auth.is_empty() {
            let named = !self.username.is_empty();
            return Ok(named.then_some(Login::Basic { user: self.username, password: self.password }));
        }
        let bad = || Error::new(Kind::Invalid, "an auth field is not base64 of NAME:PASSWORD");
        let bytes = base64::engine::general_purpose::STANDARD.decode(self.auth.trim()).map_err(|_| bad())?;
        let text = String::from_utf8(bytes).map_err(|_| bad())?;
        let (user, password) = text.split_once(':').ok_or_else(bad)?;
        Ok(Some(Login::Basic { user: user.to_owned(), password: password.trim_end_matches('\0').to_owned() }))
    }
}

impl Login {
    /// The value of an `Authorization` header; `None` for what only a token server takes.
    pub(crate) fn basic(&self) -> Option<String> {
        match self {
            Self::Basic { user, password } => {
                let text = format!("{user}:{password}");
                Some(format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text)))
            }
            Self::Identity(_) => None,
        }
    }
}

/// How `docker login` names a registry in its file, and to helpers.
#[must_use]
pub fn server_key(host: &str) -> String {
    match canonical(host).as_str() {
        "docker.io" => "https://index.docker.io/v1/".to_owned(),
        host => host.to_owned(),
    }
}

/// `https://index.docker.io/v1/` is how `docker login` has always spelled Docker Hub.
pub(crate) fn canonical(key: &str) -> String {
    let key = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let key = key.trim_end_matches('/');
    let (host, path) = key.split_once('/').map_or((key, ""), |(h, p)| (h, p));
    let path = if matches!(path, "v1" | "v2") { "" } else { path };
    let host = match host {
        "index.docker.io" | "registry-1.docker.io" => "docker.io",
        host => host,
    };
    if path.is_empty() { host.to_owned() } else { format!("{host}/{path}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_belongs_to_one_registry() {
        let mut creds = Credentials::default();
        creds
            .add(
                "config.json",
                r#"{"auths": {
                    "https://index.docker.io/v1/": {"auth": "YTpi"},
                    "r.example:5000": {"username": "u", "password": "p"},
                    "r.example:5000/team": {"auth": "dDpwOnA="},
                    "t.example": {"identitytoken": "x"},
                    "empty.example": {}
                }}"#,
            )
            .expect("parse");
        let basic =
            |host: &str, path: &str| creds.find(host, path).expect("find").as_ref().and_then(Login::basic);
        assert_eq!(basic("registry-1.docker.io", "library/httpd").as_deref(), Some("Basic YTpi"));
        assert_eq!(basic("r.example:5000", "other/x").as_deref(), Some("Basic dTpw"));
        assert_eq!(basic("r.example:5000", "team/x").as_deref(), Some("Basic dDpwOnA="));
        assert_eq!(basic("r.example", "x"), None, "another port is another registry");
        assert_eq!(basic("evil.r.example:5000", "x"), None);
        assert_eq!(basic("empty.example", "x"), None);
        assert!(creds.find("t.example", "x").expect("find").is_some());
        assert!(!format!("{creds:?}").contains("dDpwOnA"));
    }

    #[test]
    fn a_damaged_file_is_refused_without_showing_it() {
        for bad in
            ["", "x", r#"{"auths":{"a":{"auth":"!secret!"}}}"#, r#"{"auths":{"a":{"auth":"c2VjcmV0"}}}"#]
        {
            let err = Credentials::default().add("c.json", bad).expect_err(bad);
            assert!(!format!("{err:?}").contains("secret"), "{err:?}");
        }
    }
}
