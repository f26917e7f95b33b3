//! Hooks before the program, seen from the parent.

use std::path::Path;

use child::Failure;
use oci_spec::runtime::Hooks;
use rustix::net::{SendFlags, send};
use types::{Context, Error, Kind, Result};

use super::{StartError, Starting, next_record};
use crate::hooks::{Stage, run_all};
use crate::plan::REACHED;

impl Starting {
    /// Runs the hooks before the program. `state` says what each stage of them reads, of a process with
    /// this number: another one in the container than on the host. Those of the host are run in `dir`.
    ///
    /// # Errors
    /// What failed; drop this then.
    pub fn run_hooks(
        &mut self,
        hooks: Option<&Hooks>,
        dir: &Path,
        state: impl Fn(Stage, i32) -> Result<Vec<u8>>,
    ) -> Result<(), StartError> {
        let Some(half) = &mut self.0 else { return Ok(()) };
        if half.plan.hooks.pauses {
            match next_record(&mut half.report)? {
                Some(Failure { step: REACHED, errno: 0 }) => {}
                Some(failure) => return Err(half.plan.failed(failure, &half.pidfd)),
                None => return Err(Error::new(Kind::Io, "the first process has ended").into()),
            }
        }
        let inside = sys::process::number_inside(half.pid).context("read number of process")?;
        half.plan.hooks.fill(|stage| state(stage, inside))?;
        for stage in [Stage::Prestart, Stage::CreateRuntime] {
            run_all(stage, hooks, &state(stage, half.pid)?, Some(dir))?;
        }
        if half.plan.hooks.pauses {
            // If it has died, the report will say why.
            let _broken = send(&half.gate, &[1], SendFlags::NOSIGNAL);
        }
        Ok(())
    }
}
