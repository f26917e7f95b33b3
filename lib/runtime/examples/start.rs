//! Times a start: `start LAYER_DIR COUNT [PROGRAM ARG...]`. For measuring and for strace, not for use.
//!
//! Variables choose variants: `SPACED=ms` between runs, `NO_NET`, `PRIVILEGED`, `PHASES`.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::disallowed_methods, reason = "a measuring tool")]

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use runtime::defaults::{Request, spec};
use runtime::{Cgroup, Launch, Overlay, Rootfs, Upper, start};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (layer, count) = (&args[0], args[1].parse::<usize>().unwrap());
    let program = if args.len() > 2 { args[2..].to_vec() } else { vec!["true".into()] };
    let flag = |name: &str| std::env::var_os(name).is_some();
    let pause = std::env::var("SPACED").ok().map(|ms| Duration::from_millis(ms.parse().unwrap()));
    let scratch = tempfile::tempdir().unwrap();
    let lower = std::fs::File::open(layer).unwrap();
    let mut phases: Vec<[Duration; 7]> = Vec::new();
    for run in 0..count {
        let dir = scratch.path().join(run.to_string());
        std::fs::create_dir_all(dir.join("upper")).unwrap();
        std::fs::create_dir_all(dir.join("work")).unwrap();
        let upper = std::fs::File::open(dir.join("upper")).unwrap();
        let work = std::fs::File::open(dir.join("work")).unwrap();
        if let Some(pause) = pause {
            std::thread::sleep(pause);
        }
        let t0 = Instant::now();
        let spec = spec(Request {
            args: program.clone(),
            env: vec!["PATH=/bin".into()],
            hostname: "bench".into(),
            privileged: flag("PRIVILEGED"),
            host_network: flag("HOST_NET"),
            ..Request::default()
        })
        .unwrap();
        let t1 = Instant::now();
        let rootfs = Rootfs::overlay(&Overlay {
            lowers: &[lower.as_fd()],
            upper: Some(Upper { upper: upper.as_fd(), work: work.as_fd(), volatile: true }),
            source: None,
        })
        .unwrap();
        let t2 = Instant::now();
        let resources = spec.linux().as_ref().unwrap().resources().clone().unwrap();
        let cgroup = Cgroup::create(&format!("bench-{}-{run}", std::process::id()), &resources).unwrap();
        let t3 = Instant::now();
        let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
        let starting = start(&Launch {
            init: flag("INIT"),
            ..Launch::new(&spec, &rootfs, [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()], &cgroup)
        })
        .unwrap();
        let t4 = Instant::now();
        let process = match starting.release() {
            Ok(process) => process,
            Err(e) => {
                println!("status {}: {}", e.status, chain(&e.error));
                cgroup.remove().unwrap();
                continue;
            }
        };
        let t5 = Instant::now();
        let end = process.wait().unwrap();
        let t6 = Instant::now();
        drop(rootfs);
        cgroup.remove().unwrap();
        let t7 = Instant::now();
        phases.push([t1 - t0, t2 - t1, t3 - t2, t4 - t3, t5 - t4, t6 - t5, t7 - t6]);
        if count == 1 {
            println!("{end:?}");
        }
    }
    let names = ["spec", "overlay", "cgroup", "plan+clone", "to exec", "program", "remove"];
    let mut total = Duration::ZERO;
    for (i, name) in names.iter().enumerate() {
        let mut column: Vec<_> = phases.iter().map(|p| p[i]).collect();
        column.sort();
        let Some(median) = column.get(column.len() / 2) else { return };
        total += *median;
        println!("{name:>12} {:>9.1?} (min {:.1?}, max {:.1?})", median, column[0], column[column.len() - 1]);
    }
    println!("{:>12} {total:>9.1?}", "sum");
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(e) = next {
        text += &format!(": {e}");
        next = e.source();
    }
    text
}
