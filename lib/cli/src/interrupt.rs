//! A request to stop, for tools that have something to put away first.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use crate::Exit;

/// Whether SIGINT, SIGTERM or SIGHUP has come. A second one ends the process at once.
#[derive(Debug, Clone, Default)]
pub struct Interrupt {
    stop: Arc<AtomicBool>,
    signal: Arc<AtomicI32>,
}

impl Interrupt {
    /// Begins to watch. To be called before a tool starts threads.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn watch() -> anyhow::Result<Self> {
        let interrupt = Self::default();
        let told = interrupt.clone();
        sys::signal::on_request_to_stop(move |signal| {
            told.signal.store(signal, Ordering::Relaxed);
            told.stop.store(true, Ordering::Relaxed);
        })?;
        Ok(interrupt)
    }

    /// What a library looks at now and then.
    #[must_use]
    pub fn flag(&self) -> &AtomicBool {
        &self.stop
    }

    /// How the tool ends: 128 and the signal's number if it was stopped.
    #[must_use]
    pub fn exit(&self, otherwise: Exit) -> Exit {
        match u8::try_from(self.signal.load(Ordering::Relaxed)) {
            Ok(signal @ 1..=64) => Exit::Status(128 + signal),
            _ => otherwise,
        }
    }
}
