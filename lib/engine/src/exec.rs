//! Running one more program in a container.

use std::io;

use oci_spec::runtime::{Process as Config, Spec};
use rustix::event::{PollFd, PollFlags, poll};
use store::{Status, Store};
use types::container::{Record, Run};
use types::env::Environment;
use types::request::ExecRequest;
use types::{Context, Error, Kind, Result};

use crate::session::{Session, Wish};
use crate::streams::Streams;
use crate::{Attach, Outcome, spec, tty};

/// Runs a program in a running container.
///
/// # Errors
/// `Conflict` if it does not run. A program that could not be executed is an [`Outcome`].
pub fn exec(store: &Store, id: &str, request: &ExecRequest, attach: &Attach) -> Result<Outcome> {
    let record = store.record(id)?;
    let state = store.state(id)?;
    let (Status::Running, Some(run)) = (state.status, state.run) else {
        return Err(Error::new(Kind::Conflict, format!("container {:?} is not running", record.name)));
    };
    let config = spec::load(store, id)?;
    let process = process(&config, &record, &run, request)?;
    let streams = open_streams(request, attach, &run)?;
    streams.give_to(process.user().uid(), process.user().gid())?;
    let cgroup = runtime::Cgroup::open(id)?;
    let seccomp = config.linux().as_ref().and_then(|linux| linux.seccomp().as_ref());
    let started = runtime::exec(&runtime::ExecLaunch {
        seccomp,
        console: streams.console.as_ref(),
        // One with a terminal is hung up on instead (SIGHUP), since the user may leave it running.
        dies_with_caller: !request.tty && !matches!(attach, Attach::Detached),
        ..runtime::ExecLaunch::new((run.pid, run.start_time), &process, streams.theirs(), &cgroup)
    });
    match (started, attach) {
        (Err(e), _) if e.error.kind() == Kind::Conflict => Err(e.error),
        (Err(e), _) => Ok(Outcome::Failed(e.status, e.error)),
        (Ok(_), Attach::Detached) => Ok(Outcome::Started),
        (Ok(program), Attach::Foreground { stdin, detach_keys }) => {
            follow(&program, streams, *stdin && request.stdin_open, detach_keys)
        }
    }
}

/// What the container was made with, changed by what is asked for.
fn process(config: &Spec, record: &Record, run: &Run, request: &ExecRequest) -> Result<Config> {
    let corrupt = || Error::new(Kind::Corrupt, "its config.json has no process");
    let mut process = config.process().clone().ok_or_else(corrupt)?;
    let root = runtime::root_of(run.pid, run.start_time)?;
    let user = match &request.user {
        Some(user) => runtime::user::resolve(std::os::fd::AsFd::as_fd(&root), user, &[])?,
        None => runtime::user::resolve(std::os::fd::AsFd::as_fd(&root), &record.user, &record.groups)?,
    };
    let mut env = Environment::from_image(process.env().iter().flatten().map(String::as_str));
    env.apply(&request.env);
    env.add_defaults(&record.hostname, &user.home, request.tty);
    process.set_env(Some(env.into_lines()));
    process.set_args(Some(request.args.clone()));
    process.set_terminal(Some(request.tty));
    if let Some(dir) = &request.workdir {
        process.set_cwd(dir.into());
    }
    spec::set_user(&mut process, &user, request.privileged);
    Ok(process)
}

fn open_streams(request: &ExecRequest, attach: &Attach, run: &Run) -> Result<Streams> {
    match attach {
        Attach::Detached => Streams::none(),
        Attach::Foreground { .. } if request.tty => {
            let console = runtime::Console::in_container(run.pid, run.start_time, tty::size())
                .context("open a terminal in the container")?;
            Streams::terminal(console, true)
        }
        Attach::Foreground { stdin, .. } => Streams::pipes(*stdin && request.stdin_open, true),
    }
}

/// Stays with the program until it ends or the user leaves.
fn follow(program: &runtime::Process, streams: Streams, stdin: bool, keys: &[u8]) -> Result<Outcome> {
    let (terminal, pipe) = streams.user_ends()?;
    let (mut outputs, spare) = streams.part();
    drop(spare); // the session's own end is the last one: closing it is what the program sees
    let mut session = Session::begin(stdin, keys, terminal, pipe)?;
    loop {
        let ready = wait(program, &session, &outputs);
        for wish in session.advance(ready.signal, ready.input) {
            match wish {
                // It may have ended meanwhile.
                Wish::Signal(signal) => drop(program.signal(signal)),
                Wish::Leave => return Ok(Outcome::Left),
            }
        }
        for (n, (_, pump)) in outputs.iter_mut().enumerate() {
            if ready.outputs.contains(&n) {
                pump.step(|_| {});
            }
        }
        if ready.ended {
            break;
        }
    }
    let code = program.wait()?.code();
    drop(session); // the terminal is the user's again
    let mut lost = None;
    for (_, mut pump) in outputs {
        pump.drain(|_| {});
        lost = pump.finish().or(lost);
    }
    Ok(match lost {
        Some(err) if code == 0 => Outcome::Abandoned(err),
        _ => Outcome::Ended(u8::try_from(code).unwrap_or(255)),
    })
}

/// What can be done now.
struct Ready {
    ended: bool,
    signal: bool,
    input: bool,
    outputs: Vec<usize>,
}

fn wait(
    program: &runtime::Process,
    session: &Session,
    outputs: &[(store::Stream, crate::pump::Pump)],
) -> Ready {
    let stdin = io::stdin();
    let mut fds = vec![PollFd::from_borrowed_fd(program.pidfd(), PollFlags::IN)];
    let mut pumps = Vec::new();
    for (n, (_, pump)) in outputs.iter().enumerate() {
        if let Some((fd, flags)) = pump.interest() {
            pumps.push(n);
            fds.push(PollFd::from_borrowed_fd(fd, flags));
        }
    }
    fds.extend(session.interests(&stdin));
    while poll(&mut fds, None).is_err() {} // EINTR
    let is_ready = |n: usize| fds.get(n).is_some_and(|fd| !fd.revents().is_empty());
    Ready {
        ended: is_ready(0),
        signal: is_ready(pumps.len() + 1),
        input: is_ready(pumps.len() + 2),
        outputs: pumps.iter().enumerate().filter(|(at, _)| is_ready(at + 1)).map(|(_, n)| *n).collect(),
    }
}
