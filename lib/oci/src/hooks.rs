//! Hooks: when they are run, and what they read.

use oci_spec::runtime::Spec;
use runtime::hooks::{Stage, before_program, run, run_all};
use runtime::{StartError, Starting};
use types::{Error, Result};

use crate::record::Record;
use crate::status::Status;
use crate::{bundle, kill, state};

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

/// Runs the hooks after a start. If one fails, the container is stopped, as version 1.2 of the
/// specification wants it. Until then the others had to run and the failure to be told only: a
/// configuration of that time gets what it was written for, and the failures are returned.
pub fn after_start(record: &Record, spec: &Spec) -> Result<Vec<Error>> {
    let text = document(record, Status::Running)?;
    if bundle::version(spec.version()).is_some_and(|version| version < (1, 2)) {
        return Ok(all(Stage::Poststart, spec, &text));
    }
    run_all(Stage::Poststart, spec.hooks().as_ref(), &text, None).inspect_err(|_| {
        // The failure of the hook is the one to tell; one that ended meanwhile needs no end.
        let _gone = kill::first(record).map(|first| first.signal(libc::SIGKILL));
    })?;
    Ok(Vec::new())
}

/// Runs the hooks after the end. Returns what failed.
pub fn after_stop(record: &Record, spec: &Spec) -> Vec<Error> {
    match document(record, Status::Stopped) {
        Ok(text) => all(Stage::Poststop, spec, &text),
        Err(e) => vec![e],
    }
}

/// Runs all hooks of a stage, also if one fails.
fn all(stage: Stage, spec: &Spec, text: &[u8]) -> Vec<Error> {
    let failed = |hook| run(hook, text).err();
    let hooks = stage.of(spec.hooks().as_ref()).iter();
    hooks.filter_map(failed).map(|e| e.within(format!("error running {} hook", stage.name()))).collect()
}

/// What a hook reads on its standard input.
fn document(record: &Record, status: Status) -> Result<Vec<u8>> {
    state::with_status(record.clone(), status).to_json()
}
