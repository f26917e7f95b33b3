//! Real containers on this kernel, with a static busybox as their whole root. The oracle is the kernel:
//! what the container sees in its own `/proc`, and what we see of it from outside.
//!
//! Needs root and `busybox-static`; each test says so and passes if either is missing.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "helpers of tests")]

mod container {
    mod confined;
    mod confinement;
    mod devices;
    mod entering;
    mod env;
    mod fields;
    mod gate;
    mod groups;
    mod hooks;
    mod hostile;
    mod joining;
    mod listener;
    mod options;
    mod places;
    mod program;
    mod races;
    mod tree;
    mod unpivoted;
    mod users;
}
