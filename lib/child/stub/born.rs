//! Birth in a foreign pid namespace.
//!
//! What enters a container does everything outside of its pid namespace, where no process of it can
//! look: also one that may trace everybody (`CAP_SYS_PTRACE`) would else find a program and a memory of
//! the host's, and all capabilities (CVE-2016-9962, CVE-2019-5736). Only the stub, which has nothing left
//! that the program will not have, starts a process inside, by then a child of whoever waits for
//! it (`CLONE_PARENT`), and ends.
//!
//! The program's filter is in force by then and may refuse what is done here. It lets these calls
//! pass if their fifth argument, which none of them has, is a word that nobody else knows.

use crate::{SIGCHLD, arch, exit, fail, report_pipe};

/// As in `child::Failure`.
const BORN: u32 = u32::MAX - 3;
const ENTER: u32 = u32::MAX - 4;
const TERMINAL: u32 = u32::MAX - 5;

const CLONE_PARENT: usize = 0x8000;
const TIOCSCTTY: usize = 0x540e;
const PR_SET_PDEATHSIG: usize = 1;
const SIGKILL: usize = 9;

/// How.
#[derive(Default)]
pub struct Birth {
    /// Descriptor 0 becomes the controlling terminal.
    pub terminal: bool,
    /// It is killed when the parent ends.
    pub dies_with_parent: bool,
}

impl Birth {
    /// Returns in the new process. `word` is what the filter knows.
    pub fn happen(self, word: usize) {
        // SAFETY: no stack, no shared memory, no pointers: fork(2) with another parent.
        let born = unsafe { arch::clone(CLONE_PARENT | SIGCHLD, word) };
        if born < 0 {
            fail(ENTER, -born);
        }
        if born > 0 {
            // SAFETY: an integer.
            unsafe { arch::call5(arch::EXIT_GROUP, 0, 0, 0, 0, word) };
            exit(0);
        }
        // A session of its own: that of the process before is one of another pid namespace.
        // SAFETY: takes nothing. It leads no group yet, so it cannot be refused.
        unsafe { arch::call5(arch::SETSID, 0, 0, 0, 0, word) };
        if self.terminal {
            // SAFETY: integers.
            let taken = unsafe { arch::call5(arch::IOCTL, 0, TIOCSCTTY, 0, 0, word) };
            if taken < 0 {
                fail(TERMINAL, -taken);
            }
        }
        if self.dies_with_parent {
            // SAFETY: integers.
            unsafe { arch::call5(arch::PRCTL, PR_SET_PDEATHSIG, SIGKILL, 0, 0, word) };
        }
        // Its credentials tell the parent who this is. If that has ended meanwhile, nobody wants us.
        let record = [BORN, 0];
        // SAFETY: reads eight bytes.
        let told =
            unsafe { arch::call5(arch::WRITE, report_pipe(), record.as_ptr().addr(), 8, 0, word) };
        if told != 8 {
            exit(125);
        }
    }
}

/// Reads sixteen hexadecimal digits, and removes them: everybody in the container can read the
/// arguments of its processes.
pub fn take_word(text: *mut u8) -> usize {
    let mut word = 0usize;
    for at in 0..16 {
        let place = text.wrapping_add(at);
        // SAFETY: our own arguments, which are ours to change; stops at the NUL at the latest.
        let digit = unsafe { place.read_volatile() };
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return word,
        };
        word = (word << 4) | usize::from(value);
        // SAFETY: as above.
        unsafe { place.write_volatile(b'0') };
    }
    word
}
