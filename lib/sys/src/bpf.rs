//! `bpf(2)`: device policy of a cgroup v2, which has no controller file for it.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

use crate::check;

const PROG_LOAD: libc::c_long = 5;
const PROG_ATTACH: libc::c_long = 8;
const PROG_DETACH: libc::c_long = 9;
const PROG_GET_FD_BY_ID: libc::c_long = 13;
const OBJ_GET_INFO_BY_FD: libc::c_long = 15;
const PROG_QUERY: libc::c_long = 16;
/// A group below may narrow the policy, never widen it.
const ALLOW_MULTI: u32 = 2;
/// Linux 5.6.
const REPLACE: u32 = 4;
/// A group takes no more programs of one kind (`BPF_CGROUP_MAX_PROGS`).
const MOST: usize = 64;
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
#[derive(Default)]
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
    name: [u8; 16],
}

#[repr(C)]
struct Attach {
    target: u32,
    prog: u32,
    kind: u32,
    flags: u32,
    replaced: u32,
}

/// The whole struct of Linux 6.6 on purpose: kernels from 6.17 write its last field whatever size they
/// are told.
#[repr(C)]
#[derive(Default)]
struct Query {
    target: u32,
    kind: u32,
    query_flags: u32,
    attach_flags: u32,
    ids: u64,
    count: u32,
    pad: u32,
    prog_attach_flags: u64,
    link_ids: u64,
    link_attach_flags: u64,
    revision: u64,
}

#[repr(C)]
struct ById {
    id: u32,
    next: u32,
    flags: u32,
}

#[repr(C)]
struct InfoOf {
    prog: u32,
    size: u32,
    info: u64,
}

/// The beginning of `struct bpf_prog_info`, up to the name.
#[repr(C)]
#[derive(Default)]
struct Info {
    before: [u64; 8],
    name: [u8; 16],
}

fn bpf<T>(command: libc::c_long, attr: &mut T) -> io::Result<libc::c_long> {
    let size = size_of::<T>();
    // SAFETY: the attribute struct has the stated size and outlives the call, and so does all that it
    // points to: the callers below keep it in locals.
    check(unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attr), size) })
}

fn too_long() -> io::Error {
    io::Error::from_raw_os_error(libc::E2BIG)
}

fn raw(fd: impl AsFd) -> u32 {
    fd.as_fd().as_raw_fd().cast_unsigned()
}

/// A device policy in the kernel.
#[derive(Debug)]
pub struct Program(OwnedFd);

impl Program {
    fn adopt(raw: libc::c_long) -> io::Result<Self> {
        let raw = RawFd::try_from(raw).map_err(|_| too_long())?;
        // SAFETY: the kernel returned this descriptor just now, so nobody else owns it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(raw) }))
    }

    /// Loads a program under a name of at most 15 letters, digits, `_` and `.`.
    ///
    /// # Errors
    /// The kernel's reason.
    pub fn load(name: &str, program: &[Insn]) -> io::Result<Self> {
        let mut load = Load {
            kind: TYPE_CGROUP_DEVICE,
            count: u32::try_from(program.len()).map_err(|_| too_long())?,
            insns: program.as_ptr().expose_provenance() as u64,
            license: c"Apache".as_ptr().expose_provenance() as u64,
            ..Load::default()
        };
        for (to, from) in load.name.iter_mut().take(15).zip(name.bytes()) {
            *to = from;
        }
        Self::adopt(bpf(PROG_LOAD, &mut load)?)
    }

    fn by_id(id: u32) -> io::Result<Self> {
        Self::adopt(bpf(PROG_GET_FD_BY_ID, &mut ById { id, next: 0, flags: 0 })?)
    }

    /// The name that it was loaded under.
    ///
    /// # Errors
    /// The kernel's reason.
    pub fn name(&self) -> io::Result<String> {
        let mut info = Info::default();
        let size = u32::try_from(size_of::<Info>()).map_err(|_| too_long())?;
        let address = std::ptr::from_mut(&mut info).expose_provenance() as u64;
        bpf(OBJ_GET_INFO_BY_FD, &mut InfoOf { prog: raw(&self.0), size, info: address })?;
        Ok(info.name.iter().take_while(|b| **b != 0).map(|b| char::from(*b)).collect())
    }
}

/// Attaches a device policy to a cgroup directory, in the place of `old` if that is given; it holds
/// for all groups below.
///
/// # Errors
/// The kernel's reason.
pub fn attach(cgroup: impl AsFd, program: &Program, old: Option<&Program>) -> io::Result<()> {
    let attach = |flags, replaced| {
        let (target, prog) = (raw(&cgroup), raw(&program.0));
        bpf(PROG_ATTACH, &mut Attach { target, prog, kind: ATTACH_CGROUP_DEVICE, flags, replaced }).map(drop)
    };
    let Some(old) = old else { return attach(ALLOW_MULTI, 0) };
    match attach(ALLOW_MULTI | REPLACE, raw(&old.0)) {
        // Before Linux 5.6. In this order there is no moment without a policy.
        Err(e) if e.raw_os_error() == Some(libc::EINVAL) => {
            attach(ALLOW_MULTI, 0)?;
            let (target, prog) = (raw(&cgroup), raw(&old.0));
            let kind = ATTACH_CGROUP_DEVICE;
            bpf(PROG_DETACH, &mut Attach { target, prog, kind, flags: 0, replaced: 0 }).map(drop)
        }
        done => done,
    }
}

/// The device policies that are attached to this very directory and that we may look at.
///
/// # Errors
/// The kernel's reason.
pub fn attached(cgroup: impl AsFd) -> io::Result<Vec<Program>> {
    let mut ids = [0u32; MOST];
    let mut query = Query {
        target: raw(cgroup),
        kind: ATTACH_CGROUP_DEVICE,
        ids: ids.as_mut_ptr().expose_provenance() as u64,
        count: u32::try_from(MOST).map_err(|_| too_long())?,
        ..Query::default()
    };
    bpf(PROG_QUERY, &mut query)?;
    let count = usize::try_from(query.count).unwrap_or(MOST).min(MOST);
    let mut found = Vec::new();
    for id in ids.iter().take(count) {
        match Program::by_id(*id) {
            Ok(program) => found.push(program),
            // Detached meanwhile, or labelled so that we may not look at it.
            Err(e) if matches!(e.raw_os_error(), Some(libc::ENOENT | libc::EPERM | libc::EACCES)) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(found)
}
