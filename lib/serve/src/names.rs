//! Names: what a repository is called here is what it is called on the command line of the tools.
//!
//! `busybox`, `library/busybox` and `docker.io/library/busybox` are one repository, and `registry.example/x/y`
//! is what was pulled from there. So a client that takes this server for a mirror of Docker Hub asks for the
//! right thing, one whose mirror has a path (`location = "host:5000/registry.example"`) too, and one that sends
//! the registry along (containerd's `?ns=registry.example`) as well.

use types::digest::Digest;
use types::reference::ImageRef;

use crate::answer::Refusal;

/// The repository that a path names. It is given as a reference; its tag has no meaning.
pub(crate) fn repository(name: &str, namespace: Option<&str>) -> Result<ImageRef, Refusal> {
    let full = match namespace {
        Some(registry) => format!("{registry}/{name}"),
        None => name.to_owned(),
    };
    let bad = || Refusal::bad("NAME_INVALID", format!("{name:?} is no name of a repository"));
    // A domain may be written in capitals, but then it would be two names for one thing in a URL.
    if full.contains(['@', '%']) || full.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(bad());
    }
    ImageRef::parse_repository(&full).map_err(|_| bad())
}

/// What of a repository a path names: a tag or a digest.
pub(crate) fn version(repository: &ImageRef, reference: &str) -> Result<ImageRef, Refusal> {
    if reference.contains(':') {
        return Ok(repository.with_digest(digest(reference)?));
    }
    let bad = || Refusal::bad("TAG_INVALID", format!("{reference:?} is no tag"));
    if reference.contains(['@', '/']) || reference.is_empty() {
        return Err(bad());
    }
    format!("{}:{reference}", repository.repository()).parse().map_err(|_| bad())
}

/// A digest.
pub(crate) fn digest(text: &str) -> Result<Digest, Refusal> {
    text.parse().map_err(|_| {
        Refusal::bad("DIGEST_INVALID", format!("{text:?} is no digest: sha256: and 64 digits are"))
    })
}

/// What a repository is called in a list; `None` if no client could ask for it (a registry with a port).
pub(crate) fn listed(name: &ImageRef) -> Option<String> {
    let familiar = name.familiar_name();
    repository(&familiar, None).ok().filter(|_| !familiar.contains(':')).map(|_| familiar)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_what_it_means_to_the_tools() {
        for (name, namespace, full) in [
            ("busybox", None, "docker.io/library/busybox"),
            ("library/busybox", None, "docker.io/library/busybox"),
            ("docker.io/library/busybox", None, "docker.io/library/busybox"),
            ("team/app", None, "docker.io/team/app"),
            ("registry.example/x/y", None, "registry.example/x/y"),
            ("localhost/app", None, "localhost/app"),
            ("library/busybox", Some("docker.io"), "docker.io/library/busybox"),
            ("x/y", Some("registry.example:5000"), "registry.example:5000/x/y"),
        ] {
            assert_eq!(repository(name, namespace).expect(name).repository(), full, "{name}");
        }
        for name in ["", "/", "a/", "../etc", "a:tag", "a@b", "A", "a//b", "a/../b", "%2e%2e", "-a", "a b"] {
            assert_eq!(repository(name, None).expect_err(name).code, "NAME_INVALID", "{name}");
        }
    }

    #[test]
    fn a_version_is_a_tag_or_a_digest() {
        let busybox = repository("busybox", None).expect("name");
        assert_eq!(version(&busybox, "1.36").expect("tag").tag(), Some("1.36"));
        let hex = format!("sha256:{}", "0a".repeat(32));
        assert!(version(&busybox, &hex).expect("digest").digest().is_some());
        for (bad, code) in [
            ("", "TAG_INVALID"),
            ("-x", "TAG_INVALID"),
            ("a@b", "TAG_INVALID"),
            ("sha256:baddigeststring", "DIGEST_INVALID"),
            ("sha512:00", "DIGEST_INVALID"),
        ] {
            assert_eq!(version(&busybox, bad).expect_err(bad).code, code, "{bad}");
        }
    }

    #[test]
    fn what_no_client_can_ask_for_is_not_listed() {
        let listed = |name: &str| listed(&name.parse().expect(name));
        assert_eq!(listed("busybox").as_deref(), Some("busybox"));
        assert_eq!(listed("registry.example/x").as_deref(), Some("registry.example/x"));
        assert_eq!(listed("localhost:5000/x"), None);
    }
}
