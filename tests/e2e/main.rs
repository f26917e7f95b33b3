//! The tools as their users know them: the chapters of the course, then what can go wrong.
#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod harness;
