//! Chapter 4: look.

use std::time::Duration;

use tests::Env;

#[test]
fn containers_are_listed_with_dockers_columns() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.sh("ctr-run -d --name one -p 8080:80 busybox sleep 60; ctr-run --name two busybox sh -c 'exit 3'")
        .run()
        .status(3);
    let text = env.sh("ctr-ls").run().ok().text();
    let heads: Vec<_> =
        text.lines().next().unwrap().split("   ").map(str::trim).filter(|w| !w.is_empty()).collect();
    assert_eq!(heads, ["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"]);
    assert!(text.contains("one") && !text.contains("two"), "{text}");
    assert!(text.contains("Up ") && text.contains("8080->80/tcp") && text.contains("\"sleep 60\""), "{text}");
    let all = env.sh("ctr-ls -a").run().ok().text();
    assert!(all.contains("two") && all.contains("Exited (3)"), "{all}");
}

#[test]
fn a_list_is_filtered_by_name_status_label_and_image() {
    needs!(Root);
    let env = Env::with_images(&["busybox", "tiny:1"]);
    env.sh("ctr-run -d --name runs -l job=test busybox sleep 60; ctr-run --name ended busybox true; \
         ctr-create --name made -l job=other tiny:1")
        .run()
        .ok();
    for (filter, names) in [
        ("name=run", "runs"),
        ("status=running", "runs"),
        ("status=exited", "ended"),
        ("status=created", "made"),
        ("label=job", "made runs"),
        ("label=job=test", "runs"),
        ("ancestor=busybox", "ended runs"),
        ("ancestor=tiny:1", "made"),
        ("name=nothing", ""),
    ] {
        for list in ["--json | jq -r .Name", "| awk 'NR > 1 { print $NF }'"] {
            let line = format!("ctr-ls -a -f {filter} {list} | sort | xargs");
            env.sh(&line).run().ok().stdout(format!("{names}\n"));
        }
    }
    env.sh("ctr-ls -f colour=red").run().status(2).one_error(&["colour"]);
}

#[test]
fn a_table_shows_what_changes_while_a_container_runs_and_labels_of_any_length() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.sh("ctr-run -d --name c -l long=$(printf %05000d 0) -p 8080:80 busybox sleep 60").run().ok();
    env.sh("net-forward c 9090:90").run().ok();
    let table = env.sh("ctr-ls -f label=long").run().ok().text();
    assert!(table.contains("8080->80/tcp") && table.contains("9090->90/tcp"), "{table}");
    env.sh("net-forward --rm c 8080").run().ok();
    let table = env.sh("ctr-ls -f label=long").run().ok().text();
    assert!(!table.contains("8080") && table.contains("9090->90/tcp"), "{table}");
    env.sh("! grep -q brief \"$LONGSHORE_ROOT/containers/$(ctr-inspect c | jq -r .Id)/run.jsonl\"")
        .run()
        .ok();
}

#[test]
fn logs_keep_the_streams_apart_and_are_cut_as_asked() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.sh("ctr-run --name l busybox sh -c 'echo one; sleep 0.1; echo two >&2; sleep 0.1; echo three'")
        .run()
        .ok();
    env.sh("ctr-logs l").run().ok().stdout("one\nthree\n").stderr("two\n");
    env.sh("ctr-logs -n 1 l").run().ok().stdout("three\n").stderr("");
    env.sh("ctr-logs -n all l").run().ok().stdout("one\nthree\n");
    let stamped = env.sh("ctr-logs -t l").run().ok().text();
    assert!(stamped.lines().all(|l| l.starts_with("20") && l.contains("Z ")), "{stamped}");
    env.sh("ctr-logs --since 1h l").run().ok().stdout("one\nthree\n");
    env.sh("sleep 1.1; ctr-logs --since 1s l").run().ok().stdout("").stderr("");
}

#[test]
fn following_a_log_shows_new_lines_and_ends_with_the_container() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.sh("ctr-run -d --name f busybox sh -c 'echo a; sleep 0.5; echo b; sleep 0.5; echo c'").run().ok();
    env.sh("ctr-logs -f f").run().ok().stdout("a\nb\nc\n").took_less_than(Duration::from_secs(5));
}

#[test]
fn the_log_has_every_byte_of_a_quick_writer_in_order() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.sh("ctr-run --name w --network none busybox seq 1 200000 | sha256sum >direct; seq 1 200000 | sha256sum | diff - direct").run().ok();
    env.sh("ctr-logs w | sha256sum | diff - direct").run().ok();
}

#[test]
fn inspect_says_what_was_asked_for_and_what_has_become_of_it() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.sh("ctr-run --name i -l k=v -e A=b -m 64m busybox sh -c 'exit 4'").run().status(4);
    let record = env.sh("ctr-inspect i").run().ok().json();
    assert_eq!(record["Name"], "i");
    assert_eq!(record["State"]["Status"], "exited");
    assert_eq!(record["State"]["ExitCode"], 4);
    assert_eq!(record["Config"]["Labels"]["k"], "v");
    env.sh("ctr-inspect nobody").run().status(1).one_error(&["nobody"]);
}

#[test]
fn a_listed_record_is_part_of_the_inspected_one() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.sh("ctr-run -d --name i busybox sleep 60").run().ok();
    let listed = env.sh("ctr-ls --json").run().ok().json();
    let inspected = env.sh("ctr-inspect i").run().ok().json();
    assert_eq!(listed["Id"], inspected["Id"]);
    assert_eq!(listed["Name"], inspected["Name"]);
}

#[test]
fn an_id_may_be_shortened_while_it_is_clear() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    let id = env.sh("ctr-create busybox true").run().ok().line();
    env.sh(&format!("ctr-inspect {} | jq -r .Id", &id[..6])).run().ok().stdout(format!("{id}\n"));
}
