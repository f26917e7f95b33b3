//! Capabilities as the kernel's 64-bit masks.

use std::str::FromStr;

use oci_spec::runtime::{Capabilities, Capability, LinuxCapabilities};
use types::{Error, Kind, Result};

/// Every capability, by number (`capabilities(7)`, `linux/capability.h`).
pub const ALL: [Capability; 41] = [
    Capability::Chown,
    Capability::DacOverride,
    Capability::DacReadSearch,
    Capability::Fowner,
    Capability::Fsetid,
    Capability::Kill,
    Capability::Setgid,
    Capability::Setuid,
    Capability::Setpcap,
    Capability::LinuxImmutable,
    Capability::NetBindService,
    Capability::NetBroadcast,
    Capability::NetAdmin,
    Capability::NetRaw,
    Capability::IpcLock,
    Capability::IpcOwner,
    Capability::SysModule,
    Capability::SysRawio,
    Capability::SysChroot,
    Capability::SysPtrace,
    Capability::SysPacct,
    Capability::SysAdmin,
    Capability::SysBoot,
    Capability::SysNice,
    Capability::SysResource,
    Capability::SysTime,
    Capability::SysTtyConfig,
    Capability::Mknod,
    Capability::Lease,
    Capability::AuditWrite,
    Capability::AuditControl,
    Capability::Setfcap,
    Capability::MacOverride,
    Capability::MacAdmin,
    Capability::Syslog,
    Capability::WakeAlarm,
    Capability::BlockSuspend,
    Capability::AuditRead,
    Capability::Perfmon,
    Capability::Bpf,
    Capability::CheckpointRestore,
];

/// The eleven that containers have by default: Podman's. Docker's further three (`MKNOD`, `NET_RAW`,
/// `AUDIT_WRITE`) let a container forge packets on the bridge, and programs do not miss them.
pub const DEFAULT: [Capability; 11] = [
    Capability::Chown,
    Capability::DacOverride,
    Capability::Fowner,
    Capability::Fsetid,
    Capability::Kill,
    Capability::NetBindService,
    Capability::Setfcap,
    Capability::Setgid,
    Capability::Setpcap,
    Capability::Setuid,
    Capability::SysChroot,
];

/// Returns the mask of a set.
#[must_use]
pub fn mask(set: &Capabilities) -> u64 {
    ALL.iter().enumerate().filter(|(_, cap)| set.contains(cap)).fold(0, |mask, (bit, _)| mask | 1 << bit)
}

/// What this process has itself: sets can only be narrowed.
///
/// # Errors
/// The kernel's reason.
pub fn held() -> Result<u64> {
    let sets =
        rustix::thread::capabilities(None).map_err(|e| Error::io("read capabilities of this process", e))?;
    Ok(sets.permitted.bits())
}

/// Capabilities that a process asks for and this one cannot give: the program runs without them, and the
/// specification wants that to be told.
///
/// # Errors
/// The kernel's reason.
pub fn not_held(asked: &LinuxCapabilities) -> Result<Vec<Capability>> {
    let sets = [asked.bounding(), asked.permitted(), asked.effective(), asked.inheritable(), asked.ambient()];
    let missing = sets.into_iter().flatten().map(mask).fold(0, |all, set| all | set) & !held()?;
    Ok(ALL.iter().enumerate().filter(|(bit, _)| missing & 1 << bit != 0).map(|(_, cap)| *cap).collect())
}

/// Applies `--cap-add` and `--cap-drop` to a set: `ALL`, or names with or without `CAP_`, in any case.
///
/// As Docker does: `--cap-drop ALL` empties the set first, `--cap-add ALL` fills it first, then the
/// named ones are dropped and added.
///
/// # Errors
/// `Invalid` for a name that is not a capability.
pub fn adjust(base: &[Capability], add: &[String], drop: &[String]) -> Result<Capabilities> {
    let all = |names: &[String]| names.iter().any(|n| n.eq_ignore_ascii_case("all"));
    let mut set: Capabilities = if all(add) {
        ALL.into_iter().collect()
    } else if all(drop) {
        Capabilities::new()
    } else {
        base.iter().copied().collect()
    };
    for name in drop.iter().filter(|n| !n.eq_ignore_ascii_case("all")) {
        set.remove(&parse(name)?);
    }
    for name in add.iter().filter(|n| !n.eq_ignore_ascii_case("all")) {
        set.insert(parse(name)?);
    }
    Ok(set)
}

/// Reads a name such as `net_admin` or `CAP_NET_ADMIN`.
///
/// # Errors
/// `Invalid` for a name that is not a capability.
pub fn parse(name: &str) -> Result<Capability> {
    let upper = name.to_ascii_uppercase();
    let bare = upper.strip_prefix("CAP_").unwrap_or(&upper);
    Capability::from_str(bare).map_err(|_| {
        Error::new(Kind::Invalid, format!("bad capability {name:?}")).hint("see capabilities(7)")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_the_kernels() {
        let one = |cap| mask(&[cap].into_iter().collect());
        assert_eq!(one(Capability::Chown), 1);
        assert_eq!(one(Capability::SysAdmin), 1 << 21);
        assert_eq!(one(Capability::CheckpointRestore), 1 << 40);
        assert_eq!(mask(&DEFAULT.into_iter().collect()), 0x8004_05fb);
    }

    #[test]
    fn names_are_read_in_any_form_and_unknown_ones_refused() {
        assert_eq!(parse("CAP_net_admin").ok(), Some(Capability::NetAdmin));
        assert_eq!(parse("SYS_PTRACE").ok(), Some(Capability::SysPtrace));
        assert!(parse("CAP_").is_err() && parse("NET").is_err());
    }

    #[test]
    fn all_is_applied_before_names() {
        let strings = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let only = adjust(&DEFAULT, &strings(&["chown"]), &strings(&["ALL"])).unwrap();
        assert_eq!(mask(&only), 1);
        let but = adjust(&DEFAULT, &strings(&["all"]), &strings(&["CHOWN"])).unwrap();
        assert_eq!(mask(&but), (1 << 41) - 2);
    }
}
