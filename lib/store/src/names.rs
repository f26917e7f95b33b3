//! Names of containers: who claims one, and who is meant by one.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use types::digest::Digest;
use types::{Error, Kind, Result};

use crate::layout::{self, Area};
use crate::{LockMode, Store};

/// What a claim leads to: the 32 bytes of an id in 43 characters. A link of 60 bytes and more takes
/// a block of its own on ext4, and giving that back costs more than all else of a claim.
fn text_of(id: &str) -> Result<String> {
    let digest: Digest = format!("sha256:{id}").parse()?;
    Ok(BASE64.encode(digest.as_bytes()))
}

fn id_of(text: &str) -> Option<String> {
    let bytes = BASE64.decode(text).ok()?;
    Some(Digest::from_bytes(bytes.try_into().ok()?).hex())
}

impl Store {
    /// Claims a name for a container that is being made.
    ///
    /// # Errors
    /// `Conflict` if the name is taken.
    pub(crate) fn claim_name(&self, wanted: &str, id: &str) -> Result<()> {
        let (place, text) = (layout::name(wanted), text_of(id)?);
        match self.claim(&place, &text) {
            Err(e) if e.kind() == Kind::Conflict => {}
            other => return other,
        }
        // One at a time decides what is stale.
        let _one = self.lock_dir(&layout::names(), LockMode::Exclusive)?;
        if let Some(holder) = self.named(wanted)?
            && self.claim_is_alive(&holder)?
        {
            let short: String = holder.chars().take(12).collect();
            return Err(Error::new(
                Kind::Conflict,
                format!("the name {wanted:?} is taken by container {short}"),
            )
            .hint(format!("choose another name, or remove it: ctr-rm -f {wanted}")));
        }
        self.remove(&place)?;
        self.claim(&place, &text)
    }

    /// The id that has claimed a name; `None` if it is free, or its claim is not one of ours.
    fn named(&self, name: &str) -> Result<Option<String>> {
        Ok(self.claimed(&layout::name(name))?.and_then(|text| id_of(&text)))
    }

    /// Gives a name back, if it is this container's.
    pub(crate) fn drop_name(&self, name: &str, id: &str) -> Result<()> {
        if self.named(name)?.as_deref() == Some(id) { self.remove(&layout::name(name)) } else { Ok(()) }
    }

    /// Gives back whatever name a container has.
    pub(crate) fn drop_names_of(&self, id: &str) -> Result<()> {
        self.list(&layout::names())?.iter().try_for_each(|name| self.drop_name(name, id))
    }

    /// A claim stands if its container exists, or its maker still holds the staging directory.
    pub(crate) fn claim_is_alive(&self, id: &str) -> Result<bool> {
        if self.exists(&layout::container(id))? {
            return Ok(true);
        }
        let staging = layout::tmp_in(Area::Root).join(id);
        match self.try_lock_dir(&staging, LockMode::Exclusive) {
            Ok(Some(_lock)) => Ok(false),
            Ok(None) => Ok(true),
            // Renamed to its final name between the two looks?
            Err(e) if e.kind() == Kind::NotFound => self.exists(&layout::container(id)),
            Err(e) => Err(e),
        }
    }

    /// The id behind a full id, a name, or a unique beginning of an id, looked up in that order.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` if several ids begin so.
    pub fn find_container(&self, wanted: &str) -> Result<String> {
        let missing = || Error::new(Kind::NotFound, format!("no such container: {wanted:?}"));
        let is_hex = wanted.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) && !wanted.is_empty();
        if is_hex && wanted.len() == 64 && self.exists(&layout::container(wanted))? {
            return Ok(wanted.to_owned());
        }
        if !types::name::is_valid(wanted) {
            return Err(missing());
        }
        if let Some(id) = self.named(wanted)?
            && self.exists(&layout::container(&id))?
        {
            return Ok(id);
        }
        if !is_hex {
            return Err(missing());
        }
        let mut found = self.containers()?.into_iter().filter(|id| id.starts_with(wanted));
        match (found.next(), found.next()) {
            (Some(id), None) => Ok(id),
            (None, _) => Err(missing()),
            (Some(a), Some(b)) => {
                let (a, b) = (a.get(..12).unwrap_or(&a), b.get(..12).unwrap_or(&b));
                Err(Error::new(Kind::Invalid, format!("{wanted:?} is ambiguous: {a} and {b} begin so"))
                    .hint("give more digits, or the name"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_fits_into_an_inode_and_leads_back_to_the_id() {
        let id = "0123456789abcdef".repeat(4);
        let text = text_of(&id).unwrap();
        assert_eq!(text.len(), 43);
        assert_eq!(id_of(&text), Some(id));
        for bad in ["", "x", "!", &text[1..], &"A".repeat(64)] {
            assert_eq!(id_of(bad), None, "{bad}");
        }
        for bad in ["", "ab", "../../etc"] {
            assert!(text_of(bad).is_err(), "{bad}");
        }
    }
}
