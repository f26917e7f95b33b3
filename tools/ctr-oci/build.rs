//! Links this tool at a fixed address.
//!
//! It is started for every verb of every container. In a position-independent program the loader
//! would first write to every page of the tables of pointers, and a clone of it would copy them again.

fn main() {
    println!("cargo:rustc-link-arg-bins=-no-pie");
    println!("cargo:rerun-if-changed=build.rs");
}
