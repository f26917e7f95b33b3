//! Layer archives to trees and back: whiteouts, owners, links, extended attributes.
//!
//! Promises: nothing outside the given directory is touched, whatever the archive says: every
//! name is followed by descriptors below that directory ([`tree`]), never by paths; what is
//! announced by the archive is bounded before it is believed ([`archive`]); the digest that is
//! returned is that of every uncompressed byte.
//! Does not: know blobs, images or the store; remove anything of lower layers (a whiteout becomes
//! overlay's own kind of it).

mod archive;
mod budget;
mod compress;
mod decode;
mod members;
mod name;
mod pax;
mod pipe;
mod sparse;
mod tree;
mod unpack;
mod write;

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod unpack_tests;
#[cfg(test)]
mod write_tests;

pub use budget::Budget;
pub use compress::{Compression, Compressor, Effort};
pub use members::{Member, MemberKind, Members, inflate};
pub use unpack::{Unpacked, unpack};
pub use write::{Source, Written, feed_tree, names, tree_xattrs, write_tree};
