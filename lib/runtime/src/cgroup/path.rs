//! Where a container's groups are: `linux.cgroupsPath` of a configuration, and our own groups.

use std::path::{Component, Path};

use types::{Error, Kind, Result};

use crate::plan::{invalid, unsupported};

/// A place in every hierarchy, as names from the top down; never empty.
#[derive(Debug, PartialEq, Eq)]
pub enum Location {
    /// From the root of each hierarchy.
    Absolute(Vec<String>),
    /// From the group that the caller is in, which differs between hierarchies.
    Relative(Vec<String>),
}

impl Location {
    /// Reads `linux.cgroupsPath`; without one it is the container's id below the caller's group, as
    /// with runc.
    ///
    /// `..` is resolved by its letters and never leads above the start, so that a path cannot leave
    /// the hierarchy or the caller's group.
    pub fn of(path: Option<&Path>, id: &str) -> Result<Self> {
        let path = match path {
            Some(path) if !path.as_os_str().is_empty() => path,
            _ => {
                super::check_id(id)?;
                return Ok(Self::Relative(vec![id.into()]));
            }
        };
        let text = path.to_str().ok_or_else(|| invalid(format!("cgroup path {path:?} is not UTF-8")))?;
        if !text.starts_with('/') && !text.contains('/') && text.split(':').count() == 3 {
            return Err(unsupported(format!("cgroup path {text:?} in the form \"slice:prefix:name\""))
                .hint("it is one for systemd; with cgroupfs a path looks like \"/parent/name\""));
        }
        let names = names(path);
        if names.is_empty() {
            return Err(Error::new(Kind::Invalid, format!("cgroup path {text:?} is the host's own group")));
        }
        Ok(if path.is_absolute() { Self::Absolute(names) } else { Self::Relative(names) })
    }
}

/// The names of a path, cleaned.
fn names(path: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => names.push(name.to_string_lossy().into_owned()),
            Component::ParentDir => drop(names.pop()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    names
}

/// One line of `/proc/PID/cgroup`.
#[derive(Debug, PartialEq, Eq, Clone)]
pub struct Own {
    /// Controllers as the kernel lists them (`cpu,cpuacct`, `name=systemd`); empty for v2.
    pub controllers: String,
    /// The group, from the root of the hierarchy as seen from our cgroup namespace.
    pub path: String,
}

impl Own {
    /// Names below the root of the hierarchy. A group outside of our namespace (`/../x`) has none.
    pub fn names(&self) -> Vec<String> {
        let path = Path::new(&self.path);
        if path.components().any(|part| part == Component::ParentDir) { Vec::new() } else { names(path) }
    }
}

/// The groups of a process, in the order of the kernel.
pub fn groups_of(pid: &str) -> Result<Vec<Own>> {
    let path = format!("/proc/{pid}/cgroup");
    let text = std::fs::read_to_string(&path).map_err(|e| Error::io(format!("read {path:?}"), e))?;
    Ok(parse(&text))
}

fn parse(text: &str) -> Vec<Own> {
    text.lines()
        .filter_map(|line| {
            let (_, rest) = line.split_once(':')?;
            let (controllers, path) = rest.split_once(':')?;
            Some(Own { controllers: controllers.into(), path: path.into() })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str) -> Result<Location> {
        Location::of(Some(Path::new(path)), "id")
    }

    fn strings(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_path_is_from_the_root_or_from_our_own_group() {
        assert_eq!(of("/docker/0a").unwrap(), Location::Absolute(strings(&["docker", "0a"])));
        assert_eq!(of("a/./b//c").unwrap(), Location::Relative(strings(&["a", "b", "c"])));
        assert_eq!(of("").unwrap(), Location::Relative(strings(&["id"])));
        assert_eq!(Location::of(None, "id").unwrap(), Location::Relative(strings(&["id"])));
        assert!(Location::of(None, "../id").is_err());
    }

    #[test]
    fn a_path_does_not_lead_above_its_start() {
        assert_eq!(of("/../../etc").unwrap(), Location::Absolute(strings(&["etc"])));
        assert_eq!(of("a/../../../b").unwrap(), Location::Relative(strings(&["b"])));
        for root in ["/", "/..", "a/..", "."] {
            assert_eq!(of(root).unwrap_err().kind(), Kind::Invalid, "{root:?}");
        }
    }

    #[test]
    fn what_is_for_systemd_is_refused_by_name() {
        let error = of("system.slice:docker:0a").unwrap_err();
        assert!(error.to_string().contains("\"system.slice:docker:0a\""), "{error}");
        assert!(of("/a:b:c").is_ok() && of("a:b").is_ok() && of("x/a:b:c").is_ok());
    }

    #[test]
    fn own_groups_are_read_from_the_kernels_list() {
        let own = parse("9:name=systemd:/\n4:cpu,cpuacct:/a/b:c\n0::/../x\n");
        assert_eq!(own[1], Own { controllers: "cpu,cpuacct".into(), path: "/a/b:c".into() });
        assert_eq!(own[1].names(), ["a", "b:c"]);
        assert!(own[0].names().is_empty() && own[2].names().is_empty() && own[2].controllers.is_empty());
    }
}
