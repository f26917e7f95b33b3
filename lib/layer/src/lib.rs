//! Layer archives to trees and back: whiteouts, owners, links, extended attributes.
