//! Values for the files of v2, which a configuration gives in terms of v1.

use oci_spec::runtime::{LinuxBlockIo, LinuxCpu, LinuxMemory, LinuxResources, LinuxThrottleDevice};
use types::{Error, Kind, Result};

use super::convert::{cpu_weight, io_weight};
use super::{Setting, check_swap, hugetlb, or_max, pids, rdma, set, some};
use crate::cgroup::dir::Dir;
use crate::plan::invalid;

/// What v2 has in one file or counts apart and a configuration may give by halves.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Current {
    /// `cpu.max`: quota (a number or `max`) and period.
    pub cpu: Option<(String, u64)>,
    /// `memory.max`, if there is a limit.
    pub memory: Option<i64>,
}

impl Current {
    /// Reads it from a group that exists; what it does not say is not there.
    pub fn of(dir: &Dir) -> Result<Self> {
        let cpu = dir.read_if_there("cpu.max")?.unwrap_or_default();
        let memory = dir.read_if_there("memory.max")?.unwrap_or_default();
        Ok(Self::parse(&cpu, &memory))
    }

    fn parse(cpu: &str, memory: &str) -> Self {
        let cpu = cpu.trim().split_once(' ').and_then(|(quota, period)| {
            let period = period.parse().ok()?;
            Some((quota.to_owned(), period))
        });
        Self { cpu, memory: memory.trim().parse().ok() }
    }
}

/// What to write, in this order within a controller.
pub fn v2(resources: &LinuxResources, current: &Current) -> Result<Vec<Setting>> {
    let mut all = Vec::new();
    if let Some(asked) = resources.memory() {
        memory(asked, current, &mut all)?;
    }
    if let Some(asked) = resources.cpu() {
        cpu(asked, current, &mut all)?;
    }
    if let Some(asked) = resources.block_io() {
        io(asked, &mut all)?;
    }
    if let Some(asked) = resources.network() {
        refuse("network class", some(asked.class_id()).is_some())?;
        refuse("network priorities", asked.priorities().as_ref().is_some_and(|all| !all.is_empty()))?;
    }
    all.extend(resources.pids().and_then(pids));
    all.extend(hugetlb(resources.hugepage_limits().as_deref().unwrap_or_default(), true)?);
    let mut devices: Vec<_> = resources.rdma().iter().flatten().collect();
    devices.sort_by_key(|(device, _)| *device);
    all.extend(devices.into_iter().map(|(device, limit)| rdma(device, *limit)));
    Ok(all)
}

fn refuse(what: &str, asked: bool) -> Result<()> {
    if !asked {
        return Ok(());
    }
    Err(Error::new(Kind::Unsupported, format!("cgroup v2 has no {what}")))
}

fn memory(memory: &LinuxMemory, current: &Current, all: &mut Vec<Setting>) -> Result<()> {
    refuse("memory swappiness", memory.swappiness().is_some())?;
    refuse("way to disable the OOM killer", memory.disable_oom_killer() == Some(true))?;
    refuse("memory without hierarchy", memory.use_hierarchy() == Some(false))?;
    check_swap(memory)?;
    all.extend(some(memory.limit()).map(|n| set("memory", "memory.max", or_max(n))));
    all.extend(swap(memory, current)?);
    all.extend(some(memory.reservation()).map(|n| set("memory", "memory.low", or_max(n))));
    Ok(())
}

/// v2 counts swap by itself, a configuration memory and swap together.
fn swap(memory: &LinuxMemory, current: &Current) -> Result<Option<Setting>> {
    let file = |value: String| set("memory", "memory.swap.max", value);
    // Where swap is not counted, all of it and none of it are what there is.
    let lenient = |value: &str| Some(file(value.into()).accept_missing());
    Ok(match (some(memory.limit()), some(memory.swap())) {
        (Some(-1), None) | (_, Some(-1)) => lenient("max"),
        (_, None) => None,
        (Some(-1), Some(swap)) => Some(file(swap.to_string())),
        (limit, Some(total)) => {
            let limit = limit.or(current.memory).ok_or_else(|| {
                invalid("unable to set swap limit without memory limit")
                    .hint("a limit of memory and swap together says nothing while memory has none")
            })?;
            match total - limit {
                0 => lenient("0"),
                swap if swap < 0 => return Err(below(total, limit)),
                swap => Some(file(swap.to_string())),
            }
        }
    })
}

fn below(total: i64, limit: i64) -> Error {
    invalid(format!("limit of memory and swap ({total}) is below that of memory ({limit})"))
}

fn cpu(cpu: &LinuxCpu, current: &Current, all: &mut Vec<Setting>) -> Result<()> {
    let real_time = some(cpu.realtime_period()).is_some() || some(cpu.realtime_runtime()).is_some();
    refuse("limit of real time", real_time)?;
    all.extend(some(cpu.shares()).map(|shares| set("cpu", "cpu.weight", cpu_weight(shares))));
    all.extend(cpu.burst().map(|n| set("cpu", "cpu.max.burst", n)));
    all.extend(bandwidth(cpu, current).map(|line| set("cpu", "cpu.max", line)));
    all.extend(cpu.idle().map(|n| set("cpu", "cpu.idle", n)));
    let lists = [("cpuset.cpus", cpu.cpus()), ("cpuset.mems", cpu.mems())];
    for (file, list) in lists {
        all.extend(list.iter().filter(|list| !list.is_empty()).map(|list| set("cpuset", file, list)));
    }
    Ok(())
}

/// Quota and period are one file; the one that is not given stays as it is.
fn bandwidth(cpu: &LinuxCpu, current: &Current) -> Option<String> {
    let (quota, period) = (some(cpu.quota()), some(cpu.period()));
    if quota.is_none() && period.is_none() {
        return None;
    }
    let (quota_now, period_now) = current.cpu.clone().unwrap_or_else(|| ("max".into(), 100_000));
    let quota = quota.map_or(quota_now, or_max);
    Some(format!("{quota} {}", period.unwrap_or(period_now)))
}

/// BFQ's file where that scheduler is there, else the one of io.cost; both take single devices.
fn io(io: &LinuxBlockIo, all: &mut Vec<Setting>) -> Result<()> {
    refuse("leaf weight", some(io.leaf_weight()).is_some())?;
    if let Some(weight) = some(io.weight()) {
        all.push(set("io", "io.bfq.weight", weight).or_else("io.weight", io_weight(weight)));
    }
    for device in io.weight_device().iter().flatten() {
        refuse("leaf weight", some(device.leaf_weight()).is_some())?;
        let name = format!("{}:{}", device.major(), device.minor());
        if let Some(weight) = some(device.weight()) {
            let other = format!("{name} {}", io_weight(weight));
            all.push(set("io", "io.bfq.weight", format!("{name} {weight}")).or_else("io.weight", other));
        }
    }
    let throttles = [
        ("rbps", io.throttle_read_bps_device()),
        ("wbps", io.throttle_write_bps_device()),
        ("riops", io.throttle_read_iops_device()),
        ("wiops", io.throttle_write_iops_device()),
    ];
    for (key, devices) in throttles {
        all.extend(devices.iter().flatten().map(|device| set("io", "io.max", throttle(device, key))));
    }
    Ok(())
}

/// Zero lifts a limit in v1, where v2 has a word for it.
fn throttle(device: &LinuxThrottleDevice, key: &str) -> String {
    let rate = if device.rate() == 0 { "max".into() } else { device.rate().to_string() };
    format!("{}:{} {key}={rate}", device.major(), device.minor())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_says_what_it_has() {
        let now = Current::parse("50000 200000\n", "1048576\n");
        assert_eq!(now, Current { cpu: Some(("50000".into(), 200_000)), memory: Some(1_048_576) });
        assert_eq!(Current::parse("", "max\n"), Current::default());
    }
}
