//! The bridge and the table: made once, found complete, made whole again.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use common::{HOST, World, id, needs_root, open};

fn state(world: &World) -> String {
    world.host.sh("ip -o address show longshore0 | grep -o 'inet .* global longshore0'
         ip -o link show up dev longshore0 | grep -o 'mtu [0-9]*'
         cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/longshore0/route_localnet
         cat /proc/sys/net/ipv4/conf/all/route_localnet /proc/sys/net/ipv4/conf/eth0/route_localnet
         nft list table inet longshore")
}

fn ensure(world: &World) -> net::Bridge {
    world.host.run(|| net::ensure(&world.store()).unwrap())
}

#[test]
fn the_network_is_set_up_with_the_mtu_of_the_way_out_and_found_again() {
    needs_root!();
    let world = World::new();
    assert_eq!(world.host.sh("cat /proc/sys/net/ipv4/ip_forward"), "0\n");
    let bridge = ensure(&world);
    let first = state(&world);
    assert!(first.contains(&format!("inet {}/16", bridge.gateway())), "{first}");
    assert!(first.contains("mtu 1400"), "{first}");
    assert!(first.contains("\n1\n1\n0\n0\n"), "forwarding, and route_localnet on the bridge alone: {first}");
    assert_eq!(ensure(&world).subnet(), bridge.subnet());
    assert_eq!(state(&world), first);
    // A container has no IPv6 route to be talked into, and the same MTU.
    let one = world.container(&id(1));
    assert_eq!(one.ns.sh("ip -6 -o address show dev eth0"), "");
    assert!(one.ns.sh("ip -o link show dev eth0").contains("mtu 1400"));
    assert_eq!(world.host.sh("ip -6 -o address show scope link | grep -c longshore0 || true").trim(), "0");
    drop(one);
    // The last port has left: the bridge keeps its MTU.
    let end = std::time::Instant::now() + std::time::Duration::from_secs(5);
    while world.host.sh("ls /sys/class/net/longshore0/brif || true; ip -br link").contains("ls0000") {
        assert!(std::time::Instant::now() < end, "the veth pair stays behind");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert_eq!(state(&world), first);
}

#[test]
fn what_was_removed_or_left_half_made_is_made_whole() {
    needs_root!();
    let world = World::new();
    ensure(&world);
    world.container(&id(1)).ns.serve("0.0.0.0:80", "gone");
    let web = world.container(&id(2));
    web.ns.serve("0.0.0.0:80", "web");
    world.publish(&id(2), "8080:80").unwrap();
    let whole = state(&world);
    for (what, damage) in [
        ("another tool flushed all rules", "nft flush ruleset"),
        (
            "the table is of an older version",
            "nft delete table inet longshore; nft add table inet longshore '{ comment \"longshore rules 0 for longshore0\"; }'",
        ),
        ("forwarding was switched off", "echo 0 > /proc/sys/net/ipv4/ip_forward"),
        ("the set-up was killed before the bridge was up", "ip link set longshore0 down"),
        (
            "the set-up was killed before the address",
            "ip link set longshore0 down; ip address flush dev longshore0; ip link set longshore0 mtu 1300; echo 0 > /proc/sys/net/ipv4/conf/longshore0/route_localnet; nft delete table inet longshore",
        ),
    ] {
        world.host.sh(damage);
        assert_ne!(
            world
                .host
                .sh("(ip -o address; ip -o link; nft list ruleset; cat /proc/sys/net/ipv4/ip_forward) 2>&1")
                .len(),
            0
        );
        ensure(&world);
        assert_eq!(state(&world), whole, "{what}");
        assert!(world.peer.call(&format!("{HOST}:8080")).is_ok(), "{what}");
    }
}

#[test]
fn a_reboot_leaves_the_choice_of_the_subnet_and_nothing_else() {
    needs_root!();
    let world = World::new();
    let subnet = ensure(&world).subnet();
    world.container(&id(1));
    world.publish(&id(1), "8080:80").unwrap();
    world.host.sh("ip link del longshore0; nft flush ruleset; echo 0 > /proc/sys/net/ipv4/ip_forward");
    let store = open(world.dir.path());
    std::fs::remove_dir_all(store.run_path()).unwrap();
    assert_eq!(ensure(&world).subnet(), subnet);
    assert!(world.elements().is_empty());
    // Meanwhile a network has come that has these addresses, while no container runs.
    world.host.sh(&format!("ip link del longshore0; ip route add {subnet} via {}", common::PEER));
    assert!(!ensure(&world).subnet().overlaps(subnet));
}

#[test]
fn a_subnet_that_is_routed_elsewhere_is_avoided() {
    needs_root!();
    let world = World::new();
    world.host.sh(&format!(
        "ip route add 10.0.0.0/9 via {0}
         ip link add down0 type dummy 2>/dev/null || ip link add down0 type bridge
         ip address add 172.31.4.1/24 dev down0
         ip route add 172.30.0.0/16 via {0} table 77",
        common::PEER
    ));
    assert_eq!(ensure(&world).subnet().to_string(), "172.29.0.0/16");
}

#[test]
fn two_stores_on_one_host_have_two_bridges() {
    needs_root!();
    let world = World::new();
    let other = tempfile::tempdir().unwrap();
    let (a, b) = (ensure(&world), world.host.run(|| net::ensure(&open(other.path())).unwrap()));
    assert_eq!((a.name(), b.name()), ("longshore0", "longshore1"));
    assert!(!a.subnet().overlaps(b.subnet()));
    assert_eq!(world.host.run(|| net::ensure(&open(other.path())).unwrap().name().to_owned()), "longshore1");
    // One goes, the other stays whole.
    let whole = state(&world);
    world.host.run(|| net::remove(&open(other.path())).unwrap());
    assert_eq!(state(&world), whole);
    assert!(!world.host.sh("ip -br link; nft list tables").contains("longshore1"));
}

#[test]
fn rules_of_others_are_left_alone() {
    needs_root!();
    let world = World::new();
    world.host.sh("nft add table inet other
         nft 'add chain inet other forward { type filter hook forward priority 0; policy accept; }'
         nft add rule inet other forward tcp dport 9 drop
         nft add table ip longshore
         nft add chain ip longshore x");
    let others = || world.host.sh("nft list table inet other; nft list table ip longshore");
    let before = others();
    ensure(&world);
    world.container(&id(1));
    world.publish(&id(1), "8080:80").unwrap();
    world.host.run(|| {
        net::release(&world.store(), &id(1)).unwrap();
        net::remove(&world.store()).unwrap();
    });
    assert_eq!(others(), before);
    assert_eq!(
        world.host.sh("nft list tables; ip -br link show type bridge"),
        "table inet other\ntable ip longshore\n"
    );
}

#[test]
fn a_container_that_is_started_again_at_once_takes_the_place_of_its_old_link() {
    needs_root!();
    let world = World::new();
    let old = world.container(&id(1));
    // The old namespace is still there, as it is for a while after every container.
    let new = world.container(&id(1));
    assert_eq!(new.lease.address, old.lease.address);
    new.ns.serve("0.0.0.0:80", "new");
    assert!(world.host.call(&format!("{}:80", new.lease.address)).is_ok());
    assert_eq!(world.host.sh("ip -br link show master longshore0").lines().count(), 1);
}
