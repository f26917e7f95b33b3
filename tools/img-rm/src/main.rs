//! img-rm - Remove images

fn main() {}
