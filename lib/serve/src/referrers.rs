//! Referrers: what in a repository is about a manifest - signatures, attestations, lists of parts.

use hyper::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use types::digest::Digest;
use types::oci::{MAX_MANIFEST, OCI_INDEX};
use types::reference::ImageRef;

use crate::App;
use crate::answer::{Answer, Content, Outcome, Refusal, header};
use crate::manifests::media_type_of;
use crate::request::Head;

/// Of a manifest or an index.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Referrer {
    subject: Option<Subject>,
    artifact_type: Option<String>,
    config: Option<Config>,
    #[serde(default)]
    annotations: Map<String, Value>,
}

#[derive(Deserialize)]
struct Subject {
    digest: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    #[serde(default)]
    media_type: String,
}

/// The digest of what a manifest is about.
pub(crate) fn subject(content: &[u8]) -> Option<String> {
    serde_json::from_slice::<Referrer>(content).ok()?.subject.map(|s| s.digest)
}

/// An index of all that is about a manifest, which need not be here itself.
pub(crate) fn list(app: &App, head: &Head, repository: &ImageRef, wanted: &Digest) -> Outcome {
    let mut digests: Vec<Digest> = app
        .store
        .offered()
        .map_err(Refusal::ours)?
        .into_iter()
        .filter(|o| o.name.same_repository(repository))
        .map(|o| o.digest)
        .collect();
    digests.sort_unstable();
    digests.dedup();
    let filter = head.param("artifactType");
    let about = |digest: &Digest| describe(app, digest, wanted);
    let is_wanted = |found: &Value| filter.is_none_or(|kind| found["artifactType"] == kind);
    let found: Vec<Value> = digests.iter().filter_map(about).filter(is_wanted).collect();
    let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": found });
    let content = Content::Bytes(index.to_string().into_bytes());
    let answer = Answer::new(StatusCode::OK).content(OCI_INDEX, content);
    Ok(if filter.is_some() { answer.with(header::FILTERS, "artifactType") } else { answer })
}

/// A descriptor of it, if it is about `wanted`. What is damaged is about nothing.
fn describe(app: &App, digest: &Digest, wanted: &Digest) -> Option<Value> {
    let content = app.store.read_blob(digest, MAX_MANIFEST).ok()?;
    let referrer: Referrer = serde_json::from_slice(&content).ok()?;
    if referrer.subject?.digest != wanted.to_string() {
        return None;
    }
    let mut descriptor = json!({
        "mediaType": media_type_of(&content)?, "digest": digest, "size": content.len(),
    });
    // An image manifest without a type of its own has that of its configuration (distribution spec).
    let kind = referrer.artifact_type.or_else(|| referrer.config.map(|c| c.media_type));
    if let Some(kind) = kind.filter(|k| !k.is_empty()) {
        descriptor["artifactType"] = kind.into();
    }
    if !referrer.annotations.is_empty() {
        descriptor["annotations"] = Value::Object(referrer.annotations);
    }
    Some(descriptor)
}
