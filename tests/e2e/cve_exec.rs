//! Advisories about what is brought into a container: descriptors, the engine's own binary, users.

use std::fs;

use tests::Env;

/// What the looker has seen so far.
fn seen(env: &Env) -> Vec<String> {
    env.sh("ctr-logs looker").run().ok().text().lines().map(str::to_owned).collect()
}

/// A program that is allowed to trace watches processes come in: it never sees the engine's binary
/// (to write to it), the host's root, or a descriptor that the program will not have.
#[test]
fn cve_2016_9962_who_may_trace_sees_nothing_of_the_host_in_what_enters() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.probe();
    let outside = env.write("outside", "the host's");
    env.tool("ctr-run")
        .args(["-d", "--name", "looker", "--cap-add", "SYS_PTRACE", "-v", "./probe:/probe:ro", "busybox"])
        .args(["/probe", "look"])
        .arg(&outside)
        .run()
        .ok();
    env.sh("until ctr-logs looker | grep -q looking; do sleep 0.01; done").run().ok();
    // The looker needs no luck to see what stays for a moment; what must not be there, it must never see.
    env.sh("for n in $(seq 100); do ctr-exec looker true; done").run().ok();
    env.sh(
        "ctr-exec -d looker sleep 60; until ctr-logs looker | grep -q 'program /bin/'; do sleep 0.01; done",
    )
    .run()
    .ok();
    for fact in seen(&env) {
        // Descriptor 3 of the stub: how it tells that the program cannot be executed.
        let known = ["looking", "directory /", "descriptor 0 /dev/null", "descriptor 3 socket"];
        let starts = ["program /bin/", "program /memfd:longshore-init ", "descriptor 1 ", "descriptor 2 "];
        let ours = known.contains(&fact.as_str()) || starts.iter().any(|start| fact.starts_with(start));
        assert!(ours, "{fact:?} was seen: {:?}", seen(&env));
    }
    assert_eq!(fs::read_to_string(outside).unwrap(), "the host's");
}
