//! Hooks: when they are run, and what they read.

use oci_spec::runtime::Spec;
use runtime::hooks::{Stage, before_program, run, run_all};
use runtime::{StartError, Starting};
use types::{Error, Result};

use crate::record::Record;
use crate::status::Status;
use crate::{kill, state};

/// Tells whether there are hooks that are run on the way to the program.
pub fn before(spec: &Spec) -> bool {
    before_program(spec.hooks().as_ref())
}

/// Runs the hooks on the way to the program: those of the host now, the others when they are due.
pub fn on_the_way(starting: &mut Starting, record: &Record, spec: &Spec) -> Result<(), StartError> {
    starting.run_hooks(spec.hooks().as_ref(), &record.bundle, |stage, pid| {
        let status = match stage {
            // As the specification had it when there was no other.
            Stage::Prestart | Stage::StartContainer => Status::Created,
            _ => Status::Creating,
        };
        document(&Record { pid, ..record.clone() }, status)
    })
}

/// Runs the hooks after a start. If one fails, the container is stopped (runtime spec 1.2, lifecycle).
pub fn after_start(record: &Record, spec: &Spec) -> Result<()> {
    let text = document(record, Status::Running)?;
    run_all(Stage::Poststart, spec.hooks().as_ref(), &text, None).inspect_err(|_| {
        // The failure of the hook is the one to tell; one that ended meanwhile needs no end.
        let _gone = kill::first(record).map(|first| first.signal(libc::SIGKILL));
    })
}

/// Runs the hooks after the end: all of them, also if one fails. Returns what failed.
pub fn after_stop(record: &Record, spec: &Spec) -> Vec<Error> {
    let hooks = Stage::Poststop.of(spec.hooks().as_ref());
    let text = match document(record, Status::Stopped) {
        Ok(text) => text,
        Err(e) => return vec![e],
    };
    let failed = |hook| run(hook, &text).err();
    hooks.iter().filter_map(failed).map(|e| e.within("error running poststop hook")).collect()
}

/// What a hook reads on its standard input.
fn document(record: &Record, status: Status) -> Result<Vec<u8>> {
    state::with_status(record.clone(), status).to_json()
}
