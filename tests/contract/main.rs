//! What holds the rooms, the pages and the records together. Reads sources and asks the tools for
//! their help; needs neither root nor a registry.
#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod arrows;
mod limits;
mod pages;
mod rules;
mod schemas;
mod store;
