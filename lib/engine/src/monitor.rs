//! The monitor: one small process a running container, and none when it does not run.
//!
//! It is the parent of the container's first process. It copies output to the log and to the tool
//! that waits in the foreground, passes on signals, reaps, records the exit once, and releases
//! address, ports and control group. It holds the lock of `run.jsonl` as long as it lives, so that
//! everyone notices if it is killed, and without a tool in the foreground there is a [`Standby`] that
//! goes on in its place.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use store::{LogWriter, Store, Stream, Trash};
use types::Error;
use types::container::{ExitRecord, Record, Run};

use crate::clock;
use crate::pump::Pump;
use crate::signals::{self, Hearing};
use crate::standby::Standby;
use crate::wire::{self, Order, Report, Wire};

/// A container that runs, as its monitor sees it.
pub(crate) struct Monitor<'s> {
    pub(crate) store: &'s Store,
    pub(crate) record: Record,
    pub(crate) run: Run,
    /// The lock of `run.jsonl`.
    pub(crate) lock: store::RunLock,
    pub(crate) process: runtime::Process,
    /// Taken when the run is over.
    pub(crate) cgroup: Option<runtime::Cgroup>,
    pub(crate) log: Log,
    pub(crate) outputs: Vec<(Stream, Pump)>,
    /// The tool in the foreground.
    pub(crate) client: Option<Wire>,
    /// Held so that the program's standard input stays open without a client.
    pub(crate) stdin: Option<OwnedFd>,
    pub(crate) standby: Standby,
}

/// What woke the monitor.
#[derive(Clone, Copy)]
enum Event {
    Output(usize),
    Client,
    Standby,
    Exit,
}

/// A run that is over.
pub(crate) struct Ended<'s> {
    /// `None` if nobody knows.
    code: Option<i32>,
    /// Still held: the run counts as going on until its last word is said.
    lock: store::RunLock,
    outputs: Vec<(Stream, Pump)>,
    /// What is left of a container that removes itself.
    trash: Option<Trash<'s>>,
    /// The tool in the foreground.
    pub(crate) client: Option<Wire>,
    /// Goes on with the rest if we are killed.
    pub(crate) standby: Standby,
    /// Another run is to follow.
    pub(crate) restart: bool,
    /// How long it lasted.
    pub(crate) lasted: Duration,
}

impl Ended<'_> {
    /// Lets go of a run that no other follows: the tool in the foreground gets what is left of
    /// the output, then the status.
    pub(crate) fn finish(self) {
        drop(self.standby); // it holds the lock as well
        // Whoever waits for the end of this run finds everything in its final state.
        drop(self.lock);
        let mut lost = None;
        for (_, pump) in self.outputs {
            lost = pump.finish().or(lost);
        }
        if let Some(client) = self.client {
            client.report(&match (self.code, lost) {
                (Some(0), Some(err)) => wire::failure(125, &err),
                (code, _) => Report::Exited(code.map_or(255, |code| u8::try_from(code).unwrap_or(255))),
            });
        }
        // Nobody waits for this: the container is gone, only its files take their time.
        drop(self.trash);
    }
}

impl<'s> Monitor<'s> {
    /// Stays with the container until it has ended and nothing is left of the run.
    pub(crate) fn supervise(mut self) -> Ended<'s> {
        let began = Instant::now();
        let emulated = self.watch();
        let exit = match self.lock.recorded() {
            // We are the standby of a monitor that was killed after it had written it.
            Ok(Some(exit)) => Some(exit),
            _ => self.record_exit(emulated),
        };
        // Each step is tried, whatever became of the one before: a run that cannot be recorded
        // must still give back its address. There is nobody to tell; the next start or removal
        // releases what is left.
        let released = crate::release::release(self.store, &self.record.id, self.cgroup.take());
        // What still holds something stays on the list, or nobody would ever release it.
        let trash = if self.record.auto_remove && released.is_ok() {
            crate::remove::remove_ended(self.store, &self.record).ok()
        } else {
            None
        };
        let Self { lock, outputs, client, standby, .. } = self;
        let (code, restart) = (exit.as_ref().map(|exit| exit.code), exit.is_some_and(|exit| exit.restarting));
        Ended { code, lock, outputs, trash, client, standby, restart, lasted: began.elapsed() }
    }

    /// Takes what is left of the output, and writes down how the run ended. If that is not known or
    /// cannot be written, `ctr-ls` shows the run as lost.
    fn record_exit(&mut self, emulated: Option<i32>) -> Option<ExitRecord> {
        let (log, outputs) = (&mut self.log, &mut self.outputs);
        for (stream, pump) in outputs.iter_mut() {
            let now = clock::now();
            pump.drain(|bytes| log.write(*stream, &now, bytes));
        }
        // What is missing of its output is missing in the log too, and that is said with the end.
        let lost = outputs.iter().find_map(|(_, pump)| pump.unread()).or_else(|| log.lost.take());
        let error = lost.map(|err| wire::text_of(&err)).unwrap_or_default();
        let code = match (self.process.how_it_ended(self.run.start_time)?, emulated) {
            // We ended it in the way the signal would have ended any other process.
            (runtime::Exit::Signal(libc::SIGKILL), Some(signal)) => 128 + signal,
            (how, _) => how.code(),
        };
        let restarting = self.record.restart.wants(code, self.run.restarts)
            && !self.store.is_stop_requested(&self.record.id, Duration::ZERO).unwrap_or(true);
        let oom_killed = self.cgroup.as_ref().is_some_and(|group| group.oom_killed());
        let exit = ExitRecord { finished: clock::now(), code, oom_killed, restarting, error };
        drop(self.lock.end(&exit));
        Some(exit)
    }

    /// Copies and passes on until the first process ends. Returns the signal whose default action
    /// we carried out in its place, if so.
    fn watch(&mut self) -> Option<i32> {
        let mut emulated = None;
        loop {
            self.settle_down();
            for event in self.wait_for_events() {
                match event {
                    Event::Exit => return emulated,
                    Event::Standby => self.standby.renew(),
                    Event::Client => {
                        if let Some(signal) = self.obey() {
                            emulated = Some(signal);
                        }
                    }
                    Event::Output(n) => {
                        let log = &mut self.log;
                        if let Some((stream, pump)) = self.outputs.get_mut(n) {
                            pump.step(|bytes| log.write(*stream, &clock::now(), bytes));
                        }
                    }
                }
            }
        }
    }

    /// What is done a moment after the start, for a program that goes on: it costs one that soon ends
    /// nothing. Makes the standby; a tool in the foreground is one by itself: the container ends with
    /// its monitor, and the tool says so.
    fn settle_down(&mut self) {
        if !self.standby.is_due() {
            return;
        }
        if self.client.is_some() {
            sys::memory::give_back();
            self.standby = Standby::Client;
        } else if self.standby.appoint()
            // We are the monitor now. Its log may have been rotated since.
            && let Ok(log) = self.store.open_log(&self.record.id)
        {
            self.log.writer = log;
        }
    }

    fn wait_for_events(&self) -> Vec<Event> {
        let mut events = Vec::with_capacity(5);
        let mut fds = Vec::with_capacity(5);
        for (n, (_, pump)) in self.outputs.iter().enumerate() {
            if let Some((fd, flags)) = pump.interest() {
                events.push(Event::Output(n));
                fds.push(PollFd::from_borrowed_fd(fd, flags));
            }
        }
        if let Some(client) = &self.client {
            events.push(Event::Client);
            fds.push(PollFd::from_borrowed_fd(client.fd(), PollFlags::IN));
        }
        if let Some(fd) = self.standby.fd() {
            events.push(Event::Standby);
            fds.push(PollFd::from_borrowed_fd(fd, PollFlags::IN));
        }
        events.push(Event::Exit);
        fds.push(PollFd::from_borrowed_fd(self.process.pidfd(), PollFlags::IN));
        while poll(&mut fds, self.standby.patience().as_ref()).is_err() {} // EINTR, or no memory for a moment
        events
            .into_iter()
            .zip(&fds)
            .filter(|(_, fd)| !fd.revents().is_empty())
            .map(|(event, _)| event)
            .collect()
    }

    /// Does what the client says. A client that went without a word takes the container with it.
    fn obey(&mut self) -> Option<i32> {
        match self.client.as_ref().and_then(Wire::next_order) {
            Some(Order::Signal(signal)) => self.deliver(signal),
            Some(Order::Detach) => {
                self.let_go_of_client();
                crate::tty::forget();
                None
            }
            None => {
                self.let_go_of_client();
                drop(self.process.signal(libc::SIGKILL)); // gone is what it should be
                None
            }
        }
    }

    fn let_go_of_client(&mut self) {
        self.client = None;
        self.standby.renew();
        for (_, pump) in &mut self.outputs {
            pump.detach();
        }
    }

    /// Passes on a signal. The kernel withholds one without a handler from a first process, so
    /// its default action is ours to carry out: Ctrl-C and timeout(1) must work.
    fn deliver(&self, signal: i32) -> Option<i32> {
        if signals::is_fatal(signal) && signals::hearing(self.run.pid, signal) == Hearing::Deaf {
            drop(self.process.signal(libc::SIGKILL));
            return Some(signal);
        }
        drop(self.process.signal(signal)); // it may have ended meanwhile
        None
    }
}

/// The log of a run. One that cannot be written (a full disk) must not stop the program: the bytes
/// still reach whoever reads along, and that the log lacks them is said with the end of the run.
pub(crate) struct Log {
    writer: LogWriter,
    /// Why something is missing in it, the first time.
    lost: Option<Error>,
}

impl Log {
    pub(crate) const fn new(writer: LogWriter) -> Self {
        Self { writer, lost: None }
    }

    fn write(&mut self, stream: Stream, now: &str, bytes: &[u8]) {
        if let Err(err) = self.writer.append(stream, now, bytes) {
            self.lost.get_or_insert(err);
        }
    }
}
