//! Update: other limits for a container that runs.

use oci_spec::runtime::{LinuxCpu, LinuxMemory, LinuxPids, LinuxResources};
use types::{Error, Kind, Result};

use crate::status::{self, Status};
use crate::{Root, groups, making};

/// Limits as the command line has them; what is absent stays as it is.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// Weight of block I/O.
    pub blkio_weight: Option<u16>,
    /// Length of a period in microseconds.
    pub cpu_period: Option<u64>,
    /// Microseconds in a period.
    pub cpu_quota: Option<i64>,
    /// Relative share.
    pub cpu_share: Option<u64>,
    /// Length of a realtime period.
    pub cpu_rt_period: Option<u64>,
    /// Microseconds in a realtime period.
    pub cpu_rt_runtime: Option<i64>,
    /// Processors.
    pub cpuset_cpus: Option<String>,
    /// Memory nodes.
    pub cpuset_mems: Option<String>,
    /// Bytes of memory.
    pub memory: Option<i64>,
    /// Soft limit.
    pub memory_reservation: Option<i64>,
    /// Bytes of memory and swap together.
    pub memory_swap: Option<i64>,
    /// Processes.
    pub pids_limit: Option<i64>,
}

impl Limits {
    /// The same as a part of a configuration.
    #[must_use]
    pub fn resources(&self) -> LinuxResources {
        let mut resources = LinuxResources::default();
        resources
            .set_devices(None)
            .set_memory(self.memory())
            .set_cpu(self.cpu())
            .set_pids(self.pids_limit.map(pids));
        if let Some(weight) = self.blkio_weight {
            let mut blkio = oci_spec::runtime::LinuxBlockIo::default();
            blkio.set_weight(Some(weight));
            resources.set_block_io(Some(blkio));
        }
        resources
    }

    fn memory(&self) -> Option<LinuxMemory> {
        self.memory.or(self.memory_reservation).or(self.memory_swap)?;
        let mut memory = LinuxMemory::default();
        memory.set_limit(self.memory).set_reservation(self.memory_reservation).set_swap(self.memory_swap);
        Some(memory)
    }

    fn cpu(&self) -> Option<LinuxCpu> {
        let mut cpu = LinuxCpu::default();
        cpu.set_period(self.cpu_period)
            .set_quota(self.cpu_quota)
            .set_shares(self.cpu_share)
            .set_realtime_period(self.cpu_rt_period)
            .set_realtime_runtime(self.cpu_rt_runtime)
            .set_cpus(self.cpuset_cpus.clone())
            .set_mems(self.cpuset_mems.clone());
        (cpu != LinuxCpu::default()).then_some(cpu)
    }
}

fn pids(limit: i64) -> LinuxPids {
    let mut pids = LinuxPids::default();
    pids.set_limit(limit);
    pids
}

/// Changes the limits of a container.
///
/// # Errors
/// `Conflict` if it has ended; `Invalid` or the kernel's reason for a limit that cannot be.
pub fn update(root: &Root, id: &str, resources: &LinuxResources) -> Result<()> {
    let container = root.container(id)?;
    let _lock = making::lock(&container)?;
    let record = container.record()?;
    if matches!(status::of(&container, &record)?, Status::Stopped | Status::Creating) {
        return Err(Error::new(Kind::Conflict, "container not running"));
    }
    groups::of(&record)?.update(resources)
}

/// Reads limits from a document.
///
/// # Errors
/// `Invalid` if it is malformed.
pub fn read_resources(text: &[u8]) -> Result<LinuxResources> {
    // Go's decoder, which all callers were written against, takes "blockIO" and "CPU" in any case.
    let mut value: serde_json::Value = serde_json::from_slice(text).map_err(malformed)?;
    if let Some(fields) = value.as_object_mut() {
        for name in ["cpu", "memory", "pids"] {
            let spelled = fields.keys().find(|key| key.eq_ignore_ascii_case(name) && *key != name).cloned();
            if let Some(found) = spelled.and_then(|key| fields.remove(&key)) {
                fields.insert(name.to_owned(), found);
            }
        }
    }
    serde_json::from_value(value).map_err(malformed)
}

fn malformed(e: serde_json::Error) -> Error {
    Error::because(Kind::Invalid, "read resources", e)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_given_is_not_changed() {
        let none = Limits::default().resources();
        assert!(none.memory().is_none() && none.cpu().is_none() && none.pids().is_none());
        assert!(none.devices().is_none() && none.block_io().is_none());
        let limits =
            Limits { memory: Some(5), pids_limit: Some(-1), cpu_share: Some(3), ..Limits::default() };
        let some = limits.resources();
        assert_eq!(some.memory().unwrap().limit(), Some(5));
        assert_eq!(some.pids().as_ref().unwrap().limit(), -1);
        assert_eq!(some.cpu().as_ref().unwrap().shares(), Some(3));
    }

    #[test]
    fn documents_of_go_are_read() {
        let read = read_resources(br#"{"CPU":{"shares":2},"Memory":{"limit":7}}"#).unwrap();
        assert_eq!(read.memory().unwrap().limit(), Some(7));
        assert_eq!(read.cpu().as_ref().unwrap().shares(), Some(2));
        assert_eq!(read_resources(b"{").unwrap_err().kind(), Kind::Invalid);
    }
}
