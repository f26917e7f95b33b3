//! The compiled program is run here by a small interpreter, so that verdicts are checked without
//! a kernel.

use super::*;
use oci_spec::runtime::{LinuxSeccompArgBuilder, LinuxSeccompOperator as Op};

const ALLOW: u32 = 0x7fff_0000;

fn run(program: &[sock_filter], arch: u32, number: u32, args: [u64; 6]) -> u32 {
    let mut data = Vec::new();
    data.extend(number.to_ne_bytes());
    data.extend(arch.to_ne_bytes());
    data.extend(0u64.to_ne_bytes());
    args.iter().for_each(|arg| data.extend(arg.to_ne_bytes()));
    let word = |at: u32| u32::from_ne_bytes(data[at as usize..at as usize + 4].try_into().unwrap());
    let (mut pc, mut a) = (0usize, 0u32);
    loop {
        let insn = program[pc];
        pc += 1;
        let go = |yes: bool| usize::from(if yes { insn.jt } else { insn.jf });
        match insn.code {
            0x20 => a = word(insn.k),
            0x54 => a &= insn.k,
            0x05 => pc += insn.k as usize,
            0x15 => pc += go(a == insn.k),
            0x25 => pc += go(a > insn.k),
            0x35 => pc += go(a >= insn.k),
            0x06 => return insn.k,
            other => panic!("unknown opcode {other:#x}"),
        }
    }
}

fn default_verdict(name: &str, args: [u64; 6]) -> u32 {
    let filter = compile(&profile(&crate::caps::DEFAULT.into_iter().collect()).unwrap()).unwrap();
    run(&filter.program, ARCH, number(name).unwrap(), args)
}

const fn errno(number: i32) -> u32 {
    ERRNO | number.cast_unsigned()
}

#[test]
fn every_name_is_found_and_no_other() {
    for (name, wanted) in TABLE {
        assert_eq!(number(name), Some(*wanted), "{name}");
        assert_eq!(number(&format!("{name}_")), None);
    }
    assert_eq!(number(""), None);

    assert_eq!(number("io_uring_setup"), Some(425));
    assert_eq!(number("no_such_call"), None);
}

#[test]
fn every_number_gets_the_verdict_of_its_name() {
    let filter = compile(&profile(&crate::caps::DEFAULT.into_iter().collect()).unwrap()).unwrap();
    let rules = profile(&crate::caps::DEFAULT.into_iter().collect()).unwrap();
    let plain: std::collections::BTreeSet<u32> = rules
        .syscalls()
        .iter()
        .flatten()
        .filter(|rule| rule.args().is_none() && rule.action() == LinuxSeccompAction::ScmpActAllow)
        .flat_map(|rule| rule.names().iter().filter_map(|name| number(name)))
        .collect();
    for (name, number) in TABLE {
        let verdict = run(&filter.program, ARCH, *number, [u64::MAX; 6]);
        let allowed = plain.contains(number);
        assert_eq!(verdict == ALLOW, allowed, "{name}");
    }
}

#[test]
fn arguments_decide_where_they_should() {
    assert_eq!(default_verdict("socket", [38, 0, 0, 0, 0, 0]), errno(libc::EPERM));
    assert_eq!(default_verdict("socket", [0x1_0000_0028, 0, 0, 0, 0, 0]), errno(libc::EPERM));
    assert_eq!(default_verdict("socket", [2, 1, 0, 0, 0, 0]), ALLOW);
    assert_eq!(default_verdict("ioctl", [0, 0x5412, 0, 0, 0, 0]), errno(libc::EPERM));
    assert_eq!(default_verdict("ioctl", [0, 0xffff_ffff_0000_541c, 0, 0, 0, 0]), errno(libc::EPERM));
    assert_eq!(default_verdict("ioctl", [0, 0x5401, 0, 0, 0, 0]), ALLOW);
    assert_eq!(default_verdict("clone", [0x1000_0000, 0, 0, 0, 0, 0]), errno(libc::EPERM));
    assert_eq!(default_verdict("clone", [0x11, 0, 0, 0, 0, 0]), ALLOW);
    assert_eq!(default_verdict("clone3", [0; 6]), errno(libc::ENOSYS));
    assert_eq!(default_verdict("personality", [8, 0, 0, 0, 0, 0]), ALLOW);
    assert_eq!(default_verdict("personality", [0x40_0000, 0, 0, 0, 0, 0]), errno(libc::EPERM));
    for refused in ["io_uring_setup", "userfaultfd", "keyctl", "add_key", "mount", "unshare", "bpf", "setns"]
    {
        assert_eq!(default_verdict(refused, [0; 6]), errno(libc::EPERM), "{refused}");
    }
}

#[test]
fn a_profile_without_execveat_still_lets_a_container_start() {
    let mut rule = LinuxSyscall::default();
    rule.set_names(vec!["execve".into()]).set_action(LinuxSeccompAction::ScmpActAllow);
    let mut profile = LinuxSeccomp::default();
    profile.set_default_action(LinuxSeccompAction::ScmpActErrno).set_syscalls(Some(vec![rule.clone()]));
    let verdict = |profile: &LinuxSeccomp| {
        run(&compile(profile).unwrap().program, ARCH, number("execveat").unwrap(), [0; 6])
    };
    assert_eq!(verdict(&profile), ALLOW);
    let mut refused = LinuxSyscall::default();
    refused.set_names(vec!["execveat".into()]).set_action(LinuxSeccompAction::ScmpActErrno);
    profile.set_syscalls(Some(vec![rule, refused]));
    assert_eq!(verdict(&profile), errno(libc::EPERM));
}

#[test]
fn foreign_and_future_calls_are_not_let_through() {
    let filter = compile(&profile(&Default::default()).unwrap()).unwrap();
    assert_eq!(run(&filter.program, 0x4000_0003, 1, [0; 6]), 0x8000_0000, "i386");
    assert_eq!(run(&filter.program, ARCH, 0x4000_0001, [0; 6]), errno(libc::ENOSYS), "x32");
    assert_eq!(run(&filter.program, ARCH, 9999, [0; 6]), errno(libc::ENOSYS), "future");
}

#[test]
fn comparisons_see_all_64_bits() {
    let big = 0x1_0000_0005;
    let cases = [
        (Op::ScmpCmpEq, [false, true, false]),
        (Op::ScmpCmpNe, [true, false, true]),
        (Op::ScmpCmpLt, [true, false, false]),
        (Op::ScmpCmpLe, [true, true, false]),
        (Op::ScmpCmpGt, [false, false, true]),
        (Op::ScmpCmpGe, [false, true, true]),
    ];
    for (op, wanted) in cases {
        let rule = one_rule(op, big, None);
        for (value, wanted) in [big - 1, big, big + 1].into_iter().zip(wanted) {
            assert_eq!(run(&rule, ARCH, 0, [value, 0, 0, 0, 0, 0]) == ALLOW, wanted, "{op:?} {value:#x}");
        }
        // The low half alone must not decide.
        let far = run(&rule, ARCH, 0, [0x2_0000_0005, 0, 0, 0, 0, 0]) == ALLOW;
        assert_eq!(far, matches!(op, Op::ScmpCmpNe | Op::ScmpCmpGt | Op::ScmpCmpGe), "{op:?}");
    }
    let masked = one_rule(Op::ScmpCmpMaskedEq, 0xff00_0000_0000_00ff, Some(0x0100_0000_0000_0001));
    assert_eq!(run(&masked, ARCH, 0, [0x01ab_0000_0000_ff01, 0, 0, 0, 0, 0]), ALLOW);
    assert_ne!(run(&masked, ARCH, 0, [0x01ab_0000_0000_ff02, 0, 0, 0, 0, 0]), ALLOW);
    let more_than_the_mask = one_rule(Op::ScmpCmpMaskedEq, 0xff, Some(0x1_0000_0101));
    assert_eq!(run(&more_than_the_mask, ARCH, 0, [1, 0, 0, 0, 0, 0]), ALLOW);
}

fn one_rule(op: Op, value: u64, second: Option<u64>) -> Vec<sock_filter> {
    let mut builder = LinuxSeccompArgBuilder::default().index(0usize).value(value).op(op);
    if let Some(second) = second {
        builder = builder.value_two(second);
    }
    let arg = builder.build().unwrap();
    let rule = Rule::new(&[arg], ALLOW);
    let segment = Segment { start: 0, conditional: vec![rule], otherwise: errno(libc::EPERM) };
    tree::program(&[(ARCH, vec![segment])]).unwrap()
}

/// A profile of the user's with one rule.
fn of_user(default: LinuxSeccompAction, action: LinuxSeccompAction, name: &str) -> LinuxSeccomp {
    let mut rule = LinuxSyscall::default();
    rule.set_names(vec![name.into()]).set_action(action);
    let mut profile = LinuxSeccomp::default();
    profile.set_default_action(default).set_syscalls(Some(vec![rule]));
    profile
}

#[test]
fn calls_newer_than_a_profile_do_not_exist_and_older_ones_are_refused() {
    let action = LinuxSeccompAction::ScmpActAllow;
    let profile = of_user(LinuxSeccompAction::ScmpActErrno, action, "openat2");
    let program = compile(&profile).unwrap().program;
    let newest = number("openat2").unwrap();
    assert_eq!(run(&program, ARCH, newest, [0; 6]), ALLOW);
    assert_eq!(run(&program, ARCH, newest - 1, [0; 6]), errno(libc::EPERM));
    assert_eq!(run(&program, ARCH, newest + 1, [0; 6]), errno(libc::ENOSYS));
    // Whoever allows all by default means all that will be, too.
    let open = of_user(LinuxSeccompAction::ScmpActAllow, LinuxSeccompAction::ScmpActErrno, "openat2");
    assert_eq!(run(&compile(&open).unwrap().program, ARCH, newest + 1, [0; 6]), ALLOW);
}

#[test]
fn newer_calls_do_not_exist_either_where_the_default_is_to_kill() {
    let allow = LinuxSeccompAction::ScmpActAllow;
    for default in [LinuxSeccompAction::ScmpActKillProcess, LinuxSeccompAction::ScmpActKill] {
        let program = compile(&of_user(default, allow, "openat2")).unwrap().program;
        assert_eq!(run(&program, ARCH, number("openat2").unwrap() + 1, [0; 6]), errno(libc::ENOSYS));
    }
}

#[test]
fn conditions_on_one_argument_are_alternatives_however_many() {
    let condition =
        |value: u64| LinuxSeccompArgBuilder::default().index(0usize).value(value).op(Op::ScmpCmpEq).build();
    let mut profile = of_user(LinuxSeccompAction::ScmpActErrno, LinuxSeccompAction::ScmpActAllow, "ioctl");
    let mut rule = profile.syscalls().as_ref().unwrap()[0].clone();
    rule.set_args(Some((1..=60).map(|value| condition(value).unwrap()).collect()));
    profile.set_syscalls(Some(vec![rule]));
    let program = compile(&profile).unwrap().program;
    let ioctl = |first| run(&program, ARCH, number("ioctl").unwrap(), [first, 0, 0, 0, 0, 0]);
    assert_eq!([0, 1, 30, 60, 61].map(|first| ioctl(first) == ALLOW), [false, true, true, true, false]);
}

#[test]
fn a_rule_that_says_what_the_default_says_hides_no_other() {
    let mut profile = of_user(LinuxSeccompAction::ScmpActAllow, LinuxSeccompAction::ScmpActAllow, "mkdir");
    let deny = of_user(LinuxSeccompAction::ScmpActAllow, LinuxSeccompAction::ScmpActErrno, "mkdir");
    let both = profile.syscalls().iter().chain(deny.syscalls()).flatten().cloned().collect();
    profile.set_syscalls(Some(both));
    let program = compile(&profile).unwrap().program;
    assert_eq!(run(&program, ARCH, number("mkdir").unwrap(), [0; 6]), errno(libc::EPERM));
}

#[cfg(target_arch = "x86_64")]
#[test]
fn what_is_forbidden_on_i386_is_not_done_through_another_call() {
    let mut deny = of_user(LinuxSeccompAction::ScmpActAllow, LinuxSeccompAction::ScmpActErrno, "socket");
    deny.set_architectures(Some(vec![Arch::ScmpArchX86]));
    let program = compile(&deny).unwrap().program;
    let socketcall = |which| run(&program, i386::ARCH, 102, [which, 0, 0, 0, 0, 0]);
    assert_eq!((socketcall(1), socketcall(2)), (errno(libc::EPERM), ALLOW));
}

#[test]
fn the_default_profile_lets_programs_fall_back_from_calls_that_it_does_not_know() {
    for name in ["file_getattr", "open_tree_attr"] {
        assert_eq!(default_verdict(name, [0; 6]), errno(libc::ENOSYS), "{name}");
    }
    for name in ["process_madvise", "lsm_list_modules", "modify_ldt"] {
        assert_eq!(default_verdict(name, [0; 6]), errno(libc::EPERM), "{name}");
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn a_list_of_forbidden_calls_is_not_passed_by_their_x32_twins() {
    let deny = of_user(LinuxSeccompAction::ScmpActAllow, LinuxSeccompAction::ScmpActErrno, "mkdir");
    let program = compile(&deny).unwrap().program;
    let mkdir = number("mkdir").unwrap();
    assert_eq!(run(&program, ARCH, mkdir, [0; 6]), errno(libc::EPERM));
    assert_eq!(run(&program, ARCH, mkdir | x32::BIT, [0; 6]), errno(libc::ENOSYS));
    assert_eq!(run(&program, ARCH, 0xffff_ffff, [0; 6]), errno(libc::ENOSYS));
}

#[cfg(target_arch = "x86_64")]
#[test]
fn other_architectures_are_open_if_the_profile_names_them_and_filtered_by_their_own_numbers() {
    let mut deny = of_user(LinuxSeccompAction::ScmpActAllow, LinuxSeccompAction::ScmpActErrno, "ioctl");
    deny.set_architectures(Some(vec![Arch::ScmpArchX86_64, Arch::ScmpArchX86, Arch::ScmpArchX32]));
    let program = compile(&deny).unwrap().program;
    assert_eq!(run(&program, ARCH, 16, [0; 6]), errno(libc::EPERM));
    assert_eq!(run(&program, ARCH, 16 | x32::BIT, [0; 6]), ALLOW, "x32 has another number for it");
    assert_eq!(run(&program, ARCH, 514 | x32::BIT, [0; 6]), errno(libc::EPERM));
    assert_eq!(run(&program, i386::ARCH, 54, [0; 6]), errno(libc::EPERM));
    assert_eq!(run(&program, i386::ARCH, 16, [0; 6]), ALLOW);
    assert_eq!(run(&program, 0xc000_00b7, 16, [0; 6]), 0x8000_0000, "not named");
}

#[cfg(target_arch = "x86_64")]
#[test]
fn tables_are_sorted_as_the_search_needs_them() {
    assert!(i386::TABLE.is_sorted_by(|a, b| a.0 < b.0) && x32::OWN.is_sorted_by(|a, b| a.0 < b.0));
    assert_eq!(
        (i386::find("waitpid"), i386::find("socketcall"), i386::find("nope")),
        (Some(7), Some(102), None)
    );
    assert_eq!(x32::find("read", number("read")), Some(x32::BIT));
}

#[test]
fn what_a_listener_decides_about_is_asked_for_in_full() {
    let read = |text: &str| serde_json::from_str::<LinuxSeccomp>(text).unwrap();
    let rule = |name: &str| format!(r#"[{{"names": ["{name}"], "action": "SCMP_ACT_NOTIFY"}}]"#);
    let profile = |rest: &str| read(&format!(r#"{{"defaultAction": "SCMP_ACT_ALLOW", {rest}}}"#));
    let asked = profile(&format!(
        r#""listenerPath": "/a", "flags": ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"], "syscalls": {}"#,
        rule("mkdirat")
    ));
    let filter = compile(&asked).unwrap();
    assert!(filter.listens);
    assert_eq!(filter.flags, 8 | 32);
    assert_eq!(run(&filter.program, ARCH, number("mkdirat").unwrap(), [0; 6]), 0x7fc0_0000);
    // A listener that nothing is asked of is none, and the kernel is not told how to wait for it.
    let idle = profile(r#""listenerPath": "/a", "flags": ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]"#);
    assert_eq!(compile(&idle).unwrap().flags, 0);
    let refused = |profile: LinuxSeccomp| compile(&profile).unwrap_err().to_string();
    assert!(refused(profile(&format!(r#""syscalls": {}"#, rule("mkdir")))).contains("listenerPath"));
    let write = profile(&format!(r#""listenerPath": "/a", "syscalls": {}"#, rule("write")));
    assert_eq!(refused(write), "SCMP_ACT_NOTIFY cannot be used for the write syscall");
    assert!(refused(read(r#"{"defaultAction": "SCMP_ACT_NOTIFY"}"#)).contains("default action"));
}

#[test]
fn the_stub_may_what_it_has_to_do_and_nobody_else() {
    const WORD: u64 = 0x8123_4567_89ab_cdef;
    let closed = of_user(LinuxSeccompAction::ScmpActErrno, LinuxSeccompAction::ScmpActAllow, "read");
    let mut program = compile(&closed).unwrap().program;
    admit(&mut program, WORD, false).unwrap();
    let verdict = |name: &str, args| run(&program, ARCH, number(name).unwrap(), args);
    let fork = [0x8011, 0, 0, 0, WORD, 7];
    let terminal = [0, libc::TIOCSCTTY, 0, 0, WORD, 7];
    let record = [3, 0xffff_1234, 8, 0, WORD, 7];
    for (name, args) in [
        ("clone", fork),
        ("setsid", [1, 2, 3, 4, WORD, 7]),
        ("ioctl", terminal),
        ("prctl", [1, 9, 0, 0, WORD, 7]),
        ("write", record),
        ("exit_group", [0, 0, 0, 0, WORD, 7]),
    ] {
        assert_eq!(verdict(name, args), ALLOW, "{name}");
        for word in [0, WORD + 1, WORD & 0xffff_ffff, WORD << 32, !WORD] {
            let mut args = args;
            args[4] = word;
            assert_ne!(verdict(name, args), ALLOW, "{name} without the word");
        }
    }
    let with = |mut args: [u64; 6], at: usize, value| {
        args[at] = value;
        args
    };
    assert_ne!(verdict("clone", with(fork, 0, 0x1000_8011)), ALLOW, "a new namespace");
    assert_ne!(verdict("clone", with(fork, 0, 1 << 32 | 0x8011)), ALLOW);
    assert_ne!(verdict("ioctl", with(terminal, 1, libc::TIOCSTI)), ALLOW);
    assert_ne!(verdict("prctl", [15, 0, 0, 0, WORD, 0]), ALLOW);
    assert_ne!(verdict("write", with(record, 2, 9)), ALLOW);
    assert_ne!(verdict("unshare", [0, 0, 0, 0, WORD, 0]), ALLOW);
    assert_eq!(verdict("read", [0; 6]), ALLOW, "the rest is the program's");
    assert_ne!(verdict("openat", [5, 0, 1, 0, WORD, 0]), ALLOW, "without a label");

    let mut program = compile(&closed).unwrap().program;
    admit(&mut program, WORD, true).unwrap();
    for name in ["openat", "write", "close"] {
        let verdict = |word| run(&program, ARCH, number(name).unwrap(), [5, 0, 22, 0, word, 0]);
        assert_eq!((verdict(WORD), verdict(0) == ALLOW), (ALLOW, false), "{name}");
    }
}

/// As libseccomp's users wrote it: several values of one argument are alternatives.
#[test]
fn several_conditions_on_one_argument_are_alternatives() {
    let profile: LinuxSeccomp = serde_json::from_str(
        r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["kill"], "action": "SCMP_ACT_ALLOW",
            "args": [{"index": 1, "value": 9, "op": "SCMP_CMP_EQ"}, {"index": 1, "value": 15, "op": "SCMP_CMP_EQ"}]}]}"#,
    )
    .unwrap();
    let program = compile(&profile).unwrap().program;
    let verdict = |signal| run(&program, ARCH, number("kill").unwrap(), [1, signal, 0, 0, 0, 0]);
    assert_eq!((verdict(9), verdict(15), verdict(2)), (ALLOW, ALLOW, errno(libc::EPERM)));
}
