//! net-forward - Publish ports of a running container

fn main() {}
