//! Who reaches what through published ports.

mod common;

use common::{HOST, PEER, World, id};

#[test]
fn a_published_port_is_reached_from_everywhere_and_an_unpublished_one_is_not() {
    let world = World::new();
    let web = world.container(&id(1));
    web.ns.serve("0.0.0.0:80", "web");
    web.ns.serve("0.0.0.0:81", "secret");
    world.publish(&id(1), "8080:80").unwrap();
    let address = web.lease.address;

    assert_eq!(world.host.call(&format!("{address}:80")).unwrap(), format!("web to {}", web.lease.gateway));
    assert_eq!(world.peer.call(&format!("{HOST}:8080")).unwrap(), format!("web to {PEER}"));
    assert_eq!(world.host.call("127.0.0.1:8080").unwrap(), format!("web to {}", web.lease.gateway));
    assert_eq!(world.host.call("127.9.9.9:8080").unwrap(), format!("web to {}", web.lease.gateway));
    assert_eq!(world.host.call(&format!("{HOST}:8080")).unwrap(), format!("web to {HOST}"));

    // Not even the published one by the container's own address.
    for to in [format!("{address}:80"), format!("{address}:81"), format!("{HOST}:81")] {
        assert!(world.peer.call(&to).is_err(), "{to}");
    }
}
