//! `--filter KEY=VALUE`: the same key again means or, another key means and; labels are all wanted.

use std::collections::BTreeMap;

use regex_lite::Regex;

use crate::{Error, Kind, Result};

/// The filters of a tool that lists.
#[derive(Debug, Default)]
pub struct Filters {
    by_key: BTreeMap<String, Vec<Filter>>,
}

#[derive(Debug)]
struct Filter {
    value: String,
    /// For keys whose values are patterns.
    pattern: Option<Regex>,
}

/// What the values of a key are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// Text that the tool compares.
    Text,
    /// A regular expression, which matches anywhere unless it is anchored.
    Pattern,
    /// `true` or `false`, also `1` and `0`.
    Switch,
    /// One of these words.
    Words(&'static [&'static str]),
}

impl Filters {
    /// Parses filters; `known` has the keys of the tool.
    ///
    /// # Errors
    /// `Invalid` if there is no `=`, the key is unknown, or the value is not what the key wants.
    pub fn parse(texts: &[String], known: &[(&str, Values)]) -> Result<Self> {
        let mut by_key: BTreeMap<String, Vec<Filter>> = BTreeMap::new();
        for text in texts {
            let bad = |why: String| Error::new(Kind::Invalid, format!("bad filter {text:?}: {why}"));
            let (key, value) = text
                .split_once('=')
                .ok_or_else(|| bad("no value".to_owned()).hint("write KEY=VALUE, as in name=web"))?;
            let (_, values) = known.iter().find(|(name, _)| *name == key).ok_or_else(|| {
                let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
                bad(format!("unknown key {key:?}")).hint(format!("known are {}", names.join(", ")))
            })?;
            let filter = values.filter(value).map_err(bad)?;
            by_key.entry(key.to_owned()).or_default().push(filter);
        }
        Ok(Self { by_key })
    }

    /// Whether any filter of `key` holds, or there is none. `holds` gets the value.
    pub fn any(&self, key: &str, mut holds: impl FnMut(&str) -> bool) -> bool {
        self.by_key.get(key).is_none_or(|filters| filters.iter().any(|f| holds(&f.value)))
    }

    /// Whether any pattern of `key` matches any of `texts`, or there is none.
    #[must_use]
    pub fn matches(&self, key: &str, texts: &[&str]) -> bool {
        let hit = |f: &Filter, text: &str| match &f.pattern {
            Some(pattern) => pattern.is_match(text),
            None => f.value == text,
        };
        self.by_key.get(key).is_none_or(|filters| filters.iter().any(|f| texts.iter().any(|t| hit(f, t))))
    }

    /// Whether the filters `label=KEY` and `label=KEY=VALUE` all hold.
    #[must_use]
    pub fn labels(&self, labels: &BTreeMap<String, String>) -> bool {
        self.values("label").all(|wanted| match wanted.split_once('=') {
            Some((key, value)) => labels.get(key).is_some_and(|v| v == value),
            None => labels.contains_key(wanted),
        })
    }

    /// Whether a switch, if it is given, has this state.
    #[must_use]
    pub fn switch(&self, key: &str, state: bool) -> bool {
        self.any(key, |value| matches!(value, "true" | "1") == state)
    }

    /// Whether there is a filter of this key.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.by_key.contains_key(key)
    }

    /// The values of a key.
    pub fn values(&self, key: &str) -> impl Iterator<Item = &str> {
        self.by_key.get(key).into_iter().flatten().map(|f| f.value.as_str())
    }
}

impl Values {
    fn filter(self, value: &str) -> Result<Filter, String> {
        let mut filter = Filter { value: value.to_owned(), pattern: None };
        match self {
            Self::Text => {}
            Self::Pattern => {
                filter.pattern = Some(Regex::new(value).map_err(|e| format!("{e}"))?);
            }
            Self::Switch if matches!(value, "true" | "false" | "1" | "0") => {}
            Self::Switch => return Err("neither true nor false".to_owned()),
            Self::Words(words) if words.contains(&value) => {}
            Self::Words(words) => return Err(format!("none of {}", words.join(", "))),
        }
        Ok(filter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[(&str, Values)] = &[
        ("name", Values::Pattern),
        ("label", Values::Text),
        ("dangling", Values::Switch),
        ("status", Values::Words(&["running", "exited"])),
    ];

    fn filters(texts: &[&str]) -> Filters {
        let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
        Filters::parse(&texts, KNOWN).unwrap()
    }

    #[test]
    fn patterns_match_anywhere_unless_anchored() {
        let one = filters(&["name=we"]);
        assert!(
            one.matches("name", &["web"]) && one.matches("name", &["swell"]) && !one.matches("name", &["db"])
        );
        let one = filters(&["name=^/?web$"]);
        assert!(
            one.matches("name", &["web"])
                && one.matches("name", &["/web"])
                && !one.matches("name", &["web2"])
        );
        let two = filters(&["name=^a", "name=^b"]);
        assert!(
            two.matches("name", &["bx"]) && two.matches("name", &["x", "ax"]) && !two.matches("name", &["x"])
        );
        assert!(filters(&[]).matches("name", &["x"]));
    }

    #[test]
    fn labels_are_all_wanted_and_other_keys_any() {
        let labels: BTreeMap<String, String> = [("a".into(), "1".into()), ("b".into(), "x=y".into())].into();
        for (texts, holds) in [
            (&["label=a"][..], true),
            (&["label=a=1", "label=b=x=y"], true),
            (&["label=a=1", "label=c"], false),
            (&["label=a=2"], false),
            (&["label=b=x"], false),
            (&[], true),
        ] {
            assert_eq!(filters(texts).labels(&labels), holds, "{texts:?}");
        }
        let status = filters(&["status=running", "status=exited"]);
        assert!(status.any("status", |s| s == "exited") && !status.any("status", |s| s == "created"));
        assert!(status.has("status") && !status.has("name"));
        let dangling = filters(&["dangling=1"]);
        assert!(dangling.switch("dangling", true) && !dangling.switch("dangling", false));
        assert!(filters(&[]).switch("dangling", false));
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        for (text, why) in [
            ("", "no value"),
            ("name", "no value"),
            ("=x", "unknown key \"\""),
            ("Name=x", "unknown key \"Name\""),
            ("dangling=yes", "neither true nor false"),
            ("dangling=", "neither true nor false"),
            ("status=up", "none of running, exited"),
        ] {
            let err = Filters::parse(&[text.to_owned()], KNOWN).unwrap_err();
            assert_eq!(err.to_string(), format!("bad filter {text:?}: {why}"));
        }
        let err = Filters::parse(&["name=(".to_owned()], KNOWN).unwrap_err();
        assert!(err.to_string().starts_with("bad filter \"name=(\": "), "{err}");
        // Refused, not compiled for minutes.
        assert!(Filters::parse(&[format!("name={}", "(a{999}){999}")], KNOWN).is_err());
    }
}
