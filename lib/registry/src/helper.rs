//! Programs that keep logins: `docker-credential-NAME`, by the protocol of docker-credential-helpers.
//!
//! What is secret goes over pipes only, and into no message.

use std::io::Write;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};
use types::{Context, Error, Kind, Result};

use crate::credentials::Login;

/// What a helper says, and that alone, when it has no login.
const NOT_FOUND: &str = "credentials not found in native keychain";
/// The name that stands for "the secret is an identity token".
const TOKEN: &str = "<token>";

/// A program that keeps logins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Helper {
    name: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Kept {
    #[serde(rename = "ServerURL", default)]
    server_url: String,
    username: String,
    secret: String,
}

impl Helper {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned() }
    }

    /// The login for a server; `None` if it has none.
    pub(crate) fn get(&self, server: &str) -> Result<Option<Login>> {
        let Some(answer) = self.run("get", server.as_bytes())? else { return Ok(None) };
        let kept: Kept = serde_json::from_slice(&answer)
            .map_err(|_| Error::new(Kind::Invalid, format!("{:?} answers no JSON", self.program())))?;
        Ok(Some(match kept.username.as_str() {
            TOKEN => Login::Identity(kept.secret),
            _ => Login::Basic { user: kept.username, password: kept.secret },
        }))
    }

    /// Keeps a login.
    ///
    /// # Errors
    /// `Denied` if it refuses.
    pub fn store(&self, server: &str, user: &str, password: &str) -> Result<()> {
        let kept =
            Kept { server_url: server.to_owned(), username: user.to_owned(), secret: password.to_owned() };
        let text =
            serde_json::to_vec(&kept).map_err(|e| Error::because(Kind::Invalid, "encode a login", e))?;
        self.run("store", &text).map(drop)
    }

    /// Forgets a login. Returns whether there was one.
    ///
    /// # Errors
    /// As [`Helper::store`].
    pub fn erase(&self, server: &str) -> Result<bool> {
        Ok(self.run("erase", server.as_bytes())?.is_some())
    }

    fn program(&self) -> String {
        format!("docker-credential-{}", self.name)
    }

    /// Runs it; `None` if it says that it has nothing.
    fn run(&self, action: &str, input: &[u8]) -> Result<Option<Vec<u8>>> {
        let program = self.program();
        // The rest of a name is looked up in $PATH; a slash in it would be a path of somebody's choice.
        if self.name.is_empty() || self.name.contains('/') {
            return Err(Error::new(
                Kind::Invalid,
                format!("bad name of a credential helper: {:?}", self.name),
            ));
        }
        let what = || format!("run {program:?}");
        let mut child = Command::new(&program)
            .arg(action)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .with_context(what)?;
        if let Some(mut pipe) = child.stdin.take() {
            // One that ends without reading says why with its status.
            drop(pipe.write_all(input));
        }
        let out = child.wait_with_output().with_context(what)?;
        if out.status.success() {
            return Ok(Some(out.stdout));
        }
        let said = String::from_utf8_lossy(&out.stdout);
        match said.trim() {
            NOT_FOUND => Ok(None),
            said if action == "store" || said.is_empty() => {
                Err(Error::new(Kind::Denied, format!("{program:?} fails: {}", out.status)))
            }
            said => {
                let line: String = said.lines().next().unwrap_or_default().chars().take(200).collect();
                Err(Error::new(Kind::Denied, format!("{program:?} says: {line}")))
            }
        }
    }
}
