//! Hooks that are run on the way to the program.

use std::ffi::{CString, c_char};
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::ptr::null;

use child::Hook;
use oci_spec::runtime::{Hook as Config, Hooks, Spec};
use types::{Context, Result};

use super::{Draft, Step, text, unsupported};
use crate::Launch;
use crate::hooks::{Stage, before_program, memory, parts};

/// What the record says with which the child tells that it waits for the hooks of the host.
pub const REACHED: u32 = 0;

/// Files that hooks inside read and write; in memory, and shared with the child.
#[derive(Default)]
pub struct Files {
    /// What those before the root read.
    create: Option<File>,
    /// What those before the program read.
    start: Option<File>,
    /// What all of them say.
    output: Option<File>,
    /// The child waits for those of the host.
    pub pauses: bool,
    /// Path and limit of those that the stub runs.
    pub of_stub: Vec<(String, u32)>,
}

impl Files {
    /// Writes the states that hooks inside read; the child, which waits, has the same files.
    pub fn fill(&self, state: impl Fn(Stage) -> Result<Vec<u8>>) -> Result<()> {
        for (file, stage) in [(&self.create, Stage::CreateContainer), (&self.start, Stage::StartContainer)] {
            let Some(mut file) = file.as_ref() else { continue };
            let text = state(stage)?;
            file.write_all(&text)
                .and_then(|()| file.seek(SeekFrom::Start(0)))
                .context("write state for hook")?;
        }
        Ok(())
    }

    /// What hooks inside have said.
    pub const fn output(&self) -> Option<&File> {
        self.output.as_ref()
    }
}

/// Refuses hooks that nobody would run.
pub fn check(spec: &Spec, inputs: &Launch<'_>) -> Result<()> {
    if inputs.hooks.is_none() && before_program(spec.hooks().as_ref()) {
        return Err(unsupported("hooks before the program"));
    }
    Ok(())
}

/// Where the root is attached: where hooks of the host look for it, if there are some.
pub fn root_place(spec: &Spec, inputs: &Launch<'_>) -> Result<CString> {
    match inputs.hooks {
        Some(path) if before_root(spec.hooks().as_ref()) => super::target::host_path(path),
        _ => text("/"),
    }
}

fn before_root(hooks: Option<&Hooks>) -> bool {
    let stages = [Stage::Prestart, Stage::CreateRuntime, Stage::CreateContainer];
    stages.into_iter().any(|stage| !stage.of(hooks).is_empty())
}

/// Appends the place where the child waits for those of the host, and those in its namespaces.
pub fn before_pivot(spec: &Spec, draft: &mut Draft) -> Result<()> {
    let hooks = spec.hooks().as_ref();
    if !before_root(hooks) {
        return Ok(());
    }
    draft.hooks.pauses = true;
    draft.push(Step::Tell(REACHED));
    draft.push(Step::Gate(draft.gate));
    let ours = Stage::CreateContainer.of(hooks);
    if ours.is_empty() {
        return Ok(());
    }
    let input = draft.hooks.create.insert(memory("hook-state")?).as_raw_fd();
    let output = output(draft)?;
    for hook in ours {
        let (path, seconds) = parts(hook)?;
        let (args, env) = strings(hook, path, spec);
        let argv = pointers(&args, draft)?;
        let envp = pointers(&env, draft)?;
        draft.push(Step::Hook(Hook { path: text(path)?, argv, envp, input, output, seconds }));
    }
    Ok(())
}

/// Hands those of the container's root over to the stub, which runs them: see `stub/hooks.rs` for the form.
pub fn before_start(spec: &Spec, draft: &mut Draft) -> Result<()> {
    let hooks = Stage::StartContainer.of(spec.hooks().as_ref());
    if hooks.is_empty() {
        return Ok(());
    }
    draft.start_hooks.push(hooks.len().to_string());
    for hook in hooks {
        let (path, seconds) = parts(hook)?;
        let (args, env) = strings(hook, path, spec);
        draft.start_hooks.extend([seconds.to_string(), args.len().to_string(), env.len().to_string()]);
        draft.start_hooks.push(path.to_owned());
        draft.hooks.of_stub.push((path.to_owned(), seconds));
        for list in [args, env] {
            draft.start_hooks.extend(list.into_iter().map(str::to_owned));
            draft.start_hooks.push(String::new());
        }
    }
    let state = memory("hook-state")?;
    output(draft)?;
    let output =
        draft.hooks.output.as_ref().map(File::try_clone).transpose().context("duplicate descriptor")?;
    let behind = draft.report_number() + 3;
    for (to, file) in (behind..).zip([Some(&state), output.as_ref()].into_iter().flatten()) {
        let from = draft.out_of_the_way(file.as_fd())?;
        draft.push(Step::Pass { from, to });
    }
    draft.hooks.start = Some(state);
    Ok(())
}

fn output(draft: &mut Draft) -> Result<child::Fd> {
    if draft.hooks.output.is_none() {
        draft.hooks.output = Some(memory("hook-output")?);
    }
    Ok(draft.hooks.output.as_ref().map_or(-1, AsRawFd::as_raw_fd))
}

/// Arguments and environment of a hook inside. Without an environment it has the program's, as with runc (which
/// has a test for that): what is in the container's namespaces gets nothing of the host's.
fn strings<'a>(hook: &'a Config, path: &'a str, spec: &'a Spec) -> (Vec<&'a str>, Vec<&'a str>) {
    let list = |list: &'a Option<Vec<String>>| list.iter().flatten().map(String::as_str).collect::<Vec<_>>();
    let args = list(hook.args());
    let of_program = spec.process().as_ref().map_or(&None, |process| process.env());
    let env = if hook.env().is_some() { hook.env() } else { of_program };
    (if args.is_empty() { vec![path] } else { args }, list(env))
}

/// Pointers to strings that the draft holds, then null.
fn pointers(list: &[&str], draft: &mut Draft) -> Result<Vec<*const c_char>> {
    let mut pointers = Vec::with_capacity(list.len() + 1);
    for item in list {
        // The bytes are on the heap and stay where they are when the CString moves.
        let owned = text(item)?;
        pointers.push(owned.as_ptr());
        draft.strings.push(owned);
    }
    pointers.push(null());
    Ok(pointers)
}
