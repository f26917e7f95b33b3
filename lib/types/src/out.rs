//! What tools print with `--json`: one module a tool, one struct a record.
//!
//! A contract: each field is described in the OUTPUT section of the tool's page and in
//! `tests/schema/TOOL.json`; fields are added and never change their meaning. Names are those of
//! `docker inspect` where it has the concept. What does not apply is absent.

use serde::Serialize;

pub mod ctr_inspect;
pub mod ctr_ls;
pub mod img_diff;
pub mod img_gc;
pub mod img_history;
pub mod img_inspect;
pub mod img_lock;
pub mod img_ls;
pub mod img_search;
pub mod img_tags;
pub mod mount;
pub mod net_forward;
pub mod vol_ls;

/// A record that can be listed, for people and for programs.
pub trait Record: Serialize {
    /// The column heads of the table.
    const HEADS: &'static [&'static str];
    /// The cells of the table, one a head.
    fn cells(&self) -> Vec<String>;
    /// What `-q` prints.
    fn id(&self) -> &str;
}
