//! The search for a call's number: by halves, so that each call costs some eight comparisons, and
//! so that the kernel, which tries every number once when a filter is installed, is done soon.

use libc::sock_filter;
use types::Result;

use super::Segment;
use super::bpf::{ARCHITECTURE, JEQ, JGE, NUMBER, always, jump, load, ret};
use crate::plan::invalid;

const KILL_PROCESS: u32 = 0x8000_0000;
/// `BPF_MAXINSNS`.
const LONGEST: usize = 4096;

/// Puts the program together: a part for each architecture, each with sorted segments that start at 0.
/// Calls of other architectures end the process.
pub fn program(parts: &[(u32, Vec<Segment>)]) -> Result<Vec<sock_filter>> {
    let mut program = vec![load(ARCHITECTURE)];
    for (architecture, segments) in parts {
        let mut part = vec![load(NUMBER)];
        search(segments, &mut part);
        // Past this part if it is another architecture's; it may be longer than a short jump.
        program.push(jump(JEQ, *architecture, 1, 0));
        program.push(always(u32::try_from(part.len()).unwrap_or(u32::MAX)));
        program.append(&mut part);
    }
    program.push(ret(KILL_PROCESS));
    if program.len() > LONGEST {
        return Err(invalid(format!(
            "seccomp profile has {} instructions, the kernel takes {LONGEST}",
            program.len()
        )));
    }
    Ok(program)
}

fn search(segments: &[Segment], out: &mut Vec<sock_filter>) {
    let (left, right) = segments.split_at(segments.len() / 2);
    let (Some(_), Some(pivot)) = (left.first(), right.first()) else {
        segments.iter().for_each(|segment| leaf(segment, out));
        return;
    };
    // Room for a comparison, and for a long jump if the left half turns out to need one.
    let at = out.len();
    let mut below = Vec::new();
    search(left, &mut below);
    match u8::try_from(below.len()) {
        Ok(over) => out.push(jump(JGE, pivot.start, over, 0)),
        Err(_) => {
            out.push(jump(JGE, pivot.start, 0, 1));
            out.push(always(u32::try_from(below.len()).unwrap_or(u32::MAX)));
        }
    }
    debug_assert!(out.len() > at);
    out.append(&mut below);
    search(right, out);
}

fn leaf(segment: &Segment, out: &mut Vec<sock_filter>) {
    for rule in &segment.conditional {
        out.extend_from_slice(rule.code());
    }
    out.push(ret(segment.otherwise));
}
