//! Claims of ports and addresses: unique, named when they are in the way, gone when given back.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use common::{HOST, World, id, needs_root, open, record};
use types::Kind;
use types::port::parse;

fn refusal(world: &World, n: u32, ports: &str) -> (Kind, String) {
    let err = world.publish(&id(n), ports).unwrap_err();
    (err.kind(), err.to_string())
}

#[test]
fn thirty_two_leases_at_once_are_thirty_two_addresses() {
    needs_root!();
    let world = World::new();
    let addresses: BTreeSet<Ipv4Addr> = world.host.run(|| {
        let ns = std::fs::File::open("/proc/thread-self/ns/net").unwrap();
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..32)
                .map(|n| {
                    let (ns, world) = (ns.try_clone().unwrap(), &world);
                    scope.spawn(move || {
                        nix::sched::setns(ns, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
                        let store = world.store();
                        let _lock = record(&store, &id(n), &format!("c{n}"));
                        // Among the first of them is the one that sets up the network.
                        let bridge = net::ensure(&store).unwrap();
                        net::lease(&store, &bridge, &id(n)).unwrap().address
                    })
                })
                .collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        })
    });
    assert_eq!(addresses.len(), 32);
    assert_eq!(world.host.sh("ip -br link show type bridge").lines().count(), 1);
}

#[test]
fn addresses_are_taken_round_the_ones_in_use_until_none_is_left() {
    needs_root!();
    let world = World::new();
    // Nothing else than 192.168.200.0/24 is free.
    world.host.sh("ip route add unreachable 10.0.0.0/8
         ip route add unreachable 172.16.0.0/12");
    world.host.run(|| {
        let store = world.store();
        let bridge = net::ensure(&store).unwrap();
        assert_eq!(bridge.subnet().to_string(), "192.168.200.0/24");
        let mut taken = BTreeSet::new();
        let locks: Vec<_> = (0..253).map(|n| record(&store, &id(n), &format!("c{n}"))).collect();
        for n in 0..253 {
            let lease = net::lease(&store, &bridge, &id(n)).unwrap();
            assert!(taken.insert(lease.address), "{} twice", lease.address);
            assert_ne!(lease.address, lease.gateway);
        }
        let last = record(&store, &id(999), "last");
        let err = net::lease(&store, &bridge, &id(999)).unwrap_err();
        assert_eq!(err.kind(), Kind::Conflict);
        // One of them is gone without having given back anything.
        drop(locks);
        let freed = net::lease(&store, &bridge, &id(999)).unwrap();
        assert!(taken.contains(&freed.address));
        drop(last);
    });
}

#[test]
fn a_taken_port_is_refused_with_the_name_of_who_has_it() {
    needs_root!();
    let world = World::new();
    let store = open(world.dir.path());
    let _locks = [record(&store, &id(1), "web"), record(&store, &id(2), "other")];
    let (_web, _other) = (world.container(&id(1)), world.container(&id(2)));
    world.publish(&id(1), &format!("8080:80 {HOST}:8081:80")).unwrap();
    let of_web = "is in use by container \"web\"";
    assert_eq!(refusal(&world, 2, "8080:80"), (Kind::Conflict, format!("port 8080/tcp {of_web}")));
    assert_eq!(
        refusal(&world, 2, "127.0.0.1:8080:80"),
        (Kind::Conflict, format!("port 127.0.0.1:8080/tcp {of_web}"))
    );
    assert_eq!(refusal(&world, 2, "8081:80"), (Kind::Conflict, format!("port 8081/tcp {of_web}")));
    assert_eq!(
        refusal(&world, 1, "8080:81"),
        (Kind::Conflict, "port 8080/tcp is in use by this container".to_owned())
    );
    assert_eq!(refusal(&world, 2, "9000:80 9000:81").1, "port 9000/tcp is in use by this container");
    assert_eq!(net::published(&store, &id(1)).unwrap().len(), 2, "a refusal took what was there");

    let port = world.host.serve("0.0.0.0:0", "a process");
    let comm = std::fs::read_to_string("/proc/self/comm").unwrap();
    let by = format!("is in use by {:?} (pid {})", comm.trim_end(), std::process::id());
    for ip in ["", "127.0.0.1:"] {
        let (kind, text) = refusal(&world, 2, &format!("{ip}{port}:80"));
        assert_eq!((kind, text), (Kind::Conflict, format!("port {ip}{port}/tcp {by}")));
    }
    assert_eq!(refusal(&world, 2, "203.0.113.7:80:80").0, Kind::Invalid);
    assert_eq!(refusal(&world, 2, "[::1]:80:80").0, Kind::Unsupported);
    assert_eq!(refusal(&world, 3, "80:80").0, Kind::Conflict);

    // All or none: what went before the refusal was undone.
    let before = world.elements();
    assert_eq!(refusal(&world, 2, "9001:80 9002:80 8080:80").0, Kind::Conflict);
    assert_eq!(world.elements(), before);
    assert!(net::published(&store, &id(2)).unwrap().is_empty());
    // The same number of another protocol, and of another address, are free.
    world.publish(&id(2), "8080:80/udp 127.0.0.1:8081:80").unwrap();
}

#[test]
fn a_port_of_a_container_that_did_not_give_it_back_is_free() {
    needs_root!();
    let world = World::new();
    let store = open(world.dir.path());
    let lock = record(&store, &id(1), "dead");
    let _other = record(&store, &id(2), "other");
    let (dead, other) = (world.container(&id(1)), world.container(&id(2)));
    world.publish(&id(1), "8080:80 8081:80").unwrap();
    assert_eq!(refusal(&world, 2, "8080:80").0, Kind::Conflict);
    drop(lock);
    // A process that another test starts at this moment has the lock until it calls execve.
    let end = std::time::Instant::now() + std::time::Duration::from_secs(5);
    let published = loop {
        match world.publish(&id(2), "8080:80") {
            Err(_) if std::time::Instant::now() < end => {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            other => break other.unwrap(),
        }
    };
    assert_eq!(published, parse("8080:80").unwrap());
    let elements = world.elements();
    assert_eq!(elements.len(), 1, "{elements:?}");
    assert!(elements[0].contains(&other.lease.address.to_string()), "{elements:?}");
    assert_eq!(store.lease_holder(dead.lease.address).unwrap(), None);
}

#[test]
fn a_free_port_is_chosen_where_that_was_asked_for() {
    needs_root!();
    let world = World::new();
    let store = open(world.dir.path());
    let _locks = [record(&store, &id(1), "a"), record(&store, &id(2), "b")];
    let (_a, _b) = (world.container(&id(1)), world.container(&id(2)));
    world.host.sh("echo 40000 40003 > /proc/sys/net/ipv4/ip_local_port_range");
    let ports: BTreeSet<u16> =
        world.publish(&id(1), "80 81 82").unwrap().iter().map(|f| f.host_port).collect();
    assert!(ports.len() == 3 && ports.iter().all(|p| (40000..=40003).contains(p)), "{ports:?}");
    let last = world.publish(&id(2), "80").unwrap()[0].host_port;
    assert!(!ports.contains(&last) && (40000..=40003).contains(&last));
    assert!(refusal(&world, 2, "81").1.starts_with("no port of the range"));

    let busy = world.host.serve("0.0.0.0:9001", "busy");
    assert_eq!(world.publish(&id(1), "9000:80").unwrap()[0].host_port, 9000);
    assert_eq!(world.publish(&id(2), "9000-9005:80").unwrap()[0].host_port, 9002);
    assert_eq!(busy, 9001);
}

#[test]
fn what_is_released_is_gone_from_the_kernel_and_from_the_store() {
    needs_root!();
    let world = World::new();
    let store = open(world.dir.path());
    let one = world.container(&id(1));
    let two = world.container(&id(2));
    let many: Vec<String> = (0..300).map(|n| format!("{}:80", 20000 + n)).collect();
    world.publish(&id(1), &many.join(" ")).unwrap();
    world.publish(&id(1), "127.0.0.1:8080:80 53:53/udp 132:132/sctp").unwrap();
    world.publish(&id(2), "8081:80").unwrap();
    assert_eq!(world.elements().len(), 304);
    assert_eq!(net::published(&store, &id(1)).unwrap().len(), 303);
    for _twice in 0..2 {
        world.host.run(|| net::release(&world.store(), &id(1))).unwrap();
        let left = world.elements();
        assert_eq!(left.len(), 1, "{left:?}");
        assert!(left[0].contains(&two.lease.address.to_string()));
        assert_eq!(store.lease_holder(one.lease.address).unwrap(), None);
        assert!(net::published(&store, &id(1)).unwrap().is_empty());
    }
    world.host.run(|| net::release(&world.store(), &id(2))).unwrap();
    for dir in ["leases", "forwards", "attached"] {
        assert_eq!(std::fs::read_dir(store.run_path().join(dir)).unwrap().count(), 0, "{dir}");
    }
}

#[test]
fn a_released_address_is_found_again_by_its_container_and_not_given_to_the_next() {
    needs_root!();
    let world = World::new();
    world.host.run(|| {
        let store = world.store();
        let bridge = net::ensure(&store).unwrap();
        let first = net::lease(&store, &bridge, &id(1)).unwrap();
        assert_eq!(net::lease(&store, &bridge, &id(1)).unwrap(), first);
        net::release(&store, &id(1)).unwrap();
        assert_ne!(net::lease(&store, &bridge, &id(2)).unwrap().address, first.address);
        assert_eq!(net::lease(&store, &bridge, &id(1)).unwrap(), first);
    });
}

#[test]
fn a_claim_that_a_killed_tool_left_half_made_is_completed_or_undone() {
    needs_root!();
    let world = World::new();
    let store = open(world.dir.path());
    let _locks = [record(&store, &id(1), "a"), record(&store, &id(2), "b")];
    let one = world.container(&id(1));
    let _two = world.container(&id(2));
    let forward = parse("8080:80").unwrap()[0];
    // Killed after the note.
    store.attach_forward(&id(1), &forward).unwrap();
    world.publish(&id(2), "8080:80").unwrap();
    world.host.run(|| net::release(&world.store(), &id(1))).unwrap();
    assert_eq!(store.forward_holder(&forward).unwrap(), Some(id(2)), "the claim of another was dropped");
    assert_eq!(world.elements().len(), 1);
    world.host.run(|| net::release(&world.store(), &id(2))).unwrap();

    // Killed after the claim, then after the element: the next start of the same container.
    let again = || {
        world.host.run(|| {
            let store = world.store();
            let bridge = net::ensure(&store).unwrap();
            net::lease(&store, &bridge, &id(1)).unwrap();
            net::publish(&store, &bridge, &id(1), &[forward]).unwrap();
        });
    };
    store.attach_address(&id(1), one.lease.address).unwrap();
    assert!(store.claim_lease(one.lease.address, &id(1)).unwrap());
    store.attach_forward(&id(1), &forward).unwrap();
    assert!(store.claim_forward(&forward, &id(1)).unwrap());
    again();
    assert_eq!(world.elements().len(), 1);
    again();
    assert_eq!(world.elements().len(), 1);

    // The volatile tree was lost, the kernel's table was not: another address has the port there.
    world.host.sh("nft delete element inet longshore any4 { tcp . 8080 }
         nft add element inet longshore any4 { tcp . 8080 : 10.1.2.3 . 99 }");
    again();
    assert!(world.elements()[0].contains(&one.lease.address.to_string()), "{:?}", world.elements());
}
