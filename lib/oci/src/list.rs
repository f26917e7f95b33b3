//! List: all containers of a root.

use types::{Error, Kind, Result};

use crate::{Root, State, state};

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// The containers, sorted by id.
    pub states: Vec<State>,
    /// Why some could not be looked at.
    pub errors: Vec<Error>,
}

/// Returns all containers. One that is deleted meanwhile is left out, and one that is damaged does not
/// hide the others.
///
/// # Errors
/// If the directory of state cannot be read.
pub fn list(root: &Root) -> Result<Found> {
    let mut found = Found::default();
    for id in root.ids()? {
        match state(root, &id) {
            Ok(state) => found.states.push(state),
            Err(e) if e.kind() == Kind::NotFound => {}
            Err(e) => found.errors.push(e),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Record;

    #[test]
    fn a_damaged_container_hides_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::new(dir.path().to_owned());
        root.claim("a").unwrap().write_new("state.json", b"{\"format\": 1").unwrap();
        root.claim("b").unwrap().save(&Record::for_tests("b")).unwrap();
        let found = list(&root).unwrap();
        assert_eq!(found.states.iter().map(|state| state.id.as_str()).collect::<Vec<_>>(), ["b"]);
        assert_eq!(found.errors.iter().map(Error::kind).collect::<Vec<_>>(), [Kind::Corrupt]);
    }
}
