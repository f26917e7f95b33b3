//! ctr-inspect - Show all facts of containers

fn main() {}
