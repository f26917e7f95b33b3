//! Chapter 5: network.

use std::net::UdpSocket;
use std::time::Duration;

use tests::{Env, Machine};

const PAGE: &str = "<html><body><h1>It works!</h1></body></html>\n";

/// Waits until a server answers, as a person would.
const CURL: &str = "curl -fsS --max-time 5 --retry 20 --retry-delay 0 --retry-all-errors --retry-connrefused";

#[test]
fn a_published_port_answers_on_the_loopback_the_own_address_and_the_lan() {
    needs!(Root);
    let env = Env::with_images(&["httpd"]);
    env.lan();
    env.sh("ctr-run -d --name web -p 8080:80 httpd").run().ok();
    env.sh(&format!("{CURL} http://127.0.0.1:8080")).run().ok().stdout(PAGE);
    env.sh(&format!("{CURL} http://192.0.2.1:8080")).run().ok().stdout(PAGE);
    env.sh_on_lan(&format!("{CURL} http://192.0.2.1:8080")).run().ok().stdout(PAGE);
    env.sh("ctr-rm -f web").run().ok();
    env.sh("curl -sS --max-time 2 http://127.0.0.1:8080").run().status(7);
}

#[test]
fn a_container_and_the_host_have_separate_networks() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.sh("ctr-run -d --name a busybox httpd -f -p 80 -h /etc").run().ok();
    env.sh("curl -sS --max-time 2 http://127.0.0.1:80/passwd").run().status(7);
    env.sh("ctr-exec a sh -c 'ls /sys/class/net | xargs'").run().ok().stdout("eth0 lo\n");
    // The bridge leads from the host to the container, and from one container to the other.
    let address =
        env.sh("ctr-exec a ip -4 -o addr show dev eth0 | awk '{print $4}' | cut -d/ -f1").run().ok().line();
    env.sh(&format!("{CURL} http://{address}/hostname")).run().ok();
    env.sh(&format!("ctr-run --rm busybox wget -q -O- http://{address}/hostname")).run().ok();
}

#[test]
fn nothing_that_is_not_published_is_reached_from_the_lan() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    let lan = env.lan();
    env.sh("ctr-run -d --name a -p 127.0.0.1:8081:80 -p 8082:81 busybox httpd -f -p 80 -h /etc").run().ok();
    let address =
        env.sh("ctr-exec a ip -4 -o addr show dev eth0 | awk '{print $4}' | cut -d/ -f1").run().ok().line();
    env.sh(&format!("{CURL} http://127.0.0.1:8081/hostname")).run().ok();
    lan.ip("route add default via 192.0.2.1");
    env.sh_on_lan("curl -sS --max-time 2 http://192.0.2.1:8081/hostname").run().status_is_not(0);
    env.sh_on_lan(&format!("curl -sS --max-time 2 http://{address}/hostname")).run().status_is_not(0);
}

#[test]
fn a_container_reaches_the_lan_as_its_host() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    let listener = env.lan().enter(|| std::net::TcpListener::bind("192.0.2.2:7000")).unwrap();
    let run =
        env.tool("ctr-run").args(["--rm", "busybox", "sh", "-c", "echo hi | nc 192.0.2.2 7000"]).start();
    let (_, from) = listener.accept().unwrap();
    assert_eq!(from.ip().to_string(), "192.0.2.1");
    drop(listener);
    drop(run.wait());
}

#[test]
fn net_forward_adds_lists_and_ends_ports_of_a_running_container() {
    needs!(Root);
    let env = Env::with_images(&["httpd"]);
    env.sh("ctr-run -d --name web httpd").run().ok();
    env.sh("net-forward web 8080:80").run().ok();
    env.sh(&format!("{CURL} http://127.0.0.1:8080")).run().ok().stdout(PAGE);
    env.sh("net-forward web").run().ok().stdout_has("8080").stdout_has("80/tcp");
    env.sh("net-forward web 8090:80").run().ok();
    env.sh(&format!("{CURL} http://127.0.0.1:8090")).run().ok().stdout(PAGE);
    env.sh("net-forward --rm web 8080").run().ok();
    env.sh("curl -sS --max-time 2 http://127.0.0.1:8080").run().status(7);
    env.sh(&format!("{CURL} http://127.0.0.1:8090")).run().ok().stdout(PAGE);
    env.sh("net-forward web").run().ok().stdout_lacks("8080");
}

#[test]
fn a_forward_of_a_stopped_container_comes_back_with_it() {
    needs!(Root);
    let env = Env::with_images(&["httpd"]);
    env.sh("ctr-create --name web httpd && net-forward web 8080:80 && ctr-start web").run().ok();
    env.sh(&format!("{CURL} http://127.0.0.1:8080")).run().ok().stdout(PAGE);
    env.sh("ctr-stop web && ctr-start web").run().ok();
    env.sh(&format!("{CURL} http://127.0.0.1:8080")).run().ok().stdout(PAGE);
}

#[test]
fn free_ports_ranges_and_udp() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.sh("ctr-run -d --name a -p 80 -p 8000-8002:90-92 -p 5300:53/udp busybox sleep 60").run().ok();
    let text = env.sh("net-forward a").run().ok().text();
    for part in ["8000", "8001", "8002", "5300", "53/udp"] {
        assert!(text.contains(part), "no {part} in {text}");
    }
    let pid = env.sh("ctr-inspect a | jq .State.Pid").run().ok().line().parse().unwrap();
    let inside = Machine::of_process(pid).enter(|| UdpSocket::bind("0.0.0.0:53")).unwrap();
    let outside = env.machine().enter(|| UdpSocket::bind("127.0.0.1:0")).unwrap();
    for socket in [&inside, &outside] {
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    }
    outside.send_to(b"question", "127.0.0.1:5300").unwrap();
    let mut buffer = [0; 16];
    let (count, from) = inside.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..count], b"question");
    inside.send_to(b"answer", from).unwrap();
    let (count, from) = outside.recv_from(&mut buffer).unwrap();
    assert_eq!((&buffer[..count], from.to_string().as_str()), (&b"answer"[..], "127.0.0.1:5300"));
}

#[test]
fn exposed_ports_of_an_image_get_free_ports_of_the_host() {
    needs!(Root);
    let env = Env::with_images(&["httpd"]);
    env.sh("ctr-run -d --name web -P httpd").run().ok();
    let port = env.sh("net-forward web | grep -oE ':[0-9]+' | sed -n 1p | tr -d :").run().ok().line();
    env.sh(&format!("{CURL} http://127.0.0.1:{port}")).run().ok().stdout(PAGE);
}

#[test]
fn a_taken_port_is_refused_before_anything_starts_and_its_holder_is_named() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.sh("ctr-run -d --name holder -p 8080:80 busybox sleep 60").run().ok();
    env.sh("ctr-run --name late -p 8080:80 busybox true").run().status(125).one_error(&["8080", "holder"]);
    env.sh("ctr-ls -a -q | wc -l").run().ok().stdout_has("\n");
    env.sh("net-forward holder 8080:81").run().status(1).one_error(&["8080"]);
    // A process of the host holds one too.
    let listener = env.machine().enter(|| std::net::TcpListener::bind("0.0.0.0:8085")).unwrap();
    env.sh("ctr-run --rm -p 8085:80 busybox true").run().status(125).one_error(&["8085"]);
    drop(listener);
    env.sh("ctr-run --rm -p 8085:80 busybox true").run().ok();
}

#[test]
fn network_none_has_a_loopback_and_host_has_the_hosts() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.sh("ctr-run --rm --network none busybox sh -c 'ip -o addr | grep -c 127.0.0.1; ls /sys/class/net'")
        .run()
        .ok()
        .stdout("1\nlo\n");
    env.lan();
    env.sh("ctr-run --rm --network host busybox ip -o addr").run().ok().stdout_has("192.0.2.1");
    env.sh("ctr-run --rm --network none -p 80:80 busybox true").run().status(125).one_error(&["none"]);
    env.sh("ctr-run --rm --network nowhere busybox true").run().status(125).one_error(&["nowhere"]);
}

#[test]
fn the_bridge_avoids_networks_that_the_host_already_reaches() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    let first = env
        .sh("ctr-run --rm busybox ip -4 -o addr show dev eth0 | awk '{print $4}' | cut -d. -f1-2")
        .run()
        .ok()
        .line();
    let env = Env::with_images(&["busybox"]);
    env.lan();
    env.machine().ip(&format!("route add {first}.0.0/16 via 192.0.2.2"));
    let second = env
        .sh("ctr-run --rm busybox ip -4 -o addr show dev eth0 | awk '{print $4}' | cut -d. -f1-2")
        .run()
        .ok()
        .line();
    assert_ne!(first, second);
}

#[test]
fn two_hundred_ports_are_elements_and_not_rules() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.sh("ctr-run -d --name one -p 9000:80 busybox sleep 60").run().ok();
    let rules = || {
        env.sh("nft list table ip longshore 2>/dev/null | grep -cvE 'elements|=>|[0-9] : ' || true")
            .run()
            .ok()
            .text()
    };
    let before =
        env.sh("nft -j list ruleset | jq '[.nftables[] | select(.rule)] | length'").run().ok().line();
    env.sh("ctr-run -d --name many -p 10000-10199:80-279 busybox sleep 60").run().ok();
    let after = env.sh("nft -j list ruleset | jq '[.nftables[] | select(.rule)] | length'").run().ok().line();
    assert_eq!(before, after, "{}", rules());
}
