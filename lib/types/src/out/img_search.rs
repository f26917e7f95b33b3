//! `img-search`: one record for each repository that was found.

use serde::Serialize;

use super::Record;

/// A description in a table is no longer, in characters.
const SHORT: usize = 45;

/// A repository of a registry.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Repository {
    /// `httpd`, as other tools accept it.
    pub name: String,
    /// What its owner says of it; absent where the registry keeps no such words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// How many people like it; absent where the registry does not count them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub star_count: Option<u64>,
    /// Whether Docker Hub vouches for it.
    pub is_official: bool,
    /// The description as a table has it.
    #[serde(skip)]
    pub shown: String,
}

impl Repository {
    /// What a table shows of a description: one line, and not all of it unless `whole`.
    #[must_use]
    pub fn shown(description: &str, whole: bool) -> String {
        let line = description.split_whitespace().collect::<Vec<_>>().join(" ");
        if whole || line.chars().count() <= SHORT {
            return line;
        }
        line.chars().take(SHORT - 1).chain(['\u{2026}']).collect()
    }
}

impl Record for Repository {
    const HEADS: &'static [&'static str] = &["NAME", "DESCRIPTION", "STARS", "OFFICIAL"];

    fn cells(&self) -> Vec<String> {
        let stars = self.star_count.map_or_else(String::new, |n| n.to_string());
        let official = if self.is_official { "[OK]" } else { "" };
        vec![self.name.clone(), self.shown.clone(), stars, official.to_owned()]
    }

    fn id(&self) -> &str {
        &self.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_one_line_and_short() {
        assert_eq!(Repository::shown("The\nApache  HTTP\tServer", false), "The Apache HTTP Server");
        let long = "\u{e9}".repeat(46);
        assert_eq!(Repository::shown(&long, false), format!("{}\u{2026}", "\u{e9}".repeat(44)));
        assert_eq!(Repository::shown(&long, true), long);
        assert_eq!(Repository::shown(&"x".repeat(45), false), "x".repeat(45));
    }
}
