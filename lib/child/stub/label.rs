//! Labels of security modules: AppArmor profiles and SELinux contexts (apparmor(7), selinux(8)).
//!
//! The kernel gives a process the label that it has asked for in `/proc/self/attr` when it executes something
//! the next time. That must be the program and not this stub; and the kernel takes it only from the
//! program image that has opened the file (Linux 5.13). So it is done here, with the directory that comes on a
//! descriptor: the container's `/proc` may be anything. A process that is forked afterwards inherits the wish.
//!
//! They precede the program in the arguments: for AppArmor `exec PROFILE`, as the kernel reads it; then for SELinux
//! the context. The filter of the program lets these calls pass if their fifth argument is the word.

use core::ffi::{CStr, c_char};
use core::ptr::addr_of_mut;

use crate::{CANDIDATE, ENAMETOOLONG, ENOENT, arch, close_at_exec, copy, fail, len};

/// As in `child::Failure`.
const APPARMOR: u32 = u32::MAX - 7;
const SELINUX: u32 = u32::MAX - 8;
const O_WRONLY: usize = 1;
const O_CLOEXEC: usize = 0o2_000_000;

/// Which there are, and what they need.
#[derive(Default)]
pub struct Labels {
    /// A profile of AppArmor.
    pub apparmor: bool,
    /// A context of SELinux.
    pub selinux: bool,
    /// The directory, while it is needed.
    dir: usize,
    word: usize,
    /// `exec PROFILE`.
    profile: Option<*const c_char>,
}

impl Labels {
    /// Tells whether there is one.
    pub const fn any(&self) -> bool {
        self.apparmor || self.selinux
    }

    /// Asks the kernel for them, or ends with a report. Returns where the arguments of the program begin.
    pub fn take(&mut self, mut at: *const *const c_char, dir: usize, word: usize) -> *const *const c_char {
        (self.dir, self.word) = (dir, word);
        close_at_exec(dir);
        if self.apparmor {
            let wish = next(&mut at);
            let done = match self.write(c"apparmor/exec", wish) {
                // Linux before 5.8 has one file for all modules.
                Err(ENOENT) if !self.has_own_directory() => self.write(c"exec", wish),
                done => done,
            };
            done.unwrap_or_else(|errno| fail(APPARMOR, errno));
            self.profile = Some(wish);
        }
        if self.selinux {
            let wish = next(&mut at);
            self.write(c"exec", wish).unwrap_or_else(|errno| fail(SELINUX, errno));
        }
        at
    }

    /// With `--init`, this process stays beside the program. Unconfined, it would be a way out for a program
    /// that may trace it.
    pub fn confine_init(&self) {
        let Some(wish) = self.profile else { return };
        let text = changeprofile(wish.wrapping_add(b"exec ".len()));
        let done = match self.write(c"apparmor/current", text) {
            Err(ENOENT) if !self.has_own_directory() => self.write(c"current", text),
            done => done,
        };
        done.unwrap_or_else(|errno| fail(APPARMOR, errno));
        // The program's own copy is close-on-exec.
        self.done();
    }

    /// The directory is not needed any more.
    pub fn done(&self) {
        self.close(self.dir);
    }

    /// A profile that is not there has the same errno as a file that is not.
    fn has_own_directory(&self) -> bool {
        let file = self.open(c"apparmor/current");
        if file >= 0 {
            self.close(file as usize);
        }
        file >= 0
    }

    fn write(&self, name: &CStr, text: *const c_char) -> Result<(), isize> {
        let file = self.open(name);
        if file < 0 {
            return Err(-file);
        }
        // In one call, as the kernel wants it.
        // SAFETY: a string of this length.
        let written =
            unsafe { arch::call5(arch::WRITE, file as usize, text.addr(), len(text), 0, self.word) };
        self.close(file as usize);
        if written < 0 { Err(-written) } else { Ok(()) }
    }

    fn open(&self, name: &CStr) -> isize {
        // SAFETY: a string; no mode is looked at where nothing is created.
        unsafe { arch::call5(arch::OPENAT, self.dir, name.as_ptr().addr(), O_WRONLY | O_CLOEXEC, 0, self.word) }
    }

    fn close(&self, file: usize) {
        // SAFETY: an integer.
        unsafe { arch::call5(arch::CLOSE, file, 0, 0, 0, self.word) };
    }
}

/// The other verb with the same profile, in the buffer that the child alone needs, which has its own copy.
fn changeprofile(profile: *const c_char) -> *const c_char {
    let (verb, length) = (b"changeprofile ", len(profile));
    if verb.len() + length >= 4096 {
        fail(APPARMOR, ENAMETOOLONG);
    }
    copy(0, verb.as_ptr(), verb.len());
    // With the NUL.
    copy(verb.len(), profile.cast(), length + 1);
    addr_of_mut!(CANDIDATE).cast()
}

fn next(at: &mut *const *const c_char) -> *const c_char {
    // SAFETY: whoever prepared the arguments has put in what the mode announces.
    let text = unsafe { **at };
    *at = at.wrapping_add(1);
    text
}
