//! ctr-ls - List containers

fn main() {}
