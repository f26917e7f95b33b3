//! A layer, a place for upper directories, and a way to run a script in a container.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use oci_spec::runtime::{LinuxCapabilities, LinuxResources, Spec};
use runtime::defaults::{Request, spec};
use runtime::{Cgroup, Console, ExecLaunch, Launch, Overlay, Process, Rootfs, StartError, Upper};
use tempfile::TempDir;

/// Where Debian's busybox-static puts it.
const BUSYBOX: &str = "/bin/busybox";

/// One test's container.
pub struct Env {
    pub dir: TempDir,
    pub id: String,
    /// Read-only layers, top first; the last is busybox.
    pub lowers: Vec<PathBuf>,
    /// With our own process 1.
    pub init: bool,
    /// The root is the directory of busybox itself, and no stack of layers.
    pub plain: bool,
    /// The root is not pivoted into.
    pub no_pivot: bool,
    /// The session keyring stays that of this process.
    pub keep_keyring: bool,
}

/// What a program said and how it ended.
#[derive(Debug)]
pub struct Output {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// A container that runs, with the reading ends of its output.
pub struct Running {
    pub process: Process,
    pub cgroup: Cgroup,
    pub spec: Spec,
    stdout: File,
    stderr: File,
    pub console: Option<Console>,
}

impl Env {
    /// A directory of the host with a file system mounted on its `sub`, in a mount namespace of this
    /// thread's own, so that the machine does not see the mount.
    pub fn site_with_a_mount(&self) -> PathBuf {
        use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
        let site = self.dir.path().join("site");
        std::fs::create_dir_all(site.join("sub")).unwrap();
        #[expect(deprecated, reason = "what makes it unsafe, sharing descriptors no more, is not asked for")]
        rustix::thread::unshare(rustix::thread::UnshareFlags::NEWNS).unwrap();
        mount_change("/", MountPropagationFlags::REC | MountPropagationFlags::PRIVATE).unwrap();
        mount("none", site.join("sub"), "tmpfs", MountFlags::empty(), c"").unwrap();
        site
    }

    /// `None`, and a word, where containers cannot be made.
    pub fn new() -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        if !rustix::process::geteuid().is_root() {
            skip("root");
            return None;
        }
        if !Path::new(BUSYBOX).exists() {
            skip("busybox-static");
            return None;
        }
        let dir = TempDir::new().unwrap();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let id = format!("test-{}-{number}", std::process::id());
        let base = dir.path().join("base");
        std::fs::create_dir_all(base.join("bin")).unwrap();
        for name in ["etc", "proc", "sys", "dev", "tmp"] {
            std::fs::create_dir(base.join(name)).unwrap();
        }
        std::fs::copy(BUSYBOX, base.join("bin/busybox")).unwrap();
        let applets = "sh cat ls id mount umount ps true false sleep kill touch mkdir rm ln stat hostname head dd tty \
            stty unshare mknod sysctl wc grep env pwd chmod readlink yes chroot ping setsid tr printf";
        for applet in applets.split_whitespace() {
            std::os::unix::fs::symlink("busybox", base.join("bin").join(applet)).unwrap();
        }
        Some(Self {
            dir,
            id,
            lowers: vec![base],
            init: false,
            plain: false,
            no_pivot: false,
            keep_keyring: false,
        })
    }

    /// A directory that is put on top of busybox.
    pub fn layer(&mut self) -> PathBuf {
        let path = self.dir.path().join(format!("layer{}", self.lowers.len()));
        std::fs::create_dir(&path).unwrap();
        self.lowers.insert(0, path.clone());
        path
    }

    pub fn request(script: &str) -> Request {
        Request {
            args: ["sh", "-c", script].map(str::to_owned).into(),
            env: vec!["PATH=/bin".into()],
            hostname: "box".into(),
            ..Request::default()
        }
    }

    pub fn rootfs(&self) -> Rootfs {
        if self.plain {
            let base = File::open(self.lowers.last().unwrap()).unwrap();
            return Rootfs::directory(base.as_fd()).unwrap();
        }
        // Fresh ones each time: a volatile stack is good for one use.
        let fresh = TempDir::new_in(self.dir.path()).unwrap().keep();
        let (upper, work) = (fresh.join("upper"), fresh.join("work"));
        std::fs::create_dir(&upper).unwrap();
        std::fs::create_dir(&work).unwrap();
        let open = |path: &Path| OwnedFd::from(File::open(path).unwrap());
        let lowers: Vec<_> = self.lowers.iter().map(|path| open(path)).collect();
        let lowers: Vec<_> = lowers.iter().map(AsFd::as_fd).collect();
        let (upper, work) = (open(&upper), open(&work));
        let upper = Upper { upper: upper.as_fd(), work: work.as_fd(), volatile: true };
        let overlay = Overlay { lowers: &lowers, upper: Some(upper), source: None };
        Rootfs::overlay(&overlay).unwrap()
    }

    pub fn start(&self, request: Request) -> Result<Running, StartError> {
        let mut spec = spec(request)?;
        if !has_pids_controller()
            && let Some(resources) =
                spec.linux_mut().as_mut().and_then(|linux| linux.resources_mut().as_mut())
        {
            resources.set_pids(None);
        }
        self.start_spec(spec)
    }

    pub fn start_spec(&self, spec: Spec) -> Result<Running, StartError> {
        let terminal = spec.process().as_ref().and_then(|p| p.terminal()).unwrap_or(false);
        let console = terminal.then(|| Console::new(Some(SIZE)).unwrap());
        let cgroup = Cgroup::create(&self.id, spec.linux().as_ref().unwrap().resources().as_ref().unwrap())?;
        let started = self.with(&spec, console.as_ref(), &cgroup);
        match started {
            Ok((process, stdout, stderr)) => Ok(Running { process, cgroup, spec, stdout, stderr, console }),
            Err(e) => {
                cgroup.remove().unwrap();
                Err(e)
            }
        }
    }

    fn with(
        &self,
        spec: &Spec,
        console: Option<&Console>,
        cgroup: &Cgroup,
    ) -> Result<(Process, File, File), StartError> {
        let rootfs = self.rootfs();
        let (stdout, out) = pipe();
        let (stderr, err) = pipe();
        let null = File::open("/dev/null").unwrap();
        let stdio = match console {
            Some(console) => [console.slave(); 3],
            None => [null.as_fd(), out.as_fd(), err.as_fd()],
        };
        let launch = Launch {
            console,
            init: self.init,
            no_pivot: self.no_pivot,
            keep_keyring: self.keep_keyring,
            ..Launch::new(spec, &rootfs, stdio, cgroup)
        };
        Ok((runtime::start(&launch)?.release()?, stdout, stderr))
    }

    /// What a start would do.
    pub fn plan(&self, request: Request) -> Vec<String> {
        let (spec, rootfs) = (spec(request).unwrap(), self.rootfs());
        let cgroup = Cgroup::create(&self.id, &LinuxResources::default()).unwrap();
        let null = File::open("/dev/null").unwrap();
        let stdio = [null.as_fd(); 3];
        let launch =
            Launch { keep_keyring: self.keep_keyring, ..Launch::new(&spec, &rootfs, stdio, &cgroup) };
        let steps = runtime::plan(&launch).unwrap().steps().collect();
        cgroup.remove().unwrap();
        steps
    }

    /// Runs a container to its end.
    pub fn run(&self, request: Request) -> Output {
        self.start(request).map_err(|e| panic!("{}", chain(&e))).unwrap().finish()
    }

    /// Runs a script to its end with everything at its default.
    pub fn sh(&self, script: &str) -> Output {
        self.run(Self::request(script))
    }

    /// The error of a start that must fail.
    pub fn refused(&self, request: Request) -> (u8, String) {
        match self.start(request) {
            Ok(running) => panic!("it ran: {:?}", running.finish()),
            Err(e) => (e.status, chain(&e)),
        }
    }
}

pub const SIZE: runtime::console::Size = runtime::console::Size { rows: 33, columns: 111 };

impl Running {
    /// Waits for the end.
    pub fn finish(mut self) -> Output {
        drop(self.console.take());
        let (mut stdout, mut stderr) = (String::new(), String::new());
        self.stdout.read_to_string(&mut stdout).unwrap();
        self.stderr.read_to_string(&mut stderr).unwrap();
        let code = self.process.wait().unwrap().code();
        self.cgroup.remove().unwrap();
        Output { code, stdout, stderr }
    }

    /// Kills it.
    pub fn end(self) {
        self.cgroup.kill().unwrap();
        assert_eq!(self.finish().code, 137);
    }

    /// Reads one line that the container prints, so that it is known to have come so far.
    pub fn line(&mut self) -> String {
        let (mut line, mut byte) = (String::new(), [0]);
        while self.stdout.read(&mut byte).unwrap() == 1 && byte != *b"\n" {
            line.push(char::from(byte[0]));
        }
        line
    }

    /// Runs one more process in it.
    pub fn exec(&self, request: Request) -> Result<Output, StartError> {
        let caps = match self.spec.process().as_ref().unwrap().capabilities() {
            Some(sets) => sets.bounding().clone().unwrap(),
            None => LinuxCapabilities::default().bounding().clone().unwrap(),
        };
        let process = runtime::defaults::process(request, &caps)?;
        let (pid, start_time) = (self.process.pid(), self.process.start_time()?);
        let console = process
            .terminal()
            .unwrap_or(false)
            .then(|| Console::in_container(pid, start_time, Some(SIZE)))
            .transpose()?;
        let (mut stdout, out) = pipe();
        let (mut stderr, err) = pipe();
        let null = File::open("/dev/null").unwrap();
        let stdio = match &console {
            Some(console) => [console.slave(); 3],
            None => [null.as_fd(), out.as_fd(), err.as_fd()],
        };
        let child = runtime::exec(&ExecLaunch {
            seccomp: self.spec.linux().as_ref().unwrap().seccomp().as_ref(),
            console: console.as_ref(),
            shared_mounts: self.shared_mounts(),
            ..ExecLaunch::new((pid, start_time), &process, stdio, &self.cgroup)
        });
        drop((out, err));
        let child = child?;
        let mut output = Output { code: 0, stdout: String::new(), stderr: String::new() };
        match console {
            Some(console) => output.stdout = read_terminal(console),
            None => drop(stdout.read_to_string(&mut output.stdout).unwrap()),
        }
        stderr.read_to_string(&mut output.stderr).unwrap();
        output.code = child.wait().unwrap().code();
        Ok(output)
    }
}

impl Running {
    fn shared_mounts(&self) -> bool {
        let mut spaces = self.spec.linux().as_ref().unwrap().namespaces().iter().flatten();
        !spaces.any(|s| s.typ() == oci_spec::runtime::LinuxNamespaceType::Mount && s.path().is_none())
    }
}

/// A test that fails leaves nothing running.
impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            drop(self.cgroup.kill());
            drop(self.process.wait());
            drop(self.cgroup.remove());
        }
    }
}

/// Everything that is written to a terminal until its last user closes it.
pub fn read_terminal(console: Console) -> String {
    let mut master = File::from(console.into_master());
    let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
    // EIO tells that nobody has the other end open any more.
    while let Ok(len @ 1..) = master.read(&mut buffer) {
        all.extend(&buffer[..len]);
    }
    String::from_utf8_lossy(&all).into_owned()
}

fn pipe() -> (File, File) {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    (read.into(), write.into())
}

/// Says that the test of this thread is not run, past what hides the words of tests that pass, and to the list
/// that suites count (`LONGSHORE_TEST_SKIPS`).
pub fn skip(need: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    let told = [Some("/dev/stderr".into()), std::env::var_os("LONGSHORE_TEST_SKIPS")];
    for path in told.into_iter().flatten() {
        let Ok(mut file) = File::options().append(true).create(true).open(path) else { continue };
        drop(writeln!(file, "{test}\tneeds {need}"));
    }
}

/// A cgroup2 without it is no place for users, but good enough to test everything else on.
pub fn has_pids_controller() -> bool {
    let offered = std::fs::read_to_string("/sys/fs/cgroup/cgroup.controllers");
    offered.map_or(true, |names| names.split_whitespace().any(|name| name == "pids"))
}

/// The whole chain on one line, as tools print it.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(e) = next {
        text += &format!(": {e}");
        next = e.source();
    }
    text
}
