//! Pipes: what one tool prints, the next can read.

use std::time::Duration;

use tests::Env;

const CURL: &str = "curl -fsS --max-time 5 --retry 20 --retry-delay 0 --retry-all-errors --retry-connrefused";

#[test]
fn pull_create_forward_bind_and_start_in_one_line() {
    needs!(Root);
    let env = Env::online();
    env.write("site/index.html", "piped\n");
    env.sh("img-pull httpd | ctr-create --name web - | net-forward - 8080:80 | vol-bind - ./site:/usr/local/apache2/htdocs | ctr-start -")
        .run()
        .ok()
        .stderr("");
    env.sh(&format!("{CURL} http://127.0.0.1:8080")).run().ok().stdout("piped\n");
}

#[test]
fn a_filtered_list_is_stopped_and_removed() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.sh("for n in 1 2 3; do ctr-run -d -l job=test busybox sleep 60; done; ctr-run -d -l job=other busybox sleep 60").run().ok();
    env.sh("ctr-ls -q --filter label=job=test | ctr-stop - | ctr-rm -").run().ok();
    env.sh("ctr-ls -aq | wc -l").run().ok().stdout("1\n");
}

#[test]
fn records_go_through_jq_and_back() {
    needs!(Root);
    let env = Env::with_images(&["busybox", "tiny:1"]);
    env.sh("ctr-create --name a busybox true; ctr-create --name b tiny:1").run().ok();
    env.sh("ctr-ls -a --json | jq -c 'select(.Image == \"busybox\")' | ctr-rm -").run().ok();
    env.sh("ctr-ls -a --json | jq -r .Name").run().ok().stdout("b\n");
}

#[test]
fn nothing_on_stdin_is_nothing_to_do() {
    needs!(Root);
    let env = Env::new();
    for tool in ["ctr-stop", "ctr-rm", "ctr-start", "ctr-kill", "img-rm", "vol-rm"] {
        env.tool(tool).arg("-").run().ok().stdout("").stderr("");
    }
}

#[test]
fn names_may_end_with_nul() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.sh(
        "ctr-create --name a busybox true; ctr-create --name b busybox true; printf 'a\\0b\\0' | ctr-rm -0 -",
    )
    .run()
    .ok();
    env.sh("ctr-ls -aq").run().ok().stdout("");
}

#[test]
fn a_closed_pipe_ends_a_tool_quietly() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.sh("for n in 1 2 3 4 5; do ctr-create busybox true; done | tail -1").run().ok();
    env.sh("ctr-ls -a | true; ctr-ls -a --json | head -1 >/dev/null").run().stderr("");
    env.sh("ctr-run --network none busybox yes | head -1")
        .within(Duration::from_secs(10))
        .run()
        .stdout("y\n");
}
