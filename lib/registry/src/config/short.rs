//! Names that name no registry: aliases, then `unqualified-search-registries`.
//!
//! Without a word about them in any file, such a name is one of `docker.io`, as Docker reads it.

use std::collections::BTreeMap;

use types::reference::ImageRef;
use types::{Context, Error, Kind, Result};

use super::file::File;

/// Where names are of without a word about it.
const DOCKER: &str = "docker.io";

/// What the files say about short names.
#[derive(Debug, Clone, Default)]
pub(super) struct ShortNames {
    aliases: BTreeMap<String, String>,
    search: Vec<String>,
    enforcing: bool,
}

impl ShortNames {
    /// Takes over what a file says; what it does not mention stays.
    pub(super) fn add(&mut self, name: &str, file: &File) -> Result<()> {
        self.add_aliases(name, &file.aliases)?;
        if let Some(search) = &file.unqualified_search_registries {
            self.search.clone_from(search);
        }
        match file.short_name_mode.as_str() {
            "" => {}
            mode => self.enforcing = mode == "enforcing",
        }
        Ok(())
    }

    /// The same for the table of aliases alone.
    pub(super) fn add_aliases(&mut self, name: &str, aliases: &BTreeMap<String, String>) -> Result<()> {
        for (short, full) in aliases {
            check_alias(short, full).with_context(|| format!("read {name:?}"))?;
            if full.is_empty() {
                self.aliases.remove(short);
            } else {
                self.aliases.insert(short.clone(), full.clone());
            }
        }
        Ok(())
    }

    /// The registries that a name without one may be of.
    pub(super) fn searched(&self) -> Vec<String> {
        if self.search.is_empty() { vec![DOCKER.to_owned()] } else { self.search.clone() }
    }

    /// What a name may mean, in the order in which it is to be tried.
    pub(super) fn resolve(&self, text: &str) -> Result<Vec<ImageRef>> {
        let docker: ImageRef = text.parse()?;
        if ImageRef::names_registry(text) {
            return Ok(vec![docker]);
        }
        // Tag and digest are put aside, and behind the full name again.
        let end = text.find([':', '@']).unwrap_or(text.len());
        let (short, version) = text.split_at(end);
        if let Some(full) = self.aliases.get(short) {
            return Ok(vec![format!("{full}{version}").parse()?]);
        }
        match self.search.as_slice() {
            [] => Ok(vec![docker]),
            [_, _, ..] if self.enforcing => Err(Error::new(
                Kind::Invalid,
                format!("{text:?} may be on any of {}", self.search.join(", ")),
            )
            .hint("write the registry before it: short-name-mode is \"enforcing\"")),
            search => search.iter().map(|registry| format!("{registry}/{text}").parse()).collect(),
        }
    }
}

/// An alias leads from a name without registry, tag and digest to one with a registry, and without the rest.
fn check_alias(short: &str, full: &str) -> Result<()> {
    let plain = |text: &str| ImageRef::parse_repository(text).is_ok();
    if !plain(short) || ImageRef::names_registry(short) {
        return Err(Error::new(Kind::Invalid, format!("bad alias {short:?}"))
            .hint("an alias is a name without registry, tag and digest"));
    }
    if !(full.is_empty() || plain(full) && ImageRef::names_registry(full)) {
        return Err(Error::new(Kind::Invalid, format!("alias {short:?} leads to {full:?}"))
            .hint("an alias leads to REGISTRY/NAME without tag and digest"));
    }
    Ok(())
}
