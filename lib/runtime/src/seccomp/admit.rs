//! What every filter lets pass to the stub of a process that is brought in or labelled, and to nobody else.
//!
//! The stub acts under the program's filter (`lib/child/stub/born.rs`, `label.rs`), which need not allow any of
//! it: whoever wrote it thought of the program. So these few calls pass if their fifth argument, which they
//! do not have, is a word that the stub alone knows. None of them gives the program anything, if it ever came to know.

use libc::sock_filter;
use oci_spec::runtime::{LinuxSeccompArg, LinuxSeccompArgBuilder, LinuxSeccompOperator};

use types::Result;

use super::bpf::{self, JEQ, Rule};
use crate::plan::invalid;

const ALLOW: u32 = 0x7fff_0000;
/// `CLONE_PARENT` with SIGCHLD: no namespace, no shared memory.
const FORK: u64 = 0x8011;

/// Calls, each with the one argument that it is about.
type Calls = &'static [(libc::c_long, Option<(usize, u64)>)];

/// Those of the stub of a process that is brought in.
const BIRTH: Calls = &[
    (libc::SYS_clone, Some((0, FORK))),
    (libc::SYS_setsid, None),
    (libc::SYS_ioctl, Some((1, libc::TIOCSCTTY))),
    (libc::SYS_prctl, Some((0, 1))), // PR_SET_PDEATHSIG
    (libc::SYS_write, Some((2, 8))), // a record
    (libc::SYS_exit_group, None),
];

/// And those of one that asks for a label (`stub/label.rs`).
const LABELS: Calls = &[(libc::SYS_openat, None), (libc::SYS_write, None), (libc::SYS_close, None)];

/// Puts the exceptions in front of a filter.
///
/// The number of the call is looked at before anything else: the kernel remembers which calls a filter
/// always allows, as long as it looks at nothing else for them (Linux 5.11).
///
/// # Errors
/// None that can happen; a condition that cannot be said must not be left out.
pub fn admit(filter: &mut Vec<sock_filter>, word: u64, labels: bool) -> Result<()> {
    let mut first = Vec::with_capacity(96);
    for (number, argument) in BIRTH.iter().chain(if labels { LABELS } else { &[] }).copied() {
        let mut conditions = vec![equals(4, word)?];
        if let Some((index, value)) = argument {
            conditions.push(equals(index, value)?);
        }
        let rule = Rule::new(&conditions, ALLOW);
        first.push(bpf::load(bpf::NUMBER));
        let over = u8::try_from(rule.code().len()).unwrap_or(u8::MAX);
        first.push(bpf::jump(JEQ, u32::try_from(number).unwrap_or(u32::MAX), 0, over));
        first.extend_from_slice(rule.code());
    }
    filter.splice(0..0, first);
    Ok(())
}

fn equals(index: usize, value: u64) -> Result<LinuxSeccompArg> {
    let equal =
        LinuxSeccompArgBuilder::default().index(index).value(value).op(LinuxSeccompOperator::ScmpCmpEq);
    equal.build().map_err(|e| invalid(e.to_string()))
}
