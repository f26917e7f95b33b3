//! See `fuzz::state`.
#![no_main]

use std::sync::LazyLock;

use fuzz::json::{self, Template};
use fuzz::state::{Scratch, check};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

const EXAMPLE: &str = include_str!("../seeds/state/whole.json");

static TEMPLATE: LazyLock<Template> = LazyLock::new(|| Template::read(EXAMPLE));
static SCRATCH: LazyLock<Scratch> = LazyLock::new(|| Scratch::new(EXAMPLE.as_bytes()));

fuzz_target!(|data: &[u8]| check(&SCRATCH, data));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    json::mutate(&TEMPLATE, data, size, max_size, seed)
});
