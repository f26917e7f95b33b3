//! ctr-run - Run a program in a new container

fn main() {}
