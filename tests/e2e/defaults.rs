//! Defaults that the probe's golden file (`probe.rs`) does not show.

use tests::Env;

#[test]
fn a_container_has_a_session_keyring_of_its_own() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    // keyctl(2) is refused by the filter; without it the ring can be looked at.
    let rings = |line: &str| env.sh(line).run().ok().text();
    let open = "--security-opt seccomp=unconfined --security-opt systempaths=unconfined --network none";
    let inside = rings(&format!("ctr-run --rm {open} busybox sh -c 'grep -c _ses /proc/keys || true'"));
    let host = rings("grep -c _ses /proc/keys || true");
    assert_ne!((inside.trim(), host.trim()), ("", ""));
    env.sh("ctr-run --rm --network none busybox sh -c '[ -c /proc/keys ]'").run().ok();
}
