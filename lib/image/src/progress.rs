//! What a pull tells while it works.

use serde::Serialize;
use types::digest::Digest;

/// Something happened. Serialised, it is a line of `img-pull --progress=json`.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
#[non_exhaustive]
pub enum Event<'a> {
    /// The name leads to this image.
    Resolved {
        /// The name, in familiar form.
        image: &'a str,
        /// The digest that the registry knows it by.
        digest: Digest,
    },
    /// How many pulls the registry allows, as far as it says it.
    RateLimit {
        /// Pulls in a window.
        #[serde(skip_serializing_if = "Option::is_none")]
        limit: Option<u64>,
        /// Pulls that are left of them.
        #[serde(skip_serializing_if = "Option::is_none")]
        remaining: Option<u64>,
        /// Seconds until there are more.
        #[serde(skip_serializing_if = "Option::is_none")]
        reset: Option<u64>,
        /// Length of a window, in seconds.
        #[serde(skip_serializing_if = "Option::is_none")]
        window: Option<u64>,
    },
    /// A layer that has to be fetched or unpacked.
    Layer {
        /// Digest of the compressed layer.
        layer: Digest,
        /// Bytes of it.
        size: u64,
    },
    /// A layer that is there already.
    Exists {
        /// Digest of the compressed layer.
        layer: Digest,
    },
    /// Bytes have arrived.
    Download {
        /// Digest of the compressed layer.
        layer: Digest,
        /// Bytes of it that are there.
        done: u64,
        /// Bytes of it.
        size: u64,
    },
    /// The connection broke; it is taken up where it broke.
    Retry {
        /// Digest of the compressed layer.
        layer: Digest,
        /// Bytes of it that are there.
        done: u64,
    },
    /// All of it has arrived and has the right digest.
    Downloaded {
        /// Digest of the compressed layer.
        layer: Digest,
    },
    /// It is unpacked and has the right digest.
    Unpacked {
        /// Digest of the compressed layer.
        layer: Digest,
    },
}

/// Someone who watches a pull. Called by several threads.
pub trait Progress: Sync {
    /// Takes notice.
    fn event(&self, event: &Event<'_>);
}

/// Watches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn event(&self, _event: &Event<'_>) {}
}
