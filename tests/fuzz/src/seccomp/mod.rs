//! The compiler of seccomp profiles: its program against the profile itself, read rule by rule for one
//! call at a time, and (in the fuzzer) against the program of libseccomp, which other runtimes use.

pub mod bpf;
pub mod meaning;
pub mod probes;

use oci_spec::runtime::LinuxSeccomp;

use bpf::{Data, Insn};
use meaning::Tables;

/// A profile that was read and compiled.
#[derive(Debug)]
pub struct Compiled {
    /// As it was given.
    pub profile: LinuxSeccomp,
    /// What became of it.
    pub program: Vec<Insn>,
    /// Calls that are worth to be tried.
    pub probes: Vec<Data>,
}

/// Reads, compiles, and compares the program's verdicts with the profile's meaning.
///
/// # Panics
/// If a verdict differs, if the kernel would refuse the program, or if a profile is refused for no reason.
pub fn check(text: &[u8], tables: &dyn Tables) -> Option<Compiled> {
    let profile: LinuxSeccomp = serde_json::from_slice(text).ok()?;
    let filter = match runtime::seccomp::compile(&profile) {
        Ok(filter) => filter,
        Err(e) => {
            let text = e.to_string();
            let good = !meaning::is_refused(&profile) && !meaning::listens(&profile);
            assert!(!good || text.contains("instructions"), "{text}: {profile:?}");
            return None;
        }
    };
    assert!(!meaning::is_refused(&profile), "compiled: {profile:?}");
    let program: Vec<Insn> =
        filter.program.iter().map(|i| Insn { code: i.code, jt: i.jt, jf: i.jf, k: i.k }).collect();
    bpf::check(&program);
    let probes = probes::of(&profile, tables);
    for data in &probes {
        let verdict = bpf::run(&program, data);
        let wanted = meaning::verdict(&profile, tables, data);
        assert_eq!(format!("{verdict:#x}"), format!("{wanted:#x}"), "{data:x?} under {profile:?}");
    }
    Some(Compiled { profile, program, probes })
}
