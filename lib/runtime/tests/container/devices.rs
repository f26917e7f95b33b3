//! Network devices of the host that a container is given.

use std::process::Command;

use super::env::Env;
use super::fields::{refused, run, with};

/// This thread is alone in a network namespace of its own, which is "the host" from here on.
fn alone() -> bool {
    #[expect(deprecated, reason = "what makes it unsafe, sharing descriptors no more, is not asked for")]
    rustix::thread::unshare(rustix::thread::UnshareFlags::NEWNET).unwrap();
    let made = ip("link add up0 type veth peer name up1");
    if !made {
        eprintln!("skip: needs ip(8) and veth");
    }
    made
}

fn ip(words: &str) -> bool {
    Command::new("ip").args(words.split(' ')).status().is_ok_and(|status| status.success())
}

#[test]
fn a_network_device_becomes_the_containers_under_its_new_name_with_its_addresses() {
    let Some(env) = Env::new() else { return };
    if !alone() {
        return;
    }
    assert!(ip("addr add 10.9.8.7/24 dev up0") && ip("addr add fd00:9::7/64 dev up0 nodad"));
    assert!(ip("link set up0 mtu 1400"));
    let script = "busybox ip -o addr show dev in0 | grep -v fe80; busybox ip -o link show dev in0 | grep -o 'mtu 1400'; \
        busybox ip -o link show dev in0 | grep -c '[<,]UP[,>]'";
    let output = run(&env, with(script, "{}", r#"{"netDevices": {"up0": {"name": "in0"}}}"#));
    for wanted in ["inet 10.9.8.7/24", "inet6 fd00:9::7/64", "mtu 1400\n1\n"] {
        assert!(output.stdout.contains(wanted), "{wanted}: {output:?}");
    }
    assert!(!ip("link show up0"), "it has gone from here");
}

#[test]
fn a_network_device_that_cannot_be_moved_is_named_and_nothing_runs() {
    let Some(env) = Env::new() else { return };
    if !alone() {
        return;
    }
    let text = refused(&env, with("true", "{}", r#"{"netDevices": {"eth9": {}}}"#));
    assert!(text.starts_with("move network device \"eth9\" to the container: No such device"), "{text}");
    // A name that is taken there: the loopback's.
    let text = refused(&env, with("true", "{}", r#"{"netDevices": {"up0": {"name": "lo"}}}"#));
    assert!(text.starts_with("move network device \"up0\" to the container: File exists"), "{text}");
    assert!(ip("link show up0"), "it is where it was");
    let text = refused(
        &env,
        with(
            "true",
            "{}",
            r#"{"netDevices": {"up0": {}}, "namespaces": [{"type": "mount"}, {"type": "uts"}]}"#,
        ),
    );
    assert!(text.contains("a network namespace of the container's own"), "{text}");
}
