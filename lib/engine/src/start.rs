//! Starting a container: what the tool prepares, what the monitor carries out.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use oci_spec::runtime::Spec;
use store::{LockedDir, Status, Store, Stream};
use types::container::{Network, Record, Run};
use types::{Context, Error, Kind, Result};

use crate::monitor::Monitor;
use crate::pump::Pump;
use crate::wire::{self, Report, Wire};
use crate::{client, clock, etc, release, spec};

/// How the tool and the container are connected while it runs.
#[derive(Debug, Clone)]
pub enum Attach {
    /// Not at all: the tool returns when the program runs.
    Detached,
    /// The tool waits, shows the output, passes on signals and returns the status.
    Foreground {
        /// Pass on standard input, if the container was made with it.
        stdin: bool,
        /// Bytes that leave the container running; none disables it.
        detach_keys: Vec<u8>,
    },
}

/// What became of a start.
#[derive(Debug)]
pub enum Outcome {
    /// It runs, and the tool is not connected.
    Started,
    /// It ran and ended with this status.
    Ended(u8),
    /// The user left it running.
    Left,
    /// It never ran: 126 or 127 if its program could not be executed, else 125.
    Failed(u8, Error),
}

/// The container's ends of its standard streams, and ours.
struct Streams {
    console: Option<runtime::Console>,
    theirs: [OwnedFd; 3],
    outputs: Vec<(Stream, Pump)>,
    /// Writes to the container's standard input.
    input: Option<OwnedFd>,
}

/// Starts a container that does not run.
///
/// # Errors
/// `Conflict` if it runs; `NotFound` if it is gone. A failure after that is an [`Outcome`].
pub fn start(store: &Store, id: &str, attach: &Attach) -> Result<Outcome> {
    let lock = store.lock_container(id)?;
    let record = store.record(id)?;
    let state = store.state(id)?;
    if state.status == Status::Running {
        return Err(Error::new(Kind::Conflict, format!("container {:?} is running", record.name)));
    }
    if state.status == Status::Lost {
        release::release(store, id, None)?;
    }
    let config: Spec = serde_json::from_slice(&store.config(id)?)
        .map_err(|e| Error::because(Kind::Corrupt, "read its config.json", e))?;
    let streams = Streams::open(&record, attach)?;
    let (ours, theirs) = wire::pair()?;
    let stdin = streams.input.as_ref().map(|fd| fd.try_clone()).transpose().context("duplicate")?;
    let terminal = streams.console.as_ref().map(runtime::Console::master).map(|fd| fd.try_clone_to_owned());
    let terminal = terminal.transpose().context("duplicate the terminal")?;
    match sys::process::fork().context("fork the monitor")? {
        sys::process::Fork::Child => {
            drop((ours, stdin, terminal));
            let detached = matches!(attach, Attach::Detached);
            run_monitor(store, record, config, streams, theirs, lock, detached);
            sys::process::exit_now(0)
        }
        sys::process::Fork::Parent(monitor) => {
            drop((streams, theirs, lock));
            client::follow(&ours, monitor, attach, stdin, terminal)
        }
    }
}

/// The life of the monitor's process.
fn run_monitor(
    store: &Store,
    record: Record,
    config: Spec,
    streams: Streams,
    wire: Wire,
    lock: LockedDir,
    detached: bool,
) {
    // Its own session: Ctrl-C on the terminal goes to the tool, which passes it on.
    drop(rustix::process::setsid());
    drop(rustix::process::chdir("/"));
    let auto_remove = record.auto_remove;
    let id = record.id.clone();
    match launch(store, record, config, streams) {
        Ok(mut monitor) => {
            wire.report(&Report::Started);
            drop(lock);
            if detached {
                drop(wire);
                leave_stdio();
            } else {
                monitor.client = Some(wire);
                monitor.stdin = None;
            }
            sys::memory::give_back();
            monitor.supervise();
        }
        Err((status, err)) => {
            drop(lock);
            if auto_remove && let Ok(record) = store.record(&id) {
                drop(crate::remove::remove_ended(store, &record));
            }
            wire.report(&wire::failure(status, &err));
        }
    }
}

type Failed = (u8, Error);

/// Sets up all that a run needs and lets the program go. What was set up before a failure is
/// undone.
fn launch(store: &Store, record: Record, mut config: Spec, streams: Streams) -> Result<Monitor<'_>, Failed> {
    let id = record.id.clone();
    let engine = |err: Error| (125, err);
    let mut cgroup = None;
    let launched = (|| {
        let link = connect(store, &record).map_err(engine)?;
        etc::write(store, &record, link.as_ref().map(|l| &l.lease)).map_err(engine)?;
        let rootfs = mount_root(store, &record).map_err(engine)?;
        spec::resolve_user(&mut config, &record, rootfs.fd()).map_err(engine)?;
        vol::fill(store, &record.mounts, rootfs.fd()).map_err(engine)?;
        let group = runtime::Cgroup::create(&id, spec::resources(&config)).map_err(engine)?;
        let netlink = match (record.network, &link) {
            (Network::Bridge, Some(link)) => net::child_messages(&link.lease),
            (Network::Host, _) => Vec::new(),
            _ => net::loopback_messages(),
        };
        let group = &*cgroup.insert(group);
        let launch = runtime::Launch {
            spec: &config,
            rootfs: &rootfs,
            stdio: streams.stdio(),
            console: streams.console.as_ref(),
            cgroup: group,
            netlink: &netlink,
        };
        let starting = runtime::start(&launch).map_err(|e| (e.status, e.error))?;
        let pid = starting.pid();
        let run = Run {
            started: clock::now(),
            pid,
            start_time: sys::process::start_time(pid).context("look at the new process").map_err(engine)?,
            boot_id: sys::process::boot_id().to_owned(),
            monitor: i32::try_from(std::process::id()).unwrap_or(0),
            address: link.as_ref().map(|l| l.lease.address),
        };
        // On record before it runs: whoever is killed now, others see it and can end it.
        let lock = store.begin_run(&id, &run).map_err(engine)?;
        if let Some(link) = &link {
            net::attach(&link.bridge, pid, &link.lease).map_err(engine)?;
        }
        let process = starting.release().map_err(|e| (e.status, e.error))?;
        let log = store.open_log(&id).map_err(engine)?;
        Ok((run, lock, process, log))
    })();
    match launched {
        Ok((run, lock, process, log)) => {
            let cgroup = cgroup.ok_or_else(|| engine(Error::new(Kind::Io, "no control group")))?;
            let Streams { outputs, input, .. } = streams;
            Ok(Monitor { store, record, run, lock, process, cgroup, log, outputs, client: None, stdin: input })
        }
        Err(failed) => {
            // The first error is the one that explains; what cannot be released now is found
            // and released by the next start or removal.
            drop(release::release(store, &id, cgroup.as_ref()));
            Err(failed)
        }
    }
}

/// A place on the bridge.
struct Link {
    bridge: net::Bridge,
    lease: net::Lease,
}

/// Takes an address and the ports, before anything is started.
fn connect(store: &Store, record: &Record) -> Result<Option<Link>> {
    if record.network != Network::Bridge {
        return Ok(None);
    }
    let bridge = net::ensure(store)?;
    let lease = net::lease(store, &bridge, &record.id)?;
    if !record.ports.is_empty() {
        net::publish(store, &record.id, lease.address, &record.ports)?;
    }
    Ok(Some(Link { bridge, lease }))
}

fn mount_root(store: &Store, record: &Record) -> Result<runtime::Rootfs> {
    let bundle = store.bundle(&record.id)?;
    let lowers = record.layers.iter().rev().map(|layer| store.layer_dir(layer)).collect::<Result<Vec<_>>>()?;
    runtime::Rootfs::overlay(&runtime::Overlay {
        lowers: &lowers.iter().map(AsFd::as_fd).collect::<Vec<_>>(),
        upper: bundle.upper.as_fd(),
        work: bundle.work.as_fd(),
        volatile: record.auto_remove,
    })
}

impl Streams {
    fn open(record: &Record, attach: &Attach) -> Result<Self> {
        let foreground = matches!(attach, Attach::Foreground { .. });
        if record.tty {
            return Self::terminal(foreground);
        }
        let stdin = match attach {
            Attach::Detached => record.stdin_open,
            Attach::Foreground { stdin, .. } => *stdin && record.stdin_open,
        };
        let (read, input) = if stdin {
            let (read, write) = pipe()?;
            (read, Some(write))
        } else {
            (dev_null()?, None)
        };
        let ((out, stdout), (err, stderr)) = (pipe()?, pipe()?);
        let outputs = vec![
            (Stream::Stdout, pump(out, foreground.then(|| std::io::stdout().as_fd().try_clone_to_owned()))?),
            (Stream::Stderr, pump(err, foreground.then(|| std::io::stderr().as_fd().try_clone_to_owned()))?),
        ];
        Ok(Self { console: None, theirs: [read, stdout, stderr], outputs, input })
    }

    fn terminal(foreground: bool) -> Result<Self> {
        let console = runtime::Console::new(crate::tty::size())?;
        let slave = || console.slave().try_clone_to_owned().context("duplicate the terminal");
        let theirs = [slave()?, slave()?, slave()?];
        let master = console.master().try_clone_to_owned().context("duplicate the terminal")?;
        let outputs = vec![(Stream::Stdout, pump(master, foreground.then(|| std::io::stdout().as_fd().try_clone_to_owned()))?)];
        Ok(Self { console: Some(console), theirs, outputs, input: None })
    }

    fn stdio(&self) -> [BorrowedFd<'_>; 3] {
        self.theirs.each_ref().map(AsFd::as_fd)
    }
}

/// The pump of one output. The reading side does not block, so that what is left can be taken
/// without waiting for more.
fn pump(from: OwnedFd, to: Option<std::io::Result<OwnedFd>>) -> Result<Pump> {
    rustix::io::ioctl_fionbio(&from, true).map_err(|e| Error::io("make a pipe non-blocking", e))?;
    Ok(Pump::new(from, to.transpose().context("duplicate an output")?))
}

fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(|e| Error::io("make a pipe", e))
}

fn dev_null() -> Result<OwnedFd> {
    rustix::fs::open("/dev/null", rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC, rustix::fs::Mode::empty())
        .map_err(|e| Error::io("open \"/dev/null\"", e))
}

/// Lets go of the caller's streams, so that `id=$(ctr-run -d …)` returns at once.
fn leave_stdio() {
    let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::CLOEXEC;
    if let Ok(null) = rustix::fs::open("/dev/null", flags, rustix::fs::Mode::empty()) {
        drop(rustix::stdio::dup2_stdin(&null));
        drop(rustix::stdio::dup2_stdout(&null));
        drop(rustix::stdio::dup2_stderr(&null));
    }
}
