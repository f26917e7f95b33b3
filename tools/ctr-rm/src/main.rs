//! ctr-rm - Remove containers

fn main() {}
