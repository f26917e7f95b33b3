//! Stopping and continuing every process of a container.

use std::time::{Duration, Instant};

use types::{Error, Kind, Result};

use super::dir::Dir;
use super::{Cgroup, Hierarchies, path};

/// How long a freeze may take: a process in an uninterruptible wait is not frozen before it ends.
const PATIENCE: Duration = Duration::from_secs(10);

impl Cgroup {
    /// Stops or continues every process in the container, and waits until that is so. On v1 by the
    /// freezer controller where the container has a group in it, because that is where others look;
    /// else by cgroup2.
    ///
    /// # Errors
    /// `Unsupported` without either; `Conflict` if it cannot be done in ten seconds, and then the
    /// processes go on.
    pub fn freeze(&self, frozen: bool) -> Result<()> {
        if let Some(dir) = self.freezer() {
            return if frozen { freeze_v1(dir) } else { dir.write("freezer.state", "THAWED") };
        }
        let Some(dir) = &self.v2 else {
            return Err(Error::new(Kind::Unsupported, "pausing needs a freezer or a cgroup2"));
        };
        dir.write("cgroup.freeze", if frozen { "1" } else { "0" })?;
        let said = if frozen { "frozen 1" } else { "frozen 0" };
        if dir.wait_for_event(said, Instant::now() + PATIENCE)? {
            return Ok(());
        }
        dir.write("cgroup.freeze", "0")?;
        Err(too_slow(dir))
    }

    /// Tells whether the container was stopped by [`Cgroup::freeze`] or from outside in the same way.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn frozen(&self) -> Result<bool> {
        match (self.freezer(), &self.v2) {
            (Some(dir), _) | (None, Some(dir)) => is_frozen(dir),
            (None, None) => Ok(false),
        }
    }

    fn freezer(&self) -> Option<&Dir> {
        self.v1.iter().find(|group| group.controls("freezer")).map(|group| &group.dir)
    }
}

/// Lets the freezer group of v1 that a process is in go on, whoever it belongs to: a frozen process does
/// not die, and somebody may have moved it out of the container's own group.
///
/// # Errors
/// If the group is there and cannot be thawed.
pub fn thaw_process(pid: i32) -> Result<()> {
    let Hierarchies::Split(root) = Hierarchies::find()? else { return Ok(()) };
    let Some(freezer) = root.controller("freezer")? else { return Ok(()) };
    // One that has gone needs no thaw.
    let groups = path::groups_of(&pid.to_string()).unwrap_or_default();
    let Some(own) = groups.iter().find(|own| own.controllers.split(',').any(|name| name == "freezer")) else {
        return Ok(());
    };
    let names = own.names();
    if names.is_empty() {
        return Ok(()); // the root cannot be frozen
    }
    match freezer.open(&names.join("/"))? {
        Some(dir) if is_frozen(&dir)? => dir.write("freezer.state", "THAWED"),
        _ => Ok(()),
    }
}

/// Tells whether this very group is frozen, in either version; others are not.
pub fn is_frozen(dir: &Dir) -> Result<bool> {
    let is = |file: &str, word: &str| -> Result<bool> {
        Ok(dir.read_if_there(file)?.is_some_and(|text| text.trim() == word))
    };
    // The state of v1 is also that of a frozen parent; what was asked of this group is told apart.
    Ok((!is("freezer.state", "THAWED")? && is("freezer.self_freezing", "1")?) || is("cgroup.freeze", "1")?)
}

/// A v1 group in which processes appear while it freezes can stay FREEZING until it is asked again, or
/// thawed for a moment (freezer-subsystem.txt).
fn freeze_v1(dir: &Dir) -> Result<()> {
    let until = Instant::now() + PATIENCE;
    for round in 1u32.. {
        dir.write("freezer.state", "FROZEN")?;
        if dir.read_if_there("freezer.state")?.is_none_or(|state| state.trim() == "FROZEN") {
            return Ok(());
        }
        if Instant::now() > until {
            break;
        }
        if round.is_multiple_of(50) {
            dir.write("freezer.state", "THAWED")?;
            std::thread::sleep(Duration::from_millis(10));
        } else {
            std::thread::sleep(Duration::from_micros(20));
        }
    }
    dir.write("freezer.state", "THAWED")?;
    Err(too_slow(dir))
}

fn too_slow(dir: &Dir) -> Error {
    Error::new(Kind::Conflict, format!("freeze {:?}: processes do not stop", dir.name()))
}
