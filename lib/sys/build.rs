//! Puts the unwinder into each program, instead of loading `libgcc_s.so.1` at each start.
//!
//! Loading it takes an eighth of the time until `main`: a shared library more to find and to
//! relocate, whose constructor asks for the processor's features, which is slow in a virtual
//! machine. The standard library asks the linker for `-lgcc_s`; the linker finds the script here
//! first, which names the same code in archives that every gcc has.

use std::env;
use std::fs;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("libgcc_s.so"), "INPUT(-lgcc_eh -lgcc)\n")?;
    println!("cargo::rustc-link-search=native={}", out.display());
    Ok(())
}
