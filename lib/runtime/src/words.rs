//! What each step is, in words; and what errno does not say.

use child::{Follow, Op, Target};
use types::Error;

use crate::hooks::{self, Stage};
use crate::plan::{Owned, Plan, Step};

impl Plan {
    /// Returns what a step does, such as `mount proc on "/proc"`. The step after the last is the exec.
    #[must_use]
    pub fn describe(&self, step: usize) -> String {
        match self.steps.get(step) {
            Some(op) if !self.is_search(step) => describe(op),
            _ => format!("run {:?}", self.program),
        }
    }

    /// Returns the error for a step that failed.
    pub(crate) fn error(&self, step: usize, errno: i32) -> Error {
        if let Some((stage, number, path, seconds)) = self.hook(step) {
            return hooks::explain(stage, number, (&path, seconds), errno, self.hooks.output());
        }
        if let Some(error) = self.labels.explain(step, errno) {
            return error;
        }
        let error = Error::io(self.describe(step), std::io::Error::from_raw_os_error(errno));
        let search = self.is_search(step);
        let op = self.steps.get(step).filter(|_| !search);
        match op.map_or_else(|| exec_hint(&self.program, errno), |op| hint(op, errno)) {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

impl Plan {
    /// The hook that a step runs: its stage, number, path and limit.
    pub(crate) fn hook(&self, step: usize) -> Option<(Stage, usize, String, u32)> {
        if let Some(Op::Hook(hook)) = self.steps.get(step) {
            let before = self.steps.iter().take(step).filter(|op| matches!(op, Op::Hook(_))).count();
            let path = hook.path.to_string_lossy().into_owned();
            return Some((Stage::CreateContainer, before, path, hook.seconds));
        }
        let number = step.checked_sub(usize::try_from(child::Failure::HOOKS).ok()?)?;
        let (path, seconds) = self.hooks.of_stub.get(number)?;
        Some((Stage::StartContainer, number, path.clone(), *seconds))
    }
}

fn describe(step: &Step) -> String {
    let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
    match step {
        Op::CloseOnExec { .. } | Op::Close(_) => "close descriptors".into(),
        Op::ResetSignals => "reset signals".into(),
        Op::JoinCgroup(_) => "join cgroup".into(),
        Op::Setns { .. } => "join namespaces".into(),
        Op::EnterTime => "enter time namespace".into(),
        Op::TimeOffsets(_) => "set clock offsets".into(),
        Op::Unshare(_) => "make namespaces".into(),
        Op::NewSession => "start session".into(),
        Op::NotDumpable => "hide process".into(),
        Op::OomScore(value) => format!("set OOM score to {:?}", text(value)),
        Op::KeyLabel(label) => format!("use SELinux label {:?} for keys", text(label)),
        Op::Attributes { .. } | Op::PassAttributes(_) => "open the attributes of the process".into(),
        Op::Propagation(_) => "make mounts private".into(),
        Op::AttachRoot { .. } => "mount root file system".into(),
        Op::CopyRoot(path) => format!("copy root file system {:?}", text(path)),
        Op::KeepRoot(_) => "take root file system".into(),
        Op::OpenNull => "open \"/dev/null\" of the host".into(),
        Op::Mount(new) => format!("mount {} on {}", text(&new.fs), at(&new.at)),
        Op::Move { at: target, .. } | Op::Bind { at: target, .. } => format!("mount on {}", at(target)),
        Op::SealDev => "make \"/dev\" read-only".into(),
        Op::MakeDir(target) => format!("create directory {}", at(target)),
        Op::DevDir { name, .. } | Op::DevNode { name, .. } | Op::DevLink { name, .. } => {
            format!("create \"/dev/{}\"", text(name))
        }
        Op::Link { parent, name, .. } => format!("create \"/{}/{}\"", text(&parent.path), text(name)),
        Op::Device(node) => format!("create \"/{}/{}\"", text(&node.parent.path), text(&node.name)),
        Op::Console(_) => "bind the terminal on \"/dev/console\"".into(),
        Op::Sysctl { name, .. } => format!("set kernel parameter \"/proc/{}\"", text(name)),
        Op::Mask(path) => format!("mask \"/{}\"", text(path)),
        Op::ReadOnlyPath(path) => format!("make \"/{}\" read-only", text(path)),
        Op::Remount(change) => format!("remount \"/{}\"", text(&change.path)),
        Op::SealRoot => "make root file system read-only".into(),
        Op::Pivot | Op::MoveRoot { .. } | Op::Chroot => "change root".into(),
        Op::Gate(_) => "wait for release".into(),
        Op::Tell(_) => "report".into(),
        Op::Hook(hook) => format!("run hook {:?}", text(&hook.path)),
        Op::FindProgram(_) => "look for the program".into(),
        Op::Netlink(_) => "configure network".into(),
        Op::Hostname(name) => format!("set host name {:?}", text(name)),
        Op::Domainname(name) => format!("set domain name {:?}", text(name)),
        Op::Rlimit { resource, soft, hard } => {
            let name = LIMITS.get(usize::try_from(*resource).unwrap_or(usize::MAX)).unwrap_or(&"?");
            format!("set limit {name} to {soft}:{hard}")
        }
        Op::Umask(_) => "set umask".into(),
        Op::Personality(_) => "set personality".into(),
        Op::Scheduler(_) => "set scheduler".into(),
        Op::Affinity(_) => "choose processors".into(),
        Op::IoPriority(_) => "set I/O priority".into(),
        Op::MemoryPolicy { .. } => "set memory policy".into(),
        Op::RootPropagation { .. } => "set propagation of the root".into(),
        Op::Keyring => "join new session keyring".into(),
        Op::Cwd(path) => format!("enter working directory \"/{}\"", text(path)),
        Op::Stdio(_) => "connect standard descriptors".into(),
        Op::Report { .. } => "place the report pipe".into(),
        Op::Pass { .. } => "place the start gate".into(),
        Op::ControllingTerminal => "take controlling terminal".into(),
        Op::Bounding(_) => "drop bounding capabilities".into(),
        Op::Groups(_) => "set supplementary groups".into(),
        Op::Gid(gid) => format!("become group {gid}"),
        Op::Uid(uid) => format!("become user {uid}"),
        Op::Capabilities { .. } => "set capabilities".into(),
        Op::Ambient(_) => "set ambient capabilities".into(),
        Op::NoNewPrivileges => "give up new privileges".into(),
        Op::Seccomp { .. } => "install seccomp filter".into(),
    }
}

/// Resource limits by number, as `--ulimit` calls them.
const LIMITS: [&str; 16] = [
    "cpu",
    "fsize",
    "data",
    "stack",
    "core",
    "rss",
    "nproc",
    "nofile",
    "memlock",
    "as",
    "locks",
    "sigpending",
    "msgqueue",
    "nice",
    "rtprio",
    "rttime",
];

fn at(target: &Target<Owned>) -> String {
    format!("\"/{}\"", target.path.to_string_lossy())
}

/// What to say where errno misleads.
fn hint(step: &Step, errno: i32) -> Option<&'static str> {
    let target = match step {
        Op::Mount(new) => Some(&new.at),
        Op::Move { at, .. } | Op::Bind { at, .. } => Some(at),
        _ => None,
    };
    match (step, errno) {
        (Op::Gate(_), libc::ECANCELED) => Some("whoever started it is gone"),
        (Op::Rlimit { .. }, libc::EPERM) => Some("the hard limit of this process is lower: see prlimit(1)"),
        (Op::OomScore(_), libc::EACCES) => Some("it cannot be lower than that of this process"),
        (Op::Pivot, libc::EINVAL) => {
            Some("the host's root is an initramfs: boot into a real root first, or see --no-pivot of ctr-oci")
        }
        (Op::Cwd(_) | Op::MakeDir(_), libc::EXDEV | libc::ELOOP) => {
            Some("a working directory outside of the container is refused")
        }
        _ if target.is_none() => None,
        (_, libc::ELOOP) if target.is_some_and(|t| t.follow == Follow::Never) => {
            Some("it must be mounted on ordinary directory, and the image has a symbolic link there")
        }
        (Op::Mount(_), libc::EPERM) => Some(
            "in a user namespace, a file system that shows a namespace needs one that belongs to that user namespace",
        ),
        (_, libc::EACCES) => {
            Some("user 0 of the container's user namespace must be able to make the mount point, or find it")
        }
        (_, libc::EXDEV) => Some("the image leads this mount into /proc"),
        (_, libc::ESTALE) => {
            Some("a directory above it was exchanged meanwhile, by somebody who may write there")
        }
        (Op::Move { .. } | Op::Bind { .. }, libc::ENOTDIR) => {
            Some("the source is a directory and the target is not")
        }
        (Op::Move { .. } | Op::Bind { .. }, libc::EISDIR) => {
            Some("the target is a directory and the source is not")
        }
        (_, libc::ENOSPC) => Some("too many mounts, not a full disk: see /proc/sys/fs/mount-max"),
        _ => None,
    }
}

fn exec_hint(program: &str, errno: i32) -> Option<&'static str> {
    match errno {
        libc::ENOENT if !program.contains('/') => Some("no such program in the container's PATH"),
        libc::ENOENT => Some("if the file is there, its interpreter or dynamic linker is not"),
        libc::EACCES => Some("it is not executable, or is a directory, or lies on a noexec mount"),
        libc::ENOEXEC => Some("no program for this machine: wrong architecture, or a script without \"#!\""),
        _ => None,
    }
}
