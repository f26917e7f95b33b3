//! One system call goes wrong: for each that changes something, and each way in which it can.
//!
//! Afterwards the name is free or listed truthfully, the same command succeeds, and nothing is left.
//! `make soak` does it for every call, `make test` for some of them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use tests::Env;

/// A command that is disturbed.
struct Case {
    /// No fewer calls of it change something.
    calls: u32,
    /// What it works on.
    before: &'static str,
    command: &'static str,
    /// True once it has succeeded.
    effect: &'static str,
    /// Takes back what it may have left, in the way of a user who wants to run it again.
    undo: &'static str,
}

const REMOVE: &str = "ctr-rm -f -v c";

/// It ran, and ended well as far as anybody knows; unless it was the program that was struck.
const RAN: &str = "ctr-inspect c | jq -e .State.StartedAt && \
                   { ctr-wait c | grep -E '^(0|unknown)$' || grep -E ' in (echo|busybox) ' struck; }";

const CASES: &[Case] = &[
    Case {
        calls: 27,
        before: "true",
        command: "ctr-create --name c -v /data busybox true",
        effect: "ctr-inspect c | jq -e '.State.Status == \"created\"'",
        undo: REMOVE,
    },
    Case {
        calls: 290,
        before: "true",
        command: "ctr-run --name c -p 8080:80 -v /data busybox echo out",
        effect: "test \"$(cat out)\" = out && ctr-inspect c | jq -e '.State.ExitCode == 0'",
        undo: REMOVE,
    },
    Case {
        calls: 300,
        before: "true",
        command: "ctr-run --rm --name c -p 8080:80 -v /data busybox echo out",
        effect: "test \"$(cat out)\" = out",
        undo: REMOVE,
    },
    Case {
        calls: 270,
        before: "true",
        command: "ctr-run -d --name c -p 8080:80 busybox echo out",
        effect: RAN,
        undo: REMOVE,
    },
    Case {
        calls: 270,
        before: "ctr-create --name c -p 8080:80 -v /data busybox echo out",
        command: "ctr-start c",
        effect: RAN,
        undo: "true",
    },
    Case {
        calls: 8,
        before: "ctr-run -d --name c -p 8080:80 busybox sleep 1000",
        command: "ctr-stop -t 1 c",
        effect: "ctr-inspect c | jq -e '.State.Running | not'",
        undo: "true",
    },
    Case {
        calls: 70,
        // With an init, which reaps what a killed ctr-exec leaves: a heading, two processes and ps.
        before: "ctr-run -d --init --name c --network none busybox sleep 1000",
        command: "ctr-exec c echo out",
        effect: "test \"$(cat out)\" = out && until test \"$(ctr-exec c ps | wc -l)\" = 4; do sleep 0.02; done",
        undo: "true",
    },
    Case {
        calls: 19,
        before: "ctr-create --name c -v /data busybox true",
        command: "ctr-rm -v c",
        effect: "test -z \"$(ctr-ls -aq)$(vol-ls -q)\"",
        undo: "ctr-ls -aq | grep -q . || ctr-create --name c busybox true",
    },
    Case {
        calls: 30,
        before: "ctr-run -d --name c -p 8080:80 -v /data busybox sleep 1000",
        command: "ctr-rm -f -v c",
        effect: "test -z \"$(ctr-ls -aq)$(vol-ls -q)\"",
        undo: "true",
    },
    // Those that look: what they say with success is the truth.
    Case {
        calls: 1,
        before: "ctr-run -d --name c -p 8080:80 busybox sleep 1000",
        command: "ctr-ls --json",
        effect: "jq -e '.State.Running and .Name == \"c\" and .NetworkSettings.Ports[\"80/tcp\"] != null' out",
        undo: "true",
    },
    Case { calls: 1, before: ENDED, command: "ctr-ls -a", effect: "grep 'Exited (3)' out", undo: "true" },
    Case {
        calls: 1,
        before: ENDED,
        command: "ctr-inspect c",
        effect: "jq -e '.State.ExitCode == 3 and .State.Status == \"exited\"' out",
        undo: "true",
    },
    Case { calls: 1, before: ENDED, command: "ctr-wait c", effect: "test \"$(cat out)\" = 3", undo: "true" },
    Case {
        calls: 1,
        before: ENDED,
        command: "ctr-logs c",
        effect: "test \"$(cat out)\" = said",
        undo: "true",
    },
    Case {
        calls: 1,
        before: "ctr-run -d --name c -p 8080:80 busybox sleep 1000",
        command: "ctr-kill c",
        effect: "ctr-inspect c | jq -e '.State.Running | not'",
        undo: "ctr-inspect c | jq -e .State.Running || ctr-start c",
    },
];

const ENDED: &str = "ctr-run --name c busybox sh -c 'echo said; exit 3'; test $? = 3";

/// Every call, or a few.
fn is_soak() -> bool {
    std::env::var_os("LONGSHORE_SOAK").is_some()
}

/// Disturbs a command at its Nth call, for each N of `steps` until there are no so many calls. Returns
/// how many, and what is wrong because of them.
fn disturb(env: &Env, case: &Case, blow: &str, steps: impl Iterator<Item = u32>) -> (u32, String) {
    let (mut count, mut wrong, mut all) = (0, 0, String::new());
    let began = Instant::now();
    for step in steps {
        let (struck, found) = disturb_once(env, case, blow, step);
        if is_soak() && !found.is_empty() {
            tell(&found);
        }
        wrong += u32::from(!found.is_empty());
        all.push_str(&found);
        if struck.is_empty() {
            break;
        }
        count += 1;
        if is_soak() && count % 100 == 0 {
            tell(&format!("{blow}: {count} calls of {} in {} s", case.command, began.elapsed().as_secs()));
        }
    }
    if is_soak() {
        tell(&format!("{blow}: {count} calls disturbed, {wrong} wrong: {}", case.command));
    }
    (count, all)
}

/// Returns what was struck, and what is wrong because of it.
fn disturb_once(env: &Env, case: &Case, blow: &str, step: u32) -> (String, String) {
    env.sh(case.before).run().ok();
    let line = format!("strike {step} struck {blow} {} >out 2>err", case.command);
    let mut status = None;
    // A command that hangs ends a test, but is only one of the things that may be wrong here.
    let checked = catch_unwind(AssertUnwindSafe(|| {
        status = Some(env.sh(&line).within(Duration::from_secs(60)).run().code());
        let mut wrong = problems(env, case, status.unwrap_or_default());
        wrong.extend(nothing_is_left(env));
        wrong
    }));
    let struck = env.sh("cat struck 2>/dev/null || echo nothing yet").run().ok().text();
    let wrong = checked.unwrap_or_else(|_| vec![format!("something hangs:\n{}", end_all(env))]);
    drop(env.sh("ctr-ls -aq | ctr-rm -f -v -; vol-ls -q | vol-rm -").run());
    if wrong.is_empty() {
        return (struck, String::new());
    }
    let said = env.sh("cat err").run().text();
    let mut found =
        format!("{}\n  {blow} at call {step}, {struck}  status {status:?}, {said:?}\n", case.command);
    for text in &wrong {
        let text = text.split("--- store").next().unwrap_or_default();
        found.push_str(&format!("  - {text}\n"));
    }
    (struck, found)
}

/// Says who waits for what on this machine, and ends them all: the next call is to be disturbed too.
fn end_all(env: &Env) -> String {
    let line = "cd /proc; for p in [0-9]*; do
        test $p != $$ && test \"$(readlink $p/ns/net)\" = \"$(readlink self/ns/net)\" || continue
        case $(cat $p/comm) in ctr-* | strike) ;; *) continue ;; esac
        echo \"$p $(grep PPid $p/status) $(tr '\\0' ' ' <$p/cmdline): $(cat $p/wchan), call $(cat $p/syscall)\"
        kill -9 $p
    done";
    env.sh(line).run().text()
}

/// What is not as it should be after a disturbed command, and after it was repeated.
fn problems(env: &Env, case: &Case, status: i32) -> Vec<String> {
    let mut wrong = Vec::new();
    wrong.extend(untruth(env));
    let mut must = |what: &str, line: &str| {
        let done = env.sh(line).run();
        if done.code() != 0 {
            wrong.push(format!("{what}: {line}\n{done}"));
        }
    };
    if status == 0 {
        must("it was no success", case.effect);
    }
    must("cannot be taken back", case.undo);
    must("does not succeed again", &format!("{} >out", case.command));
    must("has no effect the second time", case.effect);
    must("cannot be removed", REMOVE);
    wrong
}

/// What is said of containers that is not so. What is just changing may take its time.
fn untruth(env: &Env) -> Option<String> {
    let until = Instant::now() + Duration::from_secs(5);
    loop {
        let listed = env.sh("ctr-ls -a --json").run();
        let wrong = if listed.code() == 0 {
            listed.json_lines().iter().find_map(|record| lie(env, record))
        } else {
            Some(format!("{listed}"))
        };
        if wrong.is_none() || Instant::now() > until {
            return wrong;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A container is up if the kernel has its first process, and only then.
fn lie(env: &Env, record: &serde_json::Value) -> Option<String> {
    let id = record["Id"].as_str().unwrap_or_default();
    let said = record["State"]["Running"].as_bool() == Some(true);
    let is = !env.processes_of(id).is_empty();
    let inspected = env.sh("ctr-inspect c").run();
    (said != is || inspected.code() != 0).then(|| format!("runs: {is}, but is said: {record}\n{inspected}"))
}

fn nothing_is_left(env: &Env) -> Vec<String> {
    let mut left = env.leaks();
    // A name whose container is gone is free, and its link goes with the next sweep.
    let lines = "cd $LONGSHORE_ROOT && find containers volumes -mindepth 1; \
                 cd $LONGSHORE_RUN && find leases forwards attached -mindepth 1";
    left.extend(env.sh(lines).run().text().lines().map(|line| format!("left in the store: {line}")));
    left
}

/// What killed tools had no name for yet, or no more, is theirs for a minute.
fn left_after_a_sweep(env: &Env) -> String {
    std::thread::sleep(Duration::from_secs(61));
    env.sh("ctr-create --name z busybox true && ctr-rm z").run().ok();
    env.sh("cd $LONGSHORE_ROOT && find names tmp -mindepth 1").run().text()
}

#[expect(clippy::print_stderr, reason = "how far it is belongs into the log of the test")]
fn tell(text: &str) {
    eprintln!("{text}");
}

/// Disturbs each command: at each of its calls, or for `make test` every other one at one call that lies
/// this far into it, in percent.
fn each_case(blow: &str, sample: u32) {
    let only = std::env::var("LONGSHORE_SOAK_ONLY").unwrap_or_default();
    let mut env = Env::with_images(&["busybox"]);
    env.expect_leaks();
    let (mut all, mut report) = (0, String::new());
    for (case, n) in
        CASES.iter().zip(0..).filter(|(case, _)| format!("{blow} {}", case.command).contains(&only))
    {
        if !is_soak() && (n + sample) % 2 == 1 {
            continue;
        }
        let steps = if is_soak() { 1 + sample % each()..10_000 } else { one(1 + case.calls * sample / 100) };
        let (count, found) = disturb(&env, case, blow, steps.step_by(usize::try_from(each()).unwrap()));
        report.push_str(&found);
        all += count;
        if !is_soak() {
            assert_eq!(count, 1, "there are less than {} calls of {}", case.calls, case.command);
        }
    }
    if is_soak() && all > 0 {
        report.push_str(&left_after_a_sweep(&env));
    }
    assert!(report.is_empty(), "{all} calls disturbed by {blow}:\n{report}");
}

/// Only each so manyth call, where hours are too long.
fn each() -> u32 {
    std::env::var("LONGSHORE_SOAK_EACH").ok().and_then(|text| text.parse().ok()).unwrap_or(1).max(1)
}

const fn one(step: u32) -> std::ops::Range<u32> {
    step..step + 1
}

#[test]
fn a_command_that_is_killed_at_a_call_lies_about_nothing_and_leaves_nothing() {
    needs!(Root);
    for sample in if is_soak() { 0..1 } else { 0..4 } {
        each_case("kill", 23 * sample + 10);
    }
}

#[test]
fn a_call_that_fails_for_want_of_something_is_no_success() {
    needs!(Root);
    for (sample, errno) in (0..).zip(["ENOSPC", "EIO", "ENOMEM", "EINTR", "EMFILE"]) {
        each_case(errno, 21 * sample + 5);
    }
}
