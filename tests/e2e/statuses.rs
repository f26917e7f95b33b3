//! What a status means, in one table, for each tool that returns or prints one.

use tests::Env;

/// A program as typed, and its status. What must not be process 1 runs under an init.
const TABLE: &[(&str, i32)] = &[
    ("true", 0),
    ("false", 1),
    ("sh -c 'exit 7'", 7),
    ("sh -c 'exit 125'", 125),
    ("sh -c 'exit 126'", 126),
    ("sh -c 'exit 255'", 255),
    ("sh -c 'kill -HUP $$'", 129),
    ("sh -c 'kill -TERM $$'", 143),
    ("sh -c 'kill -KILL $$'", 137),
    ("sh -c 'kill -SEGV $$'", 139),
    ("nowhere", 127),
    ("/nowhere/at/all", 127),
    ("/etc/passwd", 126),
    ("/etc", 126),
];

/// What never ran has no status of its own to be waited for.
fn ran(program: &str) -> bool {
    program.starts_with("sh ") || ["true", "false"].contains(&program)
}

#[test]
fn each_tool_returns_the_same_status_for_the_same_end() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.sh("ctr-run -d --name up --network none busybox sleep 1000").run().ok();
    for (program, code) in TABLE {
        env.sh(&format!("ctr-run --rm --init --network none busybox {program}")).run().status(*code);
        env.sh(&format!("ctr-exec up {program}")).run().status(*code);
        env.sh(&format!("ctr-create --name c --init --network none busybox {program}")).run().ok();
        env.sh("ctr-start -a c").run().status(*code);
        if ran(program) {
            env.sh("ctr-wait c; ctr-inspect c | jq .State.ExitCode")
                .run()
                .ok()
                .stdout(format!("{code}\n{code}\n"));
            env.sh("ctr-start c && ctr-wait c").run().ok().stdout(format!("c\n{code}\n"));
        }
        env.sh("ctr-rm c").run().ok();
    }
}

#[test]
fn what_cannot_be_passed_on_is_no_success() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.sh("ctr-run -d --name up --network none busybox sleep 1000").run().ok();
    env.sh("ctr-create --name c --network none busybox echo out").run().ok();
    for line in ["ctr-run --rm --network none busybox echo out", "ctr-exec up echo out", "ctr-start -a c"] {
        let full = env.sh(&format!("{line} >/dev/full")).run().status(125);
        full.stderr_has("pass on what it wrote: no space left on device").stdout("");
        env.sh(line).run().ok().stdout("out\n");
    }
    // What the program itself says counts for more.
    env.sh("ctr-exec up sh -c 'echo out; exit 7' >/dev/full").run().status(7).stderr("");
}

#[test]
fn what_the_engine_cannot_do_is_125_and_nothing_else() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    for line in [
        "ctr-run --no-such-option busybox true",
        "ctr-run --rm --network nowhere busybox true",
        "ctr-run --rm -v /no/such/source:/x busybox true",
        "ctr-run --rm --cap-add NO_SUCH busybox true",
        "ctr-exec",
    ] {
        env.sh(line).run().status(125);
    }
    env.sh("ctr-exec nobody true").run().status(1);
    env.sh("ctr-wait nobody").run().status(1);
    env.sh("ctr-start nobody").run().status(1);
}
