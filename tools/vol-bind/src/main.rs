//! vol-bind - Mount a directory or volume into a running container

fn main() {}
