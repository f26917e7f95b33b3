//! What an exec runs: the container's own process, changed by options, or a document of its own.

use std::path::Path;

use oci_spec::runtime::{Capabilities, LinuxCapabilities, Process, Spec};
use types::{Context, Error, Kind, Result};

use crate::exec::ExecOptions;
use crate::{environment, foreign};

/// Puts the process together.
pub fn process(spec: &Spec, options: &ExecOptions<'_>) -> Result<Process> {
    if let Some(path) = options.process {
        let mut process = load(path)?;
        inherit_labels(&mut process, spec);
        return Ok(process);
    }
    let own = spec.process().clone();
    let mut process = own.ok_or_else(|| Error::new(Kind::Invalid, "configuration has no process"))?;
    if options.args.is_empty() {
        return Err(Error::new(Kind::Invalid, "process args cannot be empty"));
    }
    process.set_args(Some(options.args.to_vec())).set_terminal(Some(options.tty)).set_console_size(None);
    if let Some(dir) = options.cwd {
        process.set_cwd(dir.to_owned());
    }
    for line in options.env {
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        environment::add(&mut process, name, value);
    }
    if let Some(profile) = options.apparmor {
        process.set_apparmor_profile(Some(profile.to_owned()));
    }
    if let Some(label) = options.process_label {
        process.set_selinux_label(Some(label.to_owned()));
    }
    if options.no_new_privs {
        process.set_no_new_privileges(Some(true));
    }
    set_user(&mut process, options)?;
    add_capabilities(&mut process, options.caps);
    Ok(process)
}

/// A document that names no profile or label does not mean that the program is less confined than the
/// container (as with runc).
fn inherit_labels(process: &mut Process, spec: &Spec) {
    let Some(own) = spec.process() else { return };
    let missing = |label: &Option<String>| label.as_ref().is_none_or(String::is_empty);
    if missing(process.apparmor_profile()) {
        process.set_apparmor_profile(own.apparmor_profile().clone());
    }
    if missing(process.selinux_label()) {
        process.set_selinux_label(own.selinux_label().clone());
    }
}

/// Reads a document with a process. Without a user it is the superuser's, as Go's decoder leaves it.
pub fn load(path: &Path) -> Result<Process> {
    let malformed = |e| Error::because(Kind::Invalid, format!("read process {path:?}"), e);
    let text = std::fs::read(path).with_context(|| format!("read {path:?}"))?;
    let mut document: serde_json::Value = serde_json::from_slice(&text).map_err(malformed)?;
    foreign::complete(&mut document);
    serde_json::from_value(document).map_err(malformed)
}

/// `UID[:GID]`, as numbers: names belong to whoever reads the container's user list before.
fn set_user(process: &mut Process, options: &ExecOptions<'_>) -> Result<()> {
    let number = |text: &str| {
        text.parse::<u32>().map_err(|_| Error::new(Kind::Invalid, format!("bad user or group id {text:?}")))
    };
    let user = process.user_mut();
    if let Some(text) = options.user {
        let (uid, gid) = text.split_once(':').map_or((text, None), |(uid, gid)| (uid, Some(gid)));
        user.set_uid(number(uid)?);
        if let Some(gid) = gid {
            user.set_gid(number(gid)?);
        }
    }
    if !options.additional_gids.is_empty() {
        let mut groups = user.additional_gids().clone().unwrap_or_default();
        groups.extend_from_slice(options.additional_gids);
        user.set_additional_gids(Some(groups));
    }
    Ok(())
}

/// Adds to what the program may do. One that is not known is left out, as runc and crun do it: the
/// program gets less than was asked for, never more.
fn add_capabilities(process: &mut Process, names: &[String]) {
    if names.is_empty() {
        return;
    }
    let more: Capabilities = names.iter().filter_map(|name| capability(name)).collect();
    let mut sets = process.capabilities().clone().unwrap_or_else(nothing);
    let with = |set: &Option<Capabilities>| {
        let mut set = set.clone().unwrap_or_default();
        set.extend(more.iter().copied());
        Some(set)
    };
    let ambient = sets.inheritable().as_ref().is_some_and(|set| !set.is_empty());
    let (bounding, effective, permitted) =
        (with(sets.bounding()), with(sets.effective()), with(sets.permitted()));
    sets.set_bounding(bounding).set_effective(effective).set_permitted(permitted);
    // The kernel holds ambient ones within the inheritable ones (capabilities(7)).
    if ambient {
        let (inheritable, ambient) = (with(sets.inheritable()), with(sets.ambient()));
        sets.set_inheritable(inheritable).set_ambient(ambient);
    }
    process.set_capabilities(Some(sets));
}

/// No capabilities; the default of the type has three.
fn nothing() -> LinuxCapabilities {
    let mut sets = LinuxCapabilities::default();
    sets.set_bounding(None).set_effective(None).set_permitted(None).set_inheritable(None).set_ambient(None);
    sets
}

/// Reads the name of a capability, with or without `CAP_`.
pub fn capability(name: &str) -> Option<oci_spec::runtime::Capability> {
    let name = name.to_ascii_uppercase();
    let name = name.strip_prefix("CAP_").unwrap_or(&name);
    serde_json::from_value(serde_json::Value::String(format!("CAP_{name}"))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci_spec::runtime::Capability;

    fn options<'a>(args: &'a [String]) -> ExecOptions<'a> {
        ExecOptions { args, ..ExecOptions::default() }
    }

    fn spec() -> Spec {
        let mut process = Process::default();
        let mut sets = LinuxCapabilities::default();
        sets.set_inheritable(None).set_ambient(None).set_effective(None);
        process.set_capabilities(Some(sets)).set_env(Some(vec!["A=1".into()]));
        let mut spec = Spec::default();
        spec.set_process(Some(process));
        spec
    }

    #[test]
    fn options_change_the_containers_own_process() {
        let args = ["id".to_owned()];
        let (env, caps) = (["A=2".to_owned()], ["net_raw".to_owned(), "CAP_NONSENSE".to_owned()]);
        let all = ExecOptions {
            user: Some("7:8"),
            additional_gids: &[9],
            env: &env,
            caps: &caps,
            cwd: Some(Path::new("/tmp")),
            tty: true,
            no_new_privs: true,
            ..options(&args)
        };
        let made = process(&spec(), &all).unwrap();
        assert_eq!((made.user().uid(), made.user().gid()), (7, 8));
        assert_eq!(made.user().additional_gids().as_deref(), Some(&[9][..]));
        assert_eq!(made.env().as_deref().unwrap(), ["A=2"]);
        assert_eq!((made.terminal(), made.no_new_privileges()), (Some(true), Some(true)));
        let sets = made.capabilities().as_ref().unwrap();
        assert!(sets.effective().as_ref().unwrap().contains(&Capability::NetRaw));
        assert!(sets.ambient().is_none());
    }

    #[test]
    fn a_container_without_capabilities_gets_only_the_one_that_is_added() {
        let mut process = Process::default();
        process.set_capabilities(None);
        add_capabilities(&mut process, &["CAP_CHOWN".to_owned()]);
        let sets = process.capabilities().as_ref().unwrap();
        assert_eq!(sets.bounding().as_ref().unwrap().len(), 1);
        assert!(sets.inheritable().is_none());
    }

    #[test]
    fn a_document_without_labels_gets_those_of_the_container() {
        let mut spec = spec();
        let own = spec.process_mut().as_mut().unwrap();
        own.set_apparmor_profile(Some("web".into())).set_selinux_label(Some("u:r:t:s0".into()));
        let file = tempfile::NamedTempFile::new().unwrap();
        for (text, profile) in [("", "web"), (r#", "apparmorProfile": "db""#, "db")] {
            std::fs::write(file.path(), format!(r#"{{"args": ["id"], "cwd": "/"{text}}}"#)).unwrap();
            let made = process(&spec, &ExecOptions { process: Some(file.path()), ..options(&[]) }).unwrap();
            assert_eq!(made.apparmor_profile().as_deref(), Some(profile));
            assert_eq!(made.selinux_label().as_deref(), Some("u:r:t:s0"));
        }
    }

    #[test]
    fn a_user_is_a_number_and_a_program_is_there() {
        let args = ["id".to_owned()];
        for bad in ["root", "1:", "1:x", "-1"] {
            let wrong = ExecOptions { user: Some(bad), ..options(&args) };
            assert_eq!(process(&spec(), &wrong).unwrap_err().kind(), Kind::Invalid, "{bad}");
        }
        assert!(process(&spec(), &options(&[])).is_err());
    }
}
