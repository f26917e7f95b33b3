//! List: all containers of a root.

use types::{Error, Kind, Result};

use crate::{Root, State, state};

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// The containers, sorted by id. As with runc, their owners have a name here, which a state alone does not
    /// give the superuser.
    pub states: Vec<State>,
    /// Why some could not be looked at.
    pub errors: Vec<Error>,
}

impl Found {
    /// The containers in columns of at least twelve characters, three blanks apart.
    #[must_use]
    pub fn table(&self) -> String {
        let heading = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"].map(str::to_owned);
        let mut lines = vec![heading];
        lines.extend(self.states.iter().map(|row| {
            let bundle = row.bundle.display().to_string();
            [
                row.id.clone(),
                row.pid.to_string(),
                row.status.to_string(),
                bundle,
                row.created.clone(),
                row.owner.clone(),
            ]
        }));
        let width = |column: usize| {
            lines
                .iter()
                .filter_map(|line| line.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<_> = (0..6).map(|column| width(column).max(9) + 3).collect();
        let line = |cells: &[String; 6]| {
            let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            format!("{}\n", padded.collect::<String>().trim_end())
        };
        lines.iter().map(line).collect()
    }
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
            Ok(mut state) => {
                state.owner =
                    if state.owner.is_empty() { "root".into() } else { format!("#{}", state.owner) };
                found.states.push(state);
            }
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
        assert_eq!(found.states[0].owner, "root");
        assert_eq!(found.errors.iter().map(Error::kind).collect::<Vec<_>>(), [Kind::Corrupt]);
    }
}
