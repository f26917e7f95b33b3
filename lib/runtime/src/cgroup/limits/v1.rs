//! Values for the files of v1.

use oci_spec::runtime::{
    LinuxBlockIo, LinuxCpu, LinuxMemory, LinuxNetwork, LinuxResources, LinuxThrottleDevice,
};
use types::{Error, Kind, Result};

use super::{Setting, check_swap, hugetlb, pids, rdma, set, some};
use crate::plan::invalid;

/// What to write, in this order within a controller.
pub fn v1(resources: &LinuxResources) -> Result<Vec<Setting>> {
    if resources.unified().as_ref().is_some_and(|map| !map.is_empty()) {
        let text = "invalid configuration: unified resources on cgroup v1";
        return Err(Error::new(Kind::Invalid, text).hint(
            "they name files of cgroup v2, which this host \
             does not have its controllers in",
        ));
    }
    let mut all = Vec::new();
    if let Some(asked) = resources.memory() {
        memory(asked, &mut all)?;
    }
    if let Some(asked) = resources.cpu() {
        cpu(asked, &mut all)?;
    }
    if let Some(asked) = resources.block_io() {
        blkio(asked, &mut all);
    }
    if let Some(asked) = resources.network() {
        network(asked, &mut all);
    }
    all.extend(resources.pids().and_then(pids));
    all.extend(hugetlb(resources.hugepage_limits().as_deref().unwrap_or_default(), false)?);
    let mut devices: Vec<_> = resources.rdma().iter().flatten().collect();
    devices.sort_by_key(|(device, _)| *device);
    all.extend(devices.into_iter().map(|(device, limit)| rdma(device, *limit)));
    Ok(all)
}

fn memory(memory: &LinuxMemory, all: &mut Vec<Setting>) -> Result<()> {
    let total = "memory.memsw.limit_in_bytes";
    check_swap(memory)?;
    let (limit, swap) = (some(memory.limit()), some(memory.swap()));
    all.extend(limit.map(|n| set("memory", "memory.limit_in_bytes", n)));
    all.extend(swap.map(|n| set("memory", total, n)));
    if limit == Some(-1) && swap.is_none() {
        // "No limit" cannot be above a limit of memory and swap that is still there.
        all.push(set("memory", total, -1).accept_missing());
    }
    all.extend(some(memory.reservation()).map(|n| set("memory", "memory.soft_limit_in_bytes", n)));
    if let Some(swappiness) = memory.swappiness() {
        all.push(set("memory", "memory.swappiness", check_swappiness(swappiness)?));
    }
    if memory.disable_oom_killer() == Some(true) {
        all.push(set("memory", "memory.oom_control", 1));
    }
    // checkBeforeUpdate needs nothing here: v1 refuses by itself a limit that it cannot get below.
    all.extend(memory.use_hierarchy().map(|on| set("memory", "memory.use_hierarchy", u8::from(on))));
    Ok(())
}

fn check_swappiness(value: u64) -> Result<u64> {
    if value <= 100 {
        return Ok(value);
    }
    Err(invalid(format!("invalid memory swappiness value: {value} (valid range is 0-100)")))
}

fn cpu(cpu: &LinuxCpu, all: &mut Vec<Setting>) -> Result<()> {
    if let Some(shares) = some(cpu.shares()) {
        all.push(set("cpu", "cpu.shares", check_shares(shares)?));
    }
    let numbers = [
        ("cpu.cfs_period_us", some(cpu.period()).map(|n| n.to_string())),
        ("cpu.cfs_burst_us", cpu.burst().map(|n| n.to_string())),
        ("cpu.cfs_quota_us", some(cpu.quota()).map(|n| n.to_string())),
        ("cpu.idle", cpu.idle().map(|n| n.to_string())),
        ("cpu.rt_period_us", some(cpu.realtime_period()).map(|n| n.to_string())),
        ("cpu.rt_runtime_us", some(cpu.realtime_runtime()).map(|n| n.to_string())),
    ];
    for (file, value) in numbers {
        all.extend(value.map(|value| set("cpu", file, value)));
    }
    let lists = [("cpuset.cpus", cpu.cpus()), ("cpuset.mems", cpu.mems())];
    for (file, list) in lists {
        all.extend(list.iter().filter(|list| !list.is_empty()).map(|list| set("cpuset", file, list)));
    }
    Ok(())
}

/// The kernel would take the nearest value without a word (`sched_group_set_shares`).
fn check_shares(shares: u64) -> Result<u64> {
    match shares {
        0..=1 => Err(invalid("the minimum allowed cpu-shares is 2")),
        262_145.. => Err(invalid("the maximum allowed cpu-shares is 262144")),
        shares => Ok(shares),
    }
}

/// Weights belong to the CFQ scheduler before Linux 5.0 and to BFQ since; leaf weights to CFQ alone.
fn blkio(io: &LinuxBlockIo, all: &mut Vec<Setting>) {
    let weight = |file, bfq: &'static str, value: String| set("blkio", file, &value).or_else(bfq, value);
    all.extend(some(io.weight()).map(|n| weight("blkio.weight", "blkio.bfq.weight", n.to_string())));
    all.extend(some(io.leaf_weight()).map(|n| set("blkio", "blkio.leaf_weight", n)));
    for device in io.weight_device().iter().flatten() {
        let line = |n| format!("{}:{} {n}", device.major(), device.minor());
        let files = ("blkio.weight_device", "blkio.bfq.weight_device");
        all.extend(some(device.weight()).map(|n| weight(files.0, files.1, line(n))));
        all.extend(some(device.leaf_weight()).map(|n| set("blkio", "blkio.leaf_weight_device", line(n))));
    }
    let throttles = [
        ("blkio.throttle.read_bps_device", io.throttle_read_bps_device()),
        ("blkio.throttle.write_bps_device", io.throttle_write_bps_device()),
        ("blkio.throttle.read_iops_device", io.throttle_read_iops_device()),
        ("blkio.throttle.write_iops_device", io.throttle_write_iops_device()),
    ];
    for (file, devices) in throttles {
        all.extend(devices.iter().flatten().map(|device| set("blkio", file, throttle(device))));
    }
}

fn throttle(device: &LinuxThrottleDevice) -> String {
    format!("{}:{} {}", device.major(), device.minor(), device.rate())
}

fn network(network: &LinuxNetwork, all: &mut Vec<Setting>) {
    all.extend(some(network.class_id()).map(|id| set("net_cls", "net_cls.classid", id)));
    for priority in network.priorities().iter().flatten() {
        let line = format!("{} {}", priority.name(), priority.priority());
        all.push(set("net_prio", "net_prio.ifpriomap", line));
    }
}
