//! See `fuzz::config`.
#![no_main]

use std::sync::LazyLock;

use fuzz::config::{Scratch, check};
use fuzz::json::{self, Template};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

static TEMPLATE: LazyLock<Template> =
    LazyLock::new(|| Template::read(include_str!("../seeds/config/every-field.json")));
static SCRATCH: LazyLock<Scratch> = LazyLock::new(Scratch::new);

fuzz_target!(|data: &[u8]| check(&SCRATCH, data));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    json::mutate(&TEMPLATE, data, size, max_size, seed)
});
