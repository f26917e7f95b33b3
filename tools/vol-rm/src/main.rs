//! vol-rm - Remove volumes

fn main() {}
