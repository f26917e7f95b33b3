//! What the stub is asked to do.

use core::ffi::c_char;

use crate::{born, label::Labels};

/// What the first argument says behind its two bytes.
pub struct Wish {
    /// The report pipe's number.
    pub report: usize,
    /// The start of the program waits.
    pub waits: bool,
    /// Hooks precede the program.
    pub hooks: bool,
    /// Labels precede the program.
    pub labels: Labels,
    /// The program is born in another pid namespace.
    pub born: Option<born::Birth>,
    /// What the filter knows.
    pub word: usize,
}

impl Wish {
    /// Reads the mode; the word in it is removed.
    pub fn read(mode: *const c_char) -> Self {
        // SAFETY: the mode has two bytes and ends with a NUL, where this stops at the latest.
        let byte = |at: usize| unsafe { mode.cast::<u8>().wrapping_add(at).read_volatile() };
        let (report, mut at) = digits(mode, 2);
        let mut wish = Self {
            report: if at == 2 { 3 } else { report },
            waits: false,
            hooks: false,
            labels: Labels::default(),
            born: None,
            word: 0,
        };
        loop {
            match byte(at) {
                b'w' => wish.waits = true,
                b'h' => wish.hooks = true,
                b'a' => wish.labels.apparmor = true,
                b's' => wish.labels.selinux = true,
                b'b' => wish.born = Some(born::Birth::default()),
                b't' => wish.birth(|birth| birth.terminal = true),
                b'd' => wish.birth(|birth| birth.dies_with_parent = true),
                b'n' => {
                    wish.word = born::take_word(mode.cast::<u8>().cast_mut().wrapping_add(at + 1));
                    return wish;
                }
                _ => return wish,
            }
            at += 1;
        }
    }

    fn birth(&mut self, change: impl FnOnce(&mut born::Birth)) {
        if let Some(birth) = &mut self.born {
            change(birth);
        }
    }
}

/// The number that begins at this place of a string, and where it ends.
pub fn digits(text: *const c_char, mut at: usize) -> (usize, usize) {
    let mut number = 0usize;
    loop {
        // SAFETY: stops at the first byte that is no digit, at the latest at the NUL.
        let digit = unsafe { *text.cast::<u8>().wrapping_add(at) };
        if !digit.is_ascii_digit() {
            return (number, at);
        }
        number = number.wrapping_mul(10).wrapping_add(usize::from(digit - b'0'));
        at += 1;
    }
}
