//! Which server holds a repository: `containers-registries.conf(5)`, version 2.

mod file;
mod short;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use types::reference::ImageRef;
use types::{Error, Kind, Result};

use file::{File, Mirror, PullFrom, Rule};
use short::ShortNames;

/// Docker Hub's registry is not at the name that images have.
const HUB_NAME: &str = "docker.io";
const HUB_HOST: &str = "registry-1.docker.io";

/// One place to ask for a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// `HOST[:PORT]`.
    pub host: String,
    /// The repository there.
    pub path: String,
    /// Plain HTTP and certificates of unknown origin are accepted.
    pub insecure: bool,
    /// Whether it is a mirror of another one.
    pub mirror: bool,
}

/// What the configuration files say.
#[derive(Debug, Clone, Default)]
pub struct Registries {
    /// By prefix; a later file replaces a prefix whole.
    rules: BTreeMap<String, Rule>,
    short: ShortNames,
    helpers: Vec<String>,
}

impl Registries {
    /// Adds what one file says. `name` is for messages. A later file replaces a prefix, an alias or a list
    /// whole.
    ///
    /// # Errors
    /// `Invalid` if it is not TOML of version 2, or contradicts itself; `Unsupported` for version 1.
    pub fn add(&mut self, name: &str, text: &str) -> Result<()> {
        let file = File::parse(name, text)?;
        self.short.add(name, &file)?;
        if let Some(helpers) = file.credential_helpers {
            self.helpers = helpers;
        }
        self.rules.extend(file.registry.into_iter().map(|rule| (rule.prefix.clone(), rule)));
        Ok(())
    }

    /// Adds the aliases that podman has recorded (`short-name-aliases.conf`); they go before all others.
    ///
    /// # Errors
    /// `Invalid` if it is no table of aliases.
    pub fn add_recorded(&mut self, name: &str, text: &str) -> Result<()> {
        self.short.add_aliases(name, &File::parse(name, text)?.aliases)
    }

    /// What a name may mean, in the order in which it is to be tried: one without a registry by alias, or
    /// by the registries that are searched; without either it is on `docker.io`.
    ///
    /// # Errors
    /// `Invalid` if it is no name, or ambiguous where that is not allowed.
    pub fn names(&self, text: &str) -> Result<Vec<ImageRef>> {
        self.short.resolve(text)
    }

    /// The programs that are asked for logins, in order; `containers-auth.json` stands for the files.
    #[must_use]
    pub fn credential_helpers(&self) -> &[String] {
        &self.helpers
    }

    /// The registries that are searched for a name without one, in their order: `unqualified-search-registries`,
    /// or Docker Hub.
    #[must_use]
    pub fn searched(&self) -> Vec<String> {
        self.short.searched()
    }

    /// The places to ask for a repository, in order: mirrors, then the registry itself.
    ///
    /// # Errors
    /// `Denied` if it is blocked; `Invalid` if a location of the configuration is none.
    pub fn endpoints(&self, image: &ImageRef) -> Result<Vec<Endpoint>> {
        let name = image.repository();
        let Some((matched, rule)) = self.rule(image) else {
            return Ok(vec![endpoint(&name, false, false)?]);
        };
        if rule.blocked {
            return Err(Error::new(Kind::Denied, format!("registry {:?} is blocked", rule.prefix))
                .hint("it is blocked in containers-registries.conf(5)"));
        }
        let rest = name.get(matched.min(name.len())..).unwrap_or_default();
        let mut endpoints = Vec::new();
        for mirror in rule.mirror.iter().filter(|m| m.serves(rule, image)) {
            endpoints.push(endpoint(&format!("{}{rest}", mirror.location), mirror.insecure, true)?);
        }
        let own = if rule.location.is_empty() { name.clone() } else { format!("{}{rest}", rule.location) };
        endpoints.push(endpoint(&own, rule.insecure, false)?);
        Ok(endpoints)
    }

    /// The rule with the longest prefix, and how much of the name it covers.
    fn rule(&self, image: &ImageRef) -> Option<(usize, &Rule)> {
        let full = image.to_string();
        self.rules
            .values()
            .filter_map(|rule| covered(&rule.prefix, &full).map(|len| (len, rule)))
            .max_by_key(|(_, rule)| rule.prefix.len())
    }
}

/// How much of a name a prefix covers, up to a port, path, tag or digest; `None` if it is not its prefix.
fn covered(prefix: &str, name: &str) -> Option<usize> {
    let end = match prefix.strip_prefix('*') {
        // The wildcard stands for any part of the host, and a port may follow.
        Some(domain) => {
            let host = name.split(['/', ':']).next().unwrap_or_default();
            host.ends_with(domain).then_some(host.len())?
        }
        None => name.starts_with(prefix).then_some(prefix.len())?,
    };
    let rest = name.get(end..)?;
    (rest.is_empty() || rest.starts_with(['/', ':', '@'])).then_some(end)
}

impl Mirror {
    const fn serves(&self, rule: &Rule, image: &ImageRef) -> bool {
        let by_digest = image.digest().is_some();
        match self.pull_from_mirror {
            PullFrom::DigestOnly => by_digest,
            PullFrom::TagOnly => !by_digest,
            PullFrom::All => true,
            PullFrom::Unset => by_digest || !rule.mirror_by_digest_only,
        }
    }
}

fn endpoint(location: &str, insecure: bool, mirror: bool) -> Result<Endpoint> {
    let (host, path) = location.split_once('/').unwrap_or((location, ""));
    let bad = |b: u8| !(b.is_ascii_alphanumeric() || b".-:[]".contains(&b));
    if host.is_empty() || host.bytes().any(bad) || host.ends_with(':') || path.is_empty() {
        return Err(Error::new(Kind::Invalid, format!("bad location {location:?}"))
            .hint("a location in containers-registries.conf(5) is HOST[:PORT][/PATH], without a scheme"));
    }
    let host = if host == HUB_NAME { HUB_HOST } else { host };
    Ok(Endpoint { host: host.to_owned(), path: path.to_owned(), insecure, mirror })
}
