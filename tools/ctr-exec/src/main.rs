//! ctr-exec - Run a program in a running container

fn main() {}
