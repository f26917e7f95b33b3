//! What a container can reach, seen by a program that tries everything (`tests/probe`).

use tests::Env;
use tests::probe::Golden;

/// Compares what a command prints with the file, and shows both ways how they differ.
#[track_caller]
fn same(golden: &Golden, line: &str, env: &Env) {
    let output = env.sh(line).within(std::time::Duration::from_secs(120)).run().ok();
    let differs = golden.differs_from(&output.text());
    assert!(differs.is_empty(), "`{line}` shows more (+) or less (-) than tests/golden:\n{differs}");
}

#[test]
fn a_container_reaches_what_the_golden_file_says_and_nothing_else() {
    needs!(Root, PidsCgroup);
    let env = Env::with_images(&["busybox"]);
    env.probe();
    same(&Golden::read("probe.txt"), "ctr-run --rm -v ./probe:/probe:ro busybox /probe", &env);
}

#[test]
fn a_program_that_is_run_later_reaches_no_more_than_the_first() {
    needs!(Root, PidsCgroup);
    let env = Env::with_images(&["busybox"]);
    env.probe();
    env.sh("ctr-run -d --name c -v ./probe:/probe:ro busybox sleep 300").run().ok();
    same(&Golden::read("probe.txt"), "ctr-exec c /probe", &env);
}

#[test]
fn a_user_has_no_capability_in_force_and_the_same_filter() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.probe();
    let calls = Golden::read("probe.txt").only(&["call", "socket", "clone", "ioctl", "personality"]);
    same(&calls, "ctr-run --rm -u 1000:1000 -v ./probe:/probe:ro busybox /probe calls arguments", &env);
    let identity =
        env.sh("ctr-run --rm -u 1000:1000 -v ./probe:/probe:ro busybox /probe identity").run().ok();
    for line in [
        "CapEff 0000000000000000",
        "CapPrm 0000000000000000",
        "CapAmb 0000000000000000",
        "Uid 1000 1000 1000 1000",
    ] {
        assert!(identity.text().lines().any(|l| l == line), "{line}:\n{}", identity.text());
    }
}

#[test]
fn options_open_what_they_name_and_no_more() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.probe();
    let calls = |options: &str| {
        let line = format!("ctr-run --rm {options} -v ./probe:/probe:ro busybox /probe calls");
        env.sh(&line).run().ok().text()
    };
    let refused = |text: &str| text.lines().filter(|l| l.ends_with(" EPERM")).count();
    let usual = calls("");
    let has = |text: &str, line: &str| text.lines().any(|l| l == line);
    let admin = calls("--cap-add SYS_ADMIN");
    assert!(has(&admin, "call mount allowed") && has(&admin, "call keyctl EPERM"), "{admin}");
    assert!(has(&admin, "call reboot EPERM") && has(&admin, "call io_uring_setup EPERM"), "{admin}");
    let time = calls("--cap-add SYS_TIME");
    assert_eq!(refused(&usual) - refused(&time), 2, "clock_settime and settimeofday:\n{time}");
    assert_eq!(refused(&calls("--security-opt seccomp=unconfined")), 0);
    assert_eq!(refused(&calls("--privileged")), 0);
    // A profile of the user's own; what it does not know does not exist.
    env.write(
        "few.json",
        r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_ERRNO"}]}"#,
    );
    let few = calls("--security-opt seccomp=./few.json");
    assert!(has(&few, "call mkdir EPERM") && has(&few, "call x32-getpid ENOSYS"), "{few}");
    assert_eq!(refused(&few), 1);
}

#[test]
fn a_privileged_container_has_what_docker_gives_one() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.probe();
    let text =
        env.sh("ctr-run --rm --privileged -v ./probe:/probe:ro busybox /probe identity proc").run().ok();
    let host = std::fs::read_to_string("/proc/self/status").unwrap();
    let ours = host.lines().find_map(|l| l.strip_prefix("CapPrm:\t")).unwrap();
    for line in [&format!("CapEff {ours}"), "Seccomp 0", "NoNewPrivs 0"] {
        assert!(text.text().lines().any(|l| l == line), "{line}:\n{}", text.text());
    }
    assert!(!text.text().contains(" masked"), "{}", text.text());
}

#[test]
fn unconfined_system_paths_are_open_and_the_rest_stays() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.probe();
    let line = "ctr-run --rm --security-opt systempaths=unconfined --security-opt no-new-privileges \
                -v ./probe:/probe:ro busybox /probe identity proc";
    let text = env.sh(line).run().ok();
    assert!(!text.text().contains(" masked"), "{}", text.text());
    for line in ["NoNewPrivs 1", "Seccomp 2", "CapEff 00000000800405fb"] {
        assert!(text.text().lines().any(|l| l == line), "{line}:\n{}", text.text());
    }
}
