//! `bpf(2)`: device policy of a cgroup v2, which has no controller file for it.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

use crate::check;

const PROG_LOAD: libc::c_long = 5;
const PROG_ATTACH: libc::c_long = 8;
const PROG_QUERY: libc::c_long = 16;
const TYPE_CGROUP_DEVICE: u32 = 15;
const ATTACH_CGROUP_DEVICE: u32 = 6;

/// One instruction: opcode, registers, offset and immediate value.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Insn {
    /// Operation.
    pub code: u8,
    /// Source register in the high, destination in the low four bits.
    pub regs: u8,
    /// Jump offset or memory offset.
    pub off: i16,
    /// Constant.
    pub imm: i32,
}

#[repr(C)]
struct Load {
    kind: u32,
    count: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    flags: u32,
}

#[repr(C)]
struct Attach {
    target: u32,
    prog: u32,
    kind: u32,
    flags: u32,
}

#[repr(C)]
struct Query {
    target: u32,
    kind: u32,
    query_flags: u32,
    attach_flags: u32,
    ids: u64,
    count: u32,
    pad: u32,
}

fn bpf<T>(command: libc::c_long, attr: &mut T) -> io::Result<libc::c_long> {
    let size = size_of::<T>();
    // SAFETY: the attribute struct has the stated size and outlives the call, and so does all that it
    // points to: the callers below keep it in locals.
    check(unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attr), size) })
}

/// Loads a device policy and attaches it to a cgroup directory; it holds for all groups below.
///
/// # Errors
/// The kernel's reason.
pub fn attach_device_policy(cgroup: impl AsFd, program: &[Insn]) -> io::Result<()> {
    let too_long = || io::Error::from_raw_os_error(libc::E2BIG);
    let mut load = Load {
        kind: TYPE_CGROUP_DEVICE,
        count: u32::try_from(program.len()).map_err(|_| too_long())?,
        insns: program.as_ptr().expose_provenance() as u64,
        license: c"Apache".as_ptr().expose_provenance() as u64,
        log_level: 0,
        log_size: 0,
        log_buf: 0,
        kern_version: 0,
        flags: 0,
    };
    let raw = bpf(PROG_LOAD, &mut load)?;
    let raw = RawFd::try_from(raw).map_err(|_| too_long())?;
    // SAFETY: the kernel returned this descriptor just now, so nobody else owns it.
    let prog = unsafe { OwnedFd::from_raw_fd(raw) };
    let mut attach = Attach {
        target: cgroup.as_fd().as_raw_fd().cast_unsigned(),
        prog: prog.as_raw_fd().cast_unsigned(),
        kind: ATTACH_CGROUP_DEVICE,
        flags: 2, // BPF_F_ALLOW_MULTI: a group below may narrow the policy, never widen it.
    };
    bpf(PROG_ATTACH, &mut attach).map(drop)
}

/// Tells whether a device policy is attached to this very directory.
///
/// # Errors
/// The kernel's reason.
pub fn has_device_policy(cgroup: impl AsFd) -> io::Result<bool> {
    let mut query = Query {
        target: cgroup.as_fd().as_raw_fd().cast_unsigned(),
        kind: ATTACH_CGROUP_DEVICE,
        query_flags: 0,
        attach_flags: 0,
        ids: 0,
        count: 0,
        pad: 0,
    };
    bpf(PROG_QUERY, &mut query)?;
    Ok(query.count > 0)
}
