//! containers-registries.conf(5), with two registries: Debian's on port 5000, one that has nothing on 5001.

use tests::Env;
use tests::http::{Fault, Registry};

/// A machine with both, and more lines in its registries.conf.
fn configured(conf: &str) -> (Env, Registry) {
    let env = Env::online();
    let path = env.root().parent().unwrap().join("registries.conf");
    // What is at the top of a TOML file belongs to no table; the first line says what is searched.
    let known = std::fs::read_to_string(&path).unwrap();
    let (first, tables) = known.split_once('\n').unwrap();
    let top = if conf.is_empty() { first } else { conf };
    std::fs::write(&path, format!("{top}\n{tables}")).unwrap();
    let empty = Registry::start(env.machine(), "127.0.0.1:5001", Fault::Status(404));
    (env, empty)
}

/// The same with a whole table.
fn with_rule(rule: &str) -> (Env, Registry) {
    let (env, empty) = configured("");
    let path = env.root().parent().unwrap().join("registries.conf");
    let known = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{known}\n{rule}\n")).unwrap();
    (env, empty)
}

#[test]
fn an_alias_leads_to_another_registry_for_every_tool() {
    needs!(Root);
    let (env, _empty) = with_rule("[aliases]\ntool = '127.0.0.1:5000/library/busybox'");
    // Its image is found by what the alias leads to.
    env.tool("ctr-run")
        .args(["--rm", "--network", "none", "tool", "echo", "there"])
        .run()
        .ok()
        .stdout("there\n");
    let line = env.sh("img-pull tool:1.36").run().ok().line();
    assert!(line.starts_with("127.0.0.1:5000/library/busybox@sha256:"), "{line}");
    env.sh("img-ls").run().ok().stdout_has("127.0.0.1:5000/library/busybox").stdout_lacks("tool");
    env.sh("img-tags tool").run().ok().stdout_has("1.36");
    env.sh("img-digest --remote --full-ref tool:1.36").run().ok().stdout(format!("{line}\n"));
    env.sh("img-inspect --remote tool").run().ok().stdout_has("127.0.0.1:5000/library/busybox");
}

#[test]
fn registries_are_searched_in_order() {
    needs!(Root);
    let (env, empty) =
        configured("unqualified-search-registries = ['127.0.0.1:5001', '127.0.0.1:5000/library']");
    let line = env.sh("img-pull busybox:1.36").run().ok().line();
    assert!(line.starts_with("127.0.0.1:5000/library/busybox@sha256:"), "{line}");
    assert!(
        empty.requests().iter().any(|r| r.path == "/v2/busybox/manifests/1.36"),
        "{:?}",
        empty.requests()
    );
    env.sh("img-pull no-such")
        .run()
        .status(1)
        .one_error(&["no-such", "404"])
        .stderr_has("before that: 127.0.0.1:5001/no-such");
    // A name with a registry is not searched for.
    env.sh("img-pull docker.io/library/busybox").run().ok().stdout_has("busybox@");
}

#[test]
fn a_registry_that_is_down_ends_a_search() {
    needs!(Root);
    let (env, _empty) =
        configured("unqualified-search-registries = ['127.0.0.1:5009', '127.0.0.1:5000/library']");
    env.sh("img-pull busybox").run().status(1).one_error(&["127.0.0.1:5009", "connection refused"]);
    let (env, _empty) = configured(
        "short-name-mode = 'enforcing'\nunqualified-search-registries = ['127.0.0.1:5001', '127.0.0.1:5000']",
    );
    env.sh("img-pull busybox").run().status(1).one_error(&["may be on any of"]);
}

#[test]
fn mirrors_are_asked_in_order_and_passed_over() {
    needs!(Root);
    let mirror = |host: &str| format!("[[registry.mirror]]\nlocation='{host}'\ninsecure=true\n");
    let rule = format!(
        "[[registry]]\nprefix='r.example/team'\nlocation='127.0.0.1:5009/nowhere'\n{}{}{}",
        mirror("127.0.0.1:5009/x"),
        mirror("127.0.0.1:5001/y"),
        mirror("127.0.0.1:5000/library")
    );
    let (env, empty) = with_rule(&rule);
    let line = env.sh("img-pull r.example/team/busybox:1.36").run().ok().line();
    assert!(line.starts_with("r.example/team/busybox@sha256:"), "{line}");
    assert!(empty.requests().iter().any(|r| r.path == "/v2/y/busybox/manifests/1.36"));
    env.sh("img-pull r.example/team/nope")
        .run()
        .status(1)
        .stderr_has("before that")
        .stderr_has("127.0.0.1:5001");
}

#[test]
fn a_location_is_elsewhere_and_a_block_is_a_block() {
    needs!(Root);
    let (env, _empty) = with_rule(
        "[[registry]]\nprefix='*.corp.example'\nlocation='127.0.0.1:5000'\n\
         [[registry]]\nprefix='evil.corp.example'\nblocked=true\n",
    );
    let line = env.sh("img-pull a.corp.example/library/busybox").run().ok().line();
    assert!(line.starts_with("a.corp.example/library/busybox@sha256:"), "{line}");
    env.sh("img-pull evil.corp.example/library/busybox").run().status(1).one_error(&["blocked"]);
}

#[test]
fn a_file_of_version_1_is_refused_by_name() {
    needs!(Root);
    let (env, _empty) = with_rule("[registries.search]\nregistries = ['a.example']");
    env.sh("img-pull busybox").run().one_error(&["registries.conf", "version 1"]);
}
