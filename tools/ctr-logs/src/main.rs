//! ctr-logs - Show what a container wrote

fn main() {}
