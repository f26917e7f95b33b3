//! Seccomp: an OCI profile becomes a BPF program.
//!
//! Native system calls only, unless the profile names other architectures: a program of i386 can hide
//! the arguments of its calls (`socketcall`), so it is refused whole. A call that is newer than all
//! that a profile names gets `ENOSYS`, so that programs fall back as on an older kernel: whoever
//! wrote the profile could not know it.

#[cfg_attr(not(target_arch = "aarch64"), allow(dead_code, reason = "checked on every architecture"))]
mod aarch64;
mod admit;
mod bpf;
mod default;
#[cfg(target_arch = "x86_64")]
mod i386;
mod index;
#[cfg(target_arch = "x86_64")]
mod multiplex;
mod tree;
#[cfg(target_arch = "x86_64")]
mod x32;
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "checked on every architecture"))]
mod x86_64;

pub(crate) use admit::admit;
pub use default::profile;

use libc::sock_filter;
#[cfg(target_arch = "x86_64")]
use oci_spec::runtime::Arch;
use oci_spec::runtime::{LinuxSeccomp, LinuxSeccompAction, LinuxSeccompFilterFlag, LinuxSyscall};
use types::{Error, Kind, Result};

use crate::plan::invalid;
use bpf::Rule;

#[cfg(target_arch = "aarch64")]
use aarch64::TABLE;
#[cfg(target_arch = "x86_64")]
use x86_64::TABLE;

/// `AUDIT_ARCH_*` of this build.
#[cfg(target_arch = "x86_64")]
const ARCH: u32 = 0xc000_003e;
/// `AUDIT_ARCH_*` of this build.
#[cfg(target_arch = "aarch64")]
const ARCH: u32 = 0xc000_00b7;

/// A filter that the kernel takes.
#[derive(Debug, Clone)]
pub struct Filter {
    /// `SECCOMP_FILTER_FLAG_*`.
    pub flags: u32,
    /// The program.
    pub program: Vec<sock_filter>,
    /// Some calls wait for a listener's decision.
    pub listens: bool,
}

/// Compiles a profile.
///
/// Of several rules for one call, those with conditions are tried first, in their order; then the
/// first one without that says something else than the default; then the default. Names that an
/// architecture does not have are skipped.
///
/// # Errors
/// `Invalid` for a condition on an argument that is not there, and for what a listener cannot decide about.
pub fn compile(profile: &LinuxSeccomp) -> Result<Filter> {
    let listens = listens(profile)?;
    let default = action(profile.default_action(), profile.default_errno_ret())?;
    let mut parts = vec![(ARCH, native(profile, default)?)];
    parts.extend(compat(profile, default)?);
    Ok(Filter { flags: flags(profile, listens), program: tree::program(&parts)?, listens })
}

/// Tells whether some calls wait for a listener's decision. Every call cannot, nor `write(2)`, with which
/// the listener is handed over: the words are runc's, which its callers know.
fn listens(profile: &LinuxSeccomp) -> Result<bool> {
    let notify = LinuxSeccompAction::ScmpActNotify;
    if profile.default_action() == notify {
        return Err(invalid("SCMP_ACT_NOTIFY cannot be used as default action"));
    }
    let mut asked = profile.syscalls().iter().flatten().filter(|entry| entry.action() == notify).peekable();
    let listens = asked.peek().is_some();
    if asked.any(|entry| entry.names().iter().any(|name| name == "write")) {
        return Err(invalid("SCMP_ACT_NOTIFY cannot be used for the write syscall"));
    }
    if listens && profile.listener_path().as_ref().is_none_or(|path| path.as_os_str().is_empty()) {
        return Err(invalid("seccomp listenerPath is not set, and SCMP_ACT_NOTIFY needs it"));
    }
    Ok(listens)
}

/// The program's part for this architecture.
fn native(profile: &LinuxSeccomp, default: u32) -> Result<Vec<Segment>> {
    let mut rules = rules(profile, number)?;
    also_by_descriptor(&mut rules);
    let mut all = segments(rules, default);
    if cfg!(target_arch = "x86_64") {
        all.extend(x32(profile, default)?);
    }
    Ok(all)
}

/// What applies to calls of x32, which share our architecture and have a bit of their own: the same
/// rules if they are asked for, else there is no such call, even if everything is allowed by default.
#[cfg(target_arch = "x86_64")]
fn x32(profile: &LinuxSeccomp, default: u32) -> Result<Vec<Segment>> {
    if !asks_for(profile, Arch::ScmpArchX32) {
        return Ok(vec![Segment::plain(x32::BIT, NO_SUCH_CALL)]);
    }
    let mut all = segments(rules(profile, |name| x32::find(name, number(name)))?, default);
    if let Some(first) = all.first_mut() {
        first.start = x32::BIT;
    }
    Ok(all)
}

#[cfg(not(target_arch = "x86_64"))]
fn x32(_: &LinuxSeccomp, _: u32) -> Result<Vec<Segment>> {
    Ok(Vec::new())
}

/// Parts for other architectures that this processor runs as well, if the profile names them.
#[cfg(target_arch = "x86_64")]
fn compat(profile: &LinuxSeccomp, default: u32) -> Result<Option<(u32, Vec<Segment>)>> {
    if !asks_for(profile, Arch::ScmpArchX86) {
        return Ok(None);
    }
    let mut rules = rules(profile, i386::find)?;
    multiplex::also_by_one_call(profile, &mut rules)?;
    Ok(Some((i386::ARCH, segments(rules, default))))
}

/// Programs of 32-bit ARM are killed, also where a profile names them: stricter than asked for.
#[cfg(not(target_arch = "x86_64"))]
fn compat(_: &LinuxSeccomp, _: u32) -> Result<Option<(u32, Vec<Segment>)>> {
    Ok(None)
}

#[cfg(target_arch = "x86_64")]
fn asks_for(profile: &LinuxSeccomp, arch: Arch) -> bool {
    profile.architectures().iter().flatten().any(|named| *named == arch)
}

/// A call, the conditions on its arguments, and the verdict.
type Call = (u32, Option<Rule>, u32);

/// The rules of a profile for one architecture, one for each call.
fn rules(profile: &LinuxSeccomp, number: impl Fn(&str) -> Option<u32>) -> Result<Vec<Call>> {
    let mut rules = Vec::with_capacity(512);
    for entry in profile.syscalls().iter().flatten() {
        let action = action(entry.action(), entry.errno_ret())?;
        let conditions = conditions(entry, action)?;
        for number in entry.names().iter().filter_map(|name| number(name)) {
            rules.extend(conditions.iter().map(|rule| (number, rule.clone(), action)));
        }
    }
    Ok(rules)
}

/// What may execute a path may execute a descriptor, unless the profile says otherwise: containers
/// are entered by `execveat(2)`, which profiles that were made for other runtimes may not list.
fn also_by_descriptor(rules: &mut Vec<Call>) {
    let (Some(path), Some(descriptor)) = (number("execve"), number("execveat")) else { return };
    if rules.iter().any(|(number, ..)| *number == descriptor) {
        return;
    }
    let of_path: Vec<Call> = rules.iter().filter(|(number, ..)| *number == path).cloned().collect();
    rules.extend(unconditional(&of_path).map(|action| (descriptor, None, action)));
}

/// The actions of rules without conditions.
fn unconditional(rules: &[Call]) -> impl Iterator<Item = u32> {
    rules.iter().filter(|(_, rule, _)| rule.is_none()).map(|(.., action)| *action)
}

/// Returns the number of a system call on this machine.
#[must_use]
pub fn number(name: &str) -> Option<u32> {
    index::find(name)
}

/// What applies from `start` up to the start of the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    start: u32,
    conditional: Vec<Rule>,
    otherwise: u32,
}

impl Segment {
    const fn plain(start: u32, otherwise: u32) -> Self {
        Self { start, conditional: Vec::new(), otherwise }
    }
}

/// Orders the rules and merges neighbours that mean the same, so that the search is short.
fn segments(mut rules: Vec<Call>, default: u32) -> Vec<Segment> {
    // Stable: the rules for one number keep their order.
    rules.sort_by_key(|(number, ..)| *number);
    let mut all = Vec::with_capacity(2 * rules.len() + 2);
    all.push(Segment::plain(0, default));
    for call in rules.chunk_by(|a, b| a.0 == b.0) {
        let Some((number, ..)) = call.first() else { continue };
        let always = unconditional(call).find(|action| *action != default);
        let conditional = call.iter().filter_map(|(_, rule, _)| rule.clone()).collect();
        all.push(Segment { start: *number, conditional, otherwise: always.unwrap_or(default) });
        all.push(Segment::plain(number + 1, default));
    }
    if let Some((newest, ..)) = rules.last()
        && !permissive(default)
    {
        all.push(Segment::plain(newest + 1, NO_SUCH_CALL));
    }
    // Of two that start together the later one counts; then neighbours that mean the same are one.
    all.dedup_by(|next, last| {
        let same = last.start == next.start;
        if same {
            std::mem::swap(last, next);
        }
        same
    });
    all.dedup_by(|next, last| next.conditional == last.conditional && next.otherwise == last.otherwise);
    all
}

/// Lets the call happen, or leaves it to a tracer, who knows what to do about a new one.
const fn permissive(action: u32) -> bool {
    matches!(action & ACTION, TRACE | LOG | ALLOW)
}

const ACTION: u32 = 0xffff_0000;
const ERRNO: u32 = 0x0005_0000;
const TRACE: u32 = 0x7ff0_0000;
const LOG: u32 = 0x7ffc_0000;
const ALLOW: u32 = 0x7fff_0000;
const NO_SUCH_CALL: u32 = ERRNO | libc::ENOSYS.cast_unsigned();

/// `SECCOMP_RET_*` with its data.
fn action(action: LinuxSeccompAction, errno: Option<u32>) -> Result<u32> {
    let data = errno.unwrap_or_else(|| libc::EPERM.cast_unsigned());
    if data > 4095 {
        return Err(invalid(format!("seccomp error number {data} is out of range")));
    }
    Ok(match action {
        LinuxSeccompAction::ScmpActKill | LinuxSeccompAction::ScmpActKillThread => 0,
        LinuxSeccompAction::ScmpActKillProcess => 0x8000_0000,
        LinuxSeccompAction::ScmpActTrap => 0x0003_0000,
        LinuxSeccompAction::ScmpActErrno => ERRNO | data,
        LinuxSeccompAction::ScmpActTrace => TRACE | data,
        LinuxSeccompAction::ScmpActLog => LOG,
        LinuxSeccompAction::ScmpActAllow => ALLOW,
        LinuxSeccompAction::ScmpActNotify => 0x7fc0_0000,
    })
}

/// The conditions of an entry, each list of which is enough. All conditions of an entry must hold; but
/// two on the same argument are alternatives, and so are then all of the entry: that is how runc and crun
/// read them, because libseccomp cannot combine them.
fn conditions(entry: &LinuxSyscall, action: u32) -> Result<Vec<Option<Rule>>> {
    let args = entry.args().as_deref().unwrap_or_default();
    if args.is_empty() {
        return Ok(vec![None]);
    }
    let mut seen = [0; 6];
    for arg in args {
        let count = seen.get_mut(arg.index()).ok_or_else(|| {
            Error::new(Kind::Invalid, format!("seccomp condition on argument {}", arg.index()))
        })?;
        *count += 1;
    }
    let together = if seen.iter().all(|count| *count < 2) { args.len() } else { 1 };
    Ok(args.chunks(together).map(|args| Some(Rule::new(args, action))).collect())
}

/// `SECCOMP_FILTER_FLAG_*` (seccomp(2)).
fn flags(profile: &LinuxSeccomp, listens: bool) -> u32 {
    const NEW_LISTENER: u32 = 8;
    const WAIT_KILLABLE: u32 = 32;
    let asked = profile.flags().iter().flatten().fold(0, |flags, flag| {
        flags
            | match flag {
                LinuxSeccompFilterFlag::SeccompFilterFlagLog => 2,
                LinuxSeccompFilterFlag::SeccompFilterFlagSpecAllow => 4,
                LinuxSeccompFilterFlag::SeccompFilterFlagWaitKillableRecv => WAIT_KILLABLE,
                // One thread calls: there is nobody to synchronize with.
                LinuxSeccompFilterFlag::SeccompFilterFlagTsync => 0,
            }
    });
    // The kernel refuses to hear of how to wait for a listener where there is none.
    if listens { asked | NEW_LISTENER } else { asked & !WAIT_KILLABLE }
}

#[cfg(test)]
mod tests;
