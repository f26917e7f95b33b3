//! File systems of images: out as trees and archives, in as new images.
//!
//! What an image looks like is asked of the kernel's own overlayfs, as a container does, so that there is
//! one answer; see [`View`]. What becomes an image is unpacked while it is read, so that the image is there
//! whole, with digests that were found and not believed, or not at all.
//! Does not: know registries, so that tools of containers may use it.

mod change;
mod commit;
mod config;
mod diff;
mod import;
mod make;
mod mount;
mod target;
mod unpack;
mod view;

pub use change::Change;
pub use commit::{CommitOptions, commit};
pub use config::set_config;
pub use diff::diff;
pub use import::{ImportOptions, import};
pub use mount::{mount, unmount};
pub use unpack::{export, export_file, unpack};
pub use view::View;

/// Asked now and then whether to give up.
pub type Stop<'s> = dyn Fn() -> bool + Sync + 's;
