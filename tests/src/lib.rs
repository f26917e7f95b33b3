//! The harness of the end-to-end tests: hermetic roots, real binaries, leak checks.
