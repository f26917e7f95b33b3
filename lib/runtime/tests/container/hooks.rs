//! Hooks on the way to the program: where they are run, what they see, and what their failure means.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::AsFd;
use std::path::PathBuf;

use oci_spec::runtime::{LinuxResources, Spec};
use runtime::{Cgroup, Launch, Process, StartError};

use super::env::{Env, Output, chain, has_pids_controller};

/// Hooks that write to `log` in a directory of the host, which is also where the root is attached.
struct Hooked {
    env: Env,
    dir: PathBuf,
}

impl Hooked {
    fn new() -> Option<Self> {
        let env = Env::new()?;
        let dir = env.dir.path().join("place");
        fs::create_dir(&dir).unwrap();
        Some(Self { env, dir })
    }

    fn spec(&self, script: &str, hooks: &str) -> Spec {
        let mut spec = runtime::defaults::spec(Env::request(script)).unwrap();
        if !has_pids_controller() {
            spec.linux_mut().as_mut().unwrap().resources_mut().as_mut().unwrap().set_pids(None);
        }
        let hooks = hooks.replace("PLACE", self.dir.to_str().unwrap());
        let hooks = hooks.replace("LOG", self.env.dir.path().join("log").to_str().unwrap());
        spec.set_hooks(Some(serde_json::from_str(&hooks).unwrap()));
        spec
    }

    fn start(&self, spec: &Spec) -> Result<(Process, Cgroup, File), StartError> {
        let (rootfs, cgroup) = (self.env.rootfs(), Cgroup::create(&self.env.id, &LinuxResources::default())?);
        let (read, out) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        let null = File::open("/dev/null").unwrap();
        let stdio = [null.as_fd(), out.as_fd(), out.as_fd()];
        let launch = Launch { hooks: Some(&self.dir), ..Launch::new(spec, &rootfs, stdio, &cgroup) };
        let started = runtime::start(&launch).and_then(|mut starting| {
            starting.run_hooks(spec.hooks().as_ref(), self.env.dir.path(), |stage, pid| {
                Ok(format!("{} {pid}", stage.name()).into_bytes())
            })?;
            starting.release()
        });
        match started {
            Ok(process) => Ok((process, cgroup, read.into())),
            Err(e) => {
                cgroup.remove().unwrap();
                Err(e)
            }
        }
    }

    fn run(&self, script: &str, hooks: &str) -> Output {
        let (process, cgroup, mut out) =
            self.start(&self.spec(script, hooks)).unwrap_or_else(|e| panic!("{}", chain(&e)));
        let (mut stdout, stderr) = (String::new(), String::new());
        out.read_to_string(&mut stdout).unwrap();
        let code = process.wait().unwrap().code();
        cgroup.remove().unwrap();
        Output { code, stdout, stderr }
    }

    fn fails(&self, hooks: &str) -> String {
        let error = self.start(&self.spec("echo it ran", hooks)).map(drop).unwrap_err();
        assert_eq!(error.status, 125);
        chain(&error)
    }
}

/// A hook of the host's or the container's shell.
fn hook(script: &str) -> String {
    serde_json::json!([{ "path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/bin:/usr/bin", "A=1"] }]).to_string()
}

#[test]
fn hooks_are_run_in_their_order_and_places() {
    let Some(hooked) = Hooked::new() else { return };
    let hooks = format!(
        r#"{{"prestart": {}, "createRuntime": {}, "createContainer": {}, "startContainer": {}}}"#,
        hook("echo $(cat) $(pwd) >>LOG; test ! -e PLACE/bin"),
        hook("read word pid; echo $word >>LOG; test -e /proc/$pid/root/PLACE/bin/busybox; test $A = 1"),
        hook(
            "echo $(cat) >>LOG; test -e ./bin/busybox && test -e PLACE/bin/busybox; readlink /proc/self/ns/net >PLACE/tmp/net"
        ),
        hook(
            "cat >>/tmp/start; echo >>/tmp/start; pwd >>/tmp/start; id -u >>/tmp/start; test ! -e LOG; readlink /proc/1/exe >>/tmp/start"
        ),
    );
    let output =
        hooked.run("cat /tmp/start; cat /tmp/net; readlink /proc/self/ns/net; ls /proc/self/fd; :", &hooks);
    let lines: Vec<_> = output.stdout.lines().collect();
    let [state, cwd, user, exe, net, own, fds @ ..] = &lines[..] else { panic!("{output:?}") };
    assert_eq!((*state, *cwd, *user), ("startContainer 1", "/", "0"), "{output:?}");
    assert!(exe.contains("longshore-init"), "nothing of the host is there: {exe}");
    assert_eq!(net, own, "those before the root are in the container's namespaces");
    assert_eq!(fds, ["0", "1", "2", "3"], "no descriptor of ours is left");
    let log = fs::read_to_string(hooked.env.dir.path().join("log")).unwrap();
    let lines: Vec<_> = log.lines().collect();
    let [prestart, create, inside] = lines[..] else { panic!("{log}") };
    assert!(
        prestart.starts_with("prestart ") && prestart.ends_with(hooked.env.dir.path().to_str().unwrap()),
        "{log}"
    );
    assert_eq!((create, inside), ("createRuntime", "createContainer 1"));
}

#[test]
fn a_hook_that_fails_ends_the_start_and_is_told_with_what_it_said() {
    let Some(hooked) = Hooked::new() else { return };
    for stage in ["prestart", "createRuntime", "createContainer", "startContainer"] {
        let two = |script: &str| {
            let list =
                format!("{},{}", hook("true").trim_end_matches(']'), hook(script).trim_start_matches('['));
            format!(r#"{{"{stage}": {list}}}"#)
        };
        let said = hooked.fails(&two("echo why >&2; exit 3"));
        assert_eq!(said, format!("error running {stage} hook #1: hook \"/bin/sh\" ended with status 3: why"));
        let said = hooked.fails(&two("kill -9 $$"));
        assert_eq!(said, format!("error running {stage} hook #1: hook \"/bin/sh\" was ended by SIGKILL"));
        let none = format!(r#"{{"{stage}": [{{"path": "/no/such/hook"}}]}}"#);
        let said = hooked.fails(&none);
        assert_eq!(
            said,
            format!(
                "error running {stage} hook #0: run hook \"/no/such/hook\": No such file or directory (os error 2)"
            )
        );
        let late =
            format!(r#"{{"{stage}": [{{"path": "/bin/sleep", "args": ["sleep", "60"], "timeout": 1}}]}}"#);
        let said = hooked.fails(&late);
        assert_eq!(said, format!("error running {stage} hook #0: hook \"/bin/sleep\" was not done in 1 s"));
    }
}

#[test]
fn a_hook_may_add_to_the_container() {
    let Some(hooked) = Hooked::new() else { return };
    fs::write(hooked.env.dir.path().join("log"), "of the host").unwrap();
    let hooks = format!(
        r#"{{"createRuntime": {}, "createContainer": {}}}"#,
        hook(
            "read word pid; nsenter -t $pid -m touch PLACE/tmp/one && nsenter -t $pid -m mount --bind LOG PLACE/tmp/one"
        ),
        hook("mkdir -p tmp/two && mount -t tmpfs two tmp/two"),
    );
    let output = hooked.run("cat /tmp/one; echo; grep -c ' /tmp/two ' /proc/mounts", &hooks);
    assert_eq!(output.stdout, "of the host\n1\n", "{output:?}");
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(hooked.dir.to_str().unwrap()), "nothing of it is on the host");
}

#[test]
fn hooks_that_cannot_be_are_refused_before_anything_is_made() {
    let Some(hooked) = Hooked::new() else { return };
    for (hook, words) in [
        (r#"{"path": "bin/true"}"#, "hook \"bin/true\" has no absolute path"),
        (r#"{"path": "/bin/true", "timeout": 0}"#, "hook \"/bin/true\" has a limit of 0 seconds"),
    ] {
        for stage in ["createContainer", "startContainer"] {
            let said = hooked.fails(&format!(r#"{{"{stage}": [{hook}]}}"#));
            assert!(said.ends_with(words), "{said}");
        }
    }
    // An engine that would not run them.
    let spec = hooked.spec("true", &format!(r#"{{"createRuntime": {}}}"#, hook("true")));
    let error = hooked.env.start_spec(spec).map(|running| running.finish()).unwrap_err();
    assert!(chain(&error).starts_with("hooks before the program"), "{}", chain(&error));
}
