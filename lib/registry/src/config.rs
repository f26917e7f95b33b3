//! Which server holds a repository: `containers-registries.conf(5)`, version 2.

use std::collections::BTreeMap;

use serde::Deserialize;
use types::reference::ImageRef;
use types::{Context, Error, Kind, Result};

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
}

#[derive(Debug, Deserialize)]
struct File {
    #[serde(default)]
    registry: Vec<Rule>,
    /// The tables of version 1.
    registries: Option<toml::Value>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Rule {
    #[serde(default)]
    prefix: String,
    #[serde(default)]
    location: String,
    #[serde(default)]
    insecure: bool,
    #[serde(default)]
    blocked: bool,
    #[serde(default)]
    mirror_by_digest_only: bool,
    #[serde(default)]
    mirror: Vec<Mirror>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Mirror {
    location: String,
    #[serde(default)]
    insecure: bool,
    #[serde(default)]
    pull_from_mirror: PullFrom,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum PullFrom {
    #[default]
    All,
    DigestOnly,
    TagOnly,
}

impl Registries {
    /// Adds the rules of one file. `name` is for messages.
    ///
    /// # Errors
    /// `Invalid` if it is not TOML of version 2.
    pub fn add(&mut self, name: &str, text: &str) -> Result<()> {
        let within = || format!("read {name:?}");
        let file: File = toml::from_str(text)
            .map_err(|e| Error::new(Kind::Invalid, first_line(e.message())))
            .with_context(within)?;
        if file.registries.is_some() {
            return Err(Error::new(Kind::Unsupported, "it is in version 1 of the format")
                .hint("write [[registry]] tables, see containers-registries.conf(5)"))
            .with_context(within);
        }
        for mut rule in file.registry {
            if rule.prefix.is_empty() {
                rule.prefix.clone_from(&rule.location);
            }
            if rule.prefix.is_empty() {
                return Err(Error::new(Kind::Invalid, "a registry has neither prefix nor location"))
                    .with_context(within);
            }
            if let Some(domain) = rule.prefix.strip_prefix('*')
                && (!domain.starts_with('.') || domain.contains('*') || domain.contains('/'))
            {
                return Err(Error::new(Kind::Invalid, format!("bad prefix {:?}", rule.prefix)))
                    .with_context(within);
            }
            self.rules.insert(rule.prefix.clone(), rule);
        }
        Ok(())
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
        let covers = |rule: &Rule| -> Option<usize> {
            if let Some(domain) = rule.prefix.strip_prefix('*') {
                return image.domain().ends_with(domain).then_some(image.domain().len());
            }
            let rest = full.strip_prefix(rule.prefix.as_str())?;
            (rest.is_empty() || rest.starts_with(['/', ':', '@'])).then_some(rule.prefix.len())
        };
        self.rules
            .values()
            .filter_map(|rule| covers(rule).map(|len| (len, rule)))
            .max_by_key(|(_, rule)| rule.prefix.len())
    }
}

impl Mirror {
    const fn serves(&self, rule: &Rule, image: &ImageRef) -> bool {
        let by_digest = image.digest().is_some();
        match self.pull_from_mirror {
            PullFrom::DigestOnly => by_digest,
            PullFrom::TagOnly => !by_digest,
            PullFrom::All => by_digest || !rule.mirror_by_digest_only,
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

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(conf: &str, image: &str) -> Vec<String> {
        let mut registries = Registries::default();
        registries.add("test.conf", conf).expect(conf);
        let found = registries.endpoints(&image.parse().expect(image)).expect(image);
        let flag = |b: bool, c: &str| if b { c.to_owned() } else { String::new() };
        found
            .iter()
            .map(|e| {
                format!("{}/{}{}{}", e.host, e.path, flag(e.insecure, " insecure"), flag(e.mirror, " mirror"))
            })
            .collect()
    }

    const MIRRORED: &str = r#"
        unqualified-search-registries = ["x.example"]
        [[registry]]
        prefix = "docker.io"
        location = "docker.io"
        [[registry.mirror]]
        location = "127.0.0.1:5000"
        insecure = true
        [[registry.mirror]]
        location = "mirror.example/hub"
        pull-from-mirror = "digest-only"
        [[registry]]
        prefix = "docker.io/library/busybox"
        location = "quay.example/bb"
        [[registry]]
        prefix = "*.corp.example"
        location = "all.example"
        [[registry]]
        prefix = "tagged.example/a:1"
        location = "one.example/b"
        "#;

    #[test]
    fn the_longest_prefix_decides_where_to_ask() {
        let hub = "registry-1.docker.io/library";
        let pinned = format!("httpd@sha256:{}", "0a".repeat(32));
        for (image, want) in [
            (
                "httpd",
                vec!["127.0.0.1:5000/library/httpd insecure mirror".to_owned(), format!("{hub}/httpd")],
            ),
            (
                &pinned,
                vec![
                    "127.0.0.1:5000/library/httpd insecure mirror".to_owned(),
                    "mirror.example/hub/library/httpd mirror".to_owned(),
                    format!("{hub}/httpd"),
                ],
            ),
            ("busybox:1.36", vec!["quay.example/bb".to_owned()]),
            (
                "busybox2",
                vec!["127.0.0.1:5000/library/busybox2 insecure mirror".to_owned(), format!("{hub}/busybox2")],
            ),
            ("a.corp.example/x/y", vec!["all.example/x/y".to_owned()]),
            ("corp.example/x", vec!["corp.example/x".to_owned()]),
            ("tagged.example/a:1", vec!["one.example/b".to_owned()]),
            ("tagged.example/a:2", vec!["tagged.example/a".to_owned()]),
        ] {
            assert_eq!(places(MIRRORED, image), want, "{image}");
        }
        assert_eq!(places("", "httpd"), [format!("{hub}/httpd")]);
    }

    #[test]
    fn bad_configuration_is_refused_with_the_name_of_its_file() {
        for bad in ["[[registry]]", "[registries.search]\nregistries=[]", "x = ", "[[registry]]\nprefix='*x'"]
        {
            let err = Registries::default().add("bad.conf", bad).expect_err(bad);
            assert_eq!(err.to_string(), "read \"bad.conf\"");
        }
        let mut registries = Registries::default();
        registries.add("t", "[[registry]]\nprefix='a.example'\nblocked=true").expect("parse");
        registries.add("t", "[[registry]]\nprefix='b.example'\nlocation='https://x'").expect("parse");
        let kind = |image: &str| registries.endpoints(&image.parse().expect(image)).expect_err(image).kind();
        assert_eq!(kind("a.example/x"), Kind::Denied);
        assert_eq!(kind("b.example/x"), Kind::Invalid);
    }
}
