//! What each operation does.

use core::ffi::CStr;

use crate::call::{self, IN_ROOT};
use crate::{Errno, Failure, Fd, Op, Prepared, hook, netlink};

/// `CLONE_NEWTIME`, which libc does not have.
const NEWTIME: core::ffi::c_int = 0x80;

/// Descriptors that one operation makes for later ones.
#[derive(Debug)]
pub struct State {
    /// The write end of the report pipe.
    pub(crate) report: Fd,
    /// The container's root.
    pub(crate) root: Fd,
    /// The new procfs, uncovered.
    pub(crate) proc: Fd,
    /// The new `/dev`.
    pub(crate) dev: Fd,
    /// The host's null device.
    pub(crate) null: Fd,
    /// An empty read-only directory.
    pub(crate) empty: Fd,
    /// The directory of our security attributes.
    pub(crate) attributes: Fd,
}

impl State {
    pub(crate) const fn new(report: Fd) -> Self {
        Self { report, root: libc::AT_FDCWD, proc: -1, dev: -1, null: -1, empty: -1, attributes: -1 }
    }

    pub(crate) fn apply<P: Prepared>(&mut self, op: &Op<P>) -> Result<(), Errno> {
        match op {
            Op::Propagation(flags) => call::propagation(*flags),
            Op::AttachRoot { tree, at } => self.attach_root(*tree, at.as_ref()),
            Op::CopyRoot(path) => self.copy_root(path.as_ref()),
            Op::KeepRoot(tree) => {
                self.root = *tree;
                Ok(())
            }
            Op::OpenNull => self.open_null(),
            Op::Mount(new) => self.mount(new),
            Op::Move { tree, at } => self.place(*tree, at),
            Op::Bind { tree, keep, renew, propagation, at } => {
                let placed = self.bind(*tree, *renew, *propagation, at)?;
                if *keep {
                    self.dev = placed;
                }
                Ok(())
            }
            Op::SealDev => call::mount_set(self.dev, crate::mount::RDONLY, false),
            Op::MakeDir(at) => self.find_or_make(at).map(call::close),
            Op::DevDir { name, mode } => call::mkdirat(self.dev, name.as_ref(), *mode),
            Op::DevNode { name, mode, device, uid, gid } => {
                call::mknodat(self.dev, name.as_ref(), *mode, *device)?;
                if *uid != 0 || *gid != 0 {
                    call::fchownat(self.dev, name.as_ref(), *uid, *gid)?;
                }
                Ok(())
            }
            Op::Device(node) => self.device(node),
            Op::Link { parent, name, to, exact } => self.link(parent, name.as_ref(), to.as_ref(), *exact),
            Op::DevLink { name, to } => call::symlinkat(to.as_ref(), self.dev, name.as_ref()),
            Op::Console(terminal) => self.console(*terminal),
            Op::Sysctl { name, value } => self.sysctl(name.as_ref(), value.as_ref()),
            Op::Mask(path) => self.mask(path.as_ref()),
            Op::ReadOnlyPath(path) => self.read_only_path(path.as_ref()),
            Op::Remount(change) => self.remount(change),
            Op::SealRoot => self.seal_root(),
            Op::Pivot => self.pivot(),
            Op::MoveRoot { moves, hide } => self.move_root(*moves, hide.as_ref()),
            Op::Chroot => self.chroot(),
            Op::RootPropagation { flag, recursive } => call::mount_propagate(self.root, *flag, *recursive),
            Op::Attributes { above } => self.open_attributes(*above),
            Op::PassAttributes(to) => call::dup_to(self.attributes, *to),
            Op::Hook(hook) => hook::run(hook, self.root),
            Op::Cwd(path) => cwd(path.as_ref()),
            Op::Tell(number) => self.tell(*number),
            Op::Seccomp { flags, filter, taken } => self.seccomp(*flags, filter.as_ref(), *taken),
            Op::Report { from, to } => self.report_to(*from, *to),
            other => process(other),
        }
    }

    fn report_to(&mut self, from: Fd, to: Fd) -> Result<(), Errno> {
        call::dup_to(from, to)?;
        self.report = to;
        Ok(())
    }

    /// From here on every call may be one that a listener decides about: few, and none before the parent
    /// has it but the write that tells of it.
    fn seccomp(&self, flags: u32, filter: &[libc::sock_filter], taken: Option<Fd>) -> Result<(), Errno> {
        let listener = call::seccomp(flags, filter)?;
        let Some(gate) = taken else { return Ok(()) };
        call::write(self.report, &Failure { step: Failure::LISTENER, errno: listener }.to_bytes())?;
        wait(gate)
    }

    /// One write, so that it is never mixed with anything; the parent waits for it.
    fn tell(&self, number: u32) -> Result<(), Errno> {
        let reached = Failure { step: number, errno: 0 };
        call::write(self.report, &reached.to_bytes()).map(drop)
    }

    fn sysctl(&self, name: &CStr, value: &CStr) -> Result<(), Errno> {
        let beneath = libc::RESOLVE_BENEATH | libc::RESOLVE_NO_XDEV | libc::RESOLVE_NO_SYMLINKS;
        let file = call::openat2(self.proc, name, libc::O_WRONLY, beneath)?;
        call::write(file, value.to_bytes())?;
        call::close(file);
        Ok(())
    }
}

/// Operations that concern the process alone.
fn process<P: Prepared>(op: &Op<P>) -> Result<(), Errno> {
    match op {
        Op::CloseOnExec { from } => call::close_range(*from, u32::MAX, libc::CLOSE_RANGE_CLOEXEC),
        Op::Close(ranges) => {
            ranges.as_ref().iter().try_for_each(|(first, last)| call::close_range(*first, *last, 0))
        }
        Op::ResetSignals => reset_signals(),
        Op::JoinCgroup(tasks) => call::write(*tasks, b"0").map(drop),
        Op::Setns { fd, flags } => call::setns(*fd, *flags),
        Op::Unshare(flags) => call::unshare(*flags),
        Op::NewSession => call::setsid(),
        Op::NotDumpable => call::prctl(libc::PR_SET_DUMPABLE, 0, 0),
        Op::OomScore(value) => write_own(c"/proc/self/oom_score_adj", value.as_ref()),
        Op::KeyLabel(label) => write_own(c"/proc/thread-self/attr/keycreate", label.as_ref()),
        Op::TimeOffsets(value) => write_own(c"/proc/self/timens_offsets", value.as_ref()),
        Op::EnterTime => enter_time(),
        Op::Gate(fd) => wait(*fd),
        Op::Netlink(messages) => netlink::send(messages.as_ref()),
        Op::Hostname(name) => call::sethostname(name.as_ref().to_bytes()),
        Op::Domainname(name) => call::setdomainname(name.as_ref().to_bytes()),
        Op::Rlimit { resource, soft, hard } => call::setrlimit(*resource, *soft, *hard),
        Op::Umask(mode) => {
            call::umask(*mode);
            Ok(())
        }
        Op::Keyring => keyring(),
        Op::Personality(domain) => call::personality(*domain),
        Op::Scheduler(attr) => call::sched_setattr(attr.as_ref()),
        Op::Affinity(mask) => call::sched_setaffinity(mask.as_ref()),
        Op::IoPriority(value) => call::ioprio_set(*value),
        Op::MemoryPolicy { mode, nodes } => call::set_mempolicy(*mode, nodes.as_ref()),
        Op::Stdio(fds) => stdio(*fds),
        Op::Pass { from, to } => call::dup_to(*from, *to),
        Op::FindProgram(candidates) => find_program(candidates.as_ref()),
        Op::ControllingTerminal => call::take_terminal(),
        other => privileges(other),
    }
}

/// Operations that give something up.
fn privileges<P: Prepared>(op: &Op<P>) -> Result<(), Errno> {
    match op {
        Op::Bounding(keep) => bounding(*keep),
        Op::Groups(groups) => call::setgroups(groups.as_ref()),
        Op::Gid(gid) => call::setresgid(*gid),
        Op::Uid(uid) => {
            call::prctl(libc::PR_SET_KEEPCAPS, 1, 0)?;
            call::setresuid(*uid)
        }
        Op::Capabilities { effective, permitted, inheritable } => {
            call::capset(*effective, *permitted, *inheritable)
        }
        Op::Ambient(set) => ambient(*set),
        Op::NoNewPrivileges => call::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0),
        // Everything else was handled by the two functions above.
        _ => Err(libc::ENOSYS),
    }
}

fn reset_signals() -> Result<(), Errno> {
    // Handlers are gone since clone3(2); what may be left is ignored, such as SIGPIPE by Rust, SIGHUP by
    // nohup(1), and even real-time signals by who knows whom.
    for number in 1..=64 {
        call::default_signal(number);
    }
    call::unblock_signals()
}

/// Before any mount of ours: this is the host's /proc, and its `self` is us.
fn write_own(path: &CStr, value: &CStr) -> Result<(), Errno> {
    let file = call::open(libc::AT_FDCWD, path, libc::O_WRONLY, 0)?;
    call::write(file, value.to_bytes())?;
    call::close(file);
    Ok(())
}

/// Before any mount of ours, as [`write_own`].
fn enter_time() -> Result<(), Errno> {
    let space = call::open(libc::AT_FDCWD, c"/proc/self/ns/time_for_children", libc::O_RDONLY, 0)?;
    call::setns(space, NEWTIME)?;
    call::close(space);
    Ok(())
}

fn wait(fd: Fd) -> Result<(), Errno> {
    let mut byte = [0u8; 1];
    loop {
        match call::read(fd, &mut byte) {
            Ok(0) => return Err(libc::ECANCELED), // the parent is gone, and with it who wants us
            Ok(_) => return Ok(()),
            Err(libc::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

fn keyring() -> Result<(), Errno> {
    match call::keyctl_join_anonymous() {
        // A kernel without keys has none to leak.
        Err(libc::ENOSYS) => Ok(()),
        done => done,
    }
}

fn cwd(path: &CStr) -> Result<(), Errno> {
    let root = call::open(libc::AT_FDCWD, c"/", libc::O_PATH, 0)?;
    let dir = call::openat2(root, path, libc::O_PATH | libc::O_DIRECTORY, IN_ROOT)?;
    call::fchdir(dir)?;
    // A directory outside of the root has no name that starts with a slash (CVE-2024-21626).
    if call::getcwd_first()? != b'/' {
        return Err(libc::EXDEV);
    }
    call::close(dir);
    call::close(root);
    Ok(())
}

/// As the stub will look for it: what is not there leads to the next candidate, what may not be
/// executed is remembered.
fn find_program<T: AsRef<CStr>>(candidates: &[T]) -> Result<(), Errno> {
    let mut verdict = libc::ENOENT;
    for candidate in candidates {
        match executable(candidate.as_ref()) {
            Ok(()) => return Ok(()),
            Err(libc::ENOENT | libc::ENOTDIR) => {}
            Err(errno) => verdict = errno,
        }
    }
    Err(verdict)
}

fn executable(path: &CStr) -> Result<(), Errno> {
    let file = call::open(libc::AT_FDCWD, path, libc::O_PATH, 0)?;
    let regular = call::fstat(file)?.st_mode & libc::S_IFMT == libc::S_IFREG;
    let verdict = if regular { call::may_execute(file) } else { Err(libc::EACCES) };
    call::close(file);
    match verdict {
        // A filter that is older than the question refuses it with an errno of its own. That says
        // nothing about the program, and the exec will.
        Err(errno) if errno != libc::EACCES => Ok(()),
        verdict => verdict,
    }
}

fn stdio(fds: [Fd; 3]) -> Result<(), Errno> {
    let [stdin, stdout, stderr] = fds;
    call::dup_to(stdin, 0)?;
    call::dup_to(stdout, 1)?;
    call::dup_to(stderr, 2)
}

fn bounding(keep: u64) -> Result<(), Errno> {
    for capability in 0..64u64 {
        let bit = 1u64.wrapping_shl(u32::try_from(capability).unwrap_or(0));
        if keep & bit != 0 {
            continue;
        }
        match call::prctl(libc::PR_CAPBSET_DROP, capability, 0) {
            Err(libc::EINVAL) => break, // past the last capability of this kernel
            done => done?,
        }
    }
    Ok(())
}

fn ambient(set: u64) -> Result<(), Errno> {
    for capability in 0..64u64 {
        let bit = 1u64.wrapping_shl(u32::try_from(capability).unwrap_or(0));
        if set & bit != 0 {
            call::prctl(libc::PR_CAP_AMBIENT, 2, capability)?; // PR_CAP_AMBIENT_RAISE
        }
    }
    Ok(())
}
