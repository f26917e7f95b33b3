//! `--mount type=bind,source=/srv,target=/data,readonly`.

use std::path::{Path, PathBuf};

use super::tmpfs::Options;
use super::{MountSpec, Propagation, Recursive, Source, bad, csv, not_yet, path, short};
use crate::{Result, size};

const OPTION: &str = "mount";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Bind,
    Volume,
    Tmpfs,
}

/// What the fields say, before their order stops to matter.
#[derive(Debug, Default)]
struct Fields<'a> {
    kind: Option<Type>,
    source: Option<&'a str>,
    target: Option<&'a str>,
    read_only: bool,
    propagation: Option<Propagation>,
    recursive: Option<Recursive>,
    create_source: Option<bool>,
    no_copy: Option<bool>,
    tmpfs: Options,
    tmpfs_given: bool,
}

/// Parses `--mount`. A bind's source is taken from `cwd`.
///
/// # Errors
/// `Invalid` if it does not follow the grammar, `Unsupported` for a type or key that Docker or
/// podman know and we do not.
pub fn parse(text: &str, cwd: &Path) -> Result<MountSpec> {
    let list = csv::fields(text).ok_or_else(|| bad(OPTION, text, "an odd quote"))?;
    let mut fields = Fields::default();
    let mut seen: Vec<&str> = Vec::new();
    for field in &list {
        let (key, value) = field.split_once('=').map_or((field.as_str(), None), |(k, v)| (k, Some(v)));
        if key.trim() != key || value.is_some_and(|v| v.trim() != v) {
            return Err(bad(OPTION, text, format_args!("blanks in {field:?}")));
        }
        let key = canonical(key);
        if seen.contains(&key) {
            return Err(bad(OPTION, text, format_args!("{key:?} is given twice")));
        }
        seen.push(key);
        fields.take(text, key, value)?;
    }
    fields.into_spec(text, cwd)
}

/// Each key has one name here.
fn canonical(key: &str) -> &str {
    match key {
        "src" => "source",
        "dst" | "destination" => "target",
        "ro" => "readonly",
        other => other,
    }
}

impl<'a> Fields<'a> {
    fn take(&mut self, text: &str, key: &str, value: Option<&'a str>) -> Result<()> {
        let needed = || {
            value
                .filter(|v| !v.is_empty())
                .ok_or_else(|| bad(OPTION, text, format_args!("no value for {key:?}")))
        };
        let wrong =
            || bad(OPTION, text, format_args!("bad value {:?} for {key:?}", value.unwrap_or_default()));
        // A flag alone is on.
        let flag = || match value {
            None | Some("true" | "1") => Ok(true),
            Some("false" | "0") => Ok(false),
            Some(_) => Err(wrong()),
        };
        match key {
            "type" => self.kind = Some(kind(text, needed()?)?),
            "source" => self.source = Some(needed()?),
            "target" => self.target = Some(needed()?),
            "readonly" => self.read_only = flag()?,
            "consistency" => drop(needed()?), // Docker's for the Mac; without effect on Linux
            "bind-propagation" => {
                self.propagation = Some(Propagation::parse(needed()?).ok_or_else(wrong)?);
            }
            "bind-recursive" => self.recursive = Some(recursive(needed()?).ok_or_else(wrong)?),
            "bind-create-src" => self.create_source = Some(flag()?),
            "volume-nocopy" => self.no_copy = Some(flag()?),
            "volume-driver" if value == Some("local") => self.no_copy = self.no_copy.or(Some(false)),
            "tmpfs-size" => {
                let size = size::bytes(needed()?).map_err(|e| e.within(format!("bad mount {text:?}")))?;
                self.tmpfs_option(text, &format!("size={size}"))?;
            }
            "tmpfs-mode" => self.tmpfs_option(text, &format!("mode={}", needed()?))?,
            _ => return Err(unknown(text, key)),
        }
        Ok(())
    }

    fn tmpfs_option(&mut self, text: &str, word: &str) -> Result<()> {
        self.tmpfs_given = true;
        self.tmpfs.add(OPTION, text, word)
    }

    fn into_spec(self, text: &str, cwd: &Path) -> Result<MountSpec> {
        let kind = self.kind.unwrap_or(Type::Volume);
        self.refuse_strangers(text, kind)?;
        let target = self.target.ok_or_else(|| {
            bad(OPTION, text, "no target").hint("write type=bind,source=/host/path,target=/container/path")
        })?;
        let target = path::target(OPTION, text, target)?;
        let source = match (kind, self.source) {
            (Type::Tmpfs, _) => return Ok(self.into_tmpfs(target)),
            (Type::Bind, Some(source)) => Source::Bind(path::source(OPTION, text, source, cwd)?),
            (Type::Bind, None) => return Err(bad(OPTION, text, "a bind needs a source")),
            (Type::Volume, Some(name)) => Source::Volume(short::named(OPTION, text, name)?),
            (Type::Volume, None) => Source::Anonymous,
        };
        let recursive = self.recursive.unwrap_or_default();
        if !self.read_only && matches!(recursive, Recursive::Writable | Recursive::Readonly) {
            return Err(bad(OPTION, text, "this bind-recursive needs readonly"));
        }
        Ok(MountSpec {
            read_only: self.read_only,
            propagation: self.propagation.unwrap_or_default(),
            recursive,
            no_copy: self.no_copy.unwrap_or(false),
            create_source: self.create_source.unwrap_or(false),
            ..MountSpec::new(source, target)
        })
    }

    fn into_tmpfs(self, target: PathBuf) -> MountSpec {
        let read_only = self.read_only;
        MountSpec { read_only, ..self.tmpfs.into_spec(target) }
    }

    /// A key of another type is a mistake that Docker reports too.
    fn refuse_strangers(&self, text: &str, kind: Type) -> Result<()> {
        let of_bind = self.propagation.is_some() || self.recursive.is_some() || self.create_source.is_some();
        let stranger = match kind {
            Type::Bind | Type::Volume if self.tmpfs_given => "tmpfs-*",
            Type::Volume | Type::Tmpfs if of_bind => "bind-*",
            Type::Bind | Type::Tmpfs if self.no_copy.is_some() => "volume-*",
            Type::Tmpfs if self.source.is_some() => "source",
            _ => return Ok(()),
        };
        let kind = match kind {
            Type::Bind => "bind",
            Type::Volume => "volume",
            Type::Tmpfs => "tmpfs",
        };
        Err(bad(OPTION, text, format_args!("{stranger:?} is not for type {kind:?}")))
    }
}

fn kind(text: &str, word: &str) -> Result<Type> {
    match word {
        "bind" => Ok(Type::Bind),
        "volume" => Ok(Type::Volume),
        "tmpfs" => Ok(Type::Tmpfs),
        "image" | "npipe" | "cluster" | "artifact" | "glob" | "devpts" | "ramfs" => {
            Err(not_yet(OPTION, text, &format!("type={word}")))
        }
        _ => {
            Err(bad(OPTION, text, format_args!("unknown type {word:?}"))
                .hint("known are bind, volume and tmpfs"))
        }
    }
}

fn recursive(word: &str) -> Option<Recursive> {
    match word {
        "enabled" => Some(Recursive::Enabled),
        "disabled" => Some(Recursive::Disabled),
        "writable" => Some(Recursive::Writable),
        "readonly" => Some(Recursive::Readonly),
        _ => None,
    }
}

fn unknown(text: &str, key: &str) -> crate::Error {
    match key {
        "bind-nonrecursive" => {
            bad(OPTION, text, "bind-nonrecursive is gone").hint("write bind-recursive=disabled")
        }
        "volume-driver" | "volume-opt" | "volume-label" | "volume-subpath" | "image-subpath" | "U"
        | "chown" | "idmap" | "relabel" | "tmpcopyup" | "notmpcopyup" | "no-dereference" | "tmpfs-opt" => {
            not_yet(OPTION, text, key)
        }
        _ => bad(OPTION, text, format_args!("unknown key {key:?}")).hint(
            "known are type, source, target, readonly, bind-*, volume-nocopy, tmpfs-size and tmpfs-mode",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    fn parsed(text: &str) -> Option<MountSpec> {
        parse(text, Path::new("/home/me")).ok()
    }

    #[test]
    fn each_type_has_its_keys() {
        let spec = |source, target: &str| MountSpec::new(source, target.into());
        let bind = spec(Source::Bind("/srv".into()), "/data");
        assert_eq!(parsed("type=bind,source=/srv,target=/data"), Some(bind.clone()));
        assert_eq!(parsed("dst=/data,type=bind,src=/srv"), Some(bind.clone()));
        assert_eq!(
            parsed(
                "type=bind,src=/srv,destination=/data,ro,bind-propagation=rslave,bind-recursive=writable,bind-create-src"
            ),
            Some(MountSpec {
                read_only: true,
                propagation: Propagation::Rslave,
                recursive: Recursive::Writable,
                create_source: true,
                ..bind.clone()
            })
        );
        assert_eq!(parsed("type=bind,src=/srv,dst=/data,ro=false,consistency=cached"), Some(bind));
        assert_eq!(
            parsed("type=bind,src=site,dst=/d"),
            Some(spec(Source::Bind("/home/me/site".into()), "/d"))
        );
        assert_eq!(parsed("\"src=data\",dst=/d"), Some(spec(Source::Volume("data".into()), "/d")));
        assert_eq!(parsed("target=/d"), Some(spec(Source::Anonymous, "/d")));
        assert!(parsed("src=data,dst=/d,volume-nocopy,volume-driver=local").is_some_and(|s| s.no_copy));
        assert_eq!(parsed("type=bind,\"src=/a,b\",dst=/d"), Some(spec(Source::Bind("/a,b".into()), "/d")));
        let options = ["size=1048576", "mode=1770", "noexec", "nosuid", "nodev"].map(str::to_owned).to_vec();
        assert_eq!(
            parsed("type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=1770,readonly"),
            Some(MountSpec { read_only: true, ..spec(Source::Tmpfs(options), "/t") })
        );
    }

    #[test]
    fn what_does_not_follow_the_grammar_is_refused() {
        for (text, why) in [
            ("", "unknown key \"\""),
            ("type=bind", "no target"),
            ("type=bind,dst=/d", "a bind needs a source"),
            ("type=bind,src=,dst=/d", "no value for \"source\""),
            ("type=bind,src,dst=/d", "no value for \"source\""),
            ("type=bind,src=/a,dst=d", "\"d\" is not an absolute path in the container"),
            ("type=bind,src=/a,dst=/", "nothing can be mounted over the container's root"),
            ("type=bind,src=/a,dst=/d,ro=yes", "bad value \"yes\" for \"readonly\""),
            ("type=bind,src=/a,dst=/d,ro,readonly", "\"readonly\" is given twice"),
            ("type=bind,src=/a,source=/b,dst=/d", "\"source\" is given twice"),
            ("type=bind, src=/a,dst=/d", "blanks in \" src=/a\""),
            ("type=bind,src=/a ,dst=/d", "blanks in \"src=/a \""),
            ("type=bind,src= /a,dst=/d", "blanks in \"src= /a\""),
            ("type=Bind,src=/a,dst=/d", "unknown type \"Bind\""),
            ("TYPE=bind,src=/a,dst=/d", "unknown key \"TYPE\""),
            ("type=bind,src=/a,dst=/d,", "unknown key \"\""),
            ("type=bind,src=/a,dst=/d,bind-propagation=x", "bad value \"x\" for \"bind-propagation\""),
            ("type=bind,src=/a,dst=/d,bind-recursive=readonly", "this bind-recursive needs readonly"),
            ("type=bind,src=/a,dst=/d,bind-nonrecursive", "bind-nonrecursive is gone"),
            ("type=bind,src=/a,dst=/d,volume-nocopy", "\"volume-*\" is not for type \"bind\""),
            ("type=volume,src=aa,dst=/d,bind-propagation=slave", "\"bind-*\" is not for type \"volume\""),
            ("type=volume,src=aa,dst=/d,tmpfs-size=1m", "\"tmpfs-*\" is not for type \"volume\""),
            ("type=tmpfs,src=aa,dst=/d", "\"source\" is not for type \"tmpfs\""),
            ("type=tmpfs,dst=/d,tmpfs-mode=8", "bad value in \"mode=8\""),
            ("type=bind,src=\"/a\",dst=/d", "an odd quote"),
            ("type=bind,src=~/a,dst=/d", "the shell left ~ as it is"),
            ("type=bind,src=/a,dst=/d\0", "a NUL byte"),
        ] {
            let err = parse(text, Path::new("/cwd")).expect_err(text);
            assert_eq!(err.to_string(), format!("bad mount {text:?}: {why}"));
            assert_eq!(err.kind(), Kind::Invalid);
        }
    }

    #[test]
    fn what_others_know_is_refused_by_name() {
        for (text, what) in [
            ("type=image,src=x,dst=/d", "type=image"),
            ("src=aa,dst=/d,volume-subpath=x", "volume-subpath"),
            ("src=aa,dst=/d,volume-driver=nfs", "volume-driver"),
            ("type=bind,src=/a,dst=/d,idmap", "idmap"),
        ] {
            let err = parse(text, Path::new("/")).expect_err(text);
            assert_eq!(err.kind(), Kind::Unsupported);
            assert_eq!(err.to_string(), format!("bad mount {text:?}: {what:?} is not supported yet"));
        }
    }
}
