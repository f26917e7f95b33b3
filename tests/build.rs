//! Builds the program that tests run in containers (`probe/`), to be embedded.
//!
//! It has to be static, which Cargo sets for a whole build or not at all; one call of the compiler can.

use std::env;
use std::path::Path;
use std::process::Command;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=probe");
    let out = Path::new(&env::var("OUT_DIR")?).join("probe");
    let mut rustc = Command::new(env::var("RUSTC")?);
    rustc.args(["--crate-name", "probe", "--crate-type", "bin", "--edition", "2024", "probe/main.rs"]);
    rustc.args(["--target", &env::var("TARGET")?]).arg("-o").arg(&out);
    for option in ["target-feature=+crt-static", "panic=abort", "opt-level=s", "strip=symbols"] {
        rustc.args(["-C", option]);
    }
    if let Ok(linker) = env::var("RUSTC_LINKER") {
        rustc.args(["-C", &format!("linker={linker}")]);
    }
    let status = rustc.status()?;
    if !status.success() {
        return Err(format!("build probe/main.rs: {status}").into());
    }
    Ok(())
}
