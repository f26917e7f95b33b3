//! Environment: `-e`, `--env-file` and the defaults that the engine adds. Labels have the same
//! two forms, `-l` and `--label-file`.

use std::collections::BTreeMap;

use crate::{Error, Kind, Result};

/// Where a container's programs are looked up if nobody says otherwise.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A longer line of a file is refused: nobody wrote it by hand.
const MAX_LINE: usize = 64 << 10;

/// How the caller's own environment is asked for a variable.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What is to happen to one variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// Its value; `None` takes it away.
    pub value: Option<String>,
}

/// Parses `-e NAME=VALUE`, or `-e NAME`, which copies the caller's variable and, if the caller
/// has none, takes away what the image sets.
///
/// # Errors
/// `Invalid` if there is no name, or a NUL, which no environment can hold.
pub fn setting(text: &str, lookup: Lookup<'_>) -> Result<Setting> {
    let bad = |why| Error::new(Kind::Invalid, format!("bad environment variable {text:?}: {why}"));
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (text, lookup(text)),
    };
    if name.is_empty() {
        return Err(bad("it has no name").hint("write NAME=VALUE, or NAME to copy your own"));
    }
    if text.contains('\0') {
        return Err(bad("it contains a NUL byte"));
    }
    Ok(Setting { name: name.to_owned(), value })
}

/// Parses the content of an `--env-file`, whose name is for messages: lines `NAME=VALUE`, taken
/// as they are (no quotes, no expansion), or `NAME`, which copies the caller's variable if set.
///
/// # Errors
/// `Invalid`, with the line's number, if a line has no name or blanks in it, is not UTF-8, or is
/// longer than 64 KiB.
pub fn file(name: &str, content: &[u8], lookup: Lookup<'_>) -> Result<Vec<Setting>> {
    let mut settings = Vec::new();
    for line in lines(name, content) {
        let (key, value) = line?;
        if let Some(value) = value.map(str::to_owned).or_else(|| lookup(key)) {
            settings.push(Setting { name: key.to_owned(), value: Some(value) });
        }
    }
    Ok(settings)
}

/// Parses `-l KEY[=VALUE]`; without a value it is empty.
///
/// # Errors
/// `Invalid` if the key is empty.
pub fn label(text: &str) -> Result<(String, String)> {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    if key.is_empty() {
        return Err(Error::new(Kind::Invalid, format!("bad label {text:?}: it has no key"))
            .hint("write KEY=VALUE, or KEY alone"));
    }
    Ok((key.to_owned(), value.to_owned()))
}

/// Parses several `-l`; a later one replaces an earlier one of the same key.
///
/// # Errors
/// As [`label`].
pub fn labels<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<BTreeMap<String, String>> {
    texts.into_iter().map(label).collect()
}

/// Parses the content of a `--label-file`: as [`file`], but `KEY` alone has an empty value.
///
/// # Errors
/// As [`file`].
pub fn label_file(name: &str, content: &[u8]) -> Result<BTreeMap<String, String>> {
    lines(name, content)
        .map(|line| line.map(|(key, value)| (key.to_owned(), value.unwrap_or_default().to_owned())))
        .collect()
}

/// The lines of a file of keys and values, without comments and empty ones.
fn lines<'a>(
    file: &'a str,
    content: &'a [u8],
) -> impl Iterator<Item = Result<(&'a str, Option<&'a str>)>> + 'a {
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content); // a byte order mark
    (1..).zip(content.split(|b| *b == b'\n')).filter_map(move |(number, line)| {
        let at = |why: &str| {
            Error::new(Kind::Invalid, why.to_owned()).within(format!("read {file:?}: line {number}"))
        };
        if line.len() >= MAX_LINE {
            return Some(Err(at("longer than 64 KiB")));
        }
        let Ok(line) = std::str::from_utf8(line.strip_suffix(b"\r").unwrap_or(line)) else {
            return Some(Err(at("not UTF-8")));
        };
        // Leading blanks are nobody's; trailing ones may belong to a value.
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let (key, value) = line.split_once('=').map_or((line, None), |(k, v)| (k, Some(v)));
        Some(match key {
            "" => Err(at("no name before the =")),
            _ if key.contains(char::is_whitespace) => Err(at(&format!("blank in the name {key:?}"))),
            _ if line.contains('\0') => Err(at("NUL byte")),
            _ => Ok((key, value)),
        })
    })
}

/// An environment that is put together: image, then files, then `-e`, then defaults for what is
/// still missing. The order of first mention is kept; of one name there is one value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment(Vec<(String, String)>);

impl Environment {
    /// What an image's configuration says: `NAME=VALUE` each. What has no name is ignored: an
    /// image is not the user's to correct.
    pub fn from_image<'a>(entries: impl IntoIterator<Item = &'a str>) -> Self {
        let mut env = Self::default();
        for (name, value) in entries.into_iter().filter_map(|e| e.split_once('=')) {
            if !name.is_empty() && !name.contains('\0') && !value.contains('\0') {
                env.set(name, value);
            }
        }
        env
    }

    /// Applies settings in their order.
    pub fn apply(&mut self, settings: &[Setting]) {
        for setting in settings {
            match &setting.value {
                Some(value) => self.set(&setting.name, value),
                None => self.0.retain(|(name, _)| *name != setting.name),
            }
        }
    }

    /// Sets a variable.
    pub fn set(&mut self, name: &str, value: &str) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => value.clone_into(old),
            None => self.0.push((name.to_owned(), value.to_owned())),
        }
    }

    /// Sets a variable if it is not there yet.
    pub fn set_default(&mut self, name: &str, value: &str) {
        if self.get(name).is_none() {
            self.0.push((name.to_owned(), value.to_owned()));
        }
    }

    /// Adds what every container has: `PATH`, `HOSTNAME`, `HOME`, and with a terminal `TERM`.
    /// `HOME` also replaces an empty one, which would lead every program to the current directory.
    pub fn add_defaults(&mut self, hostname: &str, home: &str, tty: bool) {
        self.set_default("PATH", DEFAULT_PATH);
        self.set_default("HOSTNAME", hostname);
        if tty {
            self.set_default("TERM", "xterm");
        }
        if self.get("HOME").is_none_or(str::is_empty) {
            self.set("HOME", home);
        }
    }

    /// Returns the value of a variable.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Returns `NAME=VALUE` lines, as execve(2) and OCI want them.
    #[must_use]
    pub fn into_lines(self) -> Vec<String> {
        self.0.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(name: &str) -> Option<String> {
        (name == "MINE").then(|| "my own".to_owned())
    }

    fn set(name: &str, value: &str) -> Setting {
        Setting { name: name.to_owned(), value: Some(value.to_owned()) }
    }

    #[test]
    fn a_setting_has_a_value_or_copies_the_callers() {
        assert_eq!(setting("A=b=c", &caller).ok(), Some(set("A", "b=c")));
        assert_eq!(setting("A=", &caller).ok(), Some(set("A", "")));
        assert_eq!(setting("MINE", &caller).ok(), Some(set("MINE", "my own")));
        assert_eq!(setting("YOURS", &caller).ok(), Some(Setting { name: "YOURS".into(), value: None }));
        for bad in ["", "=", "=x", "A=\0", "A\0=b"] {
            assert!(setting(bad, &caller).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_file_is_taken_literally() {
        let text = "\u{feff}A=1\n\n  # no\n  B= two \r\nC=\"$A\" # yes\nMINE\nYOURS\n\u{a0}D=x=y";
        assert_eq!(
            file("f", text.as_bytes(), &caller).ok(),
            Some(vec![
                set("A", "1"),
                set("B", " two "),
                set("C", "\"$A\" # yes"),
                set("MINE", "my own"),
                set("D", "x=y")
            ])
        );
        assert_eq!(file("f", b"", &caller).ok(), Some(vec![]));
    }

    #[test]
    fn a_bad_line_of_a_file_is_named() {
        let long = [b"A=1\nB=".to_vec(), vec![b'x'; MAX_LINE]].concat();
        for (text, line, why) in [
            (&b"A=1\n=x"[..], 2, "no name before the ="),
            (b"A B=1", 1, "blank in the name \"A B\""),
            (b"A =1", 1, "blank in the name \"A \""),
            (b"export A=1", 1, "blank in the name \"export A\""),
            (b"\n\nA=\xff", 3, "not UTF-8"),
            (b"A=\0", 1, "NUL byte"),
            (&long, 2, "longer than 64 KiB"),
        ] {
            let err = file("f", text, &caller).expect_err(why);
            assert_eq!(err.to_string(), format!("read \"f\": line {line}"));
            let cause = std::error::Error::source(&err).map(ToString::to_string);
            assert_eq!(cause.as_deref(), Some(why));
        }
    }

    #[test]
    fn labels_may_lack_a_value() {
        assert_eq!(label("a=b=c").ok(), Some(("a".into(), "b=c".into())));
        assert_eq!(label("a").ok(), Some(("a".into(), String::new())));
        assert!(label("=b").is_err() && label("").is_err());
        let map = label_file("f", b"a=1\nMINE\na=2").expect("valid");
        assert_eq!(map, labels(["a=2", "MINE"]).expect("valid"));
    }

    #[test]
    fn the_later_source_wins_and_defaults_fill_gaps() {
        let mut env = Environment::from_image(["PATH=/bin", "A=image", "GONE=x", "broken", "=y", "HOME="]);
        env.apply(&[set("A", "file"), set("B", "file")]);
        env.apply(&[set("B", "flag"), Setting { name: "GONE".into(), value: None }]);
        env.add_defaults("web", "/root", true);
        assert_eq!(
            env.into_lines(),
            ["PATH=/bin", "A=file", "HOME=/root", "B=flag", "HOSTNAME=web", "TERM=xterm"]
        );
        let mut env = Environment::default();
        env.add_defaults("web", "/", false);
        assert_eq!(env.into_lines(), [format!("PATH={DEFAULT_PATH}").as_str(), "HOSTNAME=web", "HOME=/"]);
    }
}
