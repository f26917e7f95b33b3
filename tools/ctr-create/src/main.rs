//! ctr-create - Create a container

fn main() {}
