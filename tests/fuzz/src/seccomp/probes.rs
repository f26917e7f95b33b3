//! Calls at the borders of a profile: numbers that it names and their neighbours, arguments that just
//! meet its conditions and that just miss them.

use oci_spec::runtime::{Arch, LinuxSeccomp, LinuxSeccompArg, LinuxSeccompOperator as Op};

use super::bpf::Data;
use super::meaning::{I386, NATIVE, Tables, X32_BIT, names};

/// More would only be slower.
const MOST: usize = 1000;

/// The calls to try under a profile; without tables of other architectures none that a rule for them
/// could be about.
#[must_use]
pub fn of(profile: &LinuxSeccomp, tables: &dyn Tables) -> Vec<Data> {
    let mut all = every(profile, tables);
    let named = |arch| !tables.has_foreign() && names(profile, arch);
    let (x86, x32) = (named(Arch::ScmpArchX86), named(Arch::ScmpArchX32));
    let is_x32 = |data: &Data| data.arch == NATIVE && data.number >= X32_BIT;
    all.retain(|data| !(x86 && data.arch == I386 || x32 && is_x32(data)));
    all
}

fn every(profile: &LinuxSeccomp, tables: &dyn Tables) -> Vec<Data> {
    let mut all = Vec::new();
    let plain = |number, arch| Data { number, arch, args: [0; 6] };
    for number in [0, 1, 2, 334, 335, 423, 424, 462, 463, 499, 500, 511, 512, 546, 547, 548, 4095, 1 << 20] {
        all.push(plain(number, NATIVE));
        all.push(plain(number | X32_BIT, NATIVE));
        all.push(plain(number, I386));
    }
    for number in [X32_BIT - 1, u32::MAX - 1, u32::MAX] {
        all.push(plain(number, NATIVE));
    }
    all.extend([0, 40, 0xc000_00b7, 0x4000_0028, u32::MAX].map(|arch| plain(59, arch)));
    for rule in profile.syscalls().iter().flatten() {
        let args = rule.args().as_deref().unwrap_or_default();
        for name in rule.names().iter().take(64) {
            if let Some(number) = runtime::seccomp::number(name) {
                numbers(number, NATIVE, args, &mut all);
            }
            if tables.has_foreign() {
                for (x32, arch) in [(true, NATIVE), (false, I386)] {
                    if let Some(number) = tables.foreign(x32, name) {
                        numbers(number, arch, args, &mut all);
                    }
                }
            }
            if all.len() > MOST {
                return all;
            }
        }
    }
    all
}

fn numbers(number: u32, arch: u32, args: &[LinuxSeccompArg], all: &mut Vec<Data>) {
    for near in [number.wrapping_sub(1), number + 1] {
        all.push(Data { number: near, arch, args: [0; 6] });
    }
    for base in [[0; 6], [u64::MAX; 6], met(args)] {
        all.push(Data { number, arch, args: base });
        for arg in args.iter().filter(|arg| arg.index() < 6).take(12) {
            for value in border(arg) {
                let mut changed = base;
                changed[arg.index()] = value;
                all.push(Data { number, arch, args: changed });
            }
        }
    }
    if arch == I386 {
        // The kernel fills the upper halves with zeros.
        all.iter_mut().filter(|d| d.arch == I386).for_each(|d| d.args = d.args.map(|arg| arg & 0xffff_ffff));
    }
}

/// Arguments that meet all conditions, if they do not contradict each other.
fn met(args: &[LinuxSeccompArg]) -> [u64; 6] {
    let mut met = [0x5555_aaaa_5555_aaaa; 6];
    for arg in args.iter().filter(|arg| arg.index() < 6) {
        met[arg.index()] = match arg.op() {
            Op::ScmpCmpNe | Op::ScmpCmpGt => arg.value().wrapping_add(1),
            Op::ScmpCmpLt => arg.value().wrapping_sub(1),
            Op::ScmpCmpEq | Op::ScmpCmpLe | Op::ScmpCmpGe => arg.value(),
            Op::ScmpCmpMaskedEq => arg.value_two().unwrap_or(0) & arg.value(),
        };
    }
    met
}

fn border(arg: &LinuxSeccompArg) -> [u64; 11] {
    let (one, two) = (arg.value(), arg.value_two().unwrap_or(0));
    [
        one,
        one.wrapping_add(1),
        one.wrapping_sub(1),
        one ^ 1 << 32,
        one ^ 1 << 63,
        one & 0xffff_ffff,
        one | 0xffff_ffff_0000_0000,
        !one,
        two,
        two | !one,
        two.wrapping_add(1),
    ]
}
