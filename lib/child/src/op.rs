//! The operations.

use core::ffi::c_int;

use crate::{Fd, Prepared};

/// One prepared step. Paths are relative to the container's root and have no leading slash.
#[allow(missing_debug_implementations, reason = "the runtime describes each operation in words")]
pub enum Op<P: Prepared> {
    /// Marks every descriptor from this one on close-on-exec, also those that our caller leaked to us.
    CloseOnExec {
        /// 3, or behind those that the program is given.
        from: u32,
    },
    /// Closes descriptors from the first to the second of each pair: what must not be visible in
    /// `/proc/PID/fd` once the process is in a foreign pid namespace.
    Close(P::List<(u32, u32)>),
    /// Default disposition for every signal and an empty mask.
    ResetSignals,
    /// Joins a cgroup v1: writes `0` to its `tasks`. Only so (not by pid, not by `cgroup.procs`)
    /// does the kernel skip the lock that waits for an RCU grace period (Linux 5.5).
    JoinCgroup(Fd),
    /// `setns(2)`.
    Setns {
        /// A pidfd or a namespace.
        fd: Fd,
        /// `CLONE_NEW*`.
        flags: c_int,
    },
    /// `unshare(2)`.
    Unshare(c_int),
    /// Writes clock offsets of the time namespace that was just made (time_namespaces(7)), through the
    /// host's `/proc`. [`Op::EnterTime`] or the exec enters it.
    TimeOffsets(P::Text),
    /// Enters the time namespace that was just made, through the host's `/proc`. Before Linux 6.2 an exec
    /// does not, and only what the program starts would be in it.
    EnterTime,
    /// `setsid(2)`.
    NewSession,
    /// Hides this process from `ptrace` and `/proc/PID/fd` until it execs.
    NotDumpable,
    /// Writes the text to our own `oom_score_adj` through the host's `/proc`.
    OomScore(P::Text),
    /// The SELinux label of keys that we make, until the next exec, through the host's `/proc`.
    KeyLabel(P::Text),
    /// Opens the directory of our security attributes, on a procfs that is mounted nowhere.
    Attributes {
        /// Above every number that something is placed at.
        above: Fd,
    },
    /// Puts that directory where the stub looks for it, and lets it live over one exec.
    PassAttributes(Fd),

    /// Sets the propagation of all mounts of the new namespace: nothing travels to the host.
    Propagation(u64),
    /// Mounts the detached root file system in the new namespace, where nothing of the host sees it.
    AttachRoot {
        /// The tree.
        tree: Fd,
        /// On top of `/`; or where hooks of the host's expect it.
        at: P::Text,
    },
    /// Opens the host's `/dev/null` and checks that it is device 1:3.
    OpenNull,
    /// Makes a new file system and mounts it.
    Mount(NewMount<P>),
    /// Mounts a detached tree that the parent has made.
    Move {
        /// From `open_tree(2)` or `fsmount(2)`.
        tree: Fd,
        /// Where.
        at: Target<P>,
    },
    /// The same for a tree that can be cloned: one of the host's, or a `/dev` that the parent has filled.
    Bind {
        /// From `open_tree(2)` or `fsmount(2)`.
        tree: Fd,
        /// It is the `/dev` that [`Op::DevNode`] and its kin mean.
        keep: bool,
        /// Clone it once more first: see `State::renew`.
        renew: bool,
        /// `MS_UNBINDABLE` afterwards, or 0: such a mount could not be cloned.
        propagation: u64,
        /// Where.
        at: Target<P>,
    },
    /// Makes the kept `/dev` read-only; not what is mounted in it.
    SealDev,
    /// Creates the directory if it is missing.
    MakeDir(Target<P>),
    /// A directory in the kept `/dev`.
    DevDir {
        /// Name in `/dev`.
        name: P::Text,
        /// Permissions.
        mode: u32,
    },
    /// A device node in the kept `/dev`.
    DevNode {
        /// Name in `/dev`.
        name: P::Text,
        /// Type and permissions.
        mode: u32,
        /// Major and minor, as `makedev(3)` packs them.
        device: u64,
        /// Owner.
        uid: u32,
        /// Group.
        gid: u32,
    },
    /// A device node elsewhere.
    Device(Node<P>),
    /// A symbolic link elsewhere, if nothing is there.
    Link {
        /// The directory that it is in, which is created if it is missing.
        parent: Target<P>,
        /// Its name there.
        name: P::Text,
        /// What it says.
        to: P::Text,
        /// One that is there must say the same.
        exact: bool,
    },
    /// A symbolic link in the kept `/dev`.
    DevLink {
        /// Name in `/dev`.
        name: P::Text,
        /// What it says.
        to: P::Text,
    },
    /// Binds the terminal on `console` in the kept `/dev`. By descriptor, and only after its devpts is
    /// mounted here: the kernel clones mounts of our own namespace only.
    Console(Fd),
    /// Writes a kernel parameter through the kept `/proc`, which nothing covers yet.
    Sysctl {
        /// Relative to `/proc`: `sys/net/ipv4/ip_forward`.
        name: P::Text,
        /// What to write.
        value: P::Text,
    },
    /// Hides a path: a file under the null device, a directory under an empty one.
    Mask(P::Text),
    /// Makes a path read-only by mounting it over itself.
    ReadOnlyPath(P::Text),
    /// Changes the attributes of what is mounted at a place.
    Remount(Remount<P>),
    /// Makes the root file system read-only.
    SealRoot,
    /// Changes `/` to the attached root and detaches the host's tree.
    Pivot,
    /// Moves the root onto that of the mount namespace and changes `/` to it, where the kernel cannot exchange
    /// them: in an initramfs (pivot_root(2)).
    MoveRoot {
        /// It is not there already.
        moves: bool,
        /// Where the host's tree has file systems of the kernel: they are taken away, or covered, so that nobody
        /// inside may mount such a one because there is one already (`mount_too_revealing()`).
        hide: P::List<P::Text>,
    },
    /// The container's root is a copy, in no mount table, of the tree at this absolute path.
    CopyRoot(P::Text),
    /// The container's root is this detached tree, and stays so.
    KeepRoot(Fd),
    /// Changes `/` to the container's root and leaves the mount namespace as it is.
    Chroot,
    /// Sets the propagation of the root, alone or with everything below it. After [`Op::Pivot`], which
    /// refuses a shared root.
    RootPropagation {
        /// One of `MS_SHARED`, `MS_SLAVE`, `MS_UNBINDABLE`.
        flag: u64,
        /// Also of all that is mounted below.
        recursive: bool,
    },

    /// Waits for one byte; end of file means that the parent is gone.
    Gate(Fd),
    /// Tells the parent on the report pipe that this place was reached: a [`crate::Failure`] without an
    /// errno, with this number in the place of the step.
    Tell(u32),
    /// Runs a program of the host's, in the namespaces that we are in, and waits for it.
    Hook(Hook<P>),
    /// Looks whether one of these files can be executed by who we are now, without executing it.
    FindProgram(P::List<P::Text>),
    /// Sends ready-made rtnetlink messages and reads every acknowledgement.
    Netlink(P::List<u8>),
    /// `sethostname(2)`.
    Hostname(P::Text),
    /// `setdomainname(2)`.
    Domainname(P::Text),
    /// `setrlimit(2)`.
    Rlimit {
        /// `RLIMIT_*`.
        resource: u32,
        /// Soft limit.
        soft: u64,
        /// Hard limit.
        hard: u64,
    },
    /// `umask(2)`.
    Umask(u32),
    /// `personality(2)`.
    Personality(u64),
    /// `sched_setattr(2)`: a `struct sched_attr`.
    Scheduler(P::List<u8>),
    /// `sched_setaffinity(2)` for this process: one bit for each processor.
    Affinity(P::List<u64>),
    /// `ioprio_set(2)` for this process: class and priority, packed.
    IoPriority(u32),
    /// `set_mempolicy(2)`.
    MemoryPolicy {
        /// Mode and flags.
        mode: u32,
        /// One bit for each node.
        nodes: P::List<u64>,
    },
    /// A new anonymous session keyring: the host's is not visible.
    Keyring,
    /// Enters the working directory, resolved inside the root and without magic links, and checks
    /// that `getcwd(2)` can name it.
    Cwd(P::Text),
    /// Takes descriptors for 0, 1 and 2.
    Stdio([Fd; 3]),
    /// Puts the report pipe where the stub looks for it, and lets it live over one exec: what fails from
    /// here on is told there.
    Report {
        /// Where it is.
        from: Fd,
        /// Where it goes: 3, or behind the descriptors that the program is given.
        to: Fd,
    },
    /// Puts one more descriptor where the stub looks for it, and lets it live over one exec.
    Pass {
        /// Where it is: above every place.
        from: Fd,
        /// Where it goes.
        to: Fd,
    },
    /// Makes descriptor 0 the controlling terminal.
    ControllingTerminal,

    /// Drops from the bounding set what is not in the mask.
    Bounding(u64),
    /// Supplementary groups.
    Groups(P::List<u32>),
    /// Real, effective and saved group.
    Gid(u32),
    /// Real, effective and saved user; permitted capabilities stay until [`Op::Capabilities`].
    Uid(u32),
    /// The capabilities of this thread.
    Capabilities {
        /// In force.
        effective: u64,
        /// Can be put in force.
        permitted: u64,
        /// Kept over exec of files that say so.
        inheritable: u64,
    },
    /// Capabilities that stay over exec.
    Ambient(u64),
    /// Nothing that is executed can gain privileges.
    NoNewPrivileges,
    /// Installs the filter.
    Seccomp {
        /// `SECCOMP_FILTER_FLAG_*`.
        flags: u32,
        /// The program.
        filter: P::List<libc::sock_filter>,
        /// With a listener: where to wait until the parent has taken it, which learns its number from the
        /// report pipe. It ends with the exec, and calls that it decides about would fail then.
        taken: Option<Fd>,
    },
}

/// A program that is run on the way, with the root file system as its working directory.
#[allow(missing_debug_implementations, reason = "the runtime describes it in words")]
pub struct Hook<P: Prepared> {
    /// Its path on the host.
    pub path: P::Text,
    /// Pointers to the arguments, then null.
    pub argv: P::List<*const core::ffi::c_char>,
    /// Pointers to the environment, then null.
    pub envp: P::List<*const core::ffi::c_char>,
    /// A file that it reads as its standard input, from the beginning.
    pub input: Fd,
    /// A file for all that it says.
    pub output: Fd,
    /// It is killed after so many seconds; 0 is never.
    pub seconds: u32,
}

/// A device node that is not in a `/dev` of ours.
#[allow(missing_debug_implementations, reason = "the runtime describes it in words")]
pub struct Node<P: Prepared> {
    /// The directory that it is in, which is created if it is missing.
    pub parent: Target<P>,
    /// Its name there.
    pub name: P::Text,
    /// Type and permissions.
    pub mode: u32,
    /// Major and minor, as `makedev(3)` packs them.
    pub device: u64,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// A change of what is mounted.
#[allow(missing_debug_implementations, reason = "the runtime describes it in words")]
pub struct Remount<P: Prepared> {
    /// Where; nothing is made there.
    pub path: P::Text,
    /// How symbolic links are treated.
    pub follow: Follow,
    /// Attributes to set.
    pub set: Attr,
    /// Attributes to clear.
    pub clear: Attr,
    /// One of `MS_PRIVATE`, `MS_SLAVE`, `MS_SHARED`, `MS_UNBINDABLE`, or 0 for no change.
    pub propagation: u64,
    /// Also of all that is mounted below.
    pub recursive: bool,
}

/// A file system to be made.
#[allow(missing_debug_implementations, reason = "the runtime describes it in words")]
pub struct NewMount<P: Prepared> {
    /// Type, such as `proc`.
    pub fs: P::Text,
    /// Options.
    pub params: P::List<Param<P>>,
    /// Attributes of the mount.
    pub attr: Attr,
    /// `MS_SHARED` and its kin; 0 for a private one.
    pub propagation: u64,
    /// Where.
    pub at: Target<P>,
    /// The SELinux label of its root, for a file system that takes it only then.
    pub label: Option<P::Text>,
    /// Whether later operations need it.
    pub keep: Keep,
}

/// An option of a file system; without a value it is a flag.
#[allow(missing_debug_implementations, reason = "the runtime describes it in words")]
pub struct Param<P: Prepared> {
    /// Name.
    pub key: P::Text,
    /// Value.
    pub value: Option<P::Text>,
}

/// `MOUNT_ATTR_*`.
pub type Attr = u64;

/// Which later operations refer to a mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// None.
    No,
    /// [`Op::Sysctl`].
    Proc,
    /// [`Op::DevNode`] and its kin.
    Dev,
}

/// A place inside the root.
#[allow(missing_debug_implementations, reason = "the runtime describes it in words")]
pub struct Target<P: Prepared> {
    /// The whole path.
    pub path: P::Text,
    /// Each prefix of it, shortest first, with its last component: what to create if it is missing.
    pub parts: P::List<Part<P>>,
    /// What to create at the end.
    pub kind: Kind,
    /// How symbolic links are treated.
    pub follow: Follow,
    /// Whether it may lie in procfs.
    pub in_proc: bool,
}

/// A prefix of a path.
#[allow(missing_debug_implementations, reason = "the runtime describes it in words")]
pub struct Part<P: Prepared> {
    /// From the root.
    pub prefix: P::Text,
    /// Its last component.
    pub name: P::Text,
}

/// What a mount point is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Dir,
    /// Anything else.
    File,
}

/// How symbolic links of the container are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follow {
    /// As the container will see them: `/` is its own root (`RESOLVE_IN_ROOT`).
    InRoot,
    /// Refused: `/proc`, `/dev` and `/sys` are real directories or the image is hostile.
    Never,
}
