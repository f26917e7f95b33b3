//! See `fuzz::layer`.
#![no_main]

use std::sync::LazyLock;

use fuzz::layer::{Scratch, check};

static SCRATCH: LazyLock<Scratch> = LazyLock::new(Scratch::new);

libfuzzer_sys::fuzz_target!(|data: &[u8]| check(&SCRATCH, data));
