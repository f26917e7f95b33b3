//! A device policy as eBPF.

use sys::bpf::Insn;

use super::policy::{Access, Devices, Policy};

/// `BPF_DEVCG_DEV_BLOCK` and `BPF_DEVCG_DEV_CHAR`.
const BLOCK: i32 = 1;
const CHARACTER: i32 = 2;

const TYPE: u8 = 2;
const ACCESS: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;

const fn insn(code: u8, dst: u8, src: u8, off: i16, imm: i32) -> Insn {
    Insn { code, regs: dst | src << 4, off, imm }
}

/// Loads a word of the context.
const fn load(dst: u8, off: i16) -> Insn {
    insn(0x61, dst, 1, off, 0)
}

/// `if dst != imm`, skips the next `over` instructions.
const fn unless(dst: u8, imm: i32, over: i16) -> Insn {
    insn(0x56, dst, 0, over, imm)
}

/// Returns with a verdict.
const fn verdict(allow: bool) -> [Insn; 2] {
    [insn(0xb4, 0, 0, 0, allow as i32), insn(0x95, 0, 0, 0, 0)]
}

/// The program: registers 2 to 5 hold type, access, major and minor (`struct bpf_cgroup_dev_ctx`).
///
/// An access can have several bits (a device that is opened to read and write). Where nothing is
/// allowed but some, each exception takes its bits out of the access, and one that is left without is
/// allowed, so that two rules can grant its halves. Where everything is allowed but some, one bit of one
/// exception refuses it.
pub fn of(policy: &Policy) -> Vec<Insn> {
    let mut code = vec![
        load(TYPE, 0),
        insn(0xbc, ACCESS, TYPE, 0, 0), // access = type
        insn(0x54, TYPE, 0, 0, 0xffff), // type &= 0xffff
        insn(0x74, ACCESS, 0, 0, 16),   // access >>= 16
        load(MAJOR, 4),
        load(MINOR, 8),
    ];
    for (devices, access) in policy.except.iter() {
        let then = if policy.allow { refuse(access) } else { grant(access) };
        code.extend(matching(devices, &then));
    }
    code.extend(verdict(policy.allow));
    code
}

/// `then`, for some devices only.
fn matching(devices: Devices, then: &[Insn]) -> Vec<Insn> {
    let kind = if devices.character { CHARACTER } else { BLOCK };
    let mut tests = vec![(TYPE, kind)];
    tests.extend(devices.major.map(|n| (MAJOR, n.cast_signed())));
    tests.extend(devices.minor.map(|n| (MINOR, n.cast_signed())));
    let mut code = Vec::new();
    for (done, (register, value)) in tests.iter().enumerate() {
        let over = then.len() + tests.len() - done - 1;
        // A handful of instructions; the type of an offset is what the kernel has.
        code.push(unless(*register, *value, i16::try_from(over).unwrap_or(i16::MAX)));
    }
    code.extend(then);
    code
}

fn grant(access: Access) -> Vec<Insn> {
    let mut code = vec![insn(0x54, ACCESS, 0, 0, !i32::from(access.0)), unless(ACCESS, 0, 2)];
    code.extend(verdict(true));
    code
}

fn refuse(access: Access) -> Vec<Insn> {
    // if access & bits, goes on to the verdict; else jumps over it.
    let mut code = vec![insn(0x46, ACCESS, 0, 1, i32::from(access.0)), insn(0x05, 0, 0, 2, 0)];
    code.extend(verdict(false));
    code
}

#[cfg(test)]
mod tests {
    use super::super::policy::tests::rules;
    use super::*;

    const READ: u32 = 2;
    const WRITE: u32 = 4;
    const MKNOD: u32 = 1;

    /// Runs a program; what the kernel would say.
    fn run(policy: &Policy, kind: u32, access: u32, major: u32, minor: u32) -> bool {
        let code = of(policy);
        let context = [kind | access << 16, major, minor];
        let (mut reg, mut pc) = ([0u32; 11], 0usize);
        loop {
            let i = code[pc];
            pc += 1;
            let (dst, src) = (usize::from(i.regs & 15), usize::from(i.regs >> 4));
            let (imm, jump) = (i.imm.cast_unsigned(), usize::try_from(i.off).unwrap());
            match i.code {
                0x61 => reg[dst] = context[jump / 4],
                0xbc => reg[dst] = reg[src],
                0x54 => reg[dst] &= imm,
                0x74 => reg[dst] >>= imm,
                0x56 if reg[dst] != imm => pc += jump,
                0x46 if reg[dst] & imm != 0 => pc += jump,
                0x05 => pc += jump,
                0x56 | 0x46 => {}
                0xb4 => reg[dst] = imm,
                0x95 => return reg[0] == 1,
                other => panic!("opcode {other:#x}"),
            }
        }
    }

    #[test]
    fn the_usual_devices_work_and_no_others() {
        let usual = Policy::usual();
        let verdict = |kind, access, major, minor| run(&usual, kind, access, major, minor);
        let (block, character) = (1, 2);
        assert!(verdict(character, READ | WRITE, 1, 3));
        assert!(verdict(character, READ | WRITE | MKNOD, 136, 77));
        assert!(verdict(character, MKNOD, 1, 1) && verdict(block, MKNOD, 8, 0));
        assert!(!verdict(character, READ, 1, 1), "/dev/mem");
        assert!(!verdict(block, READ, 8, 0), "/dev/sda");
        assert!(!verdict(block, READ, 1, 3), "a block device of the same number");
        assert!(!verdict(character, WRITE, 10, 229), "/dev/fuse");
        assert!(!verdict(character, READ | MKNOD, 1, 4), "/dev/port");
        assert!(!verdict(character, READ, 5, 1), "the host's console");
    }

    #[test]
    fn two_rules_can_grant_the_halves_of_an_access() {
        let halves = rules(&[("allow", "c", 10, -1, "r"), ("allow", "c", 10, 229, "w")]);
        let policy = Policy::of(&halves).unwrap();
        assert!(run(&policy, 2, READ | WRITE, 10, 229) && run(&policy, 2, READ, 10, 1));
        assert!(!run(&policy, 2, READ | WRITE, 10, 1) && !run(&policy, 2, READ | WRITE | MKNOD, 10, 229));
    }

    #[test]
    fn one_refused_bit_refuses_the_access() {
        let policy = Policy::of(&rules(&[
            ("allow", "a", -1, -1, "rwm"),
            ("deny", "b", 8, -1, "w"),
            ("deny", "c", -1, 1, "rwm"),
        ]))
        .unwrap();
        assert!(run(&policy, 1, READ, 8, 3) && !run(&policy, 1, READ | WRITE, 8, 3));
        assert!(!run(&policy, 2, READ, 7, 1) && run(&policy, 2, READ, 7, 2) && run(&policy, 1, WRITE, 7, 1));
    }

    #[test]
    fn without_exceptions_there_is_one_answer() {
        assert!(!run(&Policy::default(), 2, READ, 1, 3));
        assert!(run(&Policy { allow: true, ..Policy::default() }, 1, WRITE, 8, 0));
    }
}
