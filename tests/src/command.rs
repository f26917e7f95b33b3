//! One command: how it is run, how long it may take, what it must have done.

use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use std::os::unix::process::ExitStatusExt;

use crate::{Env, Machine, patience};

/// No command of a test takes longer, unless the test says so.
const TIME_OUT: Duration = Duration::from_secs(30);

/// A command that has not been started.
#[derive(Debug)]
#[must_use = "a command does nothing until it is run"]
pub struct Tool<'e> {
    env: &'e Env,
    machine: &'e Machine,
    program: OsString,
    args: Vec<OsString>,
    vars: Vec<(OsString, OsString)>,
    dir: PathBuf,
    stdin: Vec<u8>,
    time_out: Duration,
}

impl<'e> Tool<'e> {
    pub(crate) fn new(env: &'e Env, machine: &'e Machine, program: impl Into<OsString>) -> Self {
        Self {
            env,
            machine,
            program: program.into(),
            args: Vec::new(),
            vars: Vec::new(),
            dir: env.dir().to_owned(),
            stdin: Vec::new(),
            time_out: TIME_OUT * patience(),
        }
    }

    /// One more argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// More arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(|a| a.as_ref().to_owned()));
        self
    }

    /// A variable on top of the cleared environment.
    pub fn var(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.vars.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// What the command reads. Without it, its stdin is at its end.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Where it is run, instead of [`Env::dir`].
    pub fn current_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dir = dir.into();
        self
    }

    /// How long it may take, instead of half a minute.
    pub fn within(mut self, time: Duration) -> Self {
        self.time_out = time * patience();
        self
    }

    /// Runs it to its end.
    #[must_use = "say what it should have done"]
    pub fn run(self) -> Output<'e> {
        self.start().wait()
    }

    /// Starts it and lets it run.
    pub fn start(self) -> Running<'e> {
        let line = self.line();
        let mut command = self.command();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.machine.enter(|| command.spawn()).unwrap_or_else(|e| panic!("{line}: {e}"));
        let stdin = child.stdin.take().map(|mut pipe| {
            let bytes = self.stdin.clone();
            // In a thread: a command that does not read must not hold up the test.
            std::thread::spawn(move || drop(pipe.write_all(&bytes)))
        });
        drop(stdin);
        Running {
            env: self.env,
            line,
            stdout: collect(child.stdout.take().unwrap()),
            stderr: collect(child.stderr.take().unwrap()),
            child,
            started: Instant::now(),
            time_out: self.time_out,
        }
    }

    /// Starts it on a terminal of its own.
    #[must_use]
    pub fn on_a_terminal(self) -> crate::Terminal {
        crate::Terminal::start(self.line(), self.machine, &self.command())
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args).current_dir(&self.dir);
        self.env.clean(&mut command);
        command.envs(self.vars.iter().map(|(n, v)| (n, v)));
        command
    }

    fn line(&self) -> String {
        let program = std::path::Path::new(&self.program).file_name().unwrap_or(&self.program);
        std::iter::once(program)
            .chain(self.args.iter().map(OsString::as_os_str))
            .map(|word| word.to_string_lossy().into_owned())
            .collect::<Vec<_>>()
            .join(" ")
    }
}

/// Reads a stream to its end without anybody waiting for it.
fn collect(mut stream: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (send, receive) = channel();
    std::thread::spawn(move || {
        let mut buffer = vec![0; 65536];
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            if send.send(buffer[..count].to_vec()).is_err() {
                break;
            }
        }
    });
    receive
}

/// A command that has been started.
#[derive(Debug)]
pub struct Running<'e> {
    env: &'e Env,
    line: String,
    child: Child,
    stdout: Receiver<Vec<u8>>,
    stderr: Receiver<Vec<u8>>,
    started: Instant,
    time_out: Duration,
}

impl<'e> Running<'e> {
    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal, given as kill(1) takes it.
    pub fn signal(&self, signal: &str) {
        let done = Command::new("kill").args(["-s", signal, &self.pid().to_string()]).status().unwrap();
        assert!(done.success(), "kill -s {signal} {}", self.line);
    }

    /// Sends it a signal if it has not ended.
    pub fn signal_if_there(&self, signal: &str) {
        drop(Command::new("kill").args(["-s", signal, &self.pid().to_string()]).output());
    }

    /// Waits for its end.
    ///
    /// A command that takes too long is killed by its pid. One that has ended but whose streams are
    /// still open has left somebody behind who holds them, which would hang `x=$(command)`.
    pub fn wait(mut self) -> Output<'e> {
        let mut timed_out = false;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if self.started.elapsed() > self.time_out {
                timed_out = true;
                drop(self.child.kill());
                break self.child.wait().unwrap();
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let took = self.started.elapsed();
        let (stdout, closed) = drain(&self.stdout);
        let (stderr, closed_too) = drain(&self.stderr);
        let output = Output { env: self.env, line: self.line, status, stdout, stderr, took };
        self.env.note_containers();
        assert!(!timed_out, "took longer than {:?}\n{output}", self.time_out);
        assert!(closed && closed_too, "somebody still holds its stdout or stderr\n{output}");
        output
    }
}

/// All that a stream still brings, and whether it came to its end within two seconds.
fn drain(stream: &Receiver<Vec<u8>>) -> (Vec<u8>, bool) {
    let until = Instant::now() + Duration::from_secs(2) * patience();
    let mut all = Vec::new();
    loop {
        match stream.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(bytes) => all.extend(bytes),
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return (all, true),
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => return (all, false),
        }
    }
}

/// What a command has done.
#[derive(Debug)]
pub struct Output<'e> {
    env: &'e Env,
    line: String,
    status: ExitStatus,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    took: Duration,
}

impl Output<'_> {
    /// It must have ended with this status; 128 plus the signal if one has killed it.
    #[track_caller]
    pub fn status(self, expected: i32) -> Self {
        let actual = self.code();
        self.check(actual == expected, &format!("status {expected}"))
    }

    /// It must have failed, with whatever status.
    #[track_caller]
    pub fn status_is_not(self, refused: i32) -> Self {
        let good = self.code() != refused;
        self.check(good, &format!("a status that is not {refused}"))
    }

    /// The status it has ended with; 128 plus the signal if one has killed it.
    #[must_use]
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| 128 + self.status.signal().unwrap_or(0))
    }

    /// It must have ended well.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.status(0)
    }

    /// It must have printed exactly this.
    #[track_caller]
    pub fn stdout(self, expected: impl AsRef<[u8]>) -> Self {
        let good = self.stdout == expected.as_ref();
        self.check(good, &format!("stdout {:?}", String::from_utf8_lossy(expected.as_ref())))
    }

    /// It must have said exactly this.
    #[track_caller]
    pub fn stderr(self, expected: &str) -> Self {
        let good = self.stderr == expected.as_bytes();
        self.check(good, &format!("stderr {expected:?}"))
    }

    /// Its stdout must contain this.
    #[track_caller]
    pub fn stdout_has(self, part: &str) -> Self {
        let good = self.text().contains(part);
        self.check(good, &format!("{part:?} in stdout"))
    }

    /// Its stdout must not contain this.
    #[track_caller]
    pub fn stdout_lacks(self, part: &str) -> Self {
        let good = !self.text().contains(part);
        self.check(good, &format!("no {part:?} in stdout"))
    }

    /// Its stderr must contain this.
    #[track_caller]
    pub fn stderr_has(self, part: &str) -> Self {
        let good = String::from_utf8_lossy(&self.stderr).contains(part);
        self.check(good, &format!("{part:?} in stderr"))
    }

    /// Its stderr must be one line `tool: what: which: why` with these parts in it, and then only
    /// hints, and nothing may be on stdout.
    #[track_caller]
    pub fn one_error(self, parts: &[&str]) -> Self {
        let text = String::from_utf8_lossy(&self.stderr).into_owned();
        let mut lines = text.lines();
        let first = lines.next().unwrap_or_default();
        let typed = self.line.strip_prefix("bash -o pipefail -c ").unwrap_or(&self.line);
        let tool = typed
            .split(' ')
            .find(|word| word.contains('-') && !word.starts_with('-'))
            .unwrap_or_default()
            .to_owned();
        let good = first.starts_with(&format!("{tool}: "))
            && parts.iter().all(|part| text.contains(part))
            && lines.all(|line| line.starts_with("hint: "))
            && self.stdout.is_empty();
        self.check(good, &format!("one error of {tool} with {parts:?}"))
    }

    /// It must have taken no longer than this.
    #[track_caller]
    pub fn took_less_than(self, time: Duration) -> Self {
        let good = self.took < time * patience();
        self.check(good, &format!("an end within {time:?}"))
    }

    /// How long it has taken.
    #[must_use]
    pub fn took(&self) -> Duration {
        self.took
    }

    /// Its stdout.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.stdout
    }

    /// Its stdout as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// The only line of its stdout.
    #[track_caller]
    #[must_use]
    pub fn line(&self) -> String {
        let text = self.text();
        assert!(text.lines().count() == 1, "expected one line\n{self}");
        text.trim_end().to_owned()
    }

    /// The objects of its stdout, which must be JSON Lines.
    #[track_caller]
    #[must_use]
    pub fn json_lines(&self) -> Vec<serde_json::Value> {
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}\n{self}"));
        self.text().lines().map(parse).collect()
    }

    /// The only object of its stdout.
    #[track_caller]
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        let mut all = self.json_lines();
        assert!(all.len() == 1, "expected one record\n{self}");
        all.remove(0)
    }

    #[track_caller]
    fn check(self, good: bool, expected: &str) -> Self {
        assert!(good, "expected {expected}\n{self}");
        self
    }
}

impl std::fmt::Display for Output<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "$ {}\n{} after {:?}", self.line, self.status, self.took)?;
        writeln!(f, "--- stdout\n{}", shorten(&self.stdout))?;
        writeln!(f, "--- stderr\n{}", shorten(&self.stderr))?;
        writeln!(f, "--- store\n{}", self.env.tree())
    }
}

fn shorten(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4000)]);
    if bytes.len() > 4000 { format!("{text} … ({} bytes)", bytes.len()) } else { text.into_owned() }
}
