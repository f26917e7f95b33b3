//! ctr-wait - Wait for containers to end

fn main() {}
