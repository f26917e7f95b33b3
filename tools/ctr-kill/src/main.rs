//! ctr-kill - Send a signal to containers

fn main() {}
