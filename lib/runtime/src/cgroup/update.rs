//! Changes of limits while a container runs.

use oci_spec::runtime::LinuxResources;
use types::{Error, Kind, Result};

use super::dir::Dir;
use super::{Cgroup, devices, limits, v2};

impl Cgroup {
    /// Changes limits of a container that may be running. What is not given stays; so do the devices
    /// unless rules for them are given.
    ///
    /// # Errors
    /// `Invalid` for a bad limit, `Unsupported` if there is no group of its controller.
    pub fn update(&self, resources: &LinuxResources) -> Result<()> {
        self.try_update(resources).map_err(|e| e.within("update cgroup"))
    }

    fn try_update(&self, resources: &LinuxResources) -> Result<()> {
        let rules = resources.devices().as_deref().unwrap_or_default();
        let policy = devices::Policy::of(rules)?.with_usual()?;
        match &self.v2 {
            Some(dir) if self.unified => {
                if let Some(memory) = resources.memory() {
                    check_usage(dir, memory)?;
                }
                self.apply(&limits::v2(resources, &limits::Current::of(dir)?)?)?;
                v2::unified(dir, resources)?;
                if rules.is_empty() { Ok(()) } else { devices::set_v2(dir, &policy) }
            }
            _ => {
                self.apply(&limits::v1(resources)?)?;
                match self.v1.iter().find(|group| group.controls("devices")) {
                    _ if rules.is_empty() => Ok(()),
                    Some(group) => devices::set_v1(&group.dir, &policy),
                    None => Err(Error::new(Kind::Unsupported, "the container has no devices cgroup")),
                }
            }
        }
    }

    /// Writes settings, each into the group of its controller.
    pub(super) fn apply(&self, settings: &[limits::Setting]) -> Result<()> {
        if let (Some(dir), true) = (&self.v2, self.unified) {
            return limits::apply(dir, settings);
        }
        let missing = settings.iter().find(|s| !self.v1.iter().any(|group| group.controls(s.controller)));
        if let Some(setting) = missing {
            let text =
                format!("cannot set {} limit: container could not join or create cgroup", setting.controller);
            return Err(Error::new(Kind::Unsupported, text));
        }
        for group in &self.v1 {
            limits::apply(&group.dir, settings.iter().filter(|s| group.controls(s.controller)))?;
        }
        Ok(())
    }
}

/// `checkBeforeUpdate`: v2 takes any limit and kills until it holds.
fn check_usage(dir: &Dir, memory: &oci_spec::runtime::LinuxMemory) -> Result<()> {
    if memory.check_before_update() != Some(true) {
        return Ok(());
    }
    let usage = dir.read_if_there("memory.current")?.and_then(|text| text.trim().parse::<i64>().ok());
    for (what, limit) in [("memory", memory.limit()), ("memory+swap", memory.swap())] {
        if let (Some(limit @ 1..), Some(usage)) = (limit, usage)
            && limit <= usage
        {
            let text = format!("rejecting {what} limit {limit} <= usage {usage}");
            return Err(Error::new(Kind::Conflict, text));
        }
    }
    Ok(())
}
