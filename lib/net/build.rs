//! Links libnftnl from its archive where there is one (Debian has it), instead of loading all of it
//! at each start for the few functions that publish a port.
//!
//! `nftnl-sys` asks the linker for `-lnftnl`; the linker finds the script here first. libmnl, which
//! it needs, is a shared library in every distribution.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let output = Command::new("pkg-config").args(["--variable=libdir", "libnftnl"]).output();
    let Some(directory) = output.ok().and_then(|output| String::from_utf8(output.stdout).ok()) else {
        return Ok(()); // nftnl-sys says that pkg-config is missing
    };
    let archive = Path::new(directory.trim()).join("libnftnl.a");
    if archive.is_file() {
        let out = PathBuf::from(env::var("OUT_DIR")?);
        fs::write(out.join("libnftnl.so"), format!("INPUT({} -lmnl)\n", archive.display()))?;
        println!("cargo::rustc-link-search=native={}", out.display());
    }
    Ok(())
}
