//! The life of an image: composes store, registry and layer.
