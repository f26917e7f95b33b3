//! Processors and memory nodes, which only v1 has counters and switches of (cpusets(7)).

use serde::Serialize;
use types::Result;

use super::super::dir::Dir;

/// The state of a cpuset. Nothing of it is there with v2.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Cpuset {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cpus: Vec<u64>,
    cpu_exclusive: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mems: Vec<u64>,
    mem_hardwall: u64,
    mem_exclusive: u64,
    memory_migrate: u64,
    memory_spread_page: u64,
    memory_spread_slab: u64,
    memory_pressure: u64,
    sched_load_balance: u64,
    sched_relax_domain_level: i64,
}

/// Reads it.
pub fn read(dir: &Dir) -> Result<Cpuset> {
    let text = |name: &str| dir.read_if_there(&format!("cpuset.{name}")).map(Option::unwrap_or_default);
    let number = |name: &str| super::number(dir, &format!("cpuset.{name}"));
    Ok(Cpuset {
        cpus: list(&text("cpus")?),
        cpu_exclusive: number("cpu_exclusive")?,
        mems: list(&text("mems")?),
        mem_hardwall: number("mem_hardwall")?,
        mem_exclusive: number("mem_exclusive")?,
        memory_migrate: number("memory_migrate")?,
        memory_spread_page: number("memory_spread_page")?,
        memory_spread_slab: number("memory_spread_slab")?,
        memory_pressure: number("memory_pressure")?,
        sched_load_balance: number("sched_load_balance")?,
        sched_relax_domain_level: text("sched_relax_domain_level")?.trim().parse().unwrap_or(-1),
    })
}

/// `0-2,5`, one by one. What the kernel lists is no longer than it has processors.
fn list(text: &str) -> Vec<u64> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        Some(first..=last)
    };
    text.trim().split(',').filter_map(range).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_told_one_by_one() {
        assert_eq!(list("0-2,5\n"), [0, 1, 2, 5]);
        assert!(list("\n").is_empty());
    }
}
