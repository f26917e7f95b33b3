//! Builds the program that containers execute first (`stub/`), to be embedded.
//!
//! It needs settings of its own: no standard library, panics that abort, static, without start files.
//! A package cannot set those for itself alone on stable Cargo; one call of the compiler can.

use std::env;
use std::path::Path;
use std::process::Command;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=stub");
    let out = Path::new(&env::var("OUT_DIR")?).join("stub");
    let mut rustc = Command::new(env::var("RUSTC")?);
    rustc.args(["--crate-name", "stub", "--crate-type", "bin", "--edition", "2024", "stub/main.rs"]);
    rustc.args(["--target", &env::var("TARGET")?]).arg("-o").arg(&out);
    for option in
        ["panic=abort", "opt-level=s", "relocation-model=static", "strip=symbols", "codegen-units=1"]
    {
        rustc.args(["-C", option]);
    }
    let link =
        ["-nostartfiles", "-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none", "-Wl,-z,noseparate-code"];
    for argument in link {
        rustc.args(["-C", &format!("link-arg={argument}")]);
    }
    if let Ok(linker) = env::var("RUSTC_LINKER") {
        rustc.args(["-C", &format!("linker={linker}")]);
    }
    let status = rustc.status()?;
    if !status.success() {
        return Err(format!("build stub/main.rs: {status}").into());
    }
    Ok(())
}
