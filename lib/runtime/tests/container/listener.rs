//! Filters whose calls somebody decides about.

use std::cell::RefCell;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};

use oci_spec::runtime::{LinuxResources, LinuxSeccomp, Spec};
use runtime::{Cgroup, ExecLaunch, Launch};
use rustix::event::{PollFd, PollFlags, poll};
use types::{Error, Kind};

use super::env::{Env, chain, has_pids_controller};

const PROFILE: &str = r#"{"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/agent",
    "flags": ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_TSYNC",
        "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"],
    "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY"}]}"#;

fn spec(script: &str, no_new_privileges: bool) -> Spec {
    let mut spec = runtime::defaults::spec(Env::request(script)).unwrap();
    let profile: LinuxSeccomp = serde_json::from_str(PROFILE).unwrap();
    let linux = spec.linux_mut().as_mut().unwrap();
    linux.set_seccomp(Some(profile));
    if !has_pids_controller() {
        linux.resources_mut().as_mut().unwrap().set_pids(None);
    }
    spec.process_mut().as_mut().unwrap().set_no_new_privileges(Some(no_new_privileges));
    spec
}

/// Waits for a call to decide about, and goes without a decision: the kernel then knows no such call.
fn hear_one_and_go(listener: OwnedFd) {
    let mut fds = [PollFd::new(&listener, PollFlags::IN)];
    poll(&mut fds, None).unwrap();
    assert!(fds[0].revents().contains(PollFlags::IN));
}

#[test]
fn somebody_is_asked_about_calls_of_the_program_and_of_those_brought_in() {
    let Some(env) = Env::new() else { return };
    for no_new_privileges in [false, true] {
        let spec = spec("mkdir /tmp/x 2>&1; read line; :", no_new_privileges);
        let (rootfs, cgroup) = (env.rootfs(), Cgroup::create(&env.id, &LinuxResources::default()).unwrap());
        let pipe = || rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        let ((stdin, hold), (said, out), (said_too, out_too)) = (pipe(), pipe(), pipe());
        let listener = RefCell::new(None);
        let listen = |pid: i32, fd: OwnedFd| {
            assert!(pid > 0);
            *listener.borrow_mut() = Some(fd);
            Ok(())
        };
        let launch = Launch::new(&spec, &rootfs, [stdin.as_fd(), out.as_fd(), out.as_fd()], &cgroup);
        let process = runtime::start(&launch).and_then(|starting| starting.release_with(&listen));
        let process = process.unwrap_or_else(|e| panic!("{}", chain(&e)));
        hear_one_and_go(listener.take().unwrap());

        let mut other = spec.process().clone().unwrap();
        other.set_args(Some(["sh", "-c", "mkdir /tmp/y 2>&1"].map(str::to_owned).into()));
        let key = (process.pid(), process.start_time().unwrap());
        let null = File::open("/dev/null").unwrap();
        let launch = ExecLaunch {
            seccomp: spec.linux().as_ref().unwrap().seccomp().as_ref(),
            ..ExecLaunch::new(key, &other, [null.as_fd(), out_too.as_fd(), out_too.as_fd()], &cgroup)
        };
        let brought = runtime::exec_with(&launch, &listen).unwrap_or_else(|e| panic!("{}", chain(&e)));
        hear_one_and_go(listener.take().unwrap());
        assert_eq!(brought.wait().unwrap().code(), 1);
        drop(hold);
        assert_eq!(process.wait().unwrap().code(), 0);
        cgroup.remove().unwrap();
        drop((out, out_too));
        for said in [said, said_too] {
            let mut text = String::new();
            File::from(said).read_to_string(&mut text).unwrap();
            assert!(text.ends_with("Function not implemented\n"), "{text}");
        }
    }
}

#[test]
fn without_anybody_who_decides_nothing_is_started() {
    let Some(env) = Env::new() else { return };
    let spec = spec("echo it ran", false);
    let error = env.start_spec(spec.clone()).map(|running| running.finish()).unwrap_err();
    assert!(chain(&error).starts_with("seccomp listener"), "{}", chain(&error));
    let (rootfs, cgroup) = (env.rootfs(), Cgroup::create(&env.id, &LinuxResources::default()).unwrap());
    let null = File::open("/dev/null").unwrap();
    let starting = runtime::start(&Launch::new(&spec, &rootfs, [null.as_fd(); 3], &cgroup)).unwrap();
    let error = starting.release_with(&|_, _| Err(Error::new(Kind::NotFound, "no agent"))).unwrap_err();
    assert_eq!(chain(&error), "no agent");
    cgroup.remove().unwrap();
}
