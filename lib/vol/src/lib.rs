//! Named volumes, binds and live mounts.
//!
//! Promises: a volume appears whole and is removed only when no container uses it; an empty
//! volume gets an image's content whole, whatever is killed when; a path inside a container is
//! resolved inside its root, and what looks into a container runs nothing of it.
//! Does not: know how a container is started. The order of a container's life is
//! [`prepare`] (its volumes, when it is made), [`resolve`] (the mounts of its configuration),
//! [`ensure`] (the volumes, at each start), [`copy_up`] (at its first start, when the root is there), [`live`] (while it runs).

mod copy;
pub mod live;
mod named;
mod prepare;
mod resolve;
mod tree;

pub use copy::copy_up;
pub use named::{Volume, create, create_anonymous, list, remove, remove_anonymous, users};
pub use prepare::{Prepared, add_image_volumes, ensure, prepare};
pub use resolve::{describe, resolve};
