//! Answers: status, headers, a body that is in memory or a piece of a file, and errors as the spec has them.

use std::fs::File;

use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use types::{Error, Kind};

/// What is sent back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) content: Content,
}

/// The body.
#[derive(Debug)]
pub(crate) enum Content {
    Bytes(Vec<u8>),
    /// So many bytes of a file, from an offset.
    File(File, u64, u64),
}

impl Content {
    pub(crate) const fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(_, _, len) => *len,
        }
    }
}

impl Answer {
    pub(crate) const fn new(status: StatusCode) -> Self {
        Self { status, headers: Vec::new(), content: Content::Bytes(Vec::new()) }
    }

    /// Adds a header. A value that cannot be one is left out: it would come from a name that was checked.
    pub(crate) fn with(mut self, name: HeaderName, value: impl AsRef<str>) -> Self {
        if let Ok(value) = HeaderValue::from_str(value.as_ref()) {
            self.headers.push((name, value));
        }
        self
    }

    pub(crate) fn content(mut self, media_type: &str, content: Content) -> Self {
        self.content = content;
        self.with(CONTENT_TYPE, media_type)
    }

    pub(crate) fn json(status: StatusCode, value: &serde_json::Value) -> Self {
        Self::new(status).content("application/json", Content::Bytes(value.to_string().into_bytes()))
    }
}

/// Headers of the protocol that HTTP does not know.
pub(crate) mod header {
    use hyper::header::HeaderName;

    pub(crate) const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");
    pub(crate) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
    pub(crate) const UPLOAD: HeaderName = HeaderName::from_static("docker-upload-uuid");
    pub(crate) const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
    pub(crate) const FILTERS: HeaderName = HeaderName::from_static("oci-filters-applied");
}

/// A request that is refused.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// What went wrong on our side, for the operator.
    pub(crate) trouble: Option<Box<Error>>,
}

pub(crate) type Outcome = Result<Answer, Refusal>;

impl Refusal {
    /// `code` is one of the distribution spec ("Error Codes").
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), headers: Vec::new(), trouble: None }
    }

    pub(crate) fn bad(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(crate) fn not_found(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    /// Something broke on our side. Who asks learns no paths of ours.
    pub(crate) fn ours(error: Error) -> Self {
        let full = std::iter::successors(Some(&error as &dyn std::error::Error), |e| e.source())
            .filter_map(|e| e.downcast_ref::<std::io::Error>())
            .any(|e| e.kind() == std::io::ErrorKind::StorageFull);
        let (status, message) = match (full, error.kind()) {
            (true, _) => (StatusCode::INSUFFICIENT_STORAGE, "the disk of the registry is full"),
            (_, Kind::Corrupt) => (StatusCode::INTERNAL_SERVER_ERROR, "the content is damaged; run img-fsck"),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "the registry cannot do it now"),
        };
        Self { trouble: Some(Box::new(error)), ..Self::new(status, "UNKNOWN", message) }
    }

    pub(crate) fn with(mut self, name: HeaderName, value: impl AsRef<str>) -> Self {
        if let Ok(value) = HeaderValue::from_str(value.as_ref()) {
            self.headers.push((name, value));
        }
        self
    }

    pub(crate) fn into_answer(self) -> Answer {
        let body = serde_json::json!({ "errors": [{ "code": self.code, "message": self.message }] });
        let mut answer = Answer::json(self.status, &body);
        answer.headers.extend(self.headers);
        answer
    }
}
