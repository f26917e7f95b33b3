//! `-v [SOURCE:]TARGET[:OPTIONS]`, and `SOURCE:TARGET[:OPTIONS]` of `vol-bind`.

use std::path::Path;

use super::{MountSpec, Propagation, Source, bad, not_yet, path};
use crate::{Result, name};

/// Parses `-v`. A source that begins with `.` or `/` is a file or directory of the host, taken
/// from `cwd`; any other is the name of a volume; without one the volume is anonymous.
///
/// # Errors
/// `Invalid` if it does not follow the grammar, `Unsupported` for an option that podman knows
/// and we do not.
pub fn volume(text: &str, cwd: &Path) -> Result<MountSpec> {
    parse("volume", text, cwd)
}

/// Parses an operand of `vol-bind`: as [`volume`], but the source is a must.
///
/// # Errors
/// As [`volume`].
pub fn bind(text: &str, cwd: &Path) -> Result<MountSpec> {
    let spec = parse("bind", text, cwd)?;
    if spec.source == Source::Anonymous {
        return Err(bad("bind", text, "no source").hint("write SOURCE:TARGET[:ro]"));
    }
    Ok(spec)
}

fn parse(option: &str, text: &str, cwd: &Path) -> Result<MountSpec> {
    let fail =
        |why: &str| bad(option, text, why).hint("write [SOURCE:]TARGET[:OPTIONS], as in ./site:/srv:ro");
    let fields: Vec<&str> = text.split(':').collect();
    if fields.iter().any(|f| f.is_empty()) {
        return Err(fail("an empty field"));
    }
    let (source, target, options) = match *fields.as_slice() {
        [target] => (None, target, ""),
        // Docker refuses it too: options alone say nothing about a volume that nobody can find.
        [target, options] if target.starts_with('/') && options.split(',').all(is_option) => {
            return Err(fail("options, but no target"));
        }
        [source, target] => (Some(source), target, ""),
        [source, target, options] => (Some(source), target, options),
        _ => return Err(fail("too many colons")),
    };
    let target = path::target(option, text, target)?;
    let source = match source {
        None => Source::Anonymous,
        Some(source) if source.starts_with(['/', '.', '~']) => {
            Source::Bind(path::source(option, text, source, cwd)?)
        }
        Some(source) => Source::Volume(named(option, text, source)?),
    };
    let mut spec = MountSpec::new(source, target);
    apply(option, text, &mut spec, options)?;
    Ok(spec)
}

/// Checks the name of a volume. A path that does not begin with `.` is the usual mistake.
pub(super) fn named(option: &str, text: &str, volume: &str) -> Result<String> {
    match name::check("volume", volume) {
        Ok(()) => Ok(volume.to_owned()),
        Err(_) if volume.contains('/') => {
            let why = format!("{volume:?} is neither a path that begins with / or . nor a volume name");
            Err(bad(option, text, why).hint(format!("for a directory of the host write ./{volume}")))
        }
        Err(err) => Err(err.within(format!("bad {option} {text:?}"))),
    }
}

/// The classes of options; at most one of each may be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Access,
    Label,
    Propagation,
    Copy,
    Consistency,
}

const fn class(word: &str) -> Option<Class> {
    Some(match word.as_bytes() {
        b"ro" | b"rw" => Class::Access,
        // Labels of SELinux: accepted, since scripts carry them everywhere, and without effect.
        b"z" | b"Z" => Class::Label,
        b"shared" | b"rshared" | b"slave" | b"rslave" | b"private" | b"rprivate" => Class::Propagation,
        b"nocopy" => Class::Copy,
        // Docker's for the Mac; without effect on Linux.
        b"consistent" | b"cached" | b"delegated" => Class::Consistency,
        _ => return None,
    })
}

const fn is_option(word: &str) -> bool {
    class(word).is_some()
}

fn apply(option: &str, text: &str, spec: &mut MountSpec, options: &str) -> Result<()> {
    let mut seen = Vec::new();
    for word in options.split(',').filter(|_| !options.is_empty()) {
        let Some(class) = class(word) else { return Err(unknown(option, text, word)) };
        if seen.contains(&class) {
            return Err(bad(option, text, format_args!("{word:?} after another option of its class")));
        }
        seen.push(class);
        match (class, &spec.source) {
            (Class::Copy, Source::Bind(_)) => {
                return Err(bad(option, text, "nocopy is for volumes"));
            }
            (Class::Propagation, Source::Volume(_) | Source::Anonymous) => {
                return Err(bad(option, text, format_args!("{word:?} is for binds")));
            }
            (Class::Copy, _) => spec.no_copy = true,
            (Class::Propagation, _) => spec.propagation = Propagation::parse(word).unwrap_or_default(),
            (Class::Access, _) => spec.read_only = word == "ro",
            (Class::Label | Class::Consistency, _) => {}
        }
    }
    Ok(())
}

fn unknown(option: &str, text: &str, word: &str) -> crate::Error {
    const PODMANS: [&str; 14] = [
        "U", "O", "idmap", "copy", "dev", "nodev", "exec", "noexec", "suid", "nosuid", "bind", "rbind",
        "nocreate", "noatime",
    ];
    let (key, _) = word.split_once('=').unwrap_or((word, ""));
    if PODMANS.contains(&key) {
        not_yet(option, text, key)
    } else {
        bad(option, text, format_args!("unknown option {word:?}"))
            .hint("known are ro, rw, z, Z, nocopy and [r]shared, [r]slave, [r]private")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    fn parsed(text: &str) -> Option<MountSpec> {
        volume(text, Path::new("/home/me")).ok()
    }

    #[test]
    fn a_source_is_a_path_or_a_volume() {
        let spec = |source, target: &str| Some(MountSpec::new(source, target.into()));
        assert_eq!(parsed("/data"), spec(Source::Anonymous, "/data"));
        assert_eq!(parsed("data:/data/"), spec(Source::Volume("data".into()), "/data"));
        assert_eq!(parsed("/srv:/data"), spec(Source::Bind("/srv".into()), "/data"));
        assert_eq!(parsed(".:/src"), spec(Source::Bind("/home/me".into()), "/src"));
        assert_eq!(parsed("./site:/src"), spec(Source::Bind("/home/me/site".into()), "/src"));
        assert_eq!(parsed("../x:/src"), spec(Source::Bind("/home/me/../x".into()), "/src"));
        assert_eq!(parsed("/srv/a b,c:/d"), spec(Source::Bind("/srv/a b,c".into()), "/d"));
    }

    #[test]
    fn options_of_each_class_are_taken() {
        let spec = parsed("/srv:/data:ro,Z,rslave,cached").expect("valid");
        assert!(spec.read_only);
        assert_eq!(spec.propagation, Propagation::Rslave);
        assert!(parsed("v1:/data:rw,nocopy,z").is_some_and(|s| s.no_copy && !s.read_only));
    }

    #[test]
    fn what_does_not_follow_the_grammar_is_refused() {
        for (text, why) in [
            ("", "an empty field"),
            (":", "an empty field"),
            (":/data", "an empty field"),
            ("data:", "an empty field"),
            ("data::ro", "an empty field"),
            ("/data:ro", "options, but no target"),
            ("data", "\"data\" is not an absolute path in the container"),
            ("data:data", "\"data\" is not an absolute path in the container"),
            ("/srv:./data", "\"./data\" is not an absolute path in the container"),
            ("/srv:/", "nothing can be mounted over the container's root"),
            ("/srv:/x/..", "nothing can be mounted over the container's root"),
            ("/a:/b:ro:x", "too many colons"),
            ("/a:/b:ro,rw", "\"rw\" after another option of its class"),
            ("/a:/b:ro,ro", "\"ro\" after another option of its class"),
            ("/a:/b:z,Z", "\"Z\" after another option of its class"),
            ("/a:/b:shared,slave", "\"slave\" after another option of its class"),
            ("/a:/b:nocopy", "nocopy is for volumes"),
            ("vol:/b:rslave", "\"rslave\" is for binds"),
            ("/a:/b:RO", "unknown option \"RO\""),
            ("/a:/b:ro,", "unknown option \"\""),
            ("/a:/b: ro", "unknown option \" ro\""),
            ("~/x:/b", "the shell left ~ as it is"),
            ("/a\0:/b", "a NUL byte"),
            ("/a:/b\0", "a NUL byte"),
            ("site/x:/b", "\"site/x\" is neither a path that begins with / or . nor a volume name"),
        ] {
            let err = volume(text, Path::new("/cwd")).expect_err(text);
            assert_eq!(err.to_string(), format!("bad volume {text:?}: {why}"));
            assert_eq!(err.kind(), Kind::Invalid);
        }
        for text in ["-x:/b", "ä1:/b"] {
            let err = volume(text, Path::new("/cwd")).expect_err(text);
            let cause = std::error::Error::source(&err).expect("has a cause").to_string();
            assert!(cause.starts_with("bad volume name "), "{cause}");
        }
    }

    #[test]
    fn options_of_others_are_refused_by_name() {
        for (text, name) in [("/a:/b:U", "U"), ("/a:/b:O,upperdir=/x", "O"), ("/a:/b:ro,idmap=x", "idmap")] {
            let err = volume(text, Path::new("/")).expect_err(text);
            assert_eq!(err.kind(), Kind::Unsupported);
            assert!(err.to_string().ends_with(&format!("{name:?} is not supported yet")), "{err}");
        }
    }

    #[test]
    fn a_bind_has_a_source() {
        assert!(bind("./site:/mnt:ro", Path::new("/")).is_ok_and(|s| s.read_only));
        let err = bind("/mnt", Path::new("/")).expect_err("no source");
        assert_eq!(err.to_string(), "bad bind \"/mnt\": no source");
    }
}
