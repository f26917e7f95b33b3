//! Which devices a container can use.
//!
//! Rules are read in order and a later one changes what earlier ones said; what no rule names is
//! refused. The outcome is a [`Policy`]: everything but some, or nothing but some. v1 takes it as lines
//! for `devices.allow` and `devices.deny`, v2 as an eBPF program.

mod policy;
mod program;

use oci_spec::runtime::LinuxDeviceCgroup;
use types::{Context, Result};

use super::dir::Dir;

pub use policy::Policy;

/// Our program among those that may be attached to a group.
const NAME: &str = "longshore_dev";

/// What the engine asks for, in terms of the two groups above its containers.
#[derive(Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The usual devices: shared by all containers that do not ask for more.
    Usual,
    /// Everything (`--privileged`).
    Everything,
    /// Something of its own.
    Own(Policy),
}

/// Reads the rules of a container of the engine.
pub fn wanted(rules: Option<&[LinuxDeviceCgroup]>) -> Result<Wanted> {
    let asked = Policy::of(rules.unwrap_or_default())?;
    if asked.is_everything() {
        return Ok(Wanted::Everything);
    }
    if Policy::usual().covers(&asked) {
        return Ok(Wanted::Usual);
    }
    asked.with_usual().map(Wanted::Own)
}

/// Sets the policy of a v1 group, with the fewest and least disruptive writes.
pub fn set_v1(dir: &Dir, policy: &Policy) -> Result<()> {
    let now = Policy::parse(&dir.read_if_there("devices.list")?.unwrap_or_default())?;
    for (allow, line) in policy.changes_from(&now) {
        dir.write(if allow { "devices.allow" } else { "devices.deny" }, &line)?;
    }
    Ok(())
}

/// Tells whether our policy is attached to this v2 group.
pub fn is_attached(dir: &Dir) -> Result<bool> {
    Ok(ours(dir)?.is_some())
}

/// Sets the policy of a v2 group: attaches our program, or replaces the one that is there.
///
/// Programs of others stay: all of them must allow an access, so they can only narrow it.
pub fn set_v2(dir: &Dir, policy: &Policy) -> Result<()> {
    let failed = "attach the device policy";
    let program = sys::bpf::Program::load(NAME, &program::of(policy)).context(failed)?;
    let old = ours(dir)?;
    sys::bpf::attach(dir, &program, old.as_ref())
        .with_context(|| format!("{failed} to {:?}", dir.name()))
        .map_err(|e| match e.kind() {
            types::Kind::Denied => e.hint("device policies of cgroup v2 need CAP_BPF and CAP_NET_ADMIN"),
            _ => e,
        })
}

/// Our own program among the attached ones.
fn ours(dir: &Dir) -> Result<Option<sys::bpf::Program>> {
    let failed = || format!("look for the device policy of {:?}", dir.name());
    for program in sys::bpf::attached(dir).with_context(failed)? {
        // One that we may not look at belongs to somebody else.
        if program.name().is_ok_and(|name| name == NAME) {
            return Ok(Some(program));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci_spec::runtime::LinuxDeviceType;

    fn rule(allow: bool, typ: Option<LinuxDeviceType>, major: i64, minor: i64) -> LinuxDeviceCgroup {
        let mut rule = LinuxDeviceCgroup::default();
        rule.set_allow(allow).set_typ(typ).set_access(Some("rwm".into()));
        rule.set_major(Some(major)).set_minor(Some(minor));
        rule
    }

    #[test]
    fn containers_of_the_engine_share_a_group_unless_they_ask_for_more() {
        let none = rule(false, None, -1, -1);
        assert_eq!(wanted(None).unwrap(), Wanted::Usual);
        assert_eq!(wanted(Some(std::slice::from_ref(&none))).unwrap(), Wanted::Usual);
        let null = rule(true, Some(LinuxDeviceType::C), 1, 3);
        assert_eq!(wanted(Some(&[none.clone(), null])).unwrap(), Wanted::Usual);
        assert_eq!(wanted(Some(&[rule(true, None, -1, -1)])).unwrap(), Wanted::Everything);
        let fuse = rule(true, Some(LinuxDeviceType::C), 10, 229);
        let Wanted::Own(policy) = wanted(Some(&[none, fuse])).unwrap() else { panic!("its own") };
        assert!(policy.covers(&Policy::usual()));
    }
}
