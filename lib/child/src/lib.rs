//! What runs between clone and exec: prepared operations only, no allocation, no locks.
//!
//! The parent prepares everything: it opens descriptors, builds every string, resolves what can be
//! resolved and computes every filter. What is left is a list of [`Op`]s, each one or a few system
//! calls, which the new process walks in order. The first that fails is reported as one
//! [`Failure`] of eight bytes on a close-on-exec pipe; the parent turns it into words.
//!
//! Promises: no allocation (there is no allocator in this crate), no lock, no panic, no formatting,
//! nothing written to standard error. The copy of the parent's memory is only read.
#![no_std]
#![allow(unsafe_code, reason = "raw system calls are what this crate is for; each has a SAFETY comment")]
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::unreachable,
    clippy::todo
)]

mod apply;
mod call;
mod dangling;
mod exec;
mod hook;
mod label;
mod mount;
mod netlink;
mod op;
mod spawn;
mod unpivoted;

pub use exec::{Exec, STUB};
pub use op::{Attr, Follow, Hook, Keep, Kind, NewMount, Node, Op, Param, Part, Remount, Target};
pub use spawn::{Between, Spawn, Spawned, spawn};

use core::ffi::CStr;

/// A raw descriptor; the parent's plan owns it.
pub type Fd = libc::c_int;

/// An errno value.
pub type Errno = libc::c_int;

/// How prepared data is held. The parent owns it (`CString`, `Vec`); this crate only looks at it,
/// so that one type is both the plan that describes itself and the list that the child walks.
pub trait Prepared {
    /// A string for the kernel.
    type Text: AsRef<CStr>;
    /// A sequence.
    type List<T>: AsRef<[T]>;
}

/// Which step failed, and why. Written in one piece to the report pipe.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// Index into the list of operations. Everything from its length on stands for the exec: the
    /// length for that of the stub, [`u32::MAX`] for that of the program, told by the stub.
    pub step: u32,
    /// The kernel's reason. 0 in a record that tells of a place reached ([`Op::Tell`]). Below 0, the
    /// negative status of a hook, as `wait(2)` gives it.
    pub errno: Errno,
}

impl Failure {
    /// The step of the record that the stub writes, with errno 0, when it waits to be started.
    pub const READY: u32 = u32::MAX - 1;

    /// The step of the record that tells the number of a listener of the filter, in the place of the errno.
    pub const LISTENER: u32 = u32::MAX - 2;

    /// The step of a failure of the first hook that the stub runs; the others follow.
    pub const HOOKS: u32 = 0xffff_0000;

    /// The step of the record that a process writes, with errno 0, which was born in another pid
    /// namespace (`stub/born.rs`): its credentials tell who it is.
    pub const BORN: u32 = u32::MAX - 3;

    /// The step of a birth that failed.
    pub const ENTER: u32 = u32::MAX - 4;

    /// The step of a terminal that could not be taken after it.
    pub const TERMINAL: u32 = u32::MAX - 5;

    /// The step of a failure of the clone that a process between was to make ([`Between`]).
    pub const CLONE: u32 = u32::MAX - 6;

    /// The step of an AppArmor profile that the kernel did not take from the stub (`stub/label.rs`).
    pub const APPARMOR: u32 = u32::MAX - 7;

    /// The step of an SELinux label that the kernel did not take from it.
    pub const SELINUX: u32 = u32::MAX - 8;

    /// The step of the record that process 1 of ours (`--init`) writes if the program's process has died
    /// before it was the program; the errno is how, as `wait(2)` gives it.
    pub const DIED: u32 = u32::MAX - 9;

    /// Size of a failure on the pipe.
    pub const SIZE: usize = 8;

    /// Reads back what the child has written.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::SIZE]) -> Self {
        let [a, b, c, d, e, f, g, h] = bytes;
        Self { step: u32::from_ne_bytes([a, b, c, d]), errno: Errno::from_ne_bytes([e, f, g, h]) }
    }

    /// The form on the pipe.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; Self::SIZE] {
        let [a, b, c, d] = self.step.to_ne_bytes();
        let [e, f, g, h] = self.errno.to_ne_bytes();
        [a, b, c, d, e, f, g, h]
    }
}
