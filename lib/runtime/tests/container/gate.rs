//! Created first, started later; and descriptors that are passed on.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use oci_spec::runtime::{LinuxResources, Spec};
use runtime::{Cgroup, Launch, Process, StartError, StartGate};

use super::env::{Env, chain, has_pids_controller};

/// Both fifos of a container that waits.
struct Fifos {
    go: File,
    report: File,
    late: File,
}

impl Fifos {
    fn new(dir: &Path) -> Self {
        let fifo = |name: &str| {
            let path = dir.join(name);
            let mode = rustix::fs::Mode::from_raw_mode(0o600);
            rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
            path
        };
        let (go, report) = (fifo("go"), fifo("report"));
        let both = |path: &Path| File::options().read(true).write(true).open(path).unwrap();
        let late = both(&report);
        let write = File::options().write(true).open(&report).unwrap();
        Self { go: both(&go), report: write, late }
    }
}

fn create(env: &Env, spec: &Spec, fifos: &Fifos, out: &OwnedFd) -> Result<(Process, Cgroup), StartError> {
    let (rootfs, cgroup) = (env.rootfs(), Cgroup::create(&env.id, &LinuxResources::default())?);
    let null = File::open("/dev/null").unwrap();
    let stdio = [null.as_fd(), out.as_fd(), out.as_fd()];
    let gate = StartGate { go: fifos.go.as_fd(), report: fifos.report.as_fd() };
    let launch = Launch { wait_start: Some(gate), ..Launch::new(spec, &rootfs, stdio, &cgroup) };
    match runtime::start(&launch).and_then(runtime::Starting::release) {
        Ok(process) => Ok((process, cgroup)),
        Err(e) => {
            cgroup.remove().unwrap();
            Err(e)
        }
    }
}

fn spec(script: &str) -> Spec {
    let mut spec = runtime::defaults::spec(Env::request(script)).unwrap();
    if !has_pids_controller() {
        spec.linux_mut().as_mut().unwrap().resources_mut().as_mut().unwrap().set_pids(None);
    }
    spec
}

#[test]
fn a_created_container_waits_and_then_runs() {
    let Some(env) = Env::new() else { return };
    for no_new_privileges in [false, true] {
        let dir = env.dir.path().join(format!("state-{no_new_privileges}"));
        std::fs::create_dir(&dir).unwrap();
        let mut fifos = Fifos::new(&dir);
        let (out_read, out) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        let mut spec = spec("echo $$; ls /proc/$$/fd; :");
        spec.process_mut().as_mut().unwrap().set_no_new_privileges(Some(no_new_privileges));
        let (process, cgroup) = create(&env, &spec, &fifos, &out).unwrap();
        drop(out);
        let exe = std::fs::read_link(format!("/proc/{}/exe", process.pid())).unwrap();
        assert_eq!(exe.to_string_lossy(), "/memfd:longshore-init (deleted)", "nothing of the host waits");
        assert!(process.try_wait().unwrap().is_none());
        fifos.go.write_all(&[1]).unwrap();
        let mut said = String::new();
        File::from(out_read).read_to_string(&mut said).unwrap();
        assert_eq!(said, "1\n0\n1\n2\n", "no descriptor of ours is left");
        assert_eq!(process.wait().unwrap().code(), 0);
        cgroup.remove().unwrap();
    }
}

#[test]
fn creating_fails_if_the_program_is_not_there() {
    let Some(env) = Env::new() else { return };
    let fifos = Fifos::new(env.dir.path());
    let (_read, out) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    for (program, status) in [("nope", 127), ("/bin/nope", 127), ("/etc", 126)] {
        let mut spec = spec("");
        spec.process_mut().as_mut().unwrap().set_args(Some(vec![program.to_owned()]));
        let error = create(&env, &spec, &fifos, &out).map(drop).unwrap_err();
        assert_eq!(error.status, status, "{}", chain(&error));
        assert!(chain(&error).starts_with(&format!("run {program:?}: ")), "{}", chain(&error));
    }
}

#[test]
fn what_fails_after_the_start_is_told_and_is_the_status() {
    let Some(mut env) = Env::new() else { return };
    let script = env.layer().join("script");
    std::fs::write(&script, "#!/no/such/interpreter\n").unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut fifos = Fifos::new(env.dir.path());
    let (_read, out) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let mut spec = spec("");
    spec.process_mut().as_mut().unwrap().set_args(Some(vec!["/script".to_owned()]));
    let (process, cgroup) = create(&env, &spec, &fifos, &out).unwrap();
    fifos.go.write_all(&[1]).unwrap();
    let mut record = [0; child_record_size()];
    fifos.late.read_exact(&mut record).unwrap();
    assert_eq!(record[4..], libc::ENOENT.to_ne_bytes());
    assert_eq!(process.wait().unwrap().code(), 127);
    cgroup.remove().unwrap();
}

/// A step and an errno.
const fn child_record_size() -> usize {
    8
}

#[test]
fn a_descriptor_that_was_not_passed_is_not_preserved() {
    let Some(env) = Env::new() else { return };
    // Everything that this process has opened is close-on-exec; what it was given may not be.
    let (spec, rootfs) = (spec("ls /proc/self/fd"), env.rootfs());
    let cgroup = Cgroup::create(&env.id, &LinuxResources::default()).unwrap();
    let (read, out) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let null = File::open("/dev/null").unwrap();
    let ours = rustix::io::fcntl_dupfd_cloexec(&null, 600).unwrap();
    let stdio = [null.as_fd(), out.as_fd(), out.as_fd()];
    let launch = Launch { preserve_fds: 1000, ..Launch::new(&spec, &rootfs, stdio, &cgroup) };
    let process = runtime::start(&launch).and_then(runtime::Starting::release).unwrap();
    drop(out);
    let mut said = String::new();
    File::from(read).read_to_string(&mut said).unwrap();
    let number = ours.as_raw_fd().to_string();
    assert!(said.starts_with("0\n1\n") && !said.lines().any(|fd| fd == number), "{said}");
    assert_eq!(process.wait().unwrap().code(), 0);
    cgroup.remove().unwrap();
}
