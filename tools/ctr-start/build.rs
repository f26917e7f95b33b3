//! Links this tool at a fixed address.
//!
//! It becomes the monitor of a container. In a position-independent program the loader would
//! write to every page of the tables of pointers, and each monitor would have its own copy of
//! them: about 300 KiB a container. At a fixed address they stay as they are in the file, shared.

fn main() {
    println!("cargo:rustc-link-arg-bins=-no-pie");
    println!("cargo:rerun-if-changed=build.rs");
}
