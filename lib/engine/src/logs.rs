//! What a container wrote, up to now or for as long as it runs.

use std::time::Duration;

use store::{Entry, LogSink, Status, Store};
use types::time::Time;
use types::{Error, Kind, Result};

/// How long nobody is asked whether the container still runs: its monitor tells by writing to a
/// file that is watched, unless it was killed.
const PATIENCE: Duration = Duration::from_secs(1);

/// How soon it is asked again when something happened that was no output: an end is on record a
/// moment before its monitor lets go of the run.
const IMPATIENCE: Duration = Duration::from_millis(10);

/// What of a log is wanted.
#[derive(Debug, Clone, Copy, Default)]
pub struct LogOptions {
    /// Go on until the container ends.
    pub follow: bool,
    /// Only so many lines of what is there already.
    pub tail: Option<usize>,
    /// Only what was written at this time or later.
    pub since: Option<Time>,
    /// Only what was written at this time or earlier.
    pub until: Option<Time>,
}

/// Reads the log of a container.
///
/// # Errors
/// `NotFound` if there is no such container; what the sink says; at the end, if it is known that the
/// last run wrote something that is not in the log.
pub fn logs(store: &Store, id: &str, options: &LogOptions, sink: &mut impl LogSink) -> Result<()> {
    // Held open over the end: a container with --rm is gone by then.
    let before = store.watch_run(id)?;
    read(store, id, options, sink)?;
    // A run that began meanwhile has its own record; one that was removed has the one from before.
    let Some(run) = store.watch_run(id).ok().flatten().or(before) else { return Ok(()) };
    match run.recorded()?.map(|exit| exit.error).filter(|error| !error.is_empty()) {
        Some(error) => Err(Error::new(Kind::Io, error).within("some of what it wrote is missing")),
        None => Ok(()),
    }
}

fn read(store: &Store, id: &str, options: &LogOptions, sink: &mut impl LogSink) -> Result<()> {
    let mut reader = store.read_log(id, options.tail)?;
    let watch = if options.follow { Some(reader.watch()?) } else { None };
    let mut woken = false;
    loop {
        // Looked at before the log: all that a container wrote is in it when its run is over.
        let runs = watch.is_some() && runs(store, id)?;
        let over = options.until.is_some_and(|until| sys::time::now() > until);
        let mut quiet = true;
        while let Some(entry) = reader.next_entry()? {
            quiet = false;
            if is_wanted(&entry, options) {
                sink.entry(&entry)?;
            }
        }
        sink.caught_up()?;
        match &watch {
            Some(watch) if runs && !over => {
                woken = watch.wait(if woken && quiet { IMPATIENCE } else { PATIENCE })?;
            }
            _ => return Ok(()),
        }
    }
}

/// One that is being started again is followed over the pause.
fn runs(store: &Store, id: &str) -> Result<bool> {
    match store.state(id) {
        Ok(state) => Ok(matches!(state.status, Status::Running | Status::Restarting)),
        Err(e) if e.kind() == Kind::NotFound => Ok(false), // removed
        Err(e) => Err(e),
    }
}

/// A damaged entry has no time, and is shown rather than hidden.
fn is_wanted(entry: &Entry<'_>, options: &LogOptions) -> bool {
    if options.since.is_none() && options.until.is_none() {
        return true;
    }
    let Ok(time) = entry.time.parse::<Time>() else { return true };
    options.since.is_none_or(|since| time >= since) && options.until.is_none_or(|until| time <= until)
}
