//! Classic BPF as the kernel runs it for seccomp: a check of the program, and an interpreter.

/// `struct sock_filter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Insn {
    /// Operation.
    pub code: u16,
    /// Forward if true.
    pub jt: u8,
    /// Forward if false.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

/// `struct seccomp_data`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Data {
    /// Number of the call.
    pub number: u32,
    /// `AUDIT_ARCH_*`.
    pub arch: u32,
    /// Its arguments.
    pub args: [u64; 6],
}

impl Data {
    fn word(&self, offset: u32) -> u32 {
        let at = (offset / 8) as usize;
        let high = offset % 8 == 4;
        let double = match at {
            0 => u64::from(self.number) | u64::from(self.arch) << 32,
            1 => 0,
            at => self.args[at - 2],
        };
        let little = if cfg!(target_endian = "little") || at == 0 { high } else { !high };
        (if little { double >> 32 } else { double & 0xffff_ffff }) as u32
    }
}

const LONGEST: usize = 4096;

/// What the kernel looks at before it takes a program (`bpf_check_classic`, `seccomp_check_filter`).
///
/// # Panics
/// If it would not take it.
pub fn check(program: &[Insn]) {
    assert!((1..=LONGEST).contains(&program.len()), "{} instructions", program.len());
    for (at, insn) in program.iter().enumerate() {
        let room = program.len() - at - 1;
        match insn.code {
            0x20 => assert!(insn.k < 64 && insn.k % 4 == 0, "load of {}", insn.k),
            0x54 | 0x06 => {}
            0x05 => assert!((insn.k as usize) < room, "jump out of the program at {at}"),
            0x15 | 0x25 | 0x35 | 0x45 => {
                let far = usize::from(insn.jt.max(insn.jf));
                assert!(far < room, "jump out of the program at {at}");
            }
            other => panic!("operation {other:#x} at {at}"),
        }
    }
    assert_eq!(program.last().map(|insn| insn.code), Some(0x06), "does not end with a verdict");
}

/// Runs a program that was checked.
///
/// # Panics
/// If it was not.
#[must_use]
pub fn run(program: &[Insn], data: &Data) -> u32 {
    let (mut at, mut a) = (0, 0);
    loop {
        let insn = program[at];
        at += 1;
        let mut go = |yes: bool| at += usize::from(if yes { insn.jt } else { insn.jf });
        match insn.code {
            0x20 => a = data.word(insn.k),
            0x54 => a &= insn.k,
            0x15 => go(a == insn.k),
            0x25 => go(a > insn.k),
            0x35 => go(a >= insn.k),
            0x45 => go(a & insn.k != 0),
            0x05 => at += insn.k as usize,
            0x06 => return insn.k,
            other => panic!("operation {other:#x}"),
        }
    }
}
