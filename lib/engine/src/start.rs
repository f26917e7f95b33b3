//! Starting a container: what the tool prepares, what the monitor carries out.

use std::os::fd::{AsFd, BorrowedFd};

use std::time::Duration;

use oci_spec::runtime::Spec;
use store::{LockedDir, Status, Store};
use types::container::{Brief, Network, Record, Run};
use types::mount::Source;
use types::{Context, Error, Kind, Result};

use crate::create::Created;
use crate::monitor::{Log, Monitor};
use crate::standby::Standby;
use crate::streams::Streams;
use crate::wire::{self, Report, Wire};
use crate::{client, clock, etc, release, signals, spec, stop, tty};

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
    /// It was started, and this is why it was no success: its monitor was killed, so it was ended; or it
    /// ended well, and what it wrote could not be passed on.
    Abandoned(Error),
}

/// Starts a container that does not run.
///
/// # Errors
/// `Conflict` if it runs; `NotFound` if it is gone. A failure after that is an [`Outcome`].
pub fn start(store: &Store, id: &str, attach: &Attach) -> Result<Outcome> {
    let lock = lock_ended(store, id)?;
    let record = store.record(id)?;
    match store.state(id)?.status {
        Status::Running | Status::Restarting => {
            return Err(Error::new(Kind::Conflict, format!("container {:?} is running", record.name)));
        }
        Status::Lost => release::release(store, id, None)?,
        Status::Created | Status::Exited => {}
    }
    store.clear_stop(id)?;
    let config = spec::load(store, id)?;
    begin(store, Created { record, config, lock }, attach)
}

/// Locks a container. One whose program has just ended is still in its monitor's hands, and would be
/// said to run: its monitor is waited for, without the lock, which it needs to remove the container.
fn lock_ended(store: &Store, id: &str) -> Result<LockedDir> {
    loop {
        let lock = store.lock_container(id)?;
        let Some(watch) = store.watch_run(id)? else { return Ok(lock) };
        let state = watch.state()?;
        match (state.status, state.run) {
            (Status::Running, Some(run)) if signals::has_ended(&run)? => {}
            _ => return Ok(lock),
        }
        drop(lock);
        watch.wait()?;
    }
}

/// Starts a container that was just made.
///
/// # Errors
/// If the monitor cannot be made. A failure after that is an [`Outcome`].
pub fn start_created(store: &Store, created: Created, attach: &Attach) -> Result<Outcome> {
    begin(store, created, attach)
}

/// Forks the monitor, and stays with it as the tool.
fn begin(store: &Store, container: Created, attach: &Attach) -> Result<Outcome> {
    let streams = open_streams(&container.record, attach)?;
    let (ours, theirs) = wire::pair()?;
    let (terminal, stdin) = streams.user_ends()?;
    match sys::fork::fork().context("fork the monitor")? {
        sys::fork::Fork::Child => {
            drop((ours, stdin, terminal));
            life_of_monitor(store, attach, container, streams, theirs);
            sys::fork::exit_now(0)
        }
        sys::fork::Fork::Parent(monitor) => {
            let id = container.record.id.clone();
            drop((streams, theirs, container));
            match client::follow(&ours, monitor, attach, stdin, terminal)? {
                client::End::Known(outcome) => Ok(outcome),
                client::End::Abandoned => abandoned(store, &id),
            }
        }
    }
}

/// A container in the foreground whose monitor was killed: it does not go on without anybody who shows
/// what it writes. Even if it had ended well by then, that is no success: what it wrote last may not
/// have been shown.
#[inline(never)] // as launch()
fn abandoned(store: &Store, id: &str) -> Result<Outcome> {
    stop::kill_and_settle(store, id)?;
    let err = Error::new(Kind::Io, "its monitor was killed, so the container was ended");
    Ok(Outcome::Abandoned(err))
}

/// The monitor's process, from the first run to the last.
fn life_of_monitor(store: &Store, attach: &Attach, container: Created, streams: Streams, wire: Wire) {
    let detached = matches!(attach, Attach::Detached);
    let Created { record, config, lock } = container;
    let id = &record.id.clone();
    let auto_remove = record.auto_remove;
    let launched = part_from_caller(detached)
        .map_err(|e| (125, e))
        .and_then(|()| launch(store, record, config, streams, 0));
    drop(lock);
    let mut monitor = match launched {
        Ok(monitor) => monitor,
        Err((status, err)) => {
            if auto_remove && let Ok(record) = store.record(id) {
                drop(crate::remove::remove_ended(store, &record)); // the first error is the one to tell
            }
            return wire.report(&wire::failure(status, &err));
        }
    };
    wire.report(&Report::Started);
    if !detached {
        monitor.client = Some(wire);
        monitor.stdin = None;
    }
    let mut backoff = Backoff::default();
    loop {
        let restarts = monitor.run.restarts + 1;
        let mut ended = monitor.supervise();
        // Without an answer to the question it is not started again: it can be by hand.
        if !ended.restart || store.is_stop_requested(id, backoff.next(ended.lasted)).unwrap_or(true) {
            return ended.finish();
        }
        ended.standby.renew(); // that of the last run is of no use for the next one
        let Ok(next) = relaunch(store, id, attach, restarts) else { return ended.finish() };
        monitor = next;
        monitor.client = ended.client.take();
    }
}

/// Another run of a container whose last one has ended, with its records as they are by now.
#[inline(never)] // its frame would be the monitor's for as long as the container lives
fn relaunch<'s>(store: &'s Store, id: &str, attach: &Attach, restarts: u32) -> Result<Monitor<'s>> {
    let _lock = store.lock_container(id)?;
    let record = store.record(id)?;
    let config = spec::load(store, id)?;
    let streams = open_streams(&record, attach)?;
    launch(store, record, config, streams, restarts).map_err(|(_, err)| err)
}

/// How long to wait before the next start: 100 ms, doubled each time up to a minute, and from the
/// beginning after a run of ten seconds. Docker's figures.
#[derive(Default)]
struct Backoff(Duration);

impl Backoff {
    fn next(&mut self, lasted: Duration) -> Duration {
        const FIRST: Duration = Duration::from_millis(100);
        const LAST: Duration = Duration::from_secs(60);
        const GOOD: Duration = Duration::from_secs(10);
        self.0 = if lasted >= GOOD { FIRST } else { (self.0 * 2).clamp(FIRST, LAST) };
        self.0
    }
}

type Failed = (u8, Error);

/// Sets up all that a run needs and lets the program go. What was set up before a failure is
/// undone.
#[inline(never)] // its frame would be the monitor's for as long as the container lives
fn launch(
    store: &Store,
    record: Record,
    mut config: Spec,
    streams: Streams,
    restarts: u32,
) -> Result<Monitor<'_>, Failed> {
    let id = record.id.clone();
    let engine = |err: Error| (125, err);
    let mut cgroup = None;
    let launched = (|| {
        let link = connect(store, &record).map_err(engine)?;
        etc::write(store, &record, link.as_ref().map(|l| &l.lease)).map_err(engine)?;
        let rootfs = furnish(store, &record, &mut config, &streams).map_err(engine)?;
        let group = runtime::Cgroup::create(&id, &spec::resources(&config)).map_err(engine)?;
        let netlink = match (record.network, &link) {
            (Network::Bridge, Some(link)) => net::child_messages(&link.lease),
            (Network::Host, _) => Vec::new(),
            _ => net::loopback_messages(),
        };
        let group = &*cgroup.insert(group);
        let launch = runtime::Launch {
            console: streams.console.as_ref(),
            netlink: &netlink,
            init: record.init,
            ..runtime::Launch::new(&config, &rootfs, streams.theirs(), group)
        };
        let starting = runtime::start(&launch).map_err(|e| (e.status, e.error))?;
        let run = facts(&record, starting.pid(), restarts, link.as_ref()).map_err(engine)?;
        // On record before it runs: whoever is killed now, others see it and can end it.
        let lock = store.begin_run(&id, &run).map_err(engine)?;
        if let Some(link) = &link {
            net::attach(&link.bridge, run.pid, &link.lease).map_err(engine)?;
        }
        let process = starting.release().map_err(|e| (e.status, e.error))?;
        let log = store.open_log(&id).map(Log::new).map_err(engine)?;
        Ok((run, lock, process, log))
    })();
    match launched {
        Ok((run, lock, process, log)) => {
            let (outputs, input) = streams.part();
            Ok(Monitor {
                store,
                record,
                run,
                lock,
                process,
                cgroup,
                log,
                outputs,
                client: None,
                stdin: input,
                standby: Standby::soon(),
            })
        }
        Err(failed) => {
            // The first error is the one that explains; what cannot be released now is found
            // and released by the next start or removal.
            drop(release::release(store, &id, cgroup.take()));
            Err(failed)
        }
    }
}

/// What is to be known of a run from its beginning.
fn facts(record: &Record, pid: i32, restarts: u32, link: Option<&Link>) -> Result<Run> {
    Ok(Run {
        started: clock::now(),
        pid,
        start_time: sys::process::start_time(pid).context("look at the new process")?,
        boot_id: sys::process::boot_id().context("read the id of this boot")?.to_owned(),
        monitor: i32::try_from(std::process::id()).unwrap_or(0),
        restarts,
        address: link.map(|link| link.lease.address),
        brief: Some(record.brief()).filter(Brief::is_short),
    })
}

/// The root file system, and what depends on what is in it: the user, and with it whose the streams
/// are, and the content of new volumes.
fn furnish(store: &Store, record: &Record, config: &mut Spec, streams: &Streams) -> Result<runtime::Rootfs> {
    let rootfs = mount_root(store, record)?;
    spec::resolve_user(config, record, rootfs.fd())?;
    let user = config.process().as_ref().map(|process| process.user().clone()).unwrap_or_default();
    streams.give_to(user.uid(), user.gid())?;
    vol::ensure(store, record)?;
    fill_volumes(store, record, rootfs.fd())?;
    Ok(rootfs)
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
        net::publish(store, &bridge, &record.id, &record.ports)?;
    }
    Ok(Some(Link { bridge, lease }))
}

/// Gives volumes that are still empty what the image has in their place: at the first start, as
/// Docker does when it makes the container. Later an empty volume is what the user made of it.
fn fill_volumes(store: &Store, record: &Record, rootfs: BorrowedFd<'_>) -> Result<()> {
    if store.watch_run(&record.id)?.is_some() {
        return Ok(());
    }
    for mount in &record.mounts {
        if let Source::Volume(volume) = &mount.source
            && !mount.no_copy
        {
            vol::copy_up(store, volume, rootfs, &mount.target)?;
        }
    }
    Ok(())
}

fn mount_root(store: &Store, record: &Record) -> Result<runtime::Rootfs> {
    let bundle = store.bundle(&record.id)?;
    let lowers = (record.layers.iter().rev().map(|layer| store.layer_dir(layer)))
        .chain([store.mountpoints()])
        .collect::<Result<Vec<_>>>()?;
    runtime::Rootfs::overlay(&runtime::Overlay {
        lowers: &lowers.iter().map(AsFd::as_fd).collect::<Vec<_>>(),
        upper: Some(runtime::Upper {
            upper: bundle.upper.as_fd(),
            work: bundle.work.as_fd(),
            volatile: record.auto_remove,
        }),
        source: None,
    })
}

/// The streams of a run.
fn open_streams(record: &Record, attach: &Attach) -> Result<Streams> {
    let foreground = matches!(attach, Attach::Foreground { .. });
    if record.tty {
        return Streams::terminal(runtime::Console::new(tty::size())?, foreground);
    }
    let stdin = match attach {
        Attach::Detached => true,
        Attach::Foreground { stdin, .. } => *stdin,
    };
    Streams::pipes(stdin && record.stdin_open, foreground)
}

/// Makes the monitor a process of its own: a new session, so that Ctrl-C on the terminal goes to
/// the tool, which passes it on; no current directory that would keep a file system busy; and none of
/// the caller's streams, which the pumps have copies of, so that `id=$(ctr-run -d …)` and whoever
/// reads the output see its end when it comes. Standard input is kept while a tool is in the
/// foreground, for the size of its terminal.
fn part_from_caller(detached: bool) -> Result<()> {
    sys::signal::ignore_sigpipe(); // it outlives whoever reads along
    let part = || {
        rustix::process::setsid()?;
        rustix::process::chdir("/")?;
        let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::CLOEXEC;
        let null = rustix::fs::open("/dev/null", flags, rustix::fs::Mode::empty())?;
        if detached {
            rustix::stdio::dup2_stdin(&null)?;
        }
        rustix::stdio::dup2_stdout(&null)?;
        rustix::stdio::dup2_stderr(&null)
    };
    part().map_err(|e: rustix::io::Errno| Error::io("make the monitor a process of its own", e))?;
    // A lock or a pipe that the caller has open would stay so for as long as the container lives.
    sys::fd::close_inherited().map_err(|e| Error::io("close the caller's descriptors", e))
}
