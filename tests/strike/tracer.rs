//! The tracer: follows all processes of a command, and counts.

use std::collections::BTreeMap;
use std::process::{Command, ExitCode};

use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::calls;

/// `PTRACE_SYSCALL_INFO_ENTRY` (ptrace(2)).
const ENTRY: u8 = 1;

/// What is done to the call.
#[derive(Clone, Copy)]
enum Blow {
    Kill,
    Fail(Errno),
}

struct Strike {
    /// The command itself; the others are its descendants.
    first: Pid,
    blow: Blow,
    /// Calls until the blow; 0 after it.
    left: u64,
    /// Nothing counts before the command was executed.
    begun: bool,
    /// Calls that were not carried out, and what they return.
    failing: BTreeMap<Pid, Errno>,
    log: String,
}

#[expect(clippy::zombie_processes, reason = "a tracer reaps all that there is")]
pub(crate) fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let [_, number, log, blow, command @ ..] = args.as_slice() else { return ExitCode::from(2) };
    let blow = match blow.as_str() {
        "kill" => Blow::Kill,
        name => Blow::Fail(calls::errno(name).unwrap()),
    };
    let child =
        Command::new("sh").args(["-c", "kill -STOP $$; exec \"$@\"", "sh"]).args(command).spawn().unwrap();
    let first = Pid::from_raw(i32::try_from(child.id()).unwrap());
    let mut strike = Strike {
        first,
        blow,
        left: number.parse().unwrap(),
        begun: false,
        failing: BTreeMap::new(),
        log: String::new(),
    };
    let status = strike.follow();
    std::fs::write(log, strike.log).unwrap();
    ExitCode::from(status)
}

impl Strike {
    /// Follows all until there is nothing more to do; returns the status of the command.
    fn follow(&mut self) -> u8 {
        waitpid(self.first, Some(WaitPidFlag::WUNTRACED)).unwrap();
        let options = Options::PTRACE_O_TRACESYSGOOD
            | Options::PTRACE_O_TRACEFORK
            | Options::PTRACE_O_TRACEVFORK
            | Options::PTRACE_O_TRACECLONE
            | Options::PTRACE_O_TRACEEXEC;
        ptrace::seize(self.first, options).unwrap();
        kill(self.first, Signal::SIGCONT).unwrap();
        let mut status = None;
        loop {
            match waitpid(None, Some(WaitPidFlag::__WALL)) {
                Ok(WaitStatus::Exited(pid, code)) if pid == self.first => status = u8::try_from(code).ok(),
                Ok(WaitStatus::Signaled(pid, signal, _)) if pid == self.first => {
                    status = u8::try_from(128 + signal as i32).ok();
                }
                Ok(WaitStatus::PtraceSyscall(pid)) => self.at_call(pid),
                Ok(WaitStatus::Stopped(pid, signal)) => go_on(pid, Some(signal)),
                Ok(WaitStatus::PtraceEvent(pid, _, event)) => {
                    self.begun |= pid == self.first && event == ptrace::Event::PTRACE_EVENT_EXEC as i32;
                    go_on(pid, None);
                }
                Err(Errno::ECHILD) => return status.unwrap_or(255),
                _ => {}
            }
            // They are let go when the tracer ends (ptrace(2)).
            if let Some(status) = status.filter(|_| self.left == 0 && self.failing.is_empty()) {
                return status;
            }
        }
    }

    fn at_call(&mut self, pid: Pid) {
        let enters = ptrace::syscall_info(pid).is_ok_and(|info| info.op == ENTRY);
        if !enters {
            if let Some(errno) = self.failing.remove(&pid) {
                set_result(pid, errno);
            }
        } else if self.begun && self.left > 0 && self.counts(pid) {
            self.left -= 1;
            if self.left == 0 {
                self.fall(pid);
            }
        }
        go_on(pid, None);
    }

    fn counts(&self, pid: Pid) -> bool {
        calls::read(pid).is_some_and(|call| match self.blow {
            Blow::Kill => call.changes(),
            Blow::Fail(errno) => call.can_fail(errno),
        })
    }

    fn fall(&mut self, pid: Pid) {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        let who = if pid == self.first { "the command" } else { "a process of it" };
        let call = calls::read(pid).map(|call| call.to_string()).unwrap_or_default();
        self.log = format!("{call} in {} ({who})\n", name.trim());
        match self.blow {
            Blow::Kill => kill(pid, Signal::SIGKILL).unwrap_or_default(),
            Blow::Fail(errno) => {
                calls::skip(pid);
                self.failing.insert(pid, errno);
            }
        }
    }
}

/// It may have been killed meanwhile.
fn go_on(pid: Pid, signal: Option<Signal>) {
    ptrace::syscall(pid, signal).unwrap_or_default();
}

fn set_result(pid: Pid, errno: Errno) {
    calls::set_result(pid, -i64::from(errno as i32));
}
