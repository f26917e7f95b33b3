//! System call profiles of the user's: the JSON of Docker's profiles, or of the OCI configuration.
//!
//! Docker's form is that of OCI with conditions: a rule may hold only with or without certain
//! capabilities, architectures or kernels. The conditions are decided here, once.

use oci_spec::runtime::LinuxSeccomp;
use serde::Deserialize;
use serde_json::{Map, Value};
use types::request::Request;
use types::{Error, Kind, Result};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Condition {
    caps: Vec<String>,
    arches: Vec<String>,
    #[serde(rename = "minKernel")]
    min_kernel: String,
}

/// Parses a profile for the container that is asked for.
///
/// # Errors
/// `Invalid` if it is neither form.
pub(crate) fn parse(text: &str, request: &Request) -> Result<LinuxSeccomp> {
    let bad = |e| Error::because(Kind::Invalid, "read the system call profile", e);
    let mut profile: Map<String, Value> = serde_json::from_str(text).map_err(bad)?;
    profile.remove("archMap"); // ours is the native architecture alone
    if let Some(Value::Array(rules)) = profile.get_mut("syscalls") {
        let caps = runtime::caps::adjust(&runtime::caps::DEFAULT, &request.cap_add, &request.cap_drop)?;
        let has_cap = |name: &str| {
            request.privileged || runtime::caps::parse(name).is_ok_and(|cap| caps.contains(&cap))
        };
        let mut kept = Vec::new();
        for rule in rules.drain(..) {
            if let Some(rule) = decide(rule, &has_cap).map_err(bad)? {
                kept.push(rule);
            }
        }
        *rules = kept;
    }
    serde_json::from_value(Value::Object(profile)).map_err(bad)
}

/// The rule without its conditions, if they hold.
fn decide(mut rule: Value, has_cap: &impl Fn(&str) -> bool) -> serde_json::Result<Option<Value>> {
    let Some(fields) = rule.as_object_mut() else { return Ok(Some(rule)) };
    let mut take = |key| match fields.remove(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => serde_json::from_value::<Condition>(value).map(Some),
    };
    let (includes, excludes) = (take("includes")?, take("excludes")?);
    fields.remove("comment");
    if fields.get("args").is_some_and(Value::is_null) {
        fields.remove("args");
    }
    if let Some(Value::String(name)) = fields.remove("name") {
        fields.insert("names".to_owned(), Value::Array(vec![Value::String(name)]));
    }
    let wanted = includes.is_none_or(|c| {
        c.caps.iter().all(|cap| has_cap(cap))
            && (c.arches.is_empty() || is_native(&c.arches))
            && kernel_is(&c.min_kernel)
    });
    let refused = excludes.is_some_and(|c| {
        c.caps.iter().any(|cap| has_cap(cap))
            || is_native(&c.arches)
            || (!c.min_kernel.is_empty() && kernel_is(&c.min_kernel))
    });
    Ok((wanted && !refused).then_some(rule))
}

/// Whether this machine's architecture, in Go's words, is among them.
fn is_native(arches: &[String]) -> bool {
    let native = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    arches.iter().any(|arch| arch == native)
}

/// Whether the kernel is at least of this version, such as `4.8`.
fn kernel_is(version: &str) -> bool {
    let number = |text: &str| -> (u32, u32) {
        let mut parts = text.split(['.', '-']).map(|part| part.parse().unwrap_or(0));
        (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
    };
    number(&rustix::system::uname().release().to_string_lossy()) >= number(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: &str = r#"{"defaultAction":"SCMP_ACT_ERRNO","archMap":[],"syscalls":[
        {"names":["read"],"action":"SCMP_ACT_ALLOW","args":null,"comment":"x","includes":{},"excludes":{}},
        {"name":"mount","action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_SYS_ADMIN"]}},
        {"names":["clone"],"action":"SCMP_ACT_ALLOW","excludes":{"caps":["CAP_SYS_ADMIN"],"arches":["s390x"]}},
        {"names":["ptrace"],"action":"SCMP_ACT_ALLOW","includes":{"minKernel":"4.8"}},
        {"names":["never"],"action":"SCMP_ACT_ALLOW","includes":{"minKernel":"999.0"}}]}"#;

    fn names(request: &Request) -> Vec<String> {
        let profile = parse(PROFILE, request).unwrap();
        profile.syscalls().iter().flatten().flat_map(|rule| rule.names().clone()).collect()
    }

    #[test]
    fn rules_hold_for_the_capabilities_that_there_will_be() {
        assert_eq!(names(&Request::default()), ["read", "clone", "ptrace"]);
        let admin = Request { cap_add: vec!["SYS_ADMIN".into()], ..Request::default() };
        assert_eq!(names(&admin), ["read", "mount", "ptrace"]);
    }

    #[test]
    fn what_is_no_profile_is_refused() {
        for bad in ["", "[]", "{}", r#"{"defaultAction":"NO"}"#] {
            assert!(parse(bad, &Request::default()).is_err(), "{bad:?}");
        }
    }
}
