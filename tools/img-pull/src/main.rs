//! img-pull - Pull images from a registry

fn main() {}
