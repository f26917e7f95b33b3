//! Times execs: `exec LAYER_DIR COUNT`. For measuring and for strace, not for use.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a measuring tool")]

use std::fs::File;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use runtime::defaults::{Request, process, spec};
use runtime::{Cgroup, ExecLaunch, Launch, Overlay, Rootfs, Upper};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let dir = tempfile::tempdir().unwrap();
    for name in ["upper", "work"] {
        std::fs::create_dir(dir.path().join(name)).unwrap();
    }
    let open = |name: &str| File::open(dir.path().join(name)).unwrap();
    let (lower, upper, work) = (File::open(&args[0]).unwrap(), open("upper"), open("work"));
    let request = |program: &[&str]| Request {
        args: program.iter().map(|a| (*a).to_owned()).collect(),
        env: vec!["PATH=/bin".into()],
        ..Request::default()
    };
    let spec = spec(request(&["cat"])).unwrap();
    let linux = spec.linux().as_ref().unwrap();
    let id = format!("bench-{}", std::process::id());
    let cgroup = Cgroup::create(&id, linux.resources().as_ref().unwrap()).unwrap();
    let rootfs = Rootfs::overlay(&Overlay {
        lowers: &[lower.as_fd()],
        upper: Some(Upper { upper: upper.as_fd(), work: work.as_fd(), volatile: true }),
        source: None,
    })
    .unwrap();
    let (stdin, _stay) = rustix::pipe::pipe().unwrap();
    let null = File::options().read(true).write(true).open("/dev/null").unwrap();
    let launch = Launch::new(&spec, &rootfs, [stdin.as_fd(), null.as_fd(), null.as_fd()], &cgroup);
    let container = runtime::start(&launch).unwrap().release().unwrap();
    let start_time = container.start_time().unwrap();
    let mut phases: Vec<[Duration; 3]> = Vec::new();
    for _ in 0..args[1].parse().unwrap() {
        let t0 = Instant::now();
        let cgroup = Cgroup::open(&id).unwrap();
        let process = process(request(&["true"]), &runtime::caps::DEFAULT.into_iter().collect()).unwrap();
        let t1 = Instant::now();
        let child = runtime::exec(&ExecLaunch {
            seccomp: linux.seccomp().as_ref(),
            ..ExecLaunch::new((container.pid(), start_time), &process, [null.as_fd(); 3], &cgroup)
        })
        .unwrap();
        let t2 = Instant::now();
        child.wait().unwrap();
        phases.push([t1 - t0, t2 - t1, t2.elapsed()]);
    }
    for (i, name) in ["open", "to exec", "program"].iter().enumerate() {
        let mut column: Vec<_> = phases.iter().map(|p| p[i]).collect();
        column.sort();
        println!(
            "{name:>10} {:>9.1?} (min {:.1?}, max {:.1?})",
            column[column.len() / 2],
            column[0],
            column[column.len() - 1]
        );
    }
    cgroup.kill().unwrap();
    container.wait().unwrap();
    cgroup.remove().unwrap();
}
