//! Hooks that belong to no step of a start: after it, and after the end.

use oci_spec::runtime::{Hook, Spec};
use types::{Error, Result};

use crate::record::Record;
use crate::status::Status;
use crate::{kill, state};

/// Runs the hooks after a start. If one fails, the container is stopped (runtime spec 1.2, lifecycle).
pub fn after_start(record: &Record, spec: &Spec) -> Result<()> {
    let Some(hooks) = spec.hooks().as_ref().and_then(|hooks| hooks.poststart().as_ref()) else {
        return Ok(());
    };
    let text = document(record, Status::Running)?;
    for hook in hooks {
        if let Err(e) = runtime::hooks::run(hook, &text) {
            // The failure of the hook is the one to tell; one that ended meanwhile needs no end.
            let _gone = kill::first(record).map(|first| first.signal(libc::SIGKILL));
            return Err(e.within("error running poststart hook"));
        }
    }
    Ok(())
}

/// Runs the hooks after the end: all of them, also if one fails. Returns what failed.
pub fn after_stop(record: &Record, spec: &Spec) -> Vec<Error> {
    let hooks: &[Hook] =
        spec.hooks().as_ref().and_then(|hooks| hooks.poststop().as_deref()).unwrap_or_default();
    let text = match document(record, Status::Stopped) {
        Ok(text) => text,
        Err(e) => return vec![e],
    };
    let run = |hook| runtime::hooks::run(hook, &text).err();
    hooks.iter().filter_map(run).map(|e| e.within("error running poststop hook")).collect()
}

/// What a hook reads on its standard input.
fn document(record: &Record, status: Status) -> Result<Vec<u8>> {
    state::with_status(record.clone(), status).to_json()
}
