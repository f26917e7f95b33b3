//! A plan: the list of steps that turn a clone of this process into the container's first one.

mod bind;
mod cgroups;
mod copyup;
mod dev_tree;
mod devices;
pub(crate) mod enter;
mod hooks;
pub(crate) mod identity;
mod idmap;
mod ids;
pub(crate) mod labels;
mod mounts;
mod namespaces;
mod options;
mod placed;
mod process;
pub(crate) mod schedule;
pub(crate) use hooks::REACHED;
mod remount;
pub(crate) use namespaces::{NEWTIME, is_own};
pub use process::DEFAULT_PATH;
mod target;
mod unpivoted;

use std::collections::BTreeMap;
use std::ffi::CString;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use child::{Exec, Op, Prepared};
use oci_spec::runtime::{Linux, LinuxNamespaceType};
use types::{Error, Kind, Result};

use crate::born::{self, Birth};
use crate::launch::{Launch, StartGate};
use crate::{netdev, seccomp};
pub(crate) use ids::{Ids, TTY};

/// Strings and lists of a plan are owned by it.
#[derive(Debug, Clone, Copy)]
pub enum Owned {}

impl Prepared for Owned {
    type Text = CString;
    type List<T> = Vec<T>;
}

/// One step.
pub(crate) type Step = Op<Owned>;

/// What will be done, in order; plain data that can say what each step is.
#[allow(missing_debug_implementations, reason = "its steps describe themselves")]
pub struct Plan {
    /// `CLONE_NEW*`.
    pub(crate) namespaces: u64,
    /// What the child walks.
    pub(crate) steps: Vec<Step>,
    /// So many of the steps are those of a process between ([`child::Between`]).
    pub(crate) between: Option<usize>,
    /// Who is who in its user namespace.
    pub(crate) ids: Option<Ids>,
    /// What it becomes.
    pub(crate) exec: Exec<Owned>,
    /// What the user calls the program.
    pub(crate) program: String,
    /// The stub says that it waits to be started.
    pub(crate) waits: bool,
    /// The filter has a listener, which the parent takes.
    pub(crate) listens: bool,
    /// Files of hooks that are run inside.
    pub(crate) hooks: hooks::Files,
    /// Labels of the program.
    pub(crate) labels: labels::Labels,
    /// Network devices of the host that it is given.
    pub(crate) devices: netdev::Devices,
    /// Strings that `exec` and `steps` point to.
    _strings: Vec<CString>,
    /// Descriptors that `steps` name.
    fds: Vec<OwnedFd>,
}

/// A plan while it grows.
#[derive(Default)]
pub(crate) struct Draft {
    pub steps: Vec<Step>,
    pub fds: Vec<OwnedFd>,
    /// So many of the steps are those of a process between.
    pub between: Option<usize>,
    /// Who is who in the user namespace.
    pub ids: Option<Ids>,
    /// What is mounted where.
    pub placed: placed::Placed,
    /// `/dev` is a tmpfs of ours that is to be filled.
    pub own_dev: bool,
    /// What is mounted on the host's tree on the way is seen by nobody, and goes with that tree.
    pub own_mounts: bool,
    /// `/dev` is to be read-only in the end.
    pub read_only_dev: bool,
    /// `/proc` is a procfs of ours.
    pub own_proc: bool,
    /// So many descriptors from 3 on are the program's.
    pub preserved: i32,
    /// The stub waits to be started.
    pub waits: bool,
    /// Where the child waits for its parent.
    pub gate: child::Fd,
    /// The filter has a listener, which the parent takes.
    pub listens: bool,
    /// Files of hooks that are run inside.
    pub hooks: hooks::Files,
    /// Hooks that the stub runs, as it reads them.
    pub start_hooks: Vec<String>,
    /// Strings that steps point to.
    pub strings: Vec<CString>,
    /// Labels of the program.
    pub labels: labels::Labels,
    /// Network devices of the host that it is given.
    pub devices: netdev::Devices,
    /// Stay in the session keyring of the caller.
    pub keep_keyring: bool,
    /// The SELinux label of what is mounted.
    pub mount_label: Option<String>,
    /// The stub has the program born in another pid namespace.
    pub born: Option<Birth>,
    /// With it, the program's filter lets pass what the stub has to do before the program.
    pub word: Option<u64>,
}

impl Draft {
    pub fn push(&mut self, step: Step) {
        self.steps.push(step);
    }

    /// The lowest descriptor that is not the program's.
    pub fn first_of_ours(&self) -> u32 {
        self.report_number().cast_unsigned()
    }

    /// Where the stub will find the report pipe: behind all that is the program's.
    pub const fn report_number(&self) -> child::Fd {
        3 + self.preserved
    }

    /// Where the stub finds the directory that labels are written in.
    pub const fn label_number(&self) -> child::Fd {
        self.report_number() + 5
    }

    /// The first number behind all those that have a meaning for the stub.
    pub const fn free_number(&self) -> child::Fd {
        self.label_number() + 1
    }

    /// A copy of a descriptor that nothing placed before the exec will replace.
    pub fn out_of_the_way(&mut self, fd: BorrowedFd<'_>) -> Result<child::Fd> {
        let copy = rustix::io::fcntl_dupfd_cloexec(fd, self.free_number())
            .map_err(|e| Error::io("duplicate descriptor", e))?;
        Ok(self.hold(copy))
    }

    /// Has a filter of the program admit what the stub does before it.
    pub fn admit(&mut self) -> Result<()> {
        let Some(word) = self.word else { return Ok(()) };
        for step in &mut self.steps {
            if let Op::Seccomp { filter, .. } = step {
                seccomp::admit(filter, word, self.labels.any())?;
            }
        }
        Ok(())
    }

    /// Keeps a descriptor open until the child has its copy.
    pub fn hold(&mut self, fd: OwnedFd) -> child::Fd {
        let raw = fd.as_raw_fd();
        self.fds.push(fd);
        raw
    }
}

/// The order of the steps, with its reasons:
///
/// 1. Descriptors and signals first, so that nothing of the caller shows in what follows.
/// 2. Namespaces that are joined, while we have the caller's privileges over them; a user namespace last.
///    cgroups before any work, so that the work is accounted; the cgroup namespace after them,
///    because its root is where its creator is at that moment.
/// 3. The mount tree: propagation off before anything is mounted; the root; the mounts of the
///    configuration in its order; hooks, which may add to all that; kernel parameters, which may be of
///    links that hooks have brought, while procfs is uncovered; then masks, then
///    read-only paths, so that a mask below a read-only path is covered too; the root last, because
///    mount points are created in it until then.
/// 4. `pivot_root`, after which no path of the host has a name.
/// 5. The gate: all above overlaps with what the parent does (attach the network). Then addresses.
/// 6. Limits and the keyring while still privileged.
/// 7. The bounding set while `CAP_SETPCAP` is there, then groups, then user, then capabilities; a
///    filter comes before them if privileges may still be gained (it needs `CAP_SYS_ADMIN`), else
///    last, so that it need not allow what precedes it.
impl Plan {
    pub(crate) fn new(inputs: &Launch<'_>, gate: BorrowedFd<'_>, report: BorrowedFd<'_>) -> Result<Self> {
        let spec = inputs.spec;
        let linux = spec.linux().as_ref().ok_or_else(|| invalid("configuration has no linux part"))?;
        refuse_unsupported(linux)?;
        hooks::check(spec, inputs)?;
        let process = spec.process().as_ref().ok_or_else(|| invalid("configuration has no process"))?;
        let spaces = namespaces::Namespaces::of(linux)?;
        refuse_to_change_the_host(inputs, linux)?;
        let preserved = preserved(inputs.preserve_fds)?;
        let labels = labels::Labels::of(process)?;
        let word = if labels.any() { Some(born::word()?) } else { None };
        let mount_label = labels::of_mounts(linux);
        let gate_fd = gate.as_raw_fd();
        let mut draft = Draft { preserved, gate: gate_fd, labels, word, mount_label, ..Draft::default() };
        let (new, mount) = (spaces.new, spaces.mount);

        draft.push(Step::CloseOnExec { from: draft.first_of_ours() });
        draft.push(Step::ResetSignals);
        draft.push(Step::Umask(0));
        if let Some(score) = process.oom_score_adj() {
            draft.push(Step::OomScore(text(&score.to_string())?));
        }
        draft.labels.clone().of_keys(&mut draft)?;
        draft.devices = netdev::asked(linux)?;
        draft.keep_keyring = inputs.keep_keyring;
        enter::plan(spaces, inputs, gate, process, &mut draft)?;
        draft.push(Step::NewSession);

        mounts::plan(spec, linux, mount, inputs, &mut draft)?;

        draft.push(Step::Gate(gate.as_raw_fd()));
        if !inputs.netlink.is_empty() {
            draft.push(Step::Netlink(inputs.netlink.to_vec()));
        }
        if let Some(name) = spec.hostname() {
            draft.push(Step::Hostname(text(name)?));
        }
        if let Some(name) = spec.domainname() {
            draft.push(Step::Domainname(text(name)?));
        }
        schedule::of_container(linux, &mut draft)?;
        let ends = identity::Ends { stdio: inputs.stdio, terminal: inputs.console.is_some(), report };
        let last = identity::plan(process, linux.seccomp().as_ref(), &ends, &mut draft)?;
        if let Some(gate) = inputs.wait_start {
            wait_for_start(&gate, process, &mut draft)?;
        }
        hooks::before_start(spec, &mut draft)?;
        draft.steps.extend(last);
        draft.admit()?;
        Self::finish(new, draft, process, inputs.init)
    }

    /// Every step in words, the exec last.
    pub fn steps(&self) -> impl Iterator<Item = String> {
        (0..=self.steps.len()).map(|step| self.describe(step))
    }

    /// Descriptors that it owns and its steps name.
    pub(crate) fn fds(&self) -> impl Iterator<Item = child::Fd> {
        self.fds.iter().map(AsRawFd::as_raw_fd)
    }

    pub(crate) fn finish(
        namespaces: u64,
        mut draft: Draft,
        process: &oci_spec::runtime::Process,
        init: bool,
    ) -> Result<Self> {
        let program = process::program(process, init, &draft)?;
        draft.hold(program.stub);
        let mut strings = draft.strings;
        strings.extend(program.strings);
        Ok(Self {
            namespaces,
            steps: draft.steps,
            between: draft.between,
            ids: draft.ids,
            exec: program.exec,
            program: program.name,
            waits: draft.waits,
            listens: draft.listens,
            hooks: draft.hooks,
            labels: draft.labels,
            devices: draft.devices,
            _strings: strings,
            fds: draft.fds,
        })
    }
}

/// Looks for the program while there is still somebody to hear of it, and has the stub wait.
fn wait_for_start(
    gate: &StartGate<'_>,
    process: &oci_spec::runtime::Process,
    draft: &mut Draft,
) -> Result<()> {
    draft.push(Step::FindProgram(process::candidates(process)?));
    for (fd, to) in [gate.go, gate.report].into_iter().zip(draft.report_number() + 1..) {
        let from = draft.out_of_the_way(fd)?;
        draft.push(Step::Pass { from, to });
    }
    draft.waits = true;
    Ok(())
}

/// How many numbers from 3 on are the program's: up to the last that our caller has opened for it. Gaps stay
/// gaps, since everything that we open is close-on-exec; so does what has taken such a number meanwhile.
pub(crate) fn preserved(count: u32) -> Result<i32> {
    let bad = || invalid(format!("{count} descriptors are to be preserved"));
    let count = i32::try_from(count).ok().filter(|count| *count < 1 << 20).ok_or_else(bad)?;
    Ok((3..3 + count).rev().find(|fd| is_callers(*fd)).map_or(0, |last| last - 2))
}

/// Everything that we open is close-on-exec.
pub(crate) fn is_callers(fd: child::Fd) -> bool {
    use rustix::io::{FdFlags, fcntl_getfd};
    let flags = sys::fd::borrowed(fd).and_then(|fd| fcntl_getfd(fd).ok());
    flags.is_some_and(|flags| !flags.contains(FdFlags::CLOEXEC))
}

/// What a container names or configures must be its own.
fn refuse_to_change_the_host(inputs: &Launch<'_>, linux: &Linux) -> Result<()> {
    let shares = |typ| !is_own(linux, typ);
    let named = inputs.spec.hostname().is_some() || inputs.spec.domainname().is_some();
    if named && shares(LinuxNamespaceType::Uts) {
        return Err(invalid("a host name would change the host: the container shares its uts namespace"));
    }
    if !inputs.netlink.is_empty() && shares(LinuxNamespaceType::Network) {
        return Err(invalid("addresses would change the host: the container shares its network namespace"));
    }
    Ok(())
}

/// Names what the configuration asks for and this version does not do, instead of ignoring it.
fn refuse_unsupported(linux: &Linux) -> Result<()> {
    let asked: BTreeMap<&str, bool> = [("Intel RDT", linux.intel_rdt().is_some())].into();
    match asked.into_iter().find(|(_, asked)| *asked) {
        Some((what, _)) => Err(unsupported(what)),
        None => Ok(()),
    }
}

/// A string for the kernel.
pub(crate) fn text(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| invalid(format!("{text:?} holds a NUL byte")))
}

pub(crate) fn invalid(what: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(Kind::Invalid, what)
}

pub(crate) fn unsupported(what: impl std::fmt::Display) -> Error {
    Error::new(Kind::Unsupported, format!("{what} is not supported yet"))
}
