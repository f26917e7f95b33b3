//! What a path asks for.

/// Something of the registry. `N` is the name of a repository as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route<'p> {
    /// `/v2/`: whether it is a registry at all.
    Base,
    /// `/v2/_catalog`.
    Catalog,
    /// `/v2/N/tags/list`.
    Tags(&'p str),
    /// `/v2/N/manifests/REFERENCE`.
    Manifest(&'p str, &'p str),
    /// `/v2/N/referrers/DIGEST`.
    Referrers(&'p str, &'p str),
    /// `/v2/N/blobs/DIGEST`.
    Blob(&'p str, &'p str),
    /// `/v2/N/blobs/uploads/`.
    Uploads(&'p str),
    /// `/v2/N/blobs/uploads/ID`.
    Upload(&'p str, &'p str),
}

/// Reads a path; the words are taken from its end, since a name may contain them.
pub(crate) fn route(path: &str) -> Option<Route<'_>> {
    let rest = path.strip_prefix("/v2")?;
    let rest = match rest {
        "" | "/" => return Some(Route::Base),
        _ => rest.strip_prefix('/')?,
    };
    if rest == "_catalog" {
        return Some(Route::Catalog);
    }
    if let Some(name) = rest.strip_suffix("/blobs/uploads/").or_else(|| rest.strip_suffix("/blobs/uploads")) {
        return Some(Route::Uploads(name));
    }
    let (head, last) = rest.rsplit_once('/')?;
    let (name, word) = head.rsplit_once('/')?;
    match (word, last) {
        ("tags", "list") => Some(Route::Tags(name)),
        ("manifests", reference) => Some(Route::Manifest(name, reference)),
        ("referrers", digest) => Some(Route::Referrers(name, digest)),
        ("blobs", digest) => Some(Route::Blob(name, digest)),
        ("uploads", id) => Some(Route::Upload(name.strip_suffix("/blobs")?, id)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_from_its_end() {
        for (path, found) in [
            ("/v2", Route::Base),
            ("/v2/", Route::Base),
            ("/v2/_catalog", Route::Catalog),
            ("/v2/a/b/tags/list", Route::Tags("a/b")),
            ("/v2/tags/list/tags/list", Route::Tags("tags/list")),
            ("/v2/manifests/manifests/latest", Route::Manifest("manifests", "latest")),
            ("/v2/a/referrers/sha256:1", Route::Referrers("a", "sha256:1")),
            ("/v2/a/blobs/sha256:1", Route::Blob("a", "sha256:1")),
            ("/v2/a/blobs/uploads/", Route::Uploads("a")),
            ("/v2/a/blobs/uploads", Route::Uploads("a")),
            ("/v2/a/blobs/uploads/7", Route::Upload("a", "7")),
        ] {
            assert_eq!(route(path), Some(found), "{path}");
        }
        for path in ["", "/", "/v1/", "/v2x", "/v2/a", "/v2/tags/list", "/v2/a/b/c", "/v2//blobs"] {
            assert_eq!(route(path), None, "{path}");
        }
    }
}
