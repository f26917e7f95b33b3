//! What is added to a program's environment and mounts for the sake of its caller.

use std::os::fd::AsFd;
use std::path::Path;

use oci_spec::runtime::Process;
use rustix::fs::{Mode, OFlags, open};
use types::{Error, Result};

use crate::bundle::Bundle;
use crate::create::Options;

/// What podman says for `--group-add keep-groups`; the name is crun's.
const KEEP_GROUPS: &str = "run.oci.keep_original_groups";

/// `HOME` as the container's user list has it, and what socket activation hands over.
pub fn complete(bundle: &mut Bundle, options: &Options<'_>) -> Result<()> {
    let rootfs = bundle.rootfs.clone();
    let annotations = bundle.spec.annotations().as_ref();
    let keeps_groups = annotations.is_some_and(|all| all.get(KEEP_GROUPS).is_some_and(|word| word == "1"));
    let Some(process) = bundle.spec.process_mut() else { return Ok(()) };
    if options.listen_fds > 0 {
        // Its first process is process 1 of its namespace (sd_listen_fds(3)).
        add(process, "LISTEN_FDS", &options.listen_fds.to_string());
        add(process, "LISTEN_PID", "1");
        if let Some(names) = options.listen_names {
            add(process, "LISTEN_FDNAMES", names);
        }
    }
    if keeps_groups {
        let groups = rustix::process::getgroups().map_err(|e| Error::io("read groups of this process", e))?;
        let groups = groups.into_iter().map(rustix::fs::Gid::as_raw).collect();
        process.user_mut().set_additional_gids(Some(groups));
    }
    if !has(process, "HOME") {
        let home = home_in(&rootfs, process)?;
        add(process, "HOME", &home);
    }
    Ok(())
}

fn home_in(rootfs: &Path, process: &Process) -> Result<String> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root =
        open(rootfs, flags, Mode::empty()).map_err(|e| Error::io(format!("open root {rootfs:?}"), e))?;
    Ok(home(root.as_fd(), process))
}

/// Where the user of the process is at home; `/` if the container's list does not say.
pub fn home(root: std::os::fd::BorrowedFd<'_>, process: &Process) -> String {
    let uid = process.user().uid().to_string();
    runtime::user::resolve(root, &uid, &[]).map_or_else(|_| "/".to_owned(), |user| user.home)
}

/// Tells whether a variable is set.
pub fn has(process: &Process, name: &str) -> bool {
    let sets = |line: &String| line.strip_prefix(name).is_some_and(|rest| rest.starts_with('='));
    process.env().iter().flatten().any(sets)
}

/// Sets a variable.
pub fn add(process: &mut Process, name: &str, value: &str) {
    let mut env = process.env().clone().unwrap_or_default();
    env.retain(|line| line.strip_prefix(name).is_none_or(|rest| !rest.starts_with('=')));
    env.push(format!("{name}={value}"));
    process.set_env(Some(env));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_set_once() {
        let mut process = Process::default();
        process.set_env(Some(vec!["HOMER=1".into(), "A=1".into(), "A=2".into()]));
        assert!(!has(&process, "HOME") && has(&process, "A"));
        add(&mut process, "A", "3");
        assert_eq!(process.env().as_deref().unwrap(), ["HOMER=1", "A=3"]);
    }
}
