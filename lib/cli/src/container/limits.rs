//! Options about resources.

use types::request::Request;
use types::{Error, Kind, Result, limit, size};

#[derive(Debug, clap::Args)]
pub(super) struct LimitArgs {
    /// Limit memory
    #[arg(short, long, value_name = "SIZE", help_heading = "Limits")]
    memory: Option<String>,
    /// Limit memory and swap together; -1 for no limit (default: twice the memory)
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true, help_heading = "Limits")]
    memory_swap: Option<String>,
    /// Limit processor time to that of N processors
    #[arg(long, value_name = "N", help_heading = "Limits")]
    cpus: Option<String>,
    /// Weight of its processor time (default: 1024)
    #[arg(short, long, value_name = "N", help_heading = "Limits")]
    cpu_shares: Option<u64>,
    /// Processors that it may use: 0-2,4
    #[arg(long, value_name = "LIST", help_heading = "Limits")]
    cpuset_cpus: Option<String>,
    /// Limit processes and threads; -1 for no limit (default: 2048)
    #[arg(long, value_name = "N", allow_hyphen_values = true, help_heading = "Limits")]
    pids_limit: Option<i64>,
    /// Set a limit of setrlimit(2) (can be repeated)
    #[arg(long, value_name = "NAME=SOFT[:HARD]", help_heading = "Limits")]
    ulimit: Vec<String>,
    /// Adjust the kernel's choice when memory runs out: -1000 to 1000
    #[arg(long, value_name = "N", allow_hyphen_values = true, help_heading = "Limits")]
    oom_score_adj: Option<i32>,
}

/// Docker's own default is no limit; ours is podman's, since one bomb takes the whole host down.
const DEFAULT_PIDS: i64 = 2048;

impl LimitArgs {
    pub(super) fn apply(&self, request: &mut Request) -> Result<()> {
        let resources = &mut request.resources;
        resources.memory =
            self.memory.as_deref().map(|text| size::memory(text).and_then(signed)).transpose()?;
        resources.memory_swap = self.memory_swap.as_deref().map(swap).transpose()?;
        if let (Some(swap), memory) = (resources.memory_swap, resources.memory)
            && swap >= 0
            && memory.is_none_or(|memory| swap < memory)
        {
            return Err(Error::new(Kind::Invalid, "--memory-swap is less than --memory")
                .hint("it limits memory and swap together"));
        }
        let quota = |text: &str| signed(size::Cpus::parse(text)?.quota());
        resources.cpu_quota = self.cpus.as_deref().map(quota).transpose()?;
        resources.cpu_shares = self.cpu_shares;
        resources.cpuset_cpus.clone_from(&self.cpuset_cpus);
        resources.pids = Some(self.pids_limit.unwrap_or(DEFAULT_PIDS));
        request.ulimits = self.ulimit.iter().map(|text| limit::Ulimit::parse(text)).collect::<Result<_>>()?;
        if let Some(adj) = self.oom_score_adj
            && !(-1000..=1000).contains(&adj)
        {
            return Err(Error::new(Kind::Invalid, format!("bad --oom-score-adj {adj}")).hint("-1000 to 1000"));
        }
        request.oom_score_adj = self.oom_score_adj;
        Ok(())
    }
}

fn swap(text: &str) -> Result<i64> {
    if text == "-1" { Ok(-1) } else { size::bytes(text).and_then(signed) }
}

fn signed(n: u64) -> Result<i64> {
    i64::try_from(n).map_err(|_| Error::new(Kind::Invalid, format!("{n} is too large")))
}
