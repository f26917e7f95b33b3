//! img-ls - List images

fn main() {}
