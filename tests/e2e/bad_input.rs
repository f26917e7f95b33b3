//! Bad input: one line that says what, which and why; the right status; nothing left behind or lost.

use std::fs;
use std::time::Duration;

use tests::Env;
use tests::http::{Fault, Registry};

/// A pull from a registry with a fault, which must fail with one line and leave no image.
#[track_caller]
fn pull_fails(fault: Fault, parts: &[&str]) {
    pull_ends(1, fault, parts);
}

/// The same with the status that it must have: 75 if it may succeed later.
#[track_caller]
fn pull_ends(status: i32, fault: Fault, parts: &[&str]) {
    let env = Env::new();
    let _registry = Registry::start(env.machine(), "127.0.0.1:5001", fault);
    env.sh("img-pull 127.0.0.1:5001/library/hello").run().status(status).one_error(parts);
    env.sh("img-ls -q").run().ok().stdout("");
    env.sh("find $LONGSHORE_ROOT/layers/sha256 $LONGSHORE_ROOT/tmp -mindepth 1").run().stdout("");
}

#[test]
fn an_unknown_image_or_tag() {
    needs!(Root);
    let env = Env::online();
    env.sh("img-pull no-such-image").run().status(1).one_error(&["no-such-image"]);
    env.sh("img-pull busybox:no-such-tag").run().status(1).one_error(&["busybox:no-such-tag"]);
    env.sh("ctr-run --rm no-such-image").run().status(125).stdout("").stderr_has("no-such-image");
    env.sh("img-rm no-such-image").run().status(1).one_error(&["no-such-image"]);
    env.sh("ctr-ls -aq; img-ls -q").run().ok().stdout("");
}

#[test]
fn an_unknown_registry_and_an_unreachable_host() {
    needs!(Root);
    let env = Env::new();
    let name = "img-pull registry.invalid/some/image";
    env.sh(name).run().status(1).one_error(&["registry.invalid"]).took_less_than(Duration::from_secs(20));
    let name = "img-pull 127.0.0.1:5001/some/image";
    env.sh(name).run().status(1).one_error(&["127.0.0.1:5001"]).took_less_than(Duration::from_secs(20));
}

#[test]
fn a_digest_that_is_not_the_contents() {
    needs!(Root);
    pull_fails(Fault::Flipped, &["digest"]);
    pull_fails(Fault::FlippedConfig, &["blob"]);
    let env = Env::new();
    let registry = Registry::start(env.machine(), "127.0.0.1:5001", Fault::FlippedManifest);
    let name = format!("127.0.0.1:5001/library/hello@{}", registry.digest());
    env.tool("img-pull").arg(name).run().status(1).one_error(&["digest"]);
}

#[test]
fn a_blob_that_is_too_short_or_too_long() {
    needs!(Root);
    pull_fails(Fault::Short, &["ended after"]);
    pull_fails(Fault::Long, &["blob"]);
}

#[test]
fn a_download_that_is_always_cut() {
    needs!(Root);
    pull_ends(75, Fault::Cut { once: false }, &["connection broke"]);
}

#[test]
fn a_manifest_of_the_wrong_type() {
    needs!(Root);
    pull_fails(Fault::Page, &["text/html"]);
    pull_fails(Fault::UnknownType, &["vnd.example.future"]);
}

#[test]
fn an_image_that_has_no_platform_of_ours() {
    needs!(Root);
    pull_fails(Fault::NoPlatform, &["linux/z80"]);
}

#[test]
fn a_registry_that_refuses_or_fails() {
    needs!(Root);
    pull_fails(Fault::Status(401), &["401"]);
    pull_fails(Fault::Status(403), &["403"]);
    pull_fails(Fault::Status(404), &["hello"]);
    pull_ends(75, Fault::Status(429), &["429"]);
    pull_ends(75, Fault::Status(500), &["500"]);
}

#[test]
fn a_layer_that_wants_out_of_its_directory() {
    needs!(Root);
    let env = Env::new();
    let _registry = Registry::start(env.machine(), "127.0.0.1:5001", Fault::Escape);
    drop(env.sh("img-pull 127.0.0.1:5001/library/hello").run());
    env.sh("find $LONGSHORE_ROOT/.. -name escaped -not -path '*/tree/*'").run().ok().stdout("");
}

#[test]
fn a_disk_that_is_full_while_unpacking() {
    needs!(Root);
    let env = Env::online();
    env.sh("mount -t tmpfs -o size=30m,mode=755 full $LONGSHORE_ROOT").run().ok();
    env.sh("img-pull httpd").run().status(1).one_error(&["space left"]);
    env.sh("img-ls -q").run().ok().stdout("");
    env.sh("du -sk $LONGSHORE_ROOT/tmp $LONGSHORE_ROOT/layers | awk '$1 > 64'").run().ok().stdout("");
    env.sh("mount -o remount,size=300m $LONGSHORE_ROOT && img-pull httpd").run().ok();
    env.sh("umount $LONGSHORE_ROOT").run().ok();
}

#[test]
fn references_that_are_none() {
    needs!(Root);
    let env = Env::online();
    for name in
        ["UPPER", "a b", "busybox:", ":tag", "busybox@sha256:12", "busybox:a/b", "http://host/image", ""]
    {
        env.tool("img-pull").arg(name).run().status(1).one_error(&[]);
        env.tool("ctr-run").args(["--rm", name]).run().status(125).one_error(&[]);
    }
}

#[test]
fn ports_that_are_none() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    for port in [
        "",
        "abc",
        "70000:80",
        "80:70000",
        "80:80/icmp",
        "8000-8010:80-85",
        "1.2.3:80:80",
        "0",
        "80:0",
        "-1:80",
    ] {
        let flag = format!("--publish={port}");
        env.tool("ctr-run").args(["--rm", &flag, "busybox", "true"]).run().status(125).one_error(&[]);
        env.tool("net-forward").args(["nobody", "--", port]).run().status_is_not(0);
    }
    env.sh("ctr-ls -aq").run().ok().stdout("");
}

#[test]
fn volumes_and_mounts_that_are_none() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    for volume in ["", "./x:relative", "a:/b:c:d", "/x:/y:maybe", "!bad:/x", "x:/", ":/x"] {
        let flag = format!("--volume={volume}");
        env.tool("ctr-run").args(["--rm", &flag, "busybox", "true"]).run().status(125).one_error(&[]);
    }
    for mount in [
        "",
        "type=tape,dst=/x",
        "type=bind,dst=/x",
        "type=bind,src=/etc",
        "type=bind,src=/etc,dst=/x,colour=red",
        "dst=relative",
    ] {
        let flag = format!("--mount={mount}");
        env.tool("ctr-run").args(["--rm", &flag, "busybox", "true"]).run().status(125).one_error(&[]);
    }
    env.sh("ctr-ls -aq; vol-ls -q").run().ok().stdout("");
}

#[test]
fn a_source_that_is_not_there() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    let line = "ctr-run --rm --mount type=bind,src=/no/such/dir,dst=/x busybox true";
    env.sh(line).run().status(125).one_error(&["/no/such/dir"]);
    env.sh("ctr-run -d --name c busybox sleep 60").run().ok();
    env.sh("vol-bind c /no/such/dir:/x").run().status(1).one_error(&["/no/such/dir"]);
    env.sh("vol-bind --rm c /never/bound").run().status(1).one_error(&["/never/bound"]);
    assert!(!std::path::Path::new("/no/such/dir").exists());
}

#[test]
fn values_that_follow_no_grammar() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    for option in [
        "--memory=lots",
        "--memory=1k",
        "--cpus=-1",
        "--cpus=many",
        "--ulimit=nofile",
        "--ulimit=nothing=1",
        "--cap-add=FLY",
        "--env==x",
        "--name=-bad",
        "--name=a/b",
        "--stop-signal=SIGNOTHING",
        "--security-opt=magic",
        "--add-host=nobody",
        "--dns=nobody",
        "--hostname=a b",
        "--workdir=relative",
        "--platform=",
        "--env-file=/no/such/file",
        "--pull=sometimes",
    ] {
        env.tool("ctr-run").args(["--rm", option, "busybox", "true"]).run().status(125).stdout("");
    }
    env.sh("ctr-ls -aq").run().ok().stdout("");
}

#[test]
fn a_name_that_is_taken() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    env.sh("ctr-create --name web busybox true").run().ok();
    env.sh("ctr-create --name web busybox true").run().status(125).one_error(&["web"]);
    env.sh("ctr-run --name web busybox true").run().status(125).one_error(&["web"]);
    env.sh("ctr-ls -aq | wc -l").run().ok().stdout("1\n");
    env.sh("vol-create data").run().ok();
    env.sh("vol-create data").run().ok().stdout("data\n"); // as Docker: it is there, which is what was wanted
}

#[test]
fn a_container_or_volume_that_nobody_knows() {
    needs!(Root);
    let env = Env::new();
    for line in [
        "ctr-start nobody",
        "ctr-stop nobody",
        "ctr-kill nobody",
        "ctr-rm nobody",
        "ctr-wait nobody",
        "ctr-logs nobody",
        "ctr-inspect nobody",
        "net-forward nobody 80:80",
        "net-forward nobody",
        "vol-bind nobody /tmp:/x",
        "vol-rm nobody",
    ] {
        env.sh(line).run().status(1).one_error(&["\"nobody\""]);
    }
    env.sh("ctr-rm ../../etc").run().status_is_not(0);
    env.sh("vol-rm ../../etc").run().status_is_not(0);
}

#[test]
fn a_beginning_that_several_containers_share() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    // Seventeen ids share a first digit at least once.
    env.sh("for n in $(seq 17); do ctr-create busybox true; done").run().ok();
    let ids = env.sh("ctr-ls -aq").run().ok().text();
    let mut firsts: Vec<char> = ids.lines().filter_map(|id| id.chars().next()).collect();
    firsts.sort_unstable();
    let shared = firsts.windows(2).find(|w| w[0] == w[1]).unwrap()[0];
    env.tool("ctr-inspect").arg(shared.to_string()).run().status(1).one_error(&["ambiguous"]);
    env.sh("ctr-ls -aq | ctr-rm -").run().ok();
}

#[test]
fn not_enough_privilege() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    let nobody = "setpriv --reuid 65534 --regid 65534 --clear-groups";
    env.sh(&format!("{nobody} ctr-run --rm busybox true"))
        .run()
        .status(125)
        .one_error(&[])
        .stderr_has("hint: ");
    env.sh(&format!("{nobody} img-rm busybox")).run().status_is_not(0);
    env.sh("ctr-run --rm --network none busybox echo still").run().ok().stdout("still\n");
}

#[test]
fn a_kernel_without_the_new_mount_calls() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    let line =
        "strace -f -qq -o /dev/null -e inject=fsopen:error=ENOSYS ctr-run --rm --network none busybox true";
    env.sh(line).run().status(125).stdout("").stderr_has("ctr-run: ");
    env.sh("ctr-ls -aq").run().ok().stdout("");
}

#[test]
fn an_unknown_version_of_the_store() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    let path = env.root().join("store.json");
    let old = fs::read_to_string(&path).unwrap();
    // The store of this test is linked to that of the others: replaced, not overwritten.
    fs::remove_file(&path).unwrap();
    fs::write(&path, "{\"version\": 99}").unwrap();
    env.sh("ctr-ls").run().status(125).one_error(&["99"]);
    env.sh("img-rm busybox").run().status(125);
    fs::write(&path, old).unwrap();
    env.sh("ctr-run --rm --network none busybox echo still").run().ok().stdout("still\n");
}

#[test]
fn a_record_that_is_damaged_does_not_hide_the_others() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    let id = env.sh("ctr-create --name broken busybox true").run().ok().line();
    env.sh("ctr-create --name whole busybox true").run().ok();
    fs::write(env.root().join("containers").join(&id).join("record.json"), "{\"id\": ").unwrap();
    env.sh("ctr-ls -a --json | jq -r .Name").run().stdout_has("whole");
    env.sh(&format!("ctr-rm -f {id}")).run().ok();
    env.sh("ctr-ls -a --json | jq -r .Name").run().ok().stdout("whole\n");
}

#[test]
fn options_of_dockers_that_are_not_there_yet_are_refused_by_name() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    for option in
        ["--restart=always", "--health-cmd=true", "--gpus=all", "--device=/dev/null", "--log-driver=none"]
    {
        env.tool("ctr-run")
            .args(["--rm", option, "busybox", "true"])
            .run()
            .status(125)
            .stderr_has(&option[..option.find('=').unwrap()]);
    }
}
