//! vol-ls - List volumes

fn main() {}
