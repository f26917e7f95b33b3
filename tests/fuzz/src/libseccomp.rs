//! The same profile through libseccomp, filled as runc and crun fill it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::io::{Read, Seek};
use std::os::fd::AsRawFd;

use libseccomp_sys as sys;
use oci_spec::runtime::{Arch, LinuxSeccomp, LinuxSeccompArg, LinuxSeccompOperator as Op, LinuxSyscall};

use crate::seccomp::Compiled;
use crate::seccomp::bpf::{self, Data, Insn};
use crate::seccomp::meaning::{self, Tables};

/// What libseccomp knows of other architectures. Its table ends some kernels before ours.
#[derive(Debug)]
pub struct Known;

impl Tables for Known {
    fn foreign(&self, x32: bool, name: &str) -> Option<u32> {
        let arch = if x32 { sys::SCMP_ARCH_X32 } else { sys::SCMP_ARCH_X86 };
        let direct = |name| DIRECT.iter().find(|(known, _)| *known == name).map(|(_, number)| *number);
        u32::try_from(number(arch, name)?).ok().or_else(|| direct(name).filter(|_| !x32))
    }

    fn multiplexed(&self, name: &str) -> Option<(u32, u64)> {
        // Numbers of its own, from which it makes the condition.
        match -number(sys::SCMP_ARCH_X86, name)? {
            n @ 101..=120 => Some((102, u64::from(n.unsigned_abs()) - 100)),
            n @ 201..=224 => Some((117, u64::from(n.unsigned_abs()) - 200)),
            _ => None,
        }
    }

    fn has_foreign(&self) -> bool {
        true
    }
}

/// Calls of i386 that libseccomp gives no number of by name, because they can be made in two ways.
const DIRECT: &[(&str, u32)] = &[
    ("recvmmsg", 337),
    ("sendmmsg", 345),
    ("socket", 359),
    ("socketpair", 360),
    ("bind", 361),
    ("connect", 362),
    ("listen", 363),
    ("accept4", 364),
    ("getsockopt", 365),
    ("setsockopt", 366),
    ("getsockname", 367),
    ("getpeername", 368),
    ("sendto", 369),
    ("sendmsg", 370),
    ("recvfrom", 371),
    ("recvmsg", 372),
    ("shutdown", 373),
    ("semget", 393),
    ("semctl", 394),
    ("shmget", 395),
    ("shmctl", 396),
    ("shmat", 397),
    ("shmdt", 398),
    ("msgget", 399),
    ("msgsnd", 400),
    ("msgrcv", 401),
    ("msgctl", 402),
];

/// The number of a call; a negative one stands for a call that the architecture multiplexes.
#[must_use]
pub fn number(arch: u32, name: &str) -> Option<i32> {
    thread_local! {
        // libseccomp goes through its whole table each time.
        static KNOWN: RefCell<HashMap<(u32, String), Option<i32>>> = RefCell::default();
    }
    let key = (arch, name.to_owned());
    if let Some(known) = KNOWN.with_borrow(|known| known.get(&key).copied()) {
        return known;
    }
    let number = look_up(arch, name);
    KNOWN.with_borrow_mut(|known| {
        if known.len() > 10_000 {
            known.clear();
        }
        known.insert(key, number);
    });
    number
}

fn look_up(arch: u32, name: &str) -> Option<i32> {
    let name = CString::new(name).ok()?;
    // SAFETY: a string that ends, and is only read.
    let number = unsafe { sys::seccomp_syscall_resolve_name_arch(arch, name.as_ptr()) };
    (number != sys::__NR_SCMP_ERROR).then_some(number)
}

/// The name of a call.
#[must_use]
pub fn name(arch: u32, number: i32) -> Option<String> {
    // SAFETY: two integers. What is returned was allocated for us, and is freed below.
    let text = unsafe { sys::seccomp_syscall_resolve_num_arch(arch, number) };
    if text.is_null() {
        return None;
    }
    // SAFETY: not null, and a string that ends.
    let name = unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned();
    // SAFETY: allocated with malloc(3) for the caller, and not used afterwards.
    unsafe { libc::free(text.cast_mut().cast()) };
    Some(name)
}

/// Drops names that libseccomp cannot know on every architecture that is asked for: the numbers of the
/// others cannot be compared.
pub fn only_known(profile: &mut LinuxSeccomp) {
    let foreign = meaning::names(profile, Arch::ScmpArchX86) || meaning::names(profile, Arch::ScmpArchX32);
    let mut rules = profile.syscalls().clone().unwrap_or_default();
    for rule in &mut rules {
        let mut names = rule.names().clone();
        names.retain(|name| {
            let all = [sys::SCMP_ARCH_X86_64, sys::SCMP_ARCH_X86, sys::SCMP_ARCH_X32];
            !foreign || all.iter().all(|arch| number(*arch, name).is_some())
        });
        rule.set_names(names);
    }
    profile.set_syscalls(Some(rules));
}

struct Context(sys::scmp_filter_ctx);

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: a context of ours that nobody else has.
        unsafe { sys::seccomp_release(self.0) };
    }
}

/// Compiles; `None` if libseccomp refuses it.
#[must_use]
pub fn compile(profile: &LinuxSeccomp) -> Option<Vec<Insn>> {
    if is_slow(profile) {
        return None;
    }
    let default = meaning::default_of(profile);
    // SAFETY: an integer.
    let context = Context(unsafe { sys::seccomp_init(default) });
    if context.0.is_null() {
        return None;
    }
    for (arch, token) in [(Arch::ScmpArchX86, sys::SCMP_ARCH_X86), (Arch::ScmpArchX32, sys::SCMP_ARCH_X32)] {
        // SAFETY: a context of ours, and an integer.
        if meaning::names(profile, arch) && unsafe { sys::seccomp_arch_add(context.0, token) } != 0 {
            return None;
        }
    }
    for rule in profile.syscalls().iter().flatten() {
        add(&context, rule, default)?;
    }
    export(&context)
}

fn add(context: &Context, rule: &LinuxSyscall, default: u32) -> Option<()> {
    let action = meaning::number_of(rule.action(), rule.errno_ret());
    if action == default {
        return Some(());
    }
    let args = rule.args().as_deref().unwrap_or_default();
    let twice = args.iter().enumerate().any(|(at, arg)| args[..at].iter().any(|a| a.index() == arg.index()));
    for name in rule.names() {
        // Known by number only, if it is newer than libseccomp.
        let native = || runtime::seccomp::number(name).and_then(|number| i32::try_from(number).ok());
        let Some(number) = number(sys::SCMP_ARCH_X86_64, name).or_else(native) else { continue };
        let rules: Vec<&[LinuxSeccompArg]> = if twice { args.chunks(1).collect() } else { vec![args] };
        for args in rules {
            let args: Vec<sys::scmp_arg_cmp> = args.iter().map(condition).collect();
            let count = u32::try_from(args.len()).ok()?;
            // SAFETY: as many conditions as are said to be there.
            let done =
                unsafe { sys::seccomp_rule_add_array(context.0, action, number, count, args.as_ptr()) };
            (done == 0).then_some(())?;
        }
    }
    Some(())
}

fn condition(arg: &LinuxSeccompArg) -> sys::scmp_arg_cmp {
    let op = match arg.op() {
        Op::ScmpCmpNe => sys::scmp_compare::SCMP_CMP_NE,
        Op::ScmpCmpLt => sys::scmp_compare::SCMP_CMP_LT,
        Op::ScmpCmpLe => sys::scmp_compare::SCMP_CMP_LE,
        Op::ScmpCmpEq => sys::scmp_compare::SCMP_CMP_EQ,
        Op::ScmpCmpGe => sys::scmp_compare::SCMP_CMP_GE,
        Op::ScmpCmpGt => sys::scmp_compare::SCMP_CMP_GT,
        Op::ScmpCmpMaskedEq => sys::scmp_compare::SCMP_CMP_MASKED_EQ,
    };
    let arg_number = u32::try_from(arg.index()).unwrap_or(u32::MAX);
    sys::scmp_arg_cmp { arg: arg_number, op, datum_a: arg.value(), datum_b: arg.value_two().unwrap_or(0) }
}

fn export(context: &Context) -> Option<Vec<Insn>> {
    let fd = rustix::fs::memfd_create("filter", rustix::fs::MemfdFlags::CLOEXEC).ok()?;
    // SAFETY: a context and a descriptor of ours.
    if unsafe { sys::seccomp_export_bpf(context.0, fd.as_raw_fd()) } != 0 {
        return None;
    }
    let (mut file, mut bytes) = (std::fs::File::from(fd), Vec::new());
    file.rewind().ok()?;
    file.read_to_end(&mut bytes).ok()?;
    let word = |b: &[u8]| u32::from_ne_bytes([b[0], b[1], b[2], b[3]]);
    let insn =
        |b: &[u8]| Insn { code: u16::from_ne_bytes([b[0], b[1]]), jt: b[2], jf: b[3], k: word(&b[4..]) };
    Some(bytes.chunks_exact(8).map(insn).collect())
}

/// Whether a program compares the number of a call without having loaded it: what libseccomp 2.5 makes
/// of x32 and a rule for a call that no architecture of the profile has.
fn forgets_the_number(program: &[Insn]) -> bool {
    let mut at = 1;
    while let Some(insn) = program.get(at) {
        let after = |over: u8| at + 1 + usize::from(over);
        match insn.code {
            0x15 if program
                .get(after(insn.jt))
                .is_some_and(|next| matches!(next.code, 0x15 | 0x25 | 0x35)) =>
            {
                return true;
            }
            0x15 => at = after(insn.jf),
            0x05 => at += 1 + insn.k as usize,
            _ => return false,
        }
    }
    false
}

/// Whether a call has so many conditions that libseccomp would take minutes.
fn is_slow(profile: &LinuxSeccomp) -> bool {
    let mut conditions: HashMap<&str, usize> = HashMap::new();
    for rule in profile.syscalls().iter().flatten() {
        for name in rule.names() {
            *conditions.entry(name).or_default() += rule.args().as_deref().unwrap_or_default().len();
        }
    }
    conditions.values().any(|count| *count > 8)
}

/// Compares the verdicts for calls that both mean the same by; see `README.md` for the others.
///
/// # Panics
/// If one differs.
pub fn compare(profile: &LinuxSeccomp, (ours, probes): &Compiled) {
    let Some(theirs) = compile(profile).filter(|program| !forgets_the_number(program)) else { return };
    for data in probes.iter().filter(|data| is_comparable(profile, data)) {
        let (ours_says, theirs_says) = (bpf::run(ours, data), bpf::run(&theirs, data));
        assert_eq!(
            format!("{ours_says:#x}"),
            format!("{theirs_says:#x}"),
            "ours and libseccomp's, {data:x?} under {profile:?}"
        );
    }
}

fn is_comparable(profile: &LinuxSeccomp, data: &Data) -> bool {
    let Ok(find) = meaning::table(profile, &Known, data) else { return false };
    let default = meaning::default_of(profile);
    // libseccomp takes both other architectures for machines of 32 bits and compares the lower halves.
    let long = |value: &u64| *value > u64::from(u32::MAX);
    let is_foreign = data.arch != meaning::NATIVE || data.number >= meaning::X32_BIT;
    let args = profile.syscalls().iter().flatten().flat_map(|rule| rule.args().iter().flatten());
    let mut values = args.flat_map(|arg| [arg.value(), arg.value_two().unwrap_or(0)]);
    if is_foreign && (data.args.iter().any(long) || values.any(|value| long(&value))) {
        return false;
    }
    // A rule with conditions for `socket` becomes one for `socketcall` that has one of them replaced.
    let conditional = |rule: &&LinuxSyscall| rule.args().as_ref().is_some_and(|args| !args.is_empty());
    if data.arch == meaning::I386 && [102, 117].contains(&data.number) {
        let mut rules = profile.syscalls().iter().flatten().filter(conditional);
        if rules.any(|rule| rule.names().iter().any(|name| Known.multiplexed(name).is_some())) {
            return false;
        }
    }
    let names = || profile.syscalls().iter().flatten().flat_map(|rule| rule.names().iter());
    // Calls newer than the profile: libseccomp does not tell them from others.
    if names().filter_map(|name| find(name)).max().is_none_or(|newest| data.number > newest) {
        return false;
    }
    // Ours adds this one.
    let is_execveat = Some(data.number) == runtime::seccomp::number("execveat") && !is_foreign;
    if is_execveat && names().all(|name| name != "execveat") {
        return false;
    }
    // Rules that contradict each other: which one counts is the compiler's choice.
    let (conditional, plain) = meaning::applying(profile, &Known, &*find, data);
    let plain = plain.into_iter().find(|action| *action != default);
    let all: Vec<u32> = conditional.into_iter().chain(plain).collect();
    all.iter().all(|action| *action != default || all.len() == 1)
        && all.windows(2).all(|two| two[0] == two[1])
}
