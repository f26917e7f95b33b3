//! Who reaches what: published and unpublished ports, from all sides.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use common::{HOST, PEER, World, id, needs_root};

#[test]
fn a_published_port_is_reached_from_everywhere_and_an_unpublished_one_is_not() {
    needs_root!();
    let world = World::new();
    let web = world.container(&id(1));
    web.ns.serve("0.0.0.0:80", "web");
    web.ns.serve("0.0.0.0:81", "secret");
    world.publish(&id(1), "8080:80").unwrap();
    let (address, gateway) = (web.lease.address, web.lease.gateway);

    assert_eq!(world.peer.call(&format!("{HOST}:8080")).unwrap(), format!("web to {PEER}"));
    assert_eq!(world.host.call("127.0.0.1:8080").unwrap(), format!("web to {gateway}"));
    assert_eq!(world.host.call("127.9.9.9:8080").unwrap(), format!("web to {gateway}"));
    assert_eq!(world.host.call(&format!("{HOST}:8080")).unwrap(), format!("web to {HOST}"));
    assert_eq!(world.host.call(&format!("{address}:80")).unwrap(), format!("web to {gateway}"));

    // Not even the published one by the container's own address.
    for to in [format!("{address}:80"), format!("{address}:81"), format!("{HOST}:81")] {
        assert!(world.peer.call(&to).is_err(), "{to}");
    }
}

#[test]
fn a_port_of_one_address_is_reached_by_that_alone() {
    needs_root!();
    let world = World::new();
    let web = world.container(&id(1));
    web.ns.serve("0.0.0.0:80", "web");
    world.publish(&id(1), &format!("127.0.0.1:8080:80 {HOST}:8081:80")).unwrap();

    assert!(world.host.call("127.0.0.1:8080").is_ok());
    assert!(world.host.call(&format!("{HOST}:8080")).is_err());
    assert!(world.peer.call(&format!("{HOST}:8080")).is_err());
    assert!(world.peer.call(&format!("{HOST}:8081")).is_ok());
    assert!(world.host.call(&format!("{HOST}:8081")).is_ok());
    assert!(world.host.call("127.0.0.1:8081").is_err());

    // CVE-2025-54410: a neighbour that sends what is for 127.0.0.1 to this host.
    world.peer.sh(&format!(
        "ip address flush dev lo
         ip route add 127.0.0.0/8 via {HOST}
         echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet"
    ));
    assert!(world.peer.call("127.0.0.1:8080").is_err());
}

#[test]
fn udp_and_tcp_of_one_number_are_two_ports() {
    needs_root!();
    let world = World::new();
    let (web, dns) = (world.container(&id(1)), world.container(&id(2)));
    web.ns.serve("0.0.0.0:80", "web");
    dns.ns.serve_udp("0.0.0.0:53", "dns");
    world.publish(&id(1), "5353:80").unwrap();
    world.publish(&id(2), "5353:53/udp").unwrap();
    assert_eq!(world.peer.call_udp(&format!("{HOST}:5353")).unwrap(), "dns ping");
    assert_eq!(world.host.call_udp("127.0.0.1:5353").unwrap(), "dns ping");
    assert_eq!(world.peer.call(&format!("{HOST}:5353")).unwrap(), format!("web to {PEER}"));
}

#[test]
fn a_client_that_sends_all_the_time_follows_the_port() {
    needs_root!();
    use std::time::Duration;
    let world = World::new();
    let (one, two) = (world.container(&id(1)), world.container(&id(2)));
    one.ns.serve_udp("0.0.0.0:53", "one");
    two.ns.serve_udp("0.0.0.0:53", "two");
    world.peer.run(|| {
        let client = std::net::UdpSocket::bind("0.0.0.0:4000").unwrap();
        client.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let ask = || {
            // An earlier refusal is reported by the next call, once.
            let mut buf = [0; 64];
            for _again in 0..3 {
                let sent = client.send_to(b"ping", (HOST, 5353));
                if sent.is_ok()
                    && let Ok(len) = client.recv(&mut buf)
                {
                    return String::from_utf8_lossy(&buf[..len]).into_owned();
                }
            }
            "nobody".to_owned()
        };
        assert_eq!(ask(), "nobody");
        let forward = world.publish(&id(1), "5353:53/udp").unwrap()[0];
        assert_eq!(ask(), "one ping");
        world.host.run(|| net::unpublish(&world.store(), &id(1), &forward)).unwrap();
        assert_eq!(ask(), "nobody");
        world.publish(&id(2), "5353:53/udp").unwrap();
        assert_eq!(ask(), "two ping");
    });
}

#[test]
fn containers_reach_each_other_the_world_and_published_ports() {
    needs_root!();
    let world = World::new();
    let (web, other) = (world.container(&id(1)), world.container(&id(2)));
    web.ns.serve("0.0.0.0:80", "web");
    world.peer.serve("0.0.0.0:7000", "world");
    world.publish(&id(1), "8080:80").unwrap();
    let gateway = web.lease.gateway;

    // Directly, and outside as the host.
    assert_eq!(
        other.ns.call(&format!("{}:80", web.lease.address)).unwrap(),
        format!("web to {}", other.lease.address)
    );
    assert_eq!(other.ns.call(&format!("{PEER}:7000")).unwrap(), format!("world to {HOST}"));
    // Through the host's addresses, from another container and from itself.
    for ns in [&other.ns, &web.ns] {
        for to in [format!("{HOST}:8080"), format!("{gateway}:8080")] {
            assert_eq!(ns.call(&to).unwrap(), format!("web to {gateway}"), "{to}");
        }
    }
}

#[test]
fn a_container_does_not_reach_what_listens_on_the_hosts_loopback() {
    needs_root!();
    let world = World::new();
    let web = world.container(&id(1));
    let port = world.host.serve("127.0.0.1:0", "private");
    let open = world.host.serve("0.0.0.0:0", "open");
    assert_eq!(world.host.call(&format!("127.0.0.1:{port}")).unwrap(), "private to 127.0.0.1");
    assert!(web.ns.call(&format!("{}:{open}", web.lease.gateway)).is_ok());

    // CVE-2020-8558: a container that may change its routes.
    web.ns.sh(&format!(
        "ip address flush dev lo
         ip route add 127.0.0.0/8 via {}
         echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet",
        web.lease.gateway
    ));
    assert!(web.ns.call(&format!("127.0.0.1:{port}")).is_err());
    assert!(web.ns.call(&format!("{}:{port}", web.lease.gateway)).is_err());
    // It is the rule that stops it: without it, it gets there.
    world.host.sh("nft flush chain inet longshore guard");
    assert_eq!(
        web.ns.call(&format!("127.0.0.1:{port}")).unwrap(),
        format!("private to {}", web.lease.address)
    );
}

#[test]
fn what_only_passes_through_the_host_goes_where_it_was_sent() {
    needs_root!();
    let world = World::new();
    let web = world.container(&id(1));
    web.ns.serve("0.0.0.0:80", "web");
    world.publish(&id(1), "8080:80").unwrap();
    // CVE-2025-67499: the host is a router between two others, and the port is one of its own too.
    let far = common::Namespace::new();
    world.host.sh(&format!(
        "ip link add far type veth peer name eth0 netns {}
         ip address add 198.51.100.1/24 dev far
         ip link set far up",
        far.pid()
    ));
    far.sh("ip link set lo up
         ip address add 198.51.100.2/24 dev eth0
         ip link set eth0 up
         ip route add default via 198.51.100.1");
    far.serve("0.0.0.0:8080", "far");
    assert_eq!(world.peer.call("198.51.100.2:8080").unwrap(), format!("far to {PEER}"));
    assert_eq!(web.ns.call("198.51.100.2:8080").unwrap(), "far to 198.51.100.1");
}

#[test]
fn an_ended_publication_ends_for_new_connections() {
    needs_root!();
    let world = World::new();
    let web = world.container(&id(1));
    web.ns.serve("0.0.0.0:80", "web");
    let forward = world.publish(&id(1), "8080:80 8081:80").unwrap()[0];
    assert!(world.peer.call(&format!("{HOST}:8080")).is_ok());
    world.host.run(|| net::unpublish(&world.store(), &id(1), &forward)).unwrap();
    assert!(world.peer.call(&format!("{HOST}:8080")).is_err());
    assert!(world.peer.call(&format!("{HOST}:8081")).is_ok());
}

#[test]
fn a_container_can_speak_the_moment_it_is_connected() {
    needs_root!();
    let world = World::new();
    for n in 1..=8 {
        let begin = std::time::Instant::now();
        let one = world.container(&id(n));
        let refused = one.ns.call(&format!("{}:1", one.lease.gateway)).unwrap_err();
        assert_eq!(refused, "connection refused");
        // A lost packet would be sent again after a second.
        assert!(begin.elapsed().as_millis() < 700, "{:?}", begin.elapsed());
    }
}
