//! The compiler of seccomp profiles: its program against the profile itself, read rule by rule for one
//! call at a time, and (in the fuzzer) against the program of libseccomp, which other runtimes use.

pub mod bpf;
pub mod meaning;
pub mod probes;

use oci_spec::runtime::LinuxSeccomp;

use bpf::{Data, Insn};
use meaning::Tables;

/// A program, and calls that are worth to be tried with it.
pub type Compiled = (Vec<Insn>, Vec<Data>);

/// Compiles, and compares the program's verdicts with the profile's meaning.
///
/// # Panics
/// If a verdict differs, if the kernel would refuse the program, or if a profile is refused for no reason.
pub fn check(profile: &LinuxSeccomp, tables: &dyn Tables) -> Option<Compiled> {
    let filter = match runtime::seccomp::compile(profile) {
        Ok(filter) => filter,
        Err(e) => {
            let text = e.to_string();
            let good = !meaning::is_refused(profile) && !meaning::listens(profile);
            assert!(!good || text.contains("instructions"), "{text}: {profile:?}");
            return None;
        }
    };
    assert!(!meaning::is_refused(profile), "compiled: {profile:?}");
    let program: Vec<Insn> =
        filter.program.iter().map(|i| Insn { code: i.code, jt: i.jt, jf: i.jf, k: i.k }).collect();
    bpf::check(&program);
    let probes = probes::of(profile, tables);
    for data in &probes {
        let verdict = bpf::run(&program, data);
        let wanted = meaning::verdict(profile, tables, data);
        assert_eq!(format!("{verdict:#x}"), format!("{wanted:#x}"), "{data:x?} under {profile:?}");
    }
    Some((program, probes))
}
