//! Hooks: programs of the host that are told what becomes of a container.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use oci_spec::runtime::{Hook, Hooks};
use rustix::fs::{MemfdFlags, memfd_create};
use sys::pidfd::Pidfd;
use types::{Context, Error, Kind, Result};

/// When hooks are run (runtime spec 1.2, POSIX-platform hooks). The third and fourth are run inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// When the namespaces are there, on the host; the older name of the next.
    Prestart,
    /// When the namespaces and mounts are there, on the host.
    CreateRuntime,
    /// Then, in the namespaces of the container and before its root.
    CreateContainer,
    /// In the container, before its program.
    StartContainer,
    /// When the program runs, on the host.
    Poststart,
    /// When the container is deleted, on the host.
    Poststop,
}

impl Stage {
    /// All of them, in their order.
    pub const ALL: [Self; 6] = [
        Self::Prestart,
        Self::CreateRuntime,
        Self::CreateContainer,
        Self::StartContainer,
        Self::Poststart,
        Self::Poststop,
    ];

    /// Its name in a configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prestart => "prestart",
            Self::CreateRuntime => "createRuntime",
            Self::CreateContainer => "createContainer",
            Self::StartContainer => "startContainer",
            Self::Poststart => "poststart",
            Self::Poststop => "poststop",
        }
    }

    /// Its hooks.
    #[must_use]
    pub fn of(self, hooks: Option<&Hooks>) -> &[Hook] {
        let Some(hooks) = hooks else { return &[] };
        let list = match self {
            Self::Prestart => hooks.prestart(),
            Self::CreateRuntime => hooks.create_runtime(),
            Self::CreateContainer => hooks.create_container(),
            Self::StartContainer => hooks.start_container(),
            Self::Poststart => hooks.poststart(),
            Self::Poststop => hooks.poststop(),
        };
        list.as_deref().unwrap_or_default()
    }
}

/// Tells whether there are hooks before the program.
#[must_use]
pub fn before_program(hooks: Option<&Hooks>) -> bool {
    Stage::ALL.into_iter().take(4).any(|stage| !stage.of(hooks).is_empty())
}

/// Runs all hooks of a stage on the host, until one fails.
///
/// # Errors
/// As [`run`], with the stage and the number of the hook.
pub fn run_all(stage: Stage, hooks: Option<&Hooks>, state: &[u8], dir: Option<&Path>) -> Result<()> {
    for (number, hook) in stage.of(hooks).iter().enumerate() {
        run_in(hook, state, dir).map_err(|e| e.within(title(stage, number)))?;
    }
    Ok(())
}

/// What precedes the error of a hook; callers look for runc's words.
fn title(stage: Stage, number: usize) -> String {
    format!("error running {} hook #{number}", stage.name())
}

/// The checked parts of a hook: its path, its arguments, its limit in seconds (0 is none).
pub(crate) fn parts(hook: &Hook) -> Result<(&str, u32)> {
    let invalid = |what: String| Error::new(Kind::Invalid, what);
    let path = hook.path();
    if !path.is_absolute() {
        return Err(invalid(format!("hook {path:?} has no absolute path")));
    }
    let text = path.to_str().ok_or_else(|| invalid(format!("{path:?} is not UTF-8")))?;
    let seconds = match hook.timeout() {
        None => 0,
        Some(seconds) => u32::try_from(seconds)
            .ok()
            .filter(|n| (1..1 << 31).contains(n))
            .ok_or_else(|| invalid(format!("hook {path:?} has a limit of {seconds} seconds")))?,
    };
    Ok((text, seconds))
}

/// Runs a hook on the host and waits for it; `state` is what it reads on standard input.
///
/// # Errors
/// `Invalid` if its path is not absolute; if it cannot be run, fails, or is not done in time (it is
/// killed then).
pub fn run(hook: &Hook, state: &[u8]) -> Result<()> {
    run_in(hook, state, None)
}

/// The same in a working directory.
fn run_in(hook: &Hook, state: &[u8], dir: Option<&Path>) -> Result<()> {
    let (path, seconds) = parts(hook)?;
    let output = memory("hook-output")?;
    let mut command = Command::new(path);
    let args = hook.args().as_deref().unwrap_or_default();
    if let Some((name, rest)) = args.split_first() {
        command.arg0(name).args(rest);
    }
    if let Some(dir) = dir {
        command.current_dir(dir);
    }
    // Without one of its own it inherits the caller's, as with runc and crun: hooks that somebody has written
    // for those expect a PATH. An empty list is an empty environment.
    if let Some(lines) = hook.env() {
        command.env_clear();
        command.envs(lines.iter().filter_map(|line| line.split_once('=')));
    }
    let share = || output.try_clone().context("duplicate descriptor");
    command.stdin(input(state)?).stdout(Stdio::from(share()?)).stderr(Stdio::from(share()?));
    let mut child = command.spawn().with_context(|| format!("run hook {path:?}"))?;
    let what = || format!("wait for hook {path:?}");
    if seconds > 0 {
        // Not reaped yet, so the number is still its own.
        let pidfd = Pidfd::open(child.id().cast_signed()).with_context(what)?;
        if !pidfd.ended_within(Some(seconds.saturating_mul(1000))).with_context(what)? {
            child.kill().with_context(what)?;
            child.wait().with_context(what)?;
            return Err(Error::new(Kind::Io, late(path, seconds)));
        }
    }
    let status = child.wait().with_context(what)?;
    if status.success() {
        return Ok(());
    }
    Err(Error::new(Kind::Io, format!("hook {path:?} {}{}", ended(status), said(&output))))
}

fn late(path: &str, seconds: u32) -> String {
    format!("hook {path:?} was not done in {seconds} s")
}

/// Why a hook inside has failed: an errno, or the negative status of `wait(2)`.
pub(crate) fn explain(
    stage: Stage,
    number: usize,
    (path, seconds): (&str, u32),
    errno: i32,
    output: Option<&File>,
) -> Error {
    let error = match errno {
        status @ ..0 => {
            let said = output.map(said).unwrap_or_default();
            let ended = ended(ExitStatus::from_raw(status.saturating_neg()));
            Error::new(Kind::Io, format!("hook {path:?} {ended}{said}"))
        }
        libc::ETIMEDOUT if seconds > 0 => Error::new(Kind::Io, late(path, seconds)),
        errno => Error::io(format!("run hook {path:?}"), std::io::Error::from_raw_os_error(errno)),
    };
    error.within(title(stage, number))
}

/// Why a container that waited was not started, if that was a hook: step and errno are those of the
/// record that [`crate::StartGate::report`] gives.
#[must_use]
pub fn failed_at_start(hooks: Option<&Hooks>, step: u32, errno: i32) -> Option<Error> {
    let number = usize::try_from(step.checked_sub(child::Failure::HOOKS)?).ok()?;
    let hook = Stage::StartContainer.of(hooks).get(number)?;
    Some(explain(Stage::StartContainer, number, parts(hook).ok()?, errno, None))
}

fn ended(status: ExitStatus) -> String {
    status.signal().map_or_else(
        || format!("ended with status {}", status.code().unwrap_or(255)),
        // runc's words for SIGSYS, which callers look for.
        |signal| match signal {
            libc::SIGSYS => "was ended by SIGSYS: bad system call".to_owned(),
            other => format!("was ended by {}", types::signal::name(other)),
        },
    )
}

/// A file in memory: a hook that does not read cannot block us, nor one that writes much.
pub(crate) fn memory(name: &str) -> Result<File> {
    let file = memfd_create(name, MemfdFlags::CLOEXEC).map_err(|e| Error::io("make file in memory", e))?;
    Ok(file.into())
}

fn input(state: &[u8]) -> Result<Stdio> {
    let mut file = memory("hook-state")?;
    file.write_all(state).and_then(|()| file.seek(SeekFrom::Start(0))).context("write state for hook")?;
    Ok(Stdio::from(file))
}

/// The beginning of what it wrote, for the error.
fn said(mut output: &File) -> String {
    let mut text = Vec::new();
    let read = output.seek(SeekFrom::Start(0)).and_then(|_| output.take(4096).read_to_end(&mut text));
    match String::from_utf8_lossy(&text).trim() {
        "" => String::new(),
        words if read.is_ok() => format!(": {words}"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci_spec::runtime::HookBuilder;

    fn hook(script: &str, timeout: i64) -> Hook {
        let args = ["sh", "-c", script].map(str::to_owned).to_vec();
        HookBuilder::default()
            .path("/bin/sh")
            .args(args)
            .env(vec!["A=1".to_owned()])
            .timeout(timeout)
            .build()
            .unwrap()
    }

    #[test]
    fn a_hook_reads_the_state_and_has_its_own_environment_only() {
        run(&hook("test \"$(cat)\" = state && test \"$A\" = 1 && test -z \"$HOME\"", 5), b"state").unwrap();
    }

    #[test]
    fn a_hook_without_an_environment_inherits_and_an_empty_one_is_empty() {
        let mut hook = hook("test -n \"$PATH\" && test -n \"$CARGO_MANIFEST_DIR\"", 5);
        hook.set_env(None);
        run(&hook, b"").unwrap();
        hook.set_env(Some(Vec::new()));
        run(&hook, b"").unwrap_err();
    }

    #[test]
    fn a_hook_that_fails_or_takes_too_long_is_told() {
        let failed = run(&hook("echo why >&2; exit 3", 5), b"").unwrap_err();
        assert_eq!(failed.to_string(), "hook \"/bin/sh\" ended with status 3: why");
        let late = run(&hook("exec sleep 60", 1), b"").unwrap_err();
        assert_eq!(late.to_string(), "hook \"/bin/sh\" was not done in 1 s");
    }
}
