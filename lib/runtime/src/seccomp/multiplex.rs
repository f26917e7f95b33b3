//! Calls of i386 that are made through another one: `socketcall(2)` and `ipc(2)`, whose first argument
//! says which is meant.
//!
//! A rule without conditions for `socket` concerns `socketcall` too: a list of what is forbidden would
//! be passed by it otherwise, and a list of what is allowed would be of no use to programs of that
//! time. Conditions are on arguments that these calls keep in memory, where a filter does not see
//! them: such rules concern the direct call only.

use oci_spec::runtime::{LinuxSeccomp, LinuxSeccompArgBuilder};
use types::{Error, Kind, Result};

use super::bpf::Rule;
use super::{Call, action};

const SOCKETCALL: u32 = 102;
const IPC: u32 = 117;

/// Adds the rules for calls of a profile that are made through another one.
pub fn also_by_one_call(profile: &LinuxSeccomp, rules: &mut Vec<Call>) -> Result<()> {
    for entry in
        profile.syscalls().iter().flatten().filter(|entry| entry.args().iter().flatten().count() == 0)
    {
        let action = action(entry.action(), entry.errno_ret())?;
        for (call, which) in entry.names().iter().filter_map(|name| find(name)) {
            let condition = LinuxSeccompArgBuilder::default().index(0usize).value(which).build();
            let condition =
                condition.map_err(|e| Error::because(Kind::Invalid, "make a seccomp condition", e))?;
            rules.push((call, Some(Rule::new(&[condition], action)), action));
        }
    }
    Ok(())
}

/// The call that makes this one, and what its first argument is then.
fn find(name: &str) -> Option<(u32, u64)> {
    let at = CALLS.iter().find(|(known, ..)| *known == name)?;
    Some((at.1, at.2))
}

/// From `linux/net.h` (`SYS_*`) and `linux/ipc.h`.
const CALLS: &[(&str, u32, u64)] = &[
    ("socket", SOCKETCALL, 1),
    ("bind", SOCKETCALL, 2),
    ("connect", SOCKETCALL, 3),
    ("listen", SOCKETCALL, 4),
    ("accept", SOCKETCALL, 5),
    ("getsockname", SOCKETCALL, 6),
    ("getpeername", SOCKETCALL, 7),
    ("socketpair", SOCKETCALL, 8),
    ("send", SOCKETCALL, 9),
    ("recv", SOCKETCALL, 10),
    ("sendto", SOCKETCALL, 11),
    ("recvfrom", SOCKETCALL, 12),
    ("shutdown", SOCKETCALL, 13),
    ("setsockopt", SOCKETCALL, 14),
    ("getsockopt", SOCKETCALL, 15),
    ("sendmsg", SOCKETCALL, 16),
    ("recvmsg", SOCKETCALL, 17),
    ("accept4", SOCKETCALL, 18),
    ("recvmmsg", SOCKETCALL, 19),
    ("sendmmsg", SOCKETCALL, 20),
    ("semop", IPC, 1),
    ("semget", IPC, 2),
    ("semctl", IPC, 3),
    ("semtimedop", IPC, 4),
    ("msgsnd", IPC, 11),
    ("msgrcv", IPC, 12),
    ("msgget", IPC, 13),
    ("msgctl", IPC, 14),
    ("shmat", IPC, 21),
    ("shmdt", IPC, 22),
    ("shmget", IPC, 23),
    ("shmctl", IPC, 24),
];
