//! The tools as their users know them: the chapters of the course, then what can go wrong.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

/// Returns from a test, loudly and counted, if the machine lacks something.
macro_rules! needs {
    ($($need:ident),+) => {
        if !tests::met(&[$(tests::Need::$need),+]) {
            return;
        }
    };
}

mod archives;
mod bad_input;
mod broken;
mod crash;
mod cve_exec;
mod cve_look;
mod cve_mounts;
mod cve_users;
mod cycles;
mod defaults;
mod examples;
mod exec;
mod exposure;
mod filters;
mod garbage;
mod harness;
mod images;
mod list;
mod lock;
mod look;
#[cfg(target_arch = "x86_64")] // as strike
mod matrix;
mod monitor;
mod network;
mod oci;
mod oci_fields;
mod oci_hooks;
mod pipes;
mod probe;
mod pull;
mod push;
mod records;
mod recycled;
mod registries;
mod run;
mod serve;
mod share;
mod statuses;
mod stop;
mod trees;
mod volumes;
