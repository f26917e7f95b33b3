//! Classic BPF: instructions, and conditions on arguments.

use libc::sock_filter;
use oci_spec::runtime::{LinuxSeccompArg, LinuxSeccompOperator as Op};

const LD_ABS: u16 = 0x20;
const AND: u16 = 0x54;
const JA: u16 = 0x05;
/// Jump if equal.
pub const JEQ: u16 = 0x15;
const JGT: u16 = 0x25;
/// Jump if greater or equal.
pub const JGE: u16 = 0x35;
const RET: u16 = 0x06;

/// Offsets in `struct seccomp_data`.
pub const NUMBER: u32 = 0;
/// Offset of the architecture.
pub const ARCHITECTURE: u32 = 4;
const ARGS: u32 = 16;

/// Loads 32 bits of `struct seccomp_data`.
pub const fn load(offset: u32) -> sock_filter {
    sock_filter { code: LD_ABS, jt: 0, jf: 0, k: offset }
}

/// Ends with a verdict.
pub const fn ret(action: u32) -> sock_filter {
    sock_filter { code: RET, jt: 0, jf: 0, k: action }
}

/// Goes forward.
pub const fn always(over: u32) -> sock_filter {
    sock_filter { code: JA, jt: 0, jf: 0, k: over }
}

/// Compares the accumulator and goes forward by `jt` or `jf`.
pub const fn jump(code: u16, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

/// Conditions that must all hold, and what follows from them, ready compiled.
#[derive(Debug, Clone)]
pub struct Rule {
    code: Vec<sock_filter>,
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        let key = |i: &sock_filter| (i.code, i.jt, i.jf, i.k);
        self.code.iter().map(key).eq(other.code.iter().map(key))
    }
}

impl Eq for Rule {}

/// A jump target inside a rule, until its length is known.
#[derive(Clone, Copy)]
enum To {
    /// The next instruction.
    Next,
    /// Behind this condition: it holds.
    Holds,
    /// Behind the rule: it does not apply.
    Fails,
}

enum Draft {
    Plain(sock_filter),
    Jump { code: u16, k: u32, yes: To, no: To },
}

impl Rule {
    /// Compiles conditions on arguments (at most six of index 0 to 5).
    pub fn new(args: &[LinuxSeccompArg], action: u32) -> Self {
        let conditions: Vec<_> = args.iter().map(condition).collect();
        let total: usize = conditions.iter().map(Vec::len).sum();
        let mut code = Vec::with_capacity(total + 1);
        for condition in conditions {
            let end = code.len() + condition.len();
            for draft in condition {
                let here = code.len() + 1;
                let over = |to| match to {
                    To::Next => 0,
                    To::Holds => short(end - here),
                    To::Fails => short(total + 1 - here),
                };
                code.push(match draft {
                    Draft::Plain(insn) => insn,
                    Draft::Jump { code, k, yes, no } => jump(code, k, over(yes), over(no)),
                });
            }
        }
        code.push(ret(action));
        Self { code }
    }

    /// The instructions; one that does not apply falls out at the end.
    pub fn code(&self) -> &[sock_filter] {
        &self.code
    }
}

/// A rule has at most six conditions of six instructions.
fn short(over: usize) -> u8 {
    u8::try_from(over).unwrap_or(u8::MAX)
}

/// Arguments have 64 bits, the machine 32: the high half decides unless it is equal.
fn condition(arg: &LinuxSeccompArg) -> Vec<Draft> {
    let at = ARGS + 8 * u32::try_from(arg.index()).unwrap_or(0);
    let (low, high) = if cfg!(target_endian = "little") { (at, at + 4) } else { (at + 4, at) };
    let (value_low, value_high) = halves(arg.value());
    let plain = |offset| Draft::Plain(load(offset));
    let test = |code, k, yes, no| Draft::Jump { code, k, yes, no };
    match arg.op() {
        Op::ScmpCmpEq => vec![
            plain(high),
            test(JEQ, value_high, To::Next, To::Fails),
            plain(low),
            test(JEQ, value_low, To::Next, To::Fails),
        ],
        Op::ScmpCmpNe => vec![
            plain(high),
            test(JEQ, value_high, To::Next, To::Holds),
            plain(low),
            test(JEQ, value_low, To::Fails, To::Next),
        ],
        Op::ScmpCmpMaskedEq => {
            // Bits outside of the mask do not count on either side (seccomp_rule_add(3)).
            let (want_low, want_high) = halves(arg.value_two().unwrap_or(0) & arg.value());
            let mask = |k| Draft::Plain(sock_filter { code: AND, jt: 0, jf: 0, k });
            vec![
                plain(high),
                mask(value_high),
                test(JEQ, want_high, To::Next, To::Fails),
                plain(low),
                mask(value_low),
                test(JEQ, want_low, To::Next, To::Fails),
            ]
        }
        Op::ScmpCmpGt => {
            greater(plain(high), plain(low), value_high, test(JGT, value_low, To::Next, To::Fails))
        }
        Op::ScmpCmpGe => {
            greater(plain(high), plain(low), value_high, test(JGE, value_low, To::Next, To::Fails))
        }
        Op::ScmpCmpLt => less(plain(high), plain(low), value_high, test(JGE, value_low, To::Fails, To::Next)),
        Op::ScmpCmpLe => less(plain(high), plain(low), value_high, test(JGT, value_low, To::Fails, To::Next)),
    }
}

fn greater(high: Draft, low: Draft, value: u32, last: Draft) -> Vec<Draft> {
    let above = Draft::Jump { code: JGT, k: value, yes: To::Holds, no: To::Next };
    let equal = Draft::Jump { code: JEQ, k: value, yes: To::Next, no: To::Fails };
    vec![high, above, equal, low, last]
}

fn less(high: Draft, low: Draft, value: u32, last: Draft) -> Vec<Draft> {
    let above = Draft::Jump { code: JGT, k: value, yes: To::Fails, no: To::Next };
    let equal = Draft::Jump { code: JEQ, k: value, yes: To::Next, no: To::Holds };
    vec![high, above, equal, low, last]
}

const fn halves(value: u64) -> (u32, u32) {
    let bytes = value.to_le_bytes();
    let [a, b, c, d, e, f, g, h] = bytes;
    (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]))
}
