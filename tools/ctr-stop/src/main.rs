//! ctr-stop - Stop containers

fn main() {}
