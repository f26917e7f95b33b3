//! Progress on stderr: bars for people, JSON Lines for programs.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

use image::{Event, Progress, Silent};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use types::digest::Digest;

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum How {
    /// Bars if stderr is a terminal
    Auto,
    /// One JSON object an event and line
    Json,
    /// Nothing
    None,
}

/// A shown pull.
#[derive(Debug)]
pub enum Show {
    /// Bars.
    Bars(Bars),
    /// JSON Lines.
    Json(Json),
    /// Nothing.
    Silent(Silent),
}

impl Show {
    /// Begins to show a pull.
    pub fn new(how: How) -> Self {
        match how {
            How::Json => Self::Json(Json),
            How::Auto if std::io::stderr().is_terminal() => Self::Bars(Bars::default()),
            How::Auto | How::None => Self::Silent(Silent),
        }
    }

    /// Who is told what happens.
    pub fn progress(&self) -> &dyn Progress {
        match self {
            Self::Bars(bars) => bars,
            Self::Json(json) => json,
            Self::Silent(silent) => silent,
        }
    }

    /// Takes the bars away: what is left on the terminal is the result.
    pub fn finish(&self) {
        if let Self::Bars(bars) = self {
            // Nobody is left to tell if stderr is closed.
            drop(bars.all.clear());
        }
    }
}

/// One bar a layer.
#[derive(Debug, Default)]
pub struct Bars {
    all: MultiProgress,
    by_layer: Mutex<BTreeMap<Digest, ProgressBar>>,
}

impl Bars {
    fn with(&self, layer: &Digest, act: impl FnOnce(&ProgressBar)) {
        let bars = self.by_layer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = bars.get(layer) {
            act(bar);
        }
    }

    fn add(&self, layer: &Digest, size: u64) {
        let bar = self.all.add(ProgressBar::new(size));
        let line = "{prefix} {msg:11} {wide_bar} {decimal_bytes:>9}/{decimal_total_bytes:9}";
        if let Ok(style) = ProgressStyle::with_template(line) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(layer.short());
        bar.set_message("waiting");
        self.by_layer.lock().unwrap_or_else(PoisonError::into_inner).insert(*layer, bar);
    }
}

impl Progress for Bars {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::Layer { layer, size } => self.add(layer, *size),
            Event::Download { layer, done, .. } => self.with(layer, |bar| {
                bar.set_message("downloading");
                bar.set_position(*done);
            }),
            Event::Retry { layer, .. } => self.with(layer, |bar| bar.set_message("resuming")),
            Event::Downloaded { layer } => self.with(layer, |bar| {
                bar.set_position(bar.length().unwrap_or_default());
                bar.set_message("unpacking");
            }),
            Event::Unpacked { layer } => self.with(layer, |bar| bar.finish_with_message("done")),
            _ => {}
        }
    }
}

/// One line an event.
#[derive(Debug)]
pub struct Json;

impl Progress for Json {
    fn event(&self, event: &Event<'_>) {
        let Ok(mut line) = serde_json::to_vec(event) else { return };
        line.push(b'\n');
        // One write a line, so that threads do not mix; nobody is left to tell if stderr is closed.
        drop(std::io::stderr().write_all(&line));
    }
}
