//! Times the default seccomp filter: compile, install.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a measuring tool")]

use std::time::{Duration, Instant};

fn main() {
    let caps = runtime::caps::DEFAULT.into_iter().collect();
    let best = |mut f: Box<dyn FnMut()>| {
        (0..300)
            .map(|_| {
                let start = Instant::now();
                f();
                start.elapsed()
            })
            .min()
            .unwrap_or(Duration::ZERO)
    };
    let profile = runtime::seccomp::profile(&caps).unwrap();
    let filter = runtime::seccomp::compile(&profile).unwrap();
    println!("{} instructions", filter.program.len());
    let again = caps.clone();
    println!("profile {:?}", best(Box::new(move || drop(runtime::seccomp::profile(&again)))));
    println!("compile {:?}", best(Box::new(move || drop(runtime::seccomp::compile(&profile)))));
    if let Some(path) = std::env::args().nth(1) {
        let mut bytes = Vec::new();
        for insn in &filter.program {
            bytes.extend(insn.code.to_ne_bytes());
            bytes.extend([insn.jt, insn.jf]);
            bytes.extend(insn.k.to_ne_bytes());
        }
        std::fs::write(path, bytes).unwrap();
    }
}
