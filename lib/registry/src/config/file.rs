//! One file of `containers-registries.conf(5)`, read and checked.
//!
//! Unknown keys are passed over, as containers/image does: the file belongs to several programs.

use std::collections::BTreeMap;

use serde::Deserialize;
use types::{Context, Error, Kind, Result};

/// What one file says. What it does not mention is `None`, so that an earlier file's word stands.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct File {
    #[serde(default)]
    pub(super) registry: Vec<Rule>,
    pub(super) unqualified_search_registries: Option<Vec<String>>,
    #[serde(default)]
    pub(super) short_name_mode: String,
    pub(super) credential_helpers: Option<Vec<String>>,
    #[serde(default)]
    pub(super) aliases: BTreeMap<String, String>,
    /// The tables of version 1.
    registries: Option<toml::Value>,
}

/// A `[[registry]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Rule {
    #[serde(default)]
    pub(super) prefix: String,
    #[serde(default)]
    pub(super) location: String,
    #[serde(default)]
    pub(super) insecure: bool,
    #[serde(default)]
    pub(super) blocked: bool,
    #[serde(default)]
    pub(super) mirror_by_digest_only: bool,
    #[serde(default)]
    pub(super) mirror: Vec<Mirror>,
}

/// A `[[registry.mirror]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Mirror {
    #[serde(default)]
    pub(super) location: String,
    #[serde(default)]
    pub(super) insecure: bool,
    /// `None` if it is absent or empty: then the rule's `mirror-by-digest-only` decides.
    #[serde(default)]
    pub(super) pull_from_mirror: PullFrom,
}

/// For which pulls a mirror is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum PullFrom {
    #[default]
    #[serde(rename = "")]
    Unset,
    All,
    DigestOnly,
    TagOnly,
}

impl File {
    /// Reads a file. `name` is for messages.
    ///
    /// # Errors
    /// `Invalid` if it is not TOML of version 2, or contradicts itself; `Unsupported` for version 1.
    pub(super) fn parse(name: &str, text: &str) -> Result<Self> {
        Self::read(text).with_context(|| format!("read {name:?}"))
    }

    fn read(text: &str) -> Result<Self> {
        let mut file: Self =
            toml::from_str(text).map_err(|e| Error::new(Kind::Invalid, first_line(e.message())))?;
        if file.registries.is_some() {
            return Err(Error::new(Kind::Unsupported, "it is in version 1 of the format")
                .hint("write [[registry]] tables, see containers-registries.conf(5)"));
        }
        for rule in &mut file.registry {
            rule.check()?;
        }
        for host in file.unqualified_search_registries.iter_mut().flatten() {
            *host = location(host)?;
        }
        if !matches!(file.short_name_mode.as_str(), "" | "disabled" | "permissive" | "enforcing") {
            return Err(Error::new(Kind::Invalid, format!("bad short-name-mode {:?}", file.short_name_mode)));
        }
        Ok(file)
    }
}

impl Rule {
    fn check(&mut self) -> Result<()> {
        self.location = location(&self.location)?;
        self.prefix = location(&self.prefix)?;
        if self.prefix.is_empty() {
            self.prefix.clone_from(&self.location);
        }
        if self.prefix.is_empty() {
            return Err(Error::new(Kind::Invalid, "a registry has neither prefix nor location"));
        }
        check_prefix(&self.prefix)?;
        for mirror in &mut self.mirror {
            mirror.location = location(&mirror.location)?;
            if mirror.location.is_empty() {
                return Err(Error::new(
                    Kind::Invalid,
                    format!("a mirror of {:?} has no location", self.prefix),
                ));
            }
            if self.mirror_by_digest_only && mirror.pull_from_mirror != PullFrom::Unset {
                return Err(Error::new(
                    Kind::Invalid,
                    format!(
                        "mirror-by-digest-only of {:?} contradicts pull-from-mirror of {:?}",
                        self.prefix, mirror.location
                    ),
                ));
            }
        }
        Ok(())
    }
}

/// A location is no address: it has no scheme, and a slash at its end means nothing.
fn location(text: &str) -> Result<String> {
    if text.starts_with("http://") || text.starts_with("https://") {
        return Err(Error::new(Kind::Invalid, format!("bad location {text:?}"))
            .hint("a location in containers-registries.conf(5) is HOST[:PORT][/PATH], without a scheme"));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// A wildcard stands for the beginning of a host, and nothing follows the host.
fn check_prefix(prefix: &str) -> Result<()> {
    let bad = match prefix.strip_prefix('*') {
        Some(domain) => !domain.starts_with('.') || domain.len() < 2 || domain.contains(['*', '/', ':', '@']),
        None => prefix.contains('*'),
    };
    if bad {
        return Err(Error::new(Kind::Invalid, format!("bad prefix {prefix:?}"))
            .hint("a wildcard is written *.example.com, without a port or a path"));
    }
    Ok(())
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}
