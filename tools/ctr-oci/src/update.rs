//! update: other limits for a container that runs.

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};

/// Change the limits of a container
#[derive(Debug, clap::Args)]
pub struct UpdateArgs {
    /// Read the limits from FILE, or standard input with -; other options are ignored then
    #[arg(short, long, value_name = "FILE")]
    resources: Option<PathBuf>,
    /// Weight of block I/O, 10 to 1000
    #[arg(long, value_name = "N")]
    blkio_weight: Option<u16>,
    /// Length of a period of processor time, in microseconds
    #[arg(long, value_name = "MICROSECONDS")]
    cpu_period: Option<u64>,
    /// Processor time in a period, in microseconds
    #[arg(long, value_name = "MICROSECONDS", allow_hyphen_values = true)]
    cpu_quota: Option<i64>,
    /// Share of processor time, relative to other containers
    #[arg(long, value_name = "N")]
    cpu_share: Option<u64>,
    /// The period for realtime programs
    #[arg(long, value_name = "MICROSECONDS")]
    cpu_rt_period: Option<u64>,
    /// Processor time for realtime programs
    #[arg(long, value_name = "MICROSECONDS", allow_hyphen_values = true)]
    cpu_rt_runtime: Option<i64>,
    /// Processors to use
    #[arg(long, value_name = "LIST")]
    cpuset_cpus: Option<String>,
    /// Memory nodes to use
    #[arg(long, value_name = "LIST")]
    cpuset_mems: Option<String>,
    /// Limit of memory; -1 for none
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true)]
    memory: Option<String>,
    /// Soft limit of memory
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true)]
    memory_reservation: Option<String>,
    /// Limit of memory and swap together; -1 for none
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true)]
    memory_swap: Option<String>,
    /// Limit of kernel memory: without effect, as in the kernel since 5.11
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true)]
    kernel_memory: Option<String>,
    /// Limit of kernel memory for TCP: without effect
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true)]
    kernel_memory_tcp: Option<String>,
    /// Number of processes; -1 for no limit
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pids_limit: Option<i64>,
    /// Refused: Intel RDT is not supported
    #[arg(long, value_name = "SCHEMA")]
    l3_cache_schema: Option<String>,
    /// Refused: Intel RDT is not supported
    #[arg(long, value_name = "SCHEMA")]
    mem_bw_schema: Option<String>,
    /// Container
    #[arg(value_name = "ID")]
    id: String,
}

impl UpdateArgs {
    pub fn run(&self, root: &oci::Root) -> anyhow::Result<ExitCode> {
        if self.l3_cache_schema.is_some() || self.mem_bw_schema.is_some() {
            bail!("Intel RDT is not supported");
        }
        let resources = match &self.resources {
            Some(path) => oci::read_resources(&read(path)?)?,
            None => self.limits()?.resources(),
        };
        oci::update(root, &self.id, &resources)?;
        Ok(ExitCode::SUCCESS)
    }

    fn limits(&self) -> anyhow::Result<oci::Limits> {
        Ok(oci::Limits {
            blkio_weight: self.blkio_weight.filter(|weight| *weight != 0),
            cpu_period: self.cpu_period.filter(|period| *period != 0),
            cpu_quota: self.cpu_quota.filter(|quota| *quota != 0),
            cpu_share: self.cpu_share.filter(|share| *share != 0),
            cpu_rt_period: self.cpu_rt_period.filter(|period| *period != 0),
            cpu_rt_runtime: self.cpu_rt_runtime,
            cpuset_cpus: self.cpuset_cpus.clone().filter(|list| !list.is_empty()),
            cpuset_mems: self.cpuset_mems.clone().filter(|list| !list.is_empty()),
            memory: bytes(self.memory.as_deref())?,
            memory_reservation: bytes(self.memory_reservation.as_deref())?,
            memory_swap: bytes(self.memory_swap.as_deref())?,
            pids_limit: self.pids_limit.filter(|limit| *limit != 0),
        })
    }
}

/// A size with a unit, or -1 for no limit. 0 changes nothing, as with runc.
fn bytes(text: Option<&str>) -> anyhow::Result<Option<i64>> {
    match text {
        None | Some("" | "0") => Ok(None),
        Some("-1") => Ok(Some(-1)),
        Some(text) => Ok(Some(i64::try_from(types::size::bytes(text)?)?)),
    }
}

fn read(path: &PathBuf) -> anyhow::Result<Vec<u8>> {
    if path.as_os_str() == "-" {
        let mut text = Vec::new();
        std::io::stdin().read_to_end(&mut text).context("read standard input")?;
        return Ok(text);
    }
    std::fs::read(path).with_context(|| format!("read {path:?}"))
}
