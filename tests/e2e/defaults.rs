//! Defaults and options that the probe's golden file (`probe.rs`) does not show.

use tests::Env;

#[test]
fn a_container_has_a_session_keyring_of_its_own() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.probe();
    // keyctl(2) is refused by the filter, without which the keyring has a number.
    let run = "ctr-run --rm --network none --security-opt seccomp=unconfined -v ./probe:/probe:ro busybox /probe keyring";
    let text = env.sh(&format!("./probe keyring; {run}; {run}")).run().ok().text();
    let rings: Vec<_> = text.lines().collect();
    assert_eq!(rings.len(), 3, "{text}");
    assert!(rings.iter().all(|ring| ring.starts_with("keyring ")), "{text}");
    assert!(rings[1..].iter().all(|ring| !ring.contains('-')), "{text}");
    assert!(rings[0] != rings[1] && rings[1] != rings[2] && rings[0] != rings[2], "{text}");
}

#[test]
fn all_capabilities_are_those_of_the_engine_and_the_filter_stays() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    let host = env.sh("awk '/^CapPrm/ { print $2 }' /proc/self/status").run().ok().text();
    let inside = "awk '/^Cap(Eff|Bnd)/ { print $2 } /^Seccomp:/ { print $2 }' /proc/self/status";
    env.sh(&format!("ctr-run --rm --network none --cap-add ALL busybox {inside}"))
        .run()
        .ok()
        .stdout(format!("{host}{host}2\n"));
    env.sh(&format!("ctr-run --rm --network none --cap-add ALL --cap-drop ALL busybox {inside}"))
        .run()
        .ok()
        .stdout_has("\n2\n");
    env.sh(&format!("ctr-run --rm --network none --cap-drop ALL --cap-add chown busybox {inside}"))
        .run()
        .ok()
        .stdout("0000000000000001\n0000000000000001\n2\n");
}

#[test]
fn security_options_are_applied_or_refused_by_name() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    for option in [
        "label=disable",
        "apparmor=unconfined",
        "seccomp=builtin",
        "no-new-privileges:true",
        "seccomp=unconfined",
    ] {
        env.sh(&format!("ctr-run --rm --network none --security-opt {option} busybox true")).run().ok();
    }
    for (option, word) in [
        ("label=type:nothing_t", "SELinux"),
        ("label=colour:red", "a label has no \"colour\""),
        ("apparmor=nothing", "AppArmor"),
        ("seccomp=/no/such/file", "/no/such/file"),
        ("magic=1", "\"magic=1\""),
    ] {
        env.sh(&format!("ctr-run --rm --network none --security-opt {option} busybox true"))
            .run()
            .status(125)
            .stdout("")
            .stderr_has(word);
    }
    env.sh("ctr-run --rm --network none --security-opt no-new-privileges busybox grep NoNewPrivs /proc/self/status")
        .run()
        .ok()
        .stdout("NoNewPrivs:\t1\n");
}
