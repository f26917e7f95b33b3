//! Links this tool at a fixed address, with the C library in it, and what every run enters side by side.
//!
//! It is started for every verb of every container. In a position-independent program the loader
//! would first write to every page of the tables of pointers, and a clone of it would copy them again;
//! a shared library has to be found, mapped and relocated, and takes a MiB, of which little is used;
//! and `start.ld` says what its own order is for. Together they halve the memory of a run.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=start.ld");
    println!("cargo::rustc-link-arg-bins=-no-pie");
    if env::var("PROFILE")? == "release" {
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{}/start.ld", env::var("CARGO_MANIFEST_DIR")?);
    }
    if env::var("CARGO_CFG_TARGET_ENV")? != "gnu" || !has_archive() {
        return Ok(());
    }
    // The standard library asks the linker for shared ones (without `+crt-static`, which needs
    // a target of its own for the programs that build); the linker finds these scripts first.
    let out = PathBuf::from(env::var("OUT_DIR")?);
    for library in ["m", "util", "rt", "pthread", "dl"] {
        fs::write(out.join(format!("lib{library}.so")), format!("INPUT(-l:lib{library}.a)\n"))?;
    }
    // The two want each other, and some linkers look at an archive once.
    fs::write(out.join("libc.so"), "GROUP(-l:libc.a -l:libgcc.a -l:libgcc_eh.a)\n")?;
    println!("cargo::rustc-link-arg-bins=-static");
    println!("cargo::rustc-link-search=native={}", out.display());
    Ok(())
}

/// Tells whether the C library is there as an archive: in Debian always, elsewhere in a package of its own.
fn has_archive() -> bool {
    let output = Command::new("cc").arg("-print-file-name=libc.a").output();
    output.is_ok_and(|output| {
        let path = String::from_utf8_lossy(&output.stdout);
        Path::new(path.trim()).is_absolute() && Path::new(path.trim()).is_file()
    })
}
