//! Events: what a container uses, now and then, and that it ran out of memory.

use std::time::Duration;

use runtime::Cgroup;
use runtime::cgroup::Stats;
use serde::Serialize;
use types::{Error, Kind, Result};

use crate::record::Record;
use crate::status::{self, Status};
use crate::{Root, groups};

/// One line of output.
#[derive(Debug, Serialize)]
pub struct Event {
    /// `stats` or `oom`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The container.
    pub id: String,
    /// What it uses; absent for `oom`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Stats>,
}

/// The events of one container, until it ends.
#[derive(Debug)]
pub struct Events {
    record: Record,
    cgroup: Cgroup,
    interval: Duration,
    oom_told: bool,
}

/// Opens the events of a container.
///
/// # Errors
/// `Conflict` if it does not run.
pub fn events(root: &Root, id: &str, interval: Duration) -> Result<Events> {
    let container = root.container(id)?;
    let record = container.record()?;
    if matches!(status::of(&container, &record)?, Status::Stopped | Status::Creating) {
        return Err(Error::new(Kind::Conflict, format!("container with id {id} is not running")));
    }
    let cgroup = groups::of(&record)?;
    let oom_told = cgroup.oom_killed();
    Ok(Events { cgroup, record, interval, oom_told })
}

impl Events {
    /// What it uses now.
    ///
    /// # Errors
    /// If the counters cannot be read.
    pub fn stats(&self) -> Result<Event> {
        Ok(Event { kind: "stats", id: self.record.id.clone(), data: Some(self.cgroup.stats()?) })
    }

    /// Waits for the next event: one interval, or less if the container ends or runs out of memory.
    /// Nothing when it has ended.
    ///
    /// # Errors
    /// If the counters cannot be read.
    pub fn wait(&mut self) -> Result<Option<Event>> {
        // Looked at ten times a second: the two worlds of cgroups tell it in different ways, and some
        // kernels not at all.
        const LOOK: Duration = Duration::from_millis(100);
        let first = crate::kill::first(&self.record).ok();
        let mut left = self.interval;
        while !left.is_zero() {
            let pause = left.min(LOOK);
            let milliseconds = u32::try_from(pause.as_millis()).unwrap_or(u32::MAX);
            let ended = match &first {
                Some(first) => {
                    first.ended_within(Some(milliseconds)).map_err(|e| Error::io("wait for container", e))?
                }
                None => true,
            };
            if !self.oom_told && self.cgroup.oom_killed() {
                self.oom_told = true;
                return Ok(Some(Event { kind: "oom", id: self.record.id.clone(), data: None }));
            }
            if ended {
                return Ok(None);
            }
            left = left.saturating_sub(pause);
        }
        self.stats().map(Some)
    }
}
