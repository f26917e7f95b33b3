//! What is told and stops nothing.

use oci_spec::runtime::{LinuxNamespaceType, Process, Spec};
use runtime::Cgroup;
use types::{Error, Kind, Result};

use crate::exec_process;

/// About a container that is being made.
pub fn of_container(spec: &Spec, cgroup: &Cgroup) -> Result<Vec<Error>> {
    let mut all = Vec::new();
    if let found @ 1.. = cgroup.found_processes() {
        // runc's words, which callers look for.
        let text = format!("container's cgroup is not empty: {found} process(es) found");
        all.push(Error::new(Kind::Conflict, text));
    }
    all.extend(spec.process().as_ref().map(|process| of_process(spec, process)).transpose()?.flatten());
    Ok(all)
}

/// About a process that is brought in.
pub fn of_exec(spec: &Spec, process: &Process, more: &[String]) -> Result<Vec<Error>> {
    let unknown = more.iter().filter(|name| exec_process::capability(name).is_none());
    let unknown = unknown.map(|name| Error::new(Kind::Invalid, format!("unknown capability {name:?}")));
    Ok(unknown.chain(of_process(spec, process)?).collect())
}

/// About a process: what it asks for and does not get (runtime spec, `process.capabilities`).
fn of_process(spec: &Spec, process: &Process) -> Result<Option<Error>> {
    let spaces = spec.linux().as_ref().and_then(|linux| linux.namespaces().as_deref()).unwrap_or_default();
    // In a user namespace of its own it has them all.
    if spaces.iter().any(|space| space.typ() == LinuxNamespaceType::User) {
        return Ok(None);
    }
    let Some(asked) = process.capabilities() else { return Ok(None) };
    let missing = runtime::caps::not_held(asked)?;
    if missing.is_empty() {
        return Ok(None);
    }
    let names: Vec<_> = missing.iter().map(|cap| format!("CAP_{}", cap.to_string().to_uppercase())).collect();
    let text = format!("capabilities cannot be granted, the program runs without: {}", names.join(" "));
    Ok(Some(Error::new(Kind::Denied, text)))
}
