//! ctr-start - Start containers

fn main() {}
