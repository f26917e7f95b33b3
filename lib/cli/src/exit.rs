//! The edge of every tool: arguments in, exit status out, errors printed once.

use std::process::ExitCode;

use rustix::fs::Mode;
use types::{Error, Kind};

/// How a tool ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All done.
    Ok,
    /// No, not found, or some items failed (and were reported).
    Failed,
    /// All that failed may succeed later (`EX_TEMPFAIL` of sysexits(3head)).
    Later,
    /// The status of the program that was run: its own code, or 128 plus the signal.
    Status(u8),
}

impl Exit {
    /// The status after one more item has failed.
    #[must_use]
    pub fn after(self, err: &Error) -> Self {
        match (self, err.kind()) {
            (Self::Ok | Self::Later, Kind::TryLater) => Self::Later,
            _ => Self::Failed,
        }
    }

    const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Later => 75,
            Self::Status(code) => code,
        }
    }
}

/// The one place that maps an error to a status (`longshore-cli(7)`, EXIT STATUS).
fn status_of(err: &anyhow::Error) -> u8 {
    match err.downcast_ref::<Error>().map(Error::kind) {
        Some(Kind::Invalid) => 2,
        Some(Kind::NotFound | Kind::Conflict) => 1,
        Some(Kind::TryLater) => 75,
        _ => 125,
    }
}

/// Runs a tool: parses, calls, reports.
pub fn main<A: clap::Parser>(run: impl FnOnce(A) -> anyhow::Result<Exit>) -> ExitCode {
    run_with(2, status_of, run)
}

/// Runs a tool that runs a program: every failure of its own is 125, as Docker's, so that it is
/// told apart from the program's status. 126 and 127 arrive as [`Exit::Status`].
pub fn main_run<A: clap::Parser>(run: impl FnOnce(A) -> anyhow::Result<Exit>) -> ExitCode {
    run_with(125, |_| 125, run)
}

fn run_with<A: clap::Parser>(
    usage: u8,
    status: impl Fn(&anyhow::Error) -> u8,
    run: impl FnOnce(A) -> anyhow::Result<Exit>,
) -> ExitCode {
    main_own(usage, |args| match run(args) {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(err) => {
            report(&err);
            ExitCode::from(status(&err))
        }
    })
}

/// Runs a tool that tells its errors in a way of its own; `usage` is the status of a wrong command line.
pub fn main_own<A: clap::Parser>(usage: u8, run: impl FnOnce(A) -> ExitCode) -> ExitCode {
    // Rust starts with SIGPIPE ignored. A filter must die quietly instead, and a program that we
    // exec must not inherit the ignored signal.
    sys::signal::default_sigpipe();
    // What we make has the mode that its maker names, whatever the caller's umask: the root of a
    // container, or its /etc/hosts, must be open to users who are not root.
    rustix::process::umask(Mode::from(0o022));
    match A::try_parse() {
        Ok(args) => run(args),
        Err(err) => usage_error(&err, usage),
    }
}

/// Prints what is wrong with the arguments, or the help or version that was asked for.
fn usage_error(err: &clap::Error, status: u8) -> ExitCode {
    if let Some(option) = crate::not_yet::option_of(err, &tool_name()) {
        report(&not_supported(&option));
        return ExitCode::from(status);
    }
    if !err.use_stderr() {
        drop(err.print()); // help or version; nobody is left to tell if the stream is closed
        return ExitCode::SUCCESS;
    }
    let err = Error::new(Kind::Invalid, what_is_wrong(&err.to_string()));
    report(&err.hint(format!("{} --help lists the options", tool_name())).into());
    ExitCode::from(status)
}

fn not_supported(option: &str) -> anyhow::Error {
    let text = format!("option {option:?}: not supported yet");
    match option {
        "--format" => Error::new(Kind::Invalid, text).hint("jq(1) formats what --json or an inspect prints"),
        "--password" => {
            Error::new(Kind::Invalid, format!("option {option:?}: every list of processes shows it"))
                .hint("--password-stdin reads it from stdin")
        }
        _ => Error::new(Kind::Invalid, text),
    }
    .into()
}

/// The first paragraph of clap's message in one line: what is wrong, and about which arguments.
fn what_is_wrong(message: &str) -> String {
    let first = message.strip_prefix("error: ").unwrap_or(message);
    let first = first.split("\n\n").next().unwrap_or(first);
    first.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Prints an error as `tool: outer: inner: cause`, then its hints. The only place that does.
#[expect(clippy::print_stderr, reason = "this is where errors reach the user")]
pub fn report(err: &anyhow::Error) {
    eprintln!("{}: {}", tool_name(), one_line(&explain(err)));
    for link in err.chain() {
        if let Some(err) = link.downcast_ref::<Error>() {
            for hint in err.hints() {
                eprintln!("hint: {}", one_line(hint));
            }
            break; // hints() has walked the rest
        }
    }
}

/// An error as `outer: inner: cause`.
#[must_use]
pub fn explain(err: &anyhow::Error) -> String {
    err.chain().map(types::error::phrase).collect::<Vec<_>>().join(": ")
}

/// The name that this process was called by.
#[must_use]
pub fn tool_name() -> String {
    let arg0 = std::env::args_os().next().unwrap_or_default();
    std::path::Path::new(&arg0).file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned())
}

/// Control characters of foreign text (a registry's message, a label) must not reach a terminal.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
