//! Limits, as plain data: which file of which controller gets which value.

use oci_spec::runtime::{LinuxMemory, LinuxResources};
use types::Result;

use crate::plan::{invalid, unsupported};

/// One value to write.
#[derive(Debug, PartialEq, Eq)]
pub struct Setting {
    /// Controller, by its v1 name.
    pub controller: &'static str,
    /// File.
    pub file: &'static str,
    /// What to write.
    pub value: String,
    /// Nobody asked for it by name: a kernel without that file is fine.
    pub optional: bool,
}

fn set(controller: &'static str, file: &'static str, value: impl std::fmt::Display) -> Setting {
    Setting { controller, file, value: format!("{value}"), optional: false }
}

/// Refuses what this version does not do.
pub fn check(resources: &LinuxResources) -> Result<()> {
    let some = |asked: bool, what: &str| if asked { Err(unsupported(what)) } else { Ok(()) };
    some(resources.block_io().is_some(), "block I/O limit")?;
    some(resources.hugepage_limits().as_ref().is_some_and(|l| !l.is_empty()), "huge page limit")?;
    some(resources.network().is_some(), "network class or priority")?;
    some(resources.rdma().as_ref().is_some_and(|l| !l.is_empty()), "RDMA limit")
}

/// Values for v1 files.
pub fn v1(resources: &LinuxResources) -> Result<Vec<Setting>> {
    check(resources)?;
    let mut all = Vec::new();
    if resources.unified().as_ref().is_some_and(|map| !map.is_empty()) {
        return Err(unsupported("cgroup v2 file by name on a v1 host"));
    }
    if let Some(memory) = resources.memory() {
        if let Some(limit) = memory.limit() {
            all.push(set("memory", "memory.limit_in_bytes", limit));
        }
        all.extend(total_with_swap(memory)?.map(|(total, optional)| Setting {
            optional,
            ..set("memory", "memory.memsw.limit_in_bytes", total)
        }));
        all.extend(memory.reservation().map(|n| set("memory", "memory.soft_limit_in_bytes", n)));
        all.extend(memory.swappiness().map(|n| set("memory", "memory.swappiness", n)));
        if memory.disable_oom_killer() == Some(true) {
            all.push(set("memory", "memory.oom_control", 1));
        }
    }
    if let Some(cpu) = resources.cpu() {
        all.extend(cpu.shares().map(|n| set("cpu", "cpu.shares", n)));
        all.extend(cpu.period().map(|n| set("cpu", "cpu.cfs_period_us", n)));
        all.extend(cpu.quota().map(|n| set("cpu", "cpu.cfs_quota_us", n)));
        all.extend(cpu.cpus().as_ref().map(|list| set("cpuset", "cpuset.cpus", list)));
        all.extend(cpu.mems().as_ref().map(|list| set("cpuset", "cpuset.mems", list)));
    }
    all.extend(pids(resources).map(|value| set("pids", "pids.max", value)));
    Ok(all)
}

/// Values for v2 files.
pub fn v2(resources: &LinuxResources) -> Result<Vec<Setting>> {
    check(resources)?;
    let mut all = Vec::new();
    if let Some(memory) = resources.memory() {
        let limit = memory.limit().filter(|n| *n > 0);
        all.extend(memory.limit().map(|_| set("memory", "memory.max", max(limit))));
        if let Some((total, optional)) = total_with_swap(memory)? {
            // v2 counts swap by itself, the configuration memory and swap together.
            let swap = if total < 0 { None } else { Some(total - limit.unwrap_or(0)) };
            all.push(Setting { optional, ..set("memory", "memory.swap.max", max(swap)) });
        }
        all.extend(
            memory.reservation().map(|n| set("memory", "memory.low", max(Some(n).filter(|n| *n > 0)))),
        );
    }
    if let Some(cpu) = resources.cpu() {
        all.extend(cpu.shares().map(|shares| set("cpu", "cpu.weight", weight(shares))));
        if cpu.quota().is_some() || cpu.period().is_some() {
            let quota = max(cpu.quota().filter(|n| *n > 0));
            all.push(set("cpu", "cpu.max", format!("{quota} {}", cpu.period().unwrap_or(100_000))));
        }
        all.extend(cpu.cpus().as_ref().map(|list| set("cpuset", "cpuset.cpus", list)));
        all.extend(cpu.mems().as_ref().map(|list| set("cpuset", "cpuset.mems", list)));
    }
    all.extend(pids(resources).map(|value| set("pids", "pids.max", value)));
    Ok(all)
}

fn pids(resources: &LinuxResources) -> Option<String> {
    resources.pids().as_ref().map(|pids| max(Some(pids.limit()).filter(|n| *n > 0)))
}

fn max(limit: Option<i64>) -> String {
    limit.map_or_else(|| "max".into(), |n| n.to_string())
}

/// Memory and swap together; as Docker, twice the memory if only that is limited, but then only
/// where the kernel counts swap at all. The second value: whether that is good enough.
fn total_with_swap(memory: &LinuxMemory) -> Result<Option<(i64, bool)>> {
    match (memory.limit().filter(|n| *n > 0), memory.swap()) {
        (_, None | Some(0)) if memory.limit().is_none_or(|n| n <= 0) => Ok(None),
        (Some(limit), None | Some(0)) => Ok(Some((limit.saturating_mul(2), true))),
        (_, Some(-1)) => Ok(Some((-1, true))),
        (Some(limit), Some(total)) if total >= limit => Ok(Some((total, false))),
        (limit, total) => Err(invalid(format!(
            "limit of memory and swap ({}) is below that of memory ({})",
            total.unwrap_or(0),
            limit.unwrap_or(0)
        ))),
    }
}

/// Shares of v1 (2 to 262144, usually 1024) as weight of v2 (1 to 10000, usually 100), such that
/// both ends meet (the mapping of the OCI runtimes).
fn weight(shares: u64) -> u64 {
    if shares == 0 {
        return 100;
    }
    let shares = shares.clamp(2, 262_144);
    1 + (shares - 2) * 9999 / 262_142
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci_spec::runtime::{LinuxCpu, LinuxPids};

    fn values(settings: &[Setting]) -> Vec<(&str, &str)> {
        settings.iter().map(|s| (s.file, s.value.as_str())).collect()
    }

    fn resources(limit: Option<i64>, swap: Option<i64>) -> LinuxResources {
        let mut memory = LinuxMemory::default();
        memory.set_limit(limit).set_swap(swap);
        let mut resources = LinuxResources::default();
        resources.set_memory(Some(memory));
        resources
    }

    #[test]
    fn swap_is_counted_together_in_v1_and_apart_in_v2() {
        let both = resources(Some(100), Some(150));
        let (one, two) = (v1(&both).unwrap(), v2(&both).unwrap());
        assert_eq!(values(&one), [("memory.limit_in_bytes", "100"), ("memory.memsw.limit_in_bytes", "150")]);
        assert_eq!(values(&two), [("memory.max", "100"), ("memory.swap.max", "50")]);
        let none = resources(Some(100), Some(100));
        assert_eq!(values(&v2(&none).unwrap()), [("memory.max", "100"), ("memory.swap.max", "0")]);
        let endless = resources(Some(100), Some(-1));
        assert_eq!(values(&v2(&endless).unwrap()), [("memory.max", "100"), ("memory.swap.max", "max")]);
        assert!(v2(&resources(Some(100), Some(50))).is_err());
    }

    #[test]
    fn without_a_word_about_swap_it_is_as_much_again_if_the_kernel_can() {
        let settings = v2(&resources(Some(100), None)).unwrap();
        assert_eq!(values(&settings), [("memory.max", "100"), ("memory.swap.max", "100")]);
        assert!(settings[1].optional && !settings[0].optional);
    }

    #[test]
    fn processors_and_processes() {
        let mut cpu = LinuxCpu::default();
        cpu.set_quota(Some(150_000)).set_period(Some(100_000)).set_shares(Some(2));
        let mut pids = LinuxPids::default();
        pids.set_limit(-1);
        let mut resources = LinuxResources::default();
        resources.set_memory(None).set_cpu(Some(cpu)).set_pids(Some(pids));
        assert_eq!(
            values(&v2(&resources).unwrap()),
            [("cpu.weight", "1"), ("cpu.max", "150000 100000"), ("pids.max", "max")]
        );
    }
}
