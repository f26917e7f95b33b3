//! Which manifest of an index is for a platform.

use types::oci::{DOCKER_MANIFEST, Index, IndexEntry, OCI_MANIFEST};
use types::platform::Platform;
use types::{Error, Kind, Result};

/// Returns the entry that runs best on `platform`; of equal ones the first.
///
/// # Errors
/// `NotFound`, naming what is offered.
pub(crate) fn choose<'i>(index: &'i Index, platform: &Platform) -> Result<&'i IndexEntry> {
    // An index in an index would be a way to make us fetch for ever.
    let images = || index.manifests.iter().filter(|e| is_manifest(e) && !is_attestation(e));
    let best = images()
        .filter_map(|entry| {
            let offered = entry.platform.as_ref().map(Platform::from)?;
            platform.rank(&offered).map(|rank| (rank, entry))
        })
        .min_by_key(|(rank, _)| *rank)
        .map(|(_, entry)| entry);
    if let Some(entry) = best {
        return Ok(entry);
    }
    let mut unnamed = images().filter(|e| e.platform.is_none());
    if let (Some(only), None) = (unnamed.next(), unnamed.next()) {
        return Ok(only); // its configuration says what it is for
    }
    let mut offered: Vec<String> =
        images().filter_map(|e| e.platform.as_ref()).map(|p| Platform::from(p).to_string()).collect();
    offered.dedup();
    Err(no_match(platform, &offered.join(", ")))
}

/// The error for an image that is for other platforms.
pub(crate) fn no_match(platform: &Platform, offered: &str) -> Error {
    let err = Error::new(Kind::NotFound, format!("it is not for platform {platform}"));
    match offered {
        "" => err.hint("it is for no platform at all: perhaps it is no container image"),
        offered => err.hint(format!("it is for {offered}; choose one with --platform")),
    }
}

fn is_manifest(entry: &IndexEntry) -> bool {
    matches!(entry.descriptor.media_type.as_str(), OCI_MANIFEST | DOCKER_MANIFEST | "")
}

/// What builders put beside an image to say how it was made.
fn is_attestation(entry: &IndexEntry) -> bool {
    entry.platform.as_ref().is_some_and(|p| p.os == "unknown" || p.architecture == "unknown")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(platforms: &[&str]) -> Index {
        let digest = format!("sha256:{}", "0a".repeat(32));
        let entry = |p: &&str| {
            let mut entry = serde_json::json!({"mediaType": OCI_MANIFEST, "digest": digest, "size": 1});
            let parts: Vec<&str> = p.split('/').collect();
            if let [os, arch, rest @ ..] = parts.as_slice() {
                entry["platform"] = serde_json::json!({"os": os, "architecture": arch, "variant": rest.first().unwrap_or(&"")});
            }
            entry
        };
        let entries: Vec<_> = platforms.iter().map(entry).collect();
        serde_json::from_value(serde_json::json!({ "manifests": entries })).expect("index")
    }

    fn chosen(platforms: &[&str], wanted: &str) -> Result<String> {
        let index = index(platforms);
        let entry = choose(&index, &wanted.parse()?)?;
        Ok(entry.platform.as_ref().map_or_else(String::new, |p| Platform::from(p).to_string()))
    }

    #[test]
    fn the_best_match_is_chosen() {
        let arms = ["linux/amd64", "linux/arm/v5", "linux/arm/v7", "linux/arm/v6", "linux/arm64/v8"];
        assert_eq!(chosen(&arms, "linux/arm/v7").expect("v7"), "linux/arm/v7");
        assert_eq!(chosen(&arms, "linux/arm/v6").expect("v6"), "linux/arm/v6");
        assert_eq!(chosen(&arms, "linux/arm64").expect("arm64"), "linux/arm64");
        assert_eq!(chosen(&["unknown/unknown", "linux/amd64"], "linux/amd64").expect("amd64"), "linux/amd64");
        assert_eq!(chosen(&[""], "linux/amd64").expect("unnamed"), "");
    }

    #[test]
    fn no_match_says_what_there_is() {
        let err =
            chosen(&["linux/arm64", "windows/amd64", "unknown/unknown"], "linux/amd64").expect_err("none");
        assert_eq!(err.kind(), Kind::NotFound);
        assert_eq!(
            err.hints().collect::<Vec<_>>(),
            ["it is for linux/arm64, windows/amd64; choose one with --platform"]
        );
        assert!(chosen(&[], "linux/amd64").is_err());
        assert!(chosen(&["", ""], "linux/amd64").is_err());
    }
}
