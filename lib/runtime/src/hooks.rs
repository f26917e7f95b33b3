//! Hooks: programs of the host that are told what becomes of a container.

use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus, Stdio};

use oci_spec::runtime::Hook;
use rustix::fs::{MemfdFlags, memfd_create};
use sys::pidfd::Pidfd;
use types::{Context, Error, Kind, Result};

/// Runs a hook on the host and waits for it; `state` is what it reads on standard input.
///
/// # Errors
/// `Invalid` if its path is not absolute; if it cannot be run, fails, or is not done in time (it is
/// killed then).
pub fn run(hook: &Hook, state: &[u8]) -> Result<()> {
    let path = hook.path();
    if !path.is_absolute() {
        return Err(Error::new(Kind::Invalid, format!("hook {path:?} has no absolute path")));
    }
    let output = memory("hook-output")?;
    let mut command = Command::new(path);
    let args = hook.args().as_deref().unwrap_or_default();
    if let Some((name, rest)) = args.split_first() {
        command.arg0(name).args(rest);
    }
    command.env_clear();
    for line in hook.env().iter().flatten() {
        if let Some((name, value)) = line.split_once('=') {
            command.env(name, value);
        }
    }
    let share = || output.try_clone().context("duplicate descriptor");
    command.stdin(input(state)?).stdout(Stdio::from(share()?)).stderr(Stdio::from(share()?));
    let mut child = command.spawn().with_context(|| format!("run hook {path:?}"))?;
    let what = || format!("wait for hook {path:?}");
    let limit = hook.timeout().and_then(|seconds| u32::try_from(seconds).ok()).filter(|n| *n > 0);
    if let Some(seconds) = limit {
        // Not reaped yet, so the number is still its own.
        let pidfd = Pidfd::open(child.id().cast_signed()).with_context(what)?;
        if !pidfd.ended_within(Some(seconds.saturating_mul(1000))).with_context(what)? {
            child.kill().with_context(what)?;
            child.wait().with_context(what)?;
            return Err(Error::new(Kind::Io, format!("hook {path:?} was not done in {seconds} s")));
        }
    }
    let status = child.wait().with_context(what)?;
    if status.success() {
        return Ok(());
    }
    Err(Error::new(Kind::Io, format!("hook {path:?} {}{}", ended(status), said(output))))
}

fn ended(status: ExitStatus) -> String {
    status.signal().map_or_else(
        || format!("ended with status {}", status.code().unwrap_or(255)),
        |signal| format!("was ended by {}", types::signal::name(signal)),
    )
}

/// A file in memory: a hook that does not read cannot block us, nor one that writes much.
fn memory(name: &str) -> Result<std::fs::File> {
    let file = memfd_create(name, MemfdFlags::CLOEXEC).map_err(|e| Error::io("make file in memory", e))?;
    Ok(file.into())
}

fn input(state: &[u8]) -> Result<Stdio> {
    let mut file = memory("hook-state")?;
    file.write_all(state).and_then(|()| file.seek(SeekFrom::Start(0))).context("write state for hook")?;
    Ok(Stdio::from(file))
}

/// The beginning of what it wrote, for the error.
fn said(mut output: std::fs::File) -> String {
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
    fn a_hook_that_fails_or_takes_too_long_is_told() {
        let failed = run(&hook("echo why >&2; exit 3", 5), b"").unwrap_err();
        assert_eq!(failed.to_string(), "hook \"/bin/sh\" ended with status 3: why");
        let late = run(&hook("exec sleep 60", 1), b"").unwrap_err();
        assert_eq!(late.to_string(), "hook \"/bin/sh\" was not done in 1 s");
    }
}
