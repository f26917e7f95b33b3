//! What a profile means for one call, by going through its rules.
//!
//! 1. Calls of an architecture that is neither ours nor named in the profile end the process.
//! 2. x32 calls do not exist unless the profile names x32.
//! 3. Rules with conditions in their order, then the first rule without that says something else than the
//!    default, then the default. Conditions of one rule must all hold, but if two are on the same
//!    argument, one is enough: that is how runc and crun read them.
//! 4. A call that is newer than all that the profile names does not exist, unless the default lets
//!    calls happen.
//! 5. `execveat` is what `execve` is, unless it has rules of its own.

use oci_spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompAction as Action, LinuxSeccompArg, LinuxSeccompOperator as Op,
    LinuxSyscall,
};

use super::bpf::Data;

/// x86-64, the architecture that the verdicts are worked out for.
pub const NATIVE: u32 = 0xc000_003e;
/// 32-bit x86.
pub const I386: u32 = 0x4000_0003;
/// `__X32_SYSCALL_BIT`.
pub const X32_BIT: u32 = 0x4000_0000;
const KILL_PROCESS: u32 = 0x8000_0000;
const NO_SUCH_CALL: u32 = 0x0005_0000 | 38;

/// Names to numbers.
pub trait Tables {
    /// The number of a call of i386, or of x32 with its bit.
    fn foreign(&self, x32: bool, name: &str) -> Option<u32>;

    /// The call of i386 that this one is made through, and what its first argument is then.
    fn multiplexed(&self, name: &str) -> Option<(u32, u64)>;

    /// Whether other architectures are known at all.
    fn has_foreign(&self) -> bool;
}

/// Knows the calls of this architecture only.
#[derive(Debug)]
pub struct NativeOnly;

impl Tables for NativeOnly {
    fn foreign(&self, _: bool, _: &str) -> Option<u32> {
        None
    }

    fn multiplexed(&self, _: &str) -> Option<(u32, u64)> {
        None
    }

    fn has_foreign(&self) -> bool {
        false
    }
}

/// Whether a profile asks for what is refused.
#[must_use]
pub fn is_refused(profile: &LinuxSeccomp) -> bool {
    let rules = || profile.syscalls().iter().flatten();
    let errnos = rules().map(LinuxSyscall::errno_ret).chain([profile.default_errno_ret()]);
    errnos.flatten().any(|errno| errno > 4095)
        || rules().any(|r| r.args().iter().flatten().any(|arg| arg.index() > 5))
}

/// Whether a profile has anything to do with a listener, for which there are rules of its own.
#[must_use]
pub fn listens(profile: &LinuxSeccomp) -> bool {
    let mut rules = profile.syscalls().iter().flatten();
    let notify = Action::ScmpActNotify;
    profile.default_action() == notify
        || rules.any(|rule| rule.action() == notify)
        || profile.listener_path().is_some()
}

/// `SECCOMP_RET_*` with its data.
#[must_use]
pub fn number_of(action: Action, errno: Option<u32>) -> u32 {
    let data = errno.unwrap_or(1);
    match action {
        Action::ScmpActErrno => 0x0005_0000 | data,
        Action::ScmpActTrace => 0x7ff0_0000 | data,
        other => u32::from(other),
    }
}

/// The default of a profile.
#[must_use]
pub fn default_of(profile: &LinuxSeccomp) -> u32 {
    number_of(profile.default_action(), profile.default_errno_ret())
}

/// Whether a profile names an architecture.
#[must_use]
pub fn names(profile: &LinuxSeccomp, arch: Arch) -> bool {
    profile.architectures().iter().flatten().any(|named| *named == arch)
}

/// From name to number.
pub type Find<'a> = Box<dyn Fn(&str) -> Option<u32> + 'a>;

/// How names become numbers for this call.
///
/// # Errors
/// The verdict, if no rule of the profile is asked.
pub fn table<'a>(profile: &LinuxSeccomp, tables: &'a dyn Tables, data: &Data) -> Result<Find<'a>, u32> {
    match data.arch {
        NATIVE if data.number < X32_BIT => Ok(Box::new(runtime::seccomp::number)),
        NATIVE if names(profile, Arch::ScmpArchX32) => Ok(Box::new(|name| tables.foreign(true, name))),
        NATIVE => Err(NO_SUCH_CALL),
        I386 if names(profile, Arch::ScmpArchX86) => Ok(Box::new(|name| tables.foreign(false, name))),
        _ => Err(KILL_PROCESS),
    }
}

/// The rules for this call: those whose conditions hold, and those that have none; each with its action.
#[must_use]
pub fn applying(
    profile: &LinuxSeccomp,
    tables: &dyn Tables,
    find: &dyn Fn(&str) -> Option<u32>,
    data: &Data,
) -> (Vec<u32>, Vec<u32>) {
    let (mut conditional, mut plain) = (Vec::new(), Vec::new());
    for rule in profile.syscalls().iter().flatten() {
        for _ in rule.names().iter().filter(|name| find(name) == Some(data.number)) {
            let action = number_of(rule.action(), rule.errno_ret());
            match rule.args().as_deref().unwrap_or_default() {
                [] => plain.push(action),
                args if hold(args, data) => conditional.push(action),
                _ => {}
            }
        }
    }
    if data.arch == I386 {
        for rule in rules_without(profile) {
            let made = rule.names().iter().filter_map(|name| tables.multiplexed(name));
            let meant = made.filter(|made| *made == (data.number, data.args[0]));
            conditional.extend(meant.map(|_| number_of(rule.action(), rule.errno_ret())));
        }
    }
    (conditional, plain)
}

/// The verdict for one call.
#[must_use]
pub fn verdict(profile: &LinuxSeccomp, tables: &dyn Tables, data: &Data) -> u32 {
    let find = match table(profile, tables, data) {
        Ok(find) => find,
        Err(verdict) => return verdict,
    };
    let default = default_of(profile);
    let native = data.arch == NATIVE && data.number < X32_BIT;
    let mentions = |wanted: u32| all_names(profile).any(|name| find(name) == Some(wanted));
    let (execve, execveat) = (runtime::seccomp::number("execve"), runtime::seccomp::number("execveat"));
    let mut asked = *data;
    let mut plain_only = false;
    if native && Some(data.number) == execveat && !mentions(data.number) {
        asked.number = execve.unwrap_or(data.number);
        plain_only = true;
    }
    let (conditional, plain) = applying(profile, tables, &*find, &asked);
    let first = conditional.first().filter(|_| !plain_only).copied();
    if let Some(action) = first.or_else(|| plain.iter().copied().find(|action| *action != default)) {
        return action;
    }
    if plain_only && !plain.is_empty() {
        return default;
    }
    let made = |name: &str| tables.multiplexed(name).map(|(call, _)| call).filter(|_| data.arch == I386);
    let plain_names = || rules_without(profile).flat_map(|rule| rule.names().iter().map(String::as_str));
    let newest = all_names(profile).filter_map(&*find).chain(plain_names().filter_map(made)).max();
    let newest = if native && plain_for(profile, &*find, execve) { newest.max(execveat) } else { newest };
    let open = [Action::ScmpActAllow, Action::ScmpActLog, Action::ScmpActTrace];
    let is_open = open.contains(&profile.default_action());
    if newest.is_some_and(|newest| data.number > newest) && !is_open { NO_SUCH_CALL } else { default }
}

fn plain_for(profile: &LinuxSeccomp, find: &dyn Fn(&str) -> Option<u32>, number: Option<u32>) -> bool {
    rules_without(profile)
        .any(|rule| rule.names().iter().any(|name| find(name) == number && number.is_some()))
}

fn rules_without(profile: &LinuxSeccomp) -> impl Iterator<Item = &LinuxSyscall> {
    profile.syscalls().iter().flatten().filter(|rule| rule.args().as_deref().unwrap_or_default().is_empty())
}

fn all_names(profile: &LinuxSeccomp) -> impl Iterator<Item = &str> {
    profile.syscalls().iter().flatten().flat_map(|rule| rule.names().iter().map(String::as_str))
}

/// Whether the conditions of a rule hold.
#[must_use]
pub fn hold(args: &[LinuxSeccompArg], data: &Data) -> bool {
    let twice = args.iter().enumerate().any(|(at, arg)| args[..at].iter().any(|a| a.index() == arg.index()));
    let mut each = args.iter().map(|arg| holds(arg, data));
    if twice { each.any(|holds| holds) } else { each.all(|holds| holds) }
}

fn holds(arg: &LinuxSeccompArg, data: &Data) -> bool {
    let (have, want) = (data.args[arg.index()], arg.value());
    match arg.op() {
        Op::ScmpCmpNe => have != want,
        Op::ScmpCmpLt => have < want,
        Op::ScmpCmpLe => have <= want,
        Op::ScmpCmpEq => have == want,
        Op::ScmpCmpGe => have >= want,
        Op::ScmpCmpGt => have > want,
        Op::ScmpCmpMaskedEq => have & want == arg.value_two().unwrap_or(0) & want,
    }
}
