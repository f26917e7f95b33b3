//! See `fuzz::seccomp` and `fuzz::libseccomp`.
#![no_main]

use std::sync::LazyLock;

use fuzz::json::{self, Template};
use fuzz::libseccomp::{Known, compare, only_known};
use fuzz::seccomp::check;
use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use oci_spec::runtime::LinuxSeccomp;

static TEMPLATE: LazyLock<Template> = LazyLock::new(|| Template::read(include_str!("seccomp.json")));

fuzz_target!(|data: &[u8]| {
    let Ok(mut profile) = serde_json::from_slice::<LinuxSeccomp>(data) else { return };
    only_known(&mut profile);
    if let Some(compiled) = check(&profile, &Known) {
        compare(&profile, &compiled);
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    json::mutate(&TEMPLATE, data, size, max_size, seed)
});
