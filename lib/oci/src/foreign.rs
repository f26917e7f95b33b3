//! What a configuration says that means nothing here: of other systems, and of nobody.
//!
//! Which properties there are, and what becomes of each, is the table in `foreign/fields.txt`.

use oci_spec::runtime::Spec;
use serde_json::Value;
use types::{Error, Kind, Result};

/// Two flags of the scheduler, in the words of the specification and in those of the type that is read (oci-spec
/// 0.10).
const FLAGS: [(&str, &str); 2] = [
    ("SCHED_FLAG_RESET_ON_FORK", "SCHED_RESET_ON_FORK"),
    ("SCHED_FLAG_DL_OVERRUN", "SCHED_FLAG_D_L_OVERRUN"),
];

/// A configuration, and the properties in it that nobody reads.
pub fn read(text: &[u8]) -> serde_json::Result<(Spec, Vec<String>)> {
    plain(text).or_else(|e| {
        // Rare, so that nobody else pays for it.
        let mut document: Value = serde_json::from_slice(text)?;
        match document.get_mut("process").is_some_and(complete) {
            true => plain(document.to_string().as_bytes()),
            false => Err(e),
        }
    })
}

/// Makes a process one that can be read: one without a user is the superuser's, as Go's decoder leaves it. Tells
/// whether anything had to be done.
pub fn complete(process: &mut Value) -> bool {
    let renamed = rename_flags(process);
    let Some(fields) = process.as_object_mut() else { return false };
    let nobody = !fields.contains_key("user");
    if nobody {
        fields.insert("user".into(), serde_json::json!({ "uid": 0, "gid": 0 }));
    }
    renamed || nobody
}

/// Gives the flags of a process's scheduler the names that can be read.
fn rename_flags(process: &mut Value) -> bool {
    let flags = process.pointer_mut("/scheduler/flags").and_then(Value::as_array_mut);
    let mut found = false;
    for flag in flags.into_iter().flatten() {
        if let Some((_, other)) = FLAGS.iter().find(|(name, _)| flag.as_str() == Some(name)) {
            *flag = Value::from(*other);
            found = true;
        }
    }
    found
}

fn plain(text: &[u8]) -> serde_json::Result<(Spec, Vec<String>)> {
    let mut unread = Vec::new();
    let mut json = serde_json::Deserializer::from_slice(text);
    let spec = serde_ignored::deserialize(&mut json, |path| unread.push(path.to_string().replace(".?", "")))?;
    json.end()?;
    Ok((spec, unread))
}

/// Refuses a container of another system: it is none that this kernel can run.
///
/// # Errors
/// `Unsupported`, with the name of the system.
pub fn refuse_other_systems(spec: &Spec, unread: &[String]) -> Result<()> {
    let asked = [
        ("windows", spec.windows().is_some()),
        ("solaris", spec.solaris().is_some()),
        ("vm", spec.vm().is_some()),
        ("zos", spec.zos().is_some()),
        ("freebsd", unread.iter().any(|path| path == "freebsd" || path.starts_with("freebsd."))),
    ];
    if let Some((name, _)) = asked.into_iter().find(|(_, asked)| *asked) {
        return Err(Error::new(Kind::Unsupported, format!("configuration of another system: {name:?}")));
    }
    let command_line = spec.process().as_ref().and_then(|process| process.command_line().as_ref());
    if command_line.is_some_and(|line| !line.is_empty()) {
        let what = "configuration of another system: process.commandLine instead of process.args";
        return Err(Error::new(Kind::Unsupported, what));
    }
    Ok(())
}

/// What does nothing, and is told. (A runtime must not refuse a property that it does not know: runtime spec,
/// extensibility.)
pub fn complaints(spec: &Spec, unread: &[String]) -> Vec<Error> {
    let mut all = Vec::new();
    if !unread.is_empty() {
        let mut names = unread.iter().map(String::as_str).take(SHOWN).collect::<Vec<_>>().join(" ");
        if unread.len() > SHOWN {
            names += " ...";
        }
        all.push(nothing(&format!("properties that are not known do nothing: {names}")));
    }
    let user = spec.process().as_ref().map(oci_spec::runtime::Process::user);
    if user.is_some_and(|user| user.username().as_ref().is_some_and(|name| !name.is_empty())) {
        all.push(nothing("process.user.username does nothing: uid and gid say who the program is"));
    }
    let resources = spec.linux().as_ref().and_then(|linux| linux.resources().as_ref());
    let memory = resources.and_then(|resources| resources.memory().as_ref());
    if memory.is_some_and(|memory| memory.kernel().is_some() || memory.kernel_tcp().is_some()) {
        all.push(nothing("limits of kernel memory do nothing (since Linux 5.11)"));
    }
    all
}

/// So many names are enough to see what is meant.
const SHOWN: usize = 10;

fn nothing(what: &str) -> Error {
    Error::new(Kind::Unsupported, what.to_owned())
}

#[cfg(test)]
mod tests;
