//! Which devices a container can use: nothing, then the six that every program may expect, and
//! terminals. Set once on the group above all containers.

use std::os::fd::AsFd;

use oci_spec::runtime::{LinuxDeviceType, LinuxResources};
use sys::bpf::{self, Insn};
use types::{Context, Result};

use crate::plan::unsupported;

/// Character devices, by major and minor (`None`: all).
const ALLOWED: [(u32, Option<u32>); 9] = [
    (1, Some(3)), // null
    (1, Some(5)), // zero
    (1, Some(7)), // full
    (1, Some(8)), // random
    (1, Some(9)), // urandom
    (5, Some(0)), // tty
    (5, Some(1)), // console
    (5, Some(2)), // ptmx
    (136, None),  // pts/N
];

/// Tells whether a configuration allows everything (`--privileged`).
///
/// # Errors
/// For rules that allow single devices beyond the usual ones.
pub fn unrestricted(resources: &LinuxResources) -> Result<bool> {
    let mut everything = false;
    for rule in resources.devices().iter().flatten().filter(|rule| rule.allow()) {
        let all = matches!(rule.typ(), None | Some(LinuxDeviceType::A));
        if all && rule.major().is_none_or(|n| n < 0) && rule.minor().is_none_or(|n| n < 0) {
            everything = true;
        } else if !usual(rule) {
            return Err(unsupported("access to a single device"));
        }
    }
    Ok(everything)
}

fn usual(rule: &oci_spec::runtime::LinuxDeviceCgroup) -> bool {
    let only_mknod = rule.access().as_deref() == Some("m");
    let number = |n: Option<i64>| n.and_then(|n| u32::try_from(n).ok());
    let known = number(rule.major()).is_some_and(|major| {
        ALLOWED.iter().any(|(m, n)| *m == major && (n.is_none() || *n == number(rule.minor())))
    });
    only_mknod || (rule.typ() == Some(LinuxDeviceType::C) && known)
}

/// Lines for `devices.allow`.
pub fn v1_rules() -> impl Iterator<Item = String> {
    let devices = ALLOWED.iter().map(|(major, minor)| match minor {
        Some(minor) => format!("c {major}:{minor} rwm"),
        None => format!("c {major}:* rwm"),
    });
    // A node may be made; opening it is what is refused.
    ["b *:* m".to_owned(), "c *:* m".to_owned()].into_iter().chain(devices)
}

/// Tells whether `devices.list` says what we would write.
pub fn is_v1_list(list: &str) -> bool {
    let mut have: Vec<_> = list.lines().map(str::to_owned).collect();
    let mut want: Vec<_> = v1_rules().collect();
    have.sort();
    want.sort();
    have == want
}

/// Tells whether the policy is attached to this v2 group.
pub fn is_attached(group: impl AsFd) -> Result<bool> {
    bpf::has_device_policy(group).context("look for the device policy")
}

/// Attaches the policy to a v2 group.
pub fn attach(group: impl AsFd) -> Result<()> {
    bpf::attach_device_policy(group, &program()).context("attach the device policy")
}

const MKNOD: i32 = 1;
const CHARACTER: i32 = 2;

/// The policy as eBPF: registers 2 to 5 hold type, access, major and minor (`bpf_cgroup_dev_ctx`).
fn program() -> Vec<Insn> {
    let insn = |code, dst: u8, src: u8, off, imm| Insn { code, regs: dst | src << 4, off, imm };
    let load = |dst, off| insn(0x61, dst, 1, off, 0);
    let unless = |reg, value: u32, over| insn(0x56, reg, 0, over, value.cast_signed());
    let allow = [insn(0xb4, 0, 0, 0, 1), insn(0x95, 0, 0, 0, 0)];
    let mut code = vec![
        load(2, 0),
        insn(0xbc, 3, 2, 0, 0),      // access = both
        insn(0x54, 2, 0, 0, 0xffff), // type &= 0xffff
        insn(0x74, 3, 0, 0, 16),     // access >>= 16
        load(4, 4),
        load(5, 8),
        unless(3, MKNOD.cast_unsigned(), 2),
    ];
    code.extend(allow);
    for (major, minor) in ALLOWED {
        code.push(unless(2, CHARACTER.cast_unsigned(), if minor.is_some() { 4 } else { 3 }));
        code.push(unless(4, major, if minor.is_some() { 3 } else { 2 }));
        code.extend(minor.map(|minor| unless(5, minor, 2)));
        code.extend(allow);
    }
    code.extend([insn(0xb4, 0, 0, 0, 0), insn(0x95, 0, 0, 0, 0)]);
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the policy; what the kernel would say.
    fn verdict(kind: u32, access: u32, major: u32, minor: u32) -> bool {
        let code = program();
        let context = [kind | access << 16, major, minor];
        let (mut reg, mut pc) = ([0u32; 11], 0usize);
        loop {
            let i = code[pc];
            pc += 1;
            let (dst, src) = (usize::from(i.regs & 15), usize::from(i.regs >> 4));
            match i.code {
                0x61 => reg[dst] = context[usize::try_from(i.off).unwrap() / 4],
                0xbc => reg[dst] = reg[src],
                0x54 => reg[dst] &= i.imm.cast_unsigned(),
                0x74 => reg[dst] >>= i.imm,
                0x56 if reg[dst] != i.imm.cast_unsigned() => pc += usize::try_from(i.off).unwrap(),
                0x56 => {}
                0xb4 => reg[dst] = i.imm.cast_unsigned(),
                0x95 => return reg[0] == 1,
                other => panic!("opcode {other:#x}"),
            }
        }
    }

    #[test]
    fn the_usual_devices_work_and_no_others() {
        let (block, character, mknod, read, write) = (1, 2, 1, 2, 4);
        assert!(verdict(character, read | write, 1, 3));
        assert!(verdict(character, read | write | mknod, 136, 77));
        assert!(verdict(character, mknod, 1, 1) && verdict(block, mknod, 8, 0));
        assert!(!verdict(character, read, 1, 1), "/dev/mem");
        assert!(!verdict(block, read, 8, 0), "/dev/sda");
        assert!(!verdict(block, read, 1, 3), "a block device of the same number");
        assert!(!verdict(character, write, 10, 229), "/dev/fuse");
        assert!(!verdict(character, read | mknod, 1, 4), "/dev/port");
    }

    #[test]
    fn a_half_written_v1_policy_is_recognized() {
        let whole: Vec<_> = v1_rules().collect();
        assert!(is_v1_list(&whole.join("\n")));
        assert!(!is_v1_list(&whole[1..].join("\n")) && !is_v1_list("a *:* rwm"));
    }
}
