//! Groups below those of a container, for a program that is brought in (`exec --cgroup`).

use std::path::{Component, Path};

use types::{Error, Kind, Result};

use super::dir::Dir;
use super::{Cgroup, v1};

impl Cgroup {
    /// Goes down. The grammar is runc's: a path, which is the same in all hierarchies; or of some,
    /// `CONTROLLER[,CONTROLLER]...:PATH`, and the others stay.
    ///
    /// # Errors
    /// `Invalid` for a path that leads out, and for a controller that the container has no group of; `NotFound` if
    /// there is no such group. The words are runc's.
    pub fn below(mut self, paths: &[String]) -> Result<Self> {
        let mut named: Vec<&str> = Vec::new();
        for argument in paths {
            let Some((controllers, path)) = argument.split_once(':') else {
                if paths.len() != 1 {
                    return Err(bad(argument, "missing <controller>: prefix"));
                }
                let path = inside(argument)?;
                self.v2 = self.v2.map(|dir| down(dir, &path)).transpose()?;
                self.v1 =
                    self.v1.into_iter().map(|group| group_below(group, &path)).collect::<Result<_>>()?;
                return Ok(self);
            };
            for controller in controllers.split(',') {
                if controller.is_empty() {
                    return Err(bad(argument, "empty <controller> prefix"));
                }
                if named.contains(&controller) {
                    return Err(bad(argument, &format!("duplicate entry for {controller}")));
                }
                named.push(controller);
            }
            self = self.below_of(controllers, &inside(path)?)?;
        }
        Ok(self)
    }

    /// Controllers that are mounted together go together.
    fn below_of(mut self, controllers: &str, path: &str) -> Result<Self> {
        let unknown = |controller: &&str| !self.v1.iter().any(|group| group.controls(controller));
        if let Some(controller) = controllers.split(',').find(unknown) {
            let what = format!("unknown controller {controller} in --cgroup");
            return Err(Error::new(Kind::Invalid, what));
        }
        let goes = |group: &v1::Group| controllers.split(',').any(|controller| group.controls(controller));
        let below = |group| if goes(&group) { group_below(group, path) } else { Ok(group) };
        self.v1 = self.v1.into_iter().map(below).collect::<Result<_>>()?;
        Ok(self)
    }
}

fn group_below(group: v1::Group, path: &str) -> Result<v1::Group> {
    let v1::Group { hierarchy, dir, .. } = group;
    v1::Group::new(&hierarchy, down(dir, path)?)
}

/// What is below was made by the container, and is opened without leaving its group.
fn down(dir: Dir, path: &str) -> Result<Dir> {
    if path.is_empty() {
        return Ok(dir);
    }
    dir.open(path)?.ok_or_else(|| {
        let what = format!("adding pid to {}/{path}/cgroup.procs", dir.name());
        Error::io(what, rustix::io::Errno::NOENT)
    })
}

/// The path without `.` and `..`; empty for the container's own group.
fn inside(path: &str) -> Result<String> {
    let mut names: Vec<&str> = Vec::new();
    for component in Path::new(path).components() {
        match component {
            Component::Normal(name) => names.extend(name.to_str()),
            Component::ParentDir if names.pop().is_none() => {
                return Err(Error::new(Kind::Invalid, format!("{path} is not a sub cgroup path")));
            }
            _ => {}
        }
    }
    Ok(names.join("/"))
}

fn bad(argument: &str, why: &str) -> Error {
    Error::new(Kind::Invalid, format!("invalid --cgroup argument: {argument} ({why})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn below(paths: &[&str]) -> Result<Cgroup> {
        let paths: Vec<_> = paths.iter().map(|path| (*path).to_owned()).collect();
        Cgroup::named("a").below(&paths)
    }

    #[test]
    fn paths_stay_inside() {
        assert_eq!(inside("/a/./b/../c").unwrap(), "a/c");
        assert_eq!(inside("/").unwrap(), "");
        for out in ["..", "a/../..", "/.."] {
            assert_eq!(inside(out).unwrap_err().to_string(), format!("{out} is not a sub cgroup path"));
        }
    }

    #[test]
    fn the_grammar_is_that_of_runc() {
        assert!(below(&[]).is_ok() && below(&["/"]).is_ok());
        let refused = |paths: &[&str]| below(paths).map(drop).unwrap_err().to_string();
        assert!(refused(&["a", "b"]).contains("missing <controller>: prefix"));
        assert!(refused(&[":a"]).contains("empty <controller> prefix"));
        assert!(refused(&["cpu,cpu:a"]).contains("duplicate entry for cpu"));
        assert!(refused(&["whaaat:/"]).starts_with("unknown controller whaaat"));
    }

    #[test]
    fn a_group_that_is_not_there_is_not_made() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("sub")).unwrap();
        let at = || Dir::at(dir.path().to_str().unwrap()).unwrap();
        assert!(down(at(), "sub").unwrap().name().ends_with("/sub"));
        let error = down(at(), "gone").map(drop).unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound);
        assert!(error.to_string().ends_with("/gone/cgroup.procs"), "{error}");
    }
}
