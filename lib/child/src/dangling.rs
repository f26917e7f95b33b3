//! Symbolic links that lead to nothing: what they name is made inside the root.

use core::ffi::CStr;

use crate::call::{self, IN_ROOT};
use crate::mount::make;
use crate::{Errno, Fd, Kind};

/// As the kernel's own bound (path_resolution(7)).
const MOST_LINKS: u32 = 40;

/// Walks a path as the container would, and makes what is missing on it. Every component is looked at without
/// following it, so that a link is read and not obeyed; what it says begins at the root at the highest.
///
/// # Errors
/// `ELOOP`, `ENAMETOOLONG`, and what the calls say.
pub fn make_all(root: Fd, path: &CStr, kind: Kind) -> Result<Fd, Errno> {
    let mut done = Text::new();
    let mut todo = Text::new();
    todo.add(path.to_bytes())?;
    let mut links = 0u32;
    loop {
        let mut name = Text::new();
        if !todo.take(&mut name)? {
            return open(root, &done, 0);
        }
        match name.bytes() {
            b"" | b"." => continue,
            b".." => {
                done.pop();
                continue;
            }
            component => {
                done.add(b"/")?;
                done.add(component)?;
            }
        }
        let found = match open(root, &done, libc::O_NOFOLLOW) {
            Err(libc::ENOENT) => {
                make_last(root, &mut done, &name, if todo.is_done() { kind } else { Kind::Dir })?;
                open(root, &done, libc::O_NOFOLLOW)?
            }
            found => found?,
        };
        let is_link = call::fstat(found)?.st_mode & libc::S_IFMT == libc::S_IFLNK;
        if is_link {
            links = links.wrapping_add(1);
            if links > MOST_LINKS {
                return Err(libc::ELOOP);
            }
            done.pop();
            let mut says = Text::new();
            says.read_link(found)?;
            if says.bytes().first() == Some(&b'/') {
                done = Text::new();
            }
            says.add(b"/")?;
            says.add(todo.bytes())?;
            todo = says;
        }
        call::close(found);
    }
}

fn open(root: Fd, path: &Text, flags: i32) -> Result<Fd, Errno> {
    match path.bytes() {
        b"" => call::openat2(root, c".", libc::O_PATH, IN_ROOT),
        _ => call::openat2(root, path.text()?, libc::O_PATH | flags, IN_ROOT),
    }
}

fn make_last(root: Fd, done: &mut Text, name: &Text, kind: Kind) -> Result<(), Errno> {
    done.pop();
    let parent = open(root, done, 0)?;
    make(parent, name.text()?, kind)?;
    call::close(parent);
    done.add(b"/")?;
    done.add(name.bytes())
}

/// A path of bounded length, with room for the NUL at its end.
struct Text {
    bytes: [u8; 4097],
    len: usize,
}

impl Text {
    const fn new() -> Self {
        Self { bytes: [0; 4097], len: 0 }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    fn text(&self) -> Result<&CStr, Errno> {
        let with_nul = self.bytes.get(..self.len.saturating_add(1)).ok_or(libc::ENAMETOOLONG)?;
        CStr::from_bytes_with_nul(with_nul).map_err(|_| libc::EINVAL)
    }

    fn add(&mut self, more: &[u8]) -> Result<(), Errno> {
        let end = self.len.saturating_add(more.len());
        // The last byte stays for the NUL.
        if end >= self.bytes.len() {
            return Err(libc::ENAMETOOLONG);
        }
        self.bytes.get_mut(self.len..end).ok_or(libc::ENAMETOOLONG)?.copy_from_slice(more);
        self.len = end;
        Ok(())
    }

    fn cut(&mut self, len: usize) {
        if let Some(rest) = self.bytes.get_mut(len..self.len) {
            rest.fill(0);
            self.len = len;
        }
    }

    /// Takes the last component away, with its slash.
    fn pop(&mut self) {
        let slash = self.bytes().iter().rposition(|byte| *byte == b'/');
        self.cut(slash.unwrap_or(0));
    }

    /// Moves the first component to `name`; tells whether there was anything left.
    fn take(&mut self, name: &mut Self) -> Result<bool, Errno> {
        if self.len == 0 {
            return Ok(false);
        }
        let bytes = self.bytes();
        let end = bytes.iter().position(|byte| *byte == b'/').unwrap_or(bytes.len());
        name.add(bytes.get(..end).unwrap_or_default())?;
        let mut rest = Self::new();
        rest.add(bytes.get(end.saturating_add(1)..).unwrap_or_default())?;
        *self = rest;
        Ok(true)
    }

    /// Nothing is left that would go deeper.
    fn is_done(&self) -> bool {
        self.bytes().split(|byte| *byte == b'/').all(|name| name.is_empty() || name == b".")
    }

    fn read_link(&mut self, link: Fd) -> Result<(), Errno> {
        self.len = call::readlink(link, &mut self.bytes)?;
        // Longer than what the kernel would follow.
        if self.len >= self.bytes.len() { Err(libc::ENAMETOOLONG) } else { Ok(()) }
    }
}
