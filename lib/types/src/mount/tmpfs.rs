//! `--tmpfs TARGET[:OPTIONS]`, and the options of every tmpfs.

use super::{MountSpec, Source, bad, not_yet, path};
use crate::{Error, Result, size};

/// What a tmpfs has unless its opposite is asked for: memory is no place to start programs from.
const DEFAULTS: [&str; 3] = ["noexec", "nosuid", "nodev"];

/// Options that stand alone, each beside its opposite.
const FLAGS: [(&str, &str); 9] = [
    ("ro", "rw"),
    ("noexec", "exec"),
    ("nosuid", "suid"),
    ("nodev", "dev"),
    ("sync", "async"),
    ("noatime", "atime"),
    ("nodiratime", "diratime"),
    ("relatime", "norelatime"),
    ("strictatime", "nostrictatime"),
];

/// Parses `--tmpfs TARGET[:OPTIONS]`.
///
/// # Errors
/// `Invalid` if the target is not an absolute path, or an option is unknown, doubled or bad.
pub fn parse(text: &str) -> Result<MountSpec> {
    let (target, options) = text.split_once(':').unwrap_or((text, ""));
    let target = path::target("tmpfs", text, target)?;
    let mut list = Options::default();
    for word in options.split(',').filter(|_| !options.is_empty()) {
        list.add("tmpfs", text, word)?;
    }
    Ok(list.into_spec(target))
}

/// The options of a tmpfs while they are collected.
#[derive(Debug, Default)]
pub(super) struct Options(Vec<String>);

impl Options {
    /// Adds one option, in the words of mount(8).
    pub(super) fn add(&mut self, option: &str, text: &str, word: &str) -> Result<()> {
        let fail = |why: std::fmt::Arguments<'_>| bad(option, text, why);
        let (key, clean) = match word.split_once('=') {
            Some((key, value)) => (key, with_value(key, value).ok_or_else(|| unusable(option, text, word))?),
            None if FLAGS.iter().any(|(a, b)| *a == word || *b == word) => (word, word.to_owned()),
            None => return Err(unusable(option, text, word)),
        };
        let opposite = FLAGS.iter().find_map(|(a, b)| match key {
            k if k == *a => Some(*b),
            k if k == *b => Some(*a),
            _ => None,
        });
        for old in &self.0 {
            let old = old.split_once('=').map_or(old.as_str(), |(key, _)| key);
            if old == key {
                return Err(fail(format_args!("{key:?} is given twice")));
            }
            if Some(old) == opposite {
                return Err(fail(format_args!("{key:?} contradicts {old:?}")));
            }
        }
        self.0.push(clean);
        Ok(())
    }

    /// The mount, with defaults for what was not said. `ro` is the mount's own property.
    pub(super) fn into_spec(self, target: std::path::PathBuf) -> MountSpec {
        let mut options = self.0;
        let given = |options: &[String], word: &str| options.iter().any(|o| o == word);
        for (off, on) in FLAGS {
            if DEFAULTS.contains(&off) && !given(&options, off) && !given(&options, on) {
                options.push(off.to_owned());
            }
        }
        let read_only = given(&options, "ro");
        options.retain(|o| o != "ro" && o != "rw");
        MountSpec { read_only, ..MountSpec::new(Source::Tmpfs(options), target) }
    }
}

/// Checks an option with a value and brings it to the kernel's form.
fn with_value(key: &str, value: &str) -> Option<String> {
    let number = |radix| u32::from_str_radix(value, radix).is_ok() && !value.starts_with('+');
    let clean = match key {
        "size" if value.strip_suffix('%').is_some_and(is_percentage) => value.to_owned(),
        "size" | "nr_blocks" => size::bytes(value).ok()?.to_string(),
        "nr_inodes" => size::bytes(value).ok()?.to_string(),
        "mode" if number(8) && value.len() <= 5 => value.to_owned(),
        "uid" | "gid" if number(10) => value.to_owned(),
        _ => return None,
    };
    Some(format!("{key}={clean}"))
}

fn is_percentage(digits: &str) -> bool {
    digits.len() <= 3 && digits.parse::<u8>().is_ok_and(|n| n <= 100) && !digits.starts_with('+')
}

fn unusable(option: &str, text: &str, word: &str) -> Error {
    let (key, _) = word.split_once('=').unwrap_or((word, ""));
    match key {
        "size" | "nr_blocks" | "nr_inodes" | "mode" | "uid" | "gid" if word.contains('=') => {
            bad(option, text, format_args!("bad value in {word:?}"))
        }
        "mpol" | "huge" | "noswap" | "U" | "tmpcopyup" | "notmpcopyup" => not_yet(option, text, key),
        _ => bad(option, text, format_args!("unknown option {word:?}"))
            .hint("known are size=, mode=, uid=, gid=, nr_inodes=, ro, exec, suid, dev and their opposites"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    fn options(text: &str) -> Option<(bool, String)> {
        match parse(text).ok()? {
            MountSpec { source: Source::Tmpfs(options), read_only, .. } => {
                Some((read_only, options.join(",")))
            }
            _ => None,
        }
    }

    #[test]
    fn defaults_give_way_to_what_is_asked_for() {
        for (text, read_only, list) in [
            ("/run", false, "noexec,nosuid,nodev"),
            ("/run:exec,size=64m,mode=1777", false, "exec,size=67108864,mode=1777,nosuid,nodev"),
            ("/run:ro,suid,dev,exec", true, "suid,dev,exec"),
            ("/run:rw,size=50%,uid=1000,noexec", false, "size=50%,uid=1000,noexec,nosuid,nodev"),
        ] {
            assert_eq!(options(text), Some((read_only, list.to_owned())), "{text}");
        }
    }

    #[test]
    fn what_is_no_tmpfs_is_refused() {
        for (text, why) in [
            ("", "\"\" is not an absolute path in the container"),
            ("run", "\"run\" is not an absolute path in the container"),
            ("/", "nothing can be mounted over the container's root"),
            ("/run:size", "unknown option \"size\""),
            ("/run:size=", "bad value in \"size=\""),
            ("/run:size=-1", "bad value in \"size=-1\""),
            ("/run:size=101%", "bad value in \"size=101%\""),
            ("/run:size=+9%", "bad value in \"size=+9%\""),
            ("/run:mode=9", "bad value in \"mode=9\""),
            ("/run:mode=+7", "bad value in \"mode=+7\""),
            ("/run:uid=root", "bad value in \"uid=root\""),
            ("/run:exec,noexec", "\"noexec\" contradicts \"exec\""),
            ("/run:size=1m,size=2m", "\"size\" is given twice"),
            ("/run:ro,", "unknown option \"\""),
            ("/run:bind", "unknown option \"bind\""),
            ("/run:upperdir=/x", "unknown option \"upperdir=/x\""),
            ("/run:ro:rw", "unknown option \"ro:rw\""),
        ] {
            let err = parse(text).expect_err(text);
            assert_eq!(err.to_string(), format!("bad tmpfs {text:?}: {why}"));
        }
        assert!(parse("/run:mpol=bind:0").is_err_and(|e| e.kind() == Kind::Unsupported));
    }
}
