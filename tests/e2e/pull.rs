//! Chapter 3: pull.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tests::Env;
use tests::http::{Fault, Registry};

/// What a foreign tool says the digest of a name in the local registry is.
fn digest_in_registry(env: &Env, name: &str) -> String {
    let line = format!(
        "skopeo inspect --raw --tls-verify=false docker://127.0.0.1:5000/{name} | sha256sum | cut -d' ' -f1"
    );
    format!("sha256:{}", env.sh(&line).run().ok().line())
}

/// The unpacked trees of a store.
fn trees(env: &Env) -> Vec<PathBuf> {
    let layers = fs::read_dir(env.root().join("layers/sha256")).into_iter().flatten();
    let mut trees: Vec<_> = layers.map(|e| e.unwrap().path().join("tree")).collect();
    trees.sort();
    trees
}

/// Everything about a tree but its top, one line a file, with the digest of its content.
fn describe(tree: &Path) -> String {
    let script = "cd \"$1\" && find . -mindepth 1 -printf '%P %y %m %U:%G %s %n %Ts %l\\n' | sed 's/ d \\([0-9]*\\) \\(\\S*\\) [0-9]* [0-9]*/ d \\1 \\2/' | sort; \
                  find . -type f -exec sha256sum {} + | sort";
    let out = Command::new("bash").args(["-c", script, "describe"]).arg(tree).output().unwrap();
    assert!(out.status.success());
    String::from_utf8_lossy(&out.stdout).into_owned()
}

#[test]
fn img_pull_httpd_is_docker_io_library_httpd_latest_and_prints_its_digest() {
    needs!(Root);
    let env = Env::online();
    let line = env.sh("img-pull httpd").run().ok().line();
    assert_eq!(line, format!("httpd@{}", digest_in_registry(&env, "library/httpd:latest")));
    env.sh("img-ls").run().ok().stdout_has("httpd").stdout_has("latest").stdout_lacks("docker.io");
}

#[test]
fn an_image_is_pulled_by_registry_name_and_tag() {
    needs!(Root);
    let env = Env::online();
    let line = env.sh("img-pull localhost:5000/library/busybox:1.36").run().ok().line();
    assert_eq!(
        line,
        format!("localhost:5000/library/busybox@{}", digest_in_registry(&env, "library/busybox:1.36"))
    );
    env.sh("img-ls").run().ok().stdout_has("localhost:5000/library/busybox").stdout_has("1.36");
}

#[test]
fn an_image_is_pulled_by_digest() {
    needs!(Root);
    let env = Env::online();
    let name = format!("busybox@{}", digest_in_registry(&env, "library/busybox:latest"));
    env.tool("img-pull").arg(&name).run().ok().stdout(format!("{name}\n"));
    // Without a tag, and there all the same.
    env.tool("ctr-run")
        .args(["--rm", "--network", "none", &name, "echo", "there"])
        .run()
        .ok()
        .stdout("there\n");
}

#[test]
fn gzip_zstd_plain_and_docker_forms_of_an_image_unpack_to_the_same_layer() {
    needs!(Root);
    let mut seen: Option<String> = None;
    for tag in ["latest", "zstd", "plain", "docker"] {
        let env = Env::online();
        env.tool("img-pull").arg(format!("busybox:{tag}")).run().ok();
        let trees = trees(&env);
        let [tree] = trees.as_slice() else { panic!("{tag}: {} layers", trees.len()) };
        let found = describe(tree);
        assert!(found.contains("bin/busybox f 755 0:0"), "{tag}: {found}");
        match &seen {
            None => seen = Some(found),
            Some(first) => assert!(*first == found, "{tag} differs:\n{found}\nfrom\n{first}"),
        }
    }
}

#[test]
fn the_same_layer_in_another_compression_is_unpacked_once() {
    needs!(Root);
    let env = Env::online();
    env.sh("img-pull busybox && img-pull busybox:zstd && img-pull busybox:plain").run().ok();
    assert_eq!(trees(&env).len(), 1);
    assert_eq!(env.sh("img-ls -q | wc -l").run().ok().line(), "3");
}

#[test]
fn every_file_of_an_image_is_as_a_foreign_tool_unpacks_it() {
    needs!(Root);
    let env = Env::online();
    env.tool("img-pull").arg("busybox").run().ok();
    env.sh(
        "skopeo copy -q --src-tls-verify=false docker://127.0.0.1:5000/library/busybox oci:foreign:busybox \
         && umoci unpack --image foreign:busybox bundle",
    )
    .run()
    .ok();
    let (ours, theirs) = (describe(&trees(&env)[0]), describe(&env.dir().join("bundle/rootfs")));
    assert!(ours == theirs, "ours:\n{ours}\ntheirs:\n{theirs}");
}

#[test]
fn a_foreign_tool_reads_our_images_in_place() {
    needs!(Root);
    let env = Env::online();
    let digest = env.sh("img-pull httpd").run().ok().line();
    env.sh("skopeo copy -q oci:$LONGSHORE_ROOT:docker.io/library/httpd:latest dir:out").run().ok();
    let theirs = env.sh("sha256sum out/manifest.json | cut -d' ' -f1").run().ok().line();
    assert!(digest.ends_with(&theirs), "{digest} {theirs}");
}

#[test]
fn an_index_gives_the_image_of_this_platform_or_of_the_one_that_is_asked_for() {
    needs!(Root);
    let env = Env::online();
    env.tool("img-pull").arg("busybox:multi").run().ok();
    let here = env.sh("dpkg --print-architecture").run().ok().line();
    env.sh("skopeo inspect oci:$LONGSHORE_ROOT:docker.io/library/busybox:multi | jq -r .Architecture")
        .run()
        .ok()
        .stdout(format!("{here}\n"));

    let env = Env::online();
    env.tool("img-pull").args(["--platform", "linux/arm64", "busybox:multi"]).run().ok();
    env.sh("skopeo inspect oci:$LONGSHORE_ROOT:docker.io/library/busybox:multi | jq -r .Architecture")
        .run()
        .ok()
        .stdout("arm64\n");
}

#[test]
fn whiteouts_hide_replace_and_empty() {
    needs!(Root);
    let env = Env::with_images(&["whiteouts"]);
    let script = "ls /etc; cat /etc/motd; ls /var; ls /home";
    env.tool("ctr-run")
        .args(["--rm", "--network", "none", "whiteouts", "sh", "-c", script])
        .run()
        .ok()
        .stdout("hostname\nhosts\nmotd\npasswd\nresolv.conf\nreplaced\nnew\n");
}

#[test]
fn an_anonymous_token_is_asked_for_where_the_registry_wants_one() {
    needs!(Root);
    let env = Env::new();
    let registry = Registry::start(env.machine(), "127.0.0.1:5001", Fault::Token);
    env.sh("img-pull 127.0.0.1:5001/library/hello")
        .run()
        .ok()
        .stdout(format!("127.0.0.1:5001/library/hello@{}\n", registry.digest()));
    assert!(registry.requests().iter().any(|r| r.path.starts_with("/token") && r.path.contains("scope=")));
}

#[test]
fn a_second_pull_fetches_no_blob() {
    needs!(Root);
    let env = Env::new();
    let registry = Registry::start(env.machine(), "127.0.0.1:5001", Fault::None);
    let blobs = || registry.requests().iter().filter(|r| r.path.contains("/blobs/")).count();
    env.sh("img-pull 127.0.0.1:5001/library/hello").run().ok();
    let first = blobs();
    assert!(first > 0);
    env.sh("img-pull 127.0.0.1:5001/library/hello").run().ok();
    assert_eq!(blobs(), first);
}

#[test]
fn a_download_that_is_cut_once_goes_on_where_it_was_cut() {
    needs!(Root);
    let env = Env::new();
    let registry = Registry::start(env.machine(), "127.0.0.1:5001", Fault::Cut { once: true });
    env.sh("img-pull 127.0.0.1:5001/library/hello || img-pull 127.0.0.1:5001/library/hello").run().ok();
    let layer = registry.layer().to_owned();
    let again = registry.requests().into_iter().rfind(|r| r.path.ends_with(&layer)).unwrap();
    assert!(again.headers.get("range").is_some_and(|r| r != "bytes=0-"), "{again:?}");
    assert_eq!(trees(&env).len(), 1);
}

#[test]
fn a_registry_that_is_busy_for_a_moment_is_asked_again() {
    needs!(Root);
    let env = Env::new();
    let _registry = Registry::start(env.machine(), "127.0.0.1:5001", Fault::StatusAtFirst(503, 1));
    env.sh("img-pull 127.0.0.1:5001/library/hello").run().ok();
}

#[test]
fn four_pulls_of_one_image_at_once_all_succeed() {
    needs!(Root);
    let env = Env::online();
    let pulls: Vec<_> = (0..4).map(|_| env.tool("img-pull").arg("httpd").start()).collect();
    let lines: Vec<_> = pulls.into_iter().map(|p| p.wait().ok().line()).collect();
    assert!(lines.iter().all(|l| *l == lines[0]));
    assert_eq!(env.sh("img-ls -q | wc -l").run().ok().line(), "1");
}

#[test]
fn progress_is_for_terminals_and_for_stderr() {
    needs!(Root);
    let env = Env::online();
    env.sh("img-pull busybox 2>words >results; wc -l <results; wc -c <words").run().ok().stdout("1\n0\n");
    let env = Env::online();
    let mut terminal = env.tool("img-pull").arg("httpd").on_a_terminal();
    terminal.expect("downloading");
    terminal.expect("httpd@sha256:");
    assert_eq!(terminal.wait(), 0);
}

#[test]
fn a_pull_that_is_killed_is_not_listed_and_the_next_one_succeeds() {
    needs!(Root);
    let mut env = Env::online();
    env.expect_leaks(); // of the killed ones; the last pull sweeps them
    for delay in [5, 20, 40, 80, 120, 200, 300] {
        let pull = env.tool("img-pull").arg("httpd").start();
        std::thread::sleep(Duration::from_millis(delay));
        pull.signal_if_there("KILL");
        drop(pull.wait());
        let listed = env.sh("img-ls -q").run().ok().text();
        if !listed.is_empty() {
            break; // it was quicker
        }
        assert!(
            !env.root().join("index.json").exists()
                || !fs::read_to_string(env.root().join("index.json")).unwrap().contains("httpd")
        );
    }
    env.sh("img-pull httpd").run().ok();
    env.sh("skopeo copy -q oci:$LONGSHORE_ROOT:docker.io/library/httpd:latest dir:out").run().ok();
    // What else was killed in the middle is swept when it is old enough to be nobody's.
    env.sh("ls $LONGSHORE_ROOT/partial; ls $LONGSHORE_ROOT/tmp | grep layer-").run().stdout("");
}
