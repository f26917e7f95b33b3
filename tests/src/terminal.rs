//! A real terminal for the tests of `-t`.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::{Machine, patience};

const TIME_OUT: Duration = Duration::from_secs(20);

/// A command on a terminal, and the person in front of it.
#[derive(Debug)]
pub struct Terminal {
    line: String,
    child: Child,
    master: File,
    screen: Receiver<Vec<u8>>,
    /// All that has appeared, for messages.
    seen: String,
    /// What of it [`Terminal::expect`] has not passed yet.
    rest: String,
}

impl Terminal {
    pub(crate) fn start(line: String, machine: &Machine, command: &Command) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let slave = File::options().read(true).write(true).open(name).unwrap();
        set_size(&master, 24, 80);

        // setsid(1) makes the terminal the controlling one, which only the process itself can do.
        let mut on_terminal = Command::new("setsid");
        on_terminal.args(["--ctty", "--wait"]).arg(command.get_program()).args(command.get_args());
        on_terminal.env_clear();
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                on_terminal.env(name, value);
            }
        }
        on_terminal.env("TERM", "xterm").current_dir(command.get_current_dir().unwrap());
        on_terminal
            .stdin(Stdio::from(slave.try_clone().unwrap()))
            .stdout(Stdio::from(slave.try_clone().unwrap()))
            .stderr(Stdio::from(slave));
        let child = machine.enter(|| on_terminal.spawn()).unwrap_or_else(|e| panic!("{line}: {e}"));
        let master = File::from(master);
        Self {
            line,
            child,
            screen: watch(master.try_clone().unwrap()),
            master,
            seen: String::new(),
            rest: String::new(),
        }
    }

    /// Types something.
    pub fn type_in(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until a text has appeared after the last one that was expected.
    #[track_caller]
    pub fn expect(&mut self, text: &str) {
        let start = Instant::now();
        loop {
            if let Some(at) = self.rest.find(text) {
                self.rest.drain(..at + text.len());
                return;
            }
            let open = self.read_more(Duration::from_millis(50));
            let late = start.elapsed() > TIME_OUT * patience();
            assert!(open && !late, "expected {text:?} on the terminal\n{self}");
        }
    }

    /// Changes the size of the window.
    pub fn resize(&self, rows: u16, columns: u16) {
        set_size(&self.master, rows, columns);
    }

    /// Waits for the end of the command and returns its status.
    #[track_caller]
    pub fn wait(mut self) -> i32 {
        let start = Instant::now();
        loop {
            self.read_more(Duration::from_millis(10));
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
            }
            assert!(start.elapsed() < TIME_OUT * patience(), "it does not end\n{self}");
        }
    }

    /// Takes what appears within a time; false if the terminal is closed.
    fn read_more(&mut self, time: Duration) -> bool {
        match self.screen.recv_timeout(time) {
            Ok(bytes) => {
                let text = String::from_utf8_lossy(&bytes);
                self.seen.push_str(&text);
                self.rest.push_str(&text);
                true
            }
            Err(RecvTimeoutError::Timeout) => true,
            Err(RecvTimeoutError::Disconnected) => false,
        }
    }
}

impl std::fmt::Display for Terminal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let last: String = self.seen.chars().rev().take(2000).collect();
        write!(f, "$ {}\n--- screen\n{}", self.line, last.chars().rev().collect::<String>())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn set_size(master: impl std::os::fd::AsFd, rows: u16, columns: u16) {
    tcsetwinsize(master, Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
}

fn watch(mut master: File) -> Receiver<Vec<u8>> {
    let (send, receive) = channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        // Reading fails with EIO once nobody has the terminal open any more.
        while let Ok(count @ 1..) = master.read(&mut buffer) {
            if send.send(buffer[..count].to_vec()).is_err() {
                break;
            }
        }
    });
    receive
}
