//! What `ctr-ls` and `ctr-logs` are asked beyond the course.

use tests::Env;

#[test]
fn a_list_is_filtered_by_age_volume_network_port_and_status() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.sh("ctr-create --name a -v data:/d --network none busybox true; \
         ctr-run --name b -p 8080:80 busybox sh -c 'exit 7' || ctr-run -d --name c -p 53:53/udp busybox sleep 60")
        .run()
        .ok();
    for (filter, names) in [
        ("-f before=b", "a"),
        ("-f since=a", "b c"),
        ("-f before=c -f since=a", "b"),
        ("-a -f volume=data", "a"),
        ("-a -f volume=/d", "a"),
        ("-a -f network=none", "a"),
        ("-a -f network=bridge", "b c"),
        ("-a -f publish=80", "b"),
        ("-a -f publish=8000-9000", "b"),
        ("-a -f publish=53/udp", "c"),
        ("-a -f publish=53/tcp", ""),
        ("-f exited=7", "b"),
        ("-f exited=0", ""),
        ("-f status=created -f status=running", "a c"),
        ("-f name=^/?[ab]$ -a", "a b"),
        ("-n 2", "b c"),
        ("-l", "c"),
        ("", "c"),
    ] {
        // The table is made of less than the records are, and must say the same.
        for list in ["--json | jq -r .Name", "| awk 'NR > 1 { print $NF }'"] {
            env.sh(&format!("ctr-ls {filter} {list} | sort | xargs")).run().ok().stdout(format!("{names}\n"));
        }
    }
    for bad in ["status=up", "exited=x", "publish=http", "name=(", "label"] {
        env.sh(&format!("ctr-ls -f '{bad}'")).run().status(2).one_error(&["bad filter"]);
    }
    env.sh("ctr-ls -f before=nobody").run().status(1).one_error(&["nobody"]);
}

#[test]
fn a_damaged_container_is_reported_and_the_others_are_listed() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.sh("ctr-create --name whole busybox true; ctr-create --name broken busybox true").run().ok();
    env.sh("echo '{' >\"$LONGSHORE_ROOT/containers/$(ctr-inspect broken | jq -r .Id)/record.json\"")
        .run()
        .ok();
    env.sh("ctr-ls -a --json | jq -r .Name").run().stdout("whole\n");
    env.sh("ctr-ls -aq").run().status(1).stderr_has("record.json");
    env.sh("rm -r \"$LONGSHORE_ROOT\"/containers/* \"$LONGSHORE_ROOT\"/names/*").run().ok();
}

#[test]
fn a_rotated_log_is_read_whole_and_followed() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    // About 25 MB in the log: two rotations.
    env.sh("ctr-run -d --name w --network none busybox sh -c 'seq 1 450000; sleep 0.3; echo end'").run().ok();
    env.sh("ctr-logs -f w | tail -1").run().ok().stdout("end\n");
    env.sh("ctr-logs w | head -1").run().stdout_has("\n").stderr("");
    env.sh("ctr-logs -n 400001 w | head -1").run().stdout("50001\n");
    env.sh("ctr-logs -n 3 w").run().ok().stdout("449999\n450000\nend\n");
}

#[test]
fn a_log_is_cut_by_time() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.sh("ctr-run --name t --network none busybox sh -c 'echo a; sleep 1.2; echo b'").run().ok();
    let stamps = env.sh("ctr-logs -t t").run().ok().text();
    let second = stamps.lines().nth(1).unwrap().split(' ').next().unwrap().to_owned();
    env.sh(&format!("ctr-logs --since {second} t")).run().ok().stdout("b\n");
    env.sh(&format!("ctr-logs --until {second} t")).run().ok().stdout("a\nb\n");
    env.sh("ctr-logs --until 1h t").run().ok().stdout("");
    env.sh("ctr-logs --since 2020-01-01 --until $(date +%s) t").run().ok().stdout_has("a\n");
    env.sh("ctr-logs --since yesterday t").run().status(2).stderr_has("yesterday");
    env.sh("ctr-logs -n three t").run().status(2).stderr_has("three");
}

#[test]
fn a_reader_that_goes_away_ends_a_follower() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.sh("ctr-run -d --name y --network none busybox sh -c 'while :; do echo x; sleep 0.05; done'")
        .run()
        .ok();
    env.sh("timeout 10 ctr-logs -f y | head -2").run().stdout("x\nx\n").stderr("");
}
