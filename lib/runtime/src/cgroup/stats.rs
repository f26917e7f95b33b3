//! What a container uses, in the shape of `runc events --stats`.
//!
//! Counters whose controller the container has no group of are zero, as there.

mod cpuset;

use std::collections::BTreeMap;

use serde::Serialize;
use types::Result;

use super::Cgroup;
use super::dir::Dir;

/// The `data` of an event of type `stats`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Stats {
    cpu: Cpu,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpuset: Option<cpuset::Cpuset>,
    memory: Memory,
    pids: Pids,
    blkio: Blkio,
    hugetlb: BTreeMap<String, Hugetlb>,
    intel_rdt: BTreeMap<String, u64>,
    network_interfaces: Option<Vec<u64>>,
}

#[derive(Debug, Clone, Default, Serialize)]
struct Cpu {
    usage: CpuUsage,
    throttling: Throttling,
}

/// In nanoseconds.
#[derive(Debug, Clone, Default, Serialize)]
struct CpuUsage {
    total: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    percpu: Vec<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    percpu_kernel: Vec<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    percpu_user: Vec<u64>,
    kernel: u64,
    user: u64,
}

#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Throttling {
    periods: u64,
    throttled_periods: u64,
    throttled_time: u64,
}

#[derive(Debug, Clone, Default, Serialize)]
struct Memory {
    cache: u64,
    usage: Entry,
    swap: Entry,
    kernel: Entry,
    #[serde(rename = "kernelTCP")]
    kernel_tcp: Entry,
    raw: BTreeMap<String, u64>,
}

#[derive(Debug, Clone, Copy, Default, Serialize)]
struct Entry {
    limit: u64,
    usage: u64,
    max: u64,
    failcnt: u64,
}

#[derive(Debug, Clone, Default, Serialize)]
struct Pids {
    current: u64,
    limit: u64,
}

#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Blkio {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    io_service_bytes_recursive: Vec<BlkioEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    io_serviced_recursive: Vec<BlkioEntry>,
}

#[derive(Debug, Clone, Serialize)]
struct BlkioEntry {
    major: u64,
    minor: u64,
    op: String,
    value: u64,
}

#[derive(Debug, Clone, Default, Serialize)]
struct Hugetlb {
    usage: u64,
    max: u64,
    failcnt: u64,
}

impl Cgroup {
    /// Reads the counters of the container.
    ///
    /// # Errors
    /// If one that is there cannot be read.
    pub fn stats(&self) -> Result<Stats> {
        let group = |name| self.v1.iter().find(|group| group.controls(name)).map(|group| &group.dir);
        let mut stats = Stats::default();
        if let Some(dir) = &self.v2 {
            cpu_v2(dir, &mut stats.cpu)?;
            if self.unified {
                memory_v2(dir, &mut stats.memory)?;
                stats.blkio = blkio_v2(dir)?;
                stats.pids = pids(dir)?;
                stats.hugetlb = hugetlb(dir, &[".current", ".max", ".events"])?;
            }
        }
        if let Some(dir) = group("cpuacct") {
            cpuacct(dir, &mut stats.cpu.usage)?;
        }
        if let Some(dir) = group("cpu") {
            let text = keyed(dir, "cpu.stat")?;
            stats.cpu.throttling = throttling(&text, "throttled_time", 1);
        }
        stats.cpuset = group("cpuset").map(cpuset::read).transpose()?;
        if let Some(dir) = group("memory") {
            memory_v1(dir, &mut stats.memory)?;
        }
        if let Some(dir) = group("blkio") {
            stats.blkio = blkio_v1(dir)?;
        }
        if let Some(dir) = group("pids") {
            stats.pids = pids(dir)?;
        }
        if let Some(dir) = group("hugetlb") {
            stats.hugetlb = hugetlb(dir, &[".usage_in_bytes", ".max_usage_in_bytes", ".failcnt"])?;
        }
        Ok(stats)
    }
}

/// A number; `max` is the greatest, and what is not there is zero.
fn number(dir: &Dir, file: &str) -> Result<u64> {
    let text = dir.read_if_there(file)?.unwrap_or_default();
    Ok(match text.trim() {
        "max" => u64::MAX,
        text => text.parse().unwrap_or(0),
    })
}

/// Lines of a name and a number.
fn keyed(dir: &Dir, file: &str) -> Result<BTreeMap<String, u64>> {
    Ok(parse_keyed(&dir.read_if_there(file)?.unwrap_or_default()))
}

fn parse_keyed(text: &str) -> BTreeMap<String, u64> {
    let pair = |line: &str| {
        let (key, value) = line.split_once(' ')?;
        Some((key.to_owned(), value.trim().parse().ok()?))
    };
    text.lines().filter_map(pair).collect()
}

fn throttling(stat: &BTreeMap<String, u64>, time: &str, unit: u64) -> Throttling {
    let get = |key: &str| stat.get(key).copied().unwrap_or(0);
    Throttling {
        periods: get("nr_periods"),
        throttled_periods: get("nr_throttled"),
        throttled_time: get(time) * unit,
    }
}

/// `cpu.stat` is there also without a controller.
fn cpu_v2(dir: &Dir, cpu: &mut Cpu) -> Result<()> {
    let stat = keyed(dir, "cpu.stat")?;
    let nanoseconds = |key: &str| stat.get(key).copied().unwrap_or(0) * 1000;
    cpu.usage.total = nanoseconds("usage_usec");
    cpu.usage.user = nanoseconds("user_usec");
    cpu.usage.kernel = nanoseconds("system_usec");
    cpu.throttling = throttling(&stat, "throttled_usec", 1000);
    Ok(())
}

fn cpuacct(dir: &Dir, usage: &mut CpuUsage) -> Result<()> {
    usage.total = number(dir, "cpuacct.usage")?;
    usage.user = number(dir, "cpuacct.usage_user")?;
    usage.kernel = number(dir, "cpuacct.usage_sys")?;
    let each = dir.read_if_there("cpuacct.usage_percpu")?.unwrap_or_default();
    usage.percpu = each.split_ascii_whitespace().filter_map(|n| n.parse().ok()).collect();
    // A line for each processor: its number, nanoseconds of programs, nanoseconds of the kernel for them.
    for line in dir.read_if_there("cpuacct.usage_all")?.unwrap_or_default().lines().skip(1) {
        let mut fields = line.split_ascii_whitespace().skip(1).filter_map(|n| n.parse().ok());
        if let (Some(user), Some(kernel)) = (fields.next(), fields.next()) {
            usage.percpu_user.push(user);
            usage.percpu_kernel.push(kernel);
        }
    }
    Ok(())
}

fn memory_v1(dir: &Dir, memory: &mut Memory) -> Result<()> {
    memory.raw = keyed(dir, "memory.stat")?;
    memory.cache = memory.raw.get("cache").copied().unwrap_or(0);
    let entry = |prefix: &str| -> Result<Entry> {
        Ok(Entry {
            limit: number(dir, &format!("{prefix}.limit_in_bytes"))?,
            usage: number(dir, &format!("{prefix}.usage_in_bytes"))?,
            max: number(dir, &format!("{prefix}.max_usage_in_bytes"))?,
            failcnt: number(dir, &format!("{prefix}.failcnt"))?,
        })
    };
    memory.usage = entry("memory")?;
    memory.swap = entry("memory.memsw")?;
    memory.kernel = entry("memory.kmem")?;
    memory.kernel_tcp = entry("memory.kmem.tcp")?;
    Ok(())
}

/// Swap is told together with memory, as v1 counts it.
fn memory_v2(dir: &Dir, memory: &mut Memory) -> Result<()> {
    memory.raw = keyed(dir, "memory.stat")?;
    memory.cache = memory.raw.get("file").copied().unwrap_or(0);
    memory.usage = Entry {
        limit: number(dir, "memory.max")?,
        usage: number(dir, "memory.current")?,
        max: number(dir, "memory.peak")?,
        failcnt: 0,
    };
    let (limit, usage) = (number(dir, "memory.swap.max")?, number(dir, "memory.swap.current")?);
    memory.swap.limit = limit.saturating_add(memory.usage.limit);
    memory.swap.usage = usage.saturating_add(memory.usage.usage);
    Ok(())
}

/// No limit is zero here.
fn pids(dir: &Dir) -> Result<Pids> {
    let limit = number(dir, "pids.max")?;
    Ok(Pids { current: number(dir, "pids.current")?, limit: if limit == u64::MAX { 0 } else { limit } })
}

/// BFQ's counters where it has any, else those of the block layer.
fn blkio_v1(dir: &Dir) -> Result<Blkio> {
    let mut blkio = Blkio::default();
    for prefix in ["blkio.bfq", "blkio.throttle"] {
        let read = |what: &str| -> Result<Vec<BlkioEntry>> {
            let text = dir.read_if_there(&format!("{prefix}.{what}_recursive"))?.unwrap_or_default();
            Ok(text.lines().filter_map(blkio_line).collect())
        };
        blkio.io_service_bytes_recursive = read("io_service_bytes")?;
        blkio.io_serviced_recursive = read("io_serviced")?;
        if !blkio.io_serviced_recursive.is_empty() {
            break;
        }
    }
    Ok(blkio)
}

/// `8:0 Read 1282048`; the last line has no device.
fn blkio_line(line: &str) -> Option<BlkioEntry> {
    let mut words = line.split([' ', ':']);
    let (major, minor) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let (op, value) = (words.next()?.to_owned(), words.next()?.parse().ok()?);
    Some(BlkioEntry { major, minor, op, value })
}

fn blkio_v2(dir: &Dir) -> Result<Blkio> {
    let mut blkio = Blkio::default();
    for line in dir.read_if_there("io.stat")?.unwrap_or_default().lines() {
        let mut words = line.split_ascii_whitespace();
        let Some((major, minor)) = words.next().and_then(|name| name.split_once(':')) else { continue };
        let (Ok(major), Ok(minor)) = (major.parse(), minor.parse()) else { continue };
        for (key, value) in words.filter_map(|word| word.split_once('=')) {
            let Ok(value) = value.parse() else { continue };
            let entry = |op: &str| BlkioEntry { major, minor, op: op.into(), value };
            match key {
                "rbytes" => blkio.io_service_bytes_recursive.push(entry("Read")),
                "wbytes" => blkio.io_service_bytes_recursive.push(entry("Write")),
                "rios" => blkio.io_serviced_recursive.push(entry("Read")),
                "wios" => blkio.io_serviced_recursive.push(entry("Write")),
                _ => {}
            }
        }
    }
    Ok(blkio)
}

/// By page size, which is part of the names of files.
fn hugetlb(dir: &Dir, [usage, max, failures]: &[&str; 3]) -> Result<BTreeMap<String, Hugetlb>> {
    let mut all = BTreeMap::new();
    for size in ["64KB", "1MB", "2MB", "16MB", "32MB", "512MB", "1GB", "16GB"] {
        let file = |suffix: &str| format!("hugetlb.{size}{suffix}");
        if dir.read_if_there(&file(usage))?.is_none() {
            continue;
        }
        let counted = *failures == ".failcnt";
        let entry = Hugetlb {
            usage: number(dir, &file(usage))?,
            // v2 keeps no maximum, only a limit of that name.
            max: if counted { number(dir, &file(max))? } else { 0 },
            failcnt: match counted {
                true => number(dir, &file(failures))?,
                false => keyed(dir, &file(failures))?.get("max").copied().unwrap_or(0),
            },
        };
        all.insert(size.to_owned(), entry);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(files: &[(&str, &str)]) -> (tempfile::TempDir, Dir) {
        let scratch = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(scratch.path().join(name), text).unwrap();
        }
        let dir = Dir::of_test(scratch.path());
        (scratch, dir)
    }

    #[test]
    fn v2_is_told_in_terms_of_v1() {
        let (_scratch, dir) = group(&[
            ("cpu.stat", "usage_usec 7\nuser_usec 4\nsystem_usec 3\nnr_throttled 2\nthrottled_usec 5\n"),
            ("memory.max", "max\n"),
            ("memory.current", "10\n"),
            ("memory.swap.current", "5\n"),
            ("memory.swap.max", "max\n"),
            ("io.stat", "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=9\n"),
            ("pids.max", "max\n"),
            ("pids.current", "3\n"),
        ]);
        let group = Cgroup { v2: Some(dir), unified: true, ..Cgroup::named("x") };
        let stats = serde_json::to_value(group.stats().unwrap()).unwrap();
        assert_eq!(stats["cpu"]["usage"]["total"], 7000);
        assert_eq!(stats["cpu"]["throttling"]["throttledTime"], 5000);
        assert_eq!(
            (&stats["memory"]["swap"]["usage"], &stats["memory"]["usage"]["limit"]),
            (&15.into(), &u64::MAX.into())
        );
        assert_eq!(stats["blkio"]["ioServicedRecursive"][1]["value"], 4);
        assert_eq!(stats["pids"], serde_json::json!({"current": 3, "limit": 0}));
        assert!(stats["network_interfaces"].is_null());
    }

    #[test]
    fn a_line_of_v1_names_its_device() {
        let entry = blkio_line("8:16 Read 12").unwrap();
        assert_eq!((entry.major, entry.minor, entry.op.as_str(), entry.value), (8, 16, "Read", 12));
        assert!(blkio_line("Total 12").is_none());
    }
}
