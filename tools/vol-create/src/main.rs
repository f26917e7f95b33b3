//! vol-create - Create volumes

fn main() {}
