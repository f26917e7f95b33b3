//! List: all containers of a root.

use types::{Kind, Result};

use crate::{Root, State, state};

/// Returns all containers, sorted by id. One that is deleted meanwhile is left out.
///
/// # Errors
/// If the directory of state or a record cannot be read.
pub fn list(root: &Root) -> Result<Vec<State>> {
    let mut rows = Vec::new();
    for id in root.ids()? {
        match state(root, &id) {
            Ok(state) => rows.push(state),
            Err(e) if e.kind() == Kind::NotFound => {}
            Err(e) => return Err(e),
        }
    }
    Ok(rows)
}
