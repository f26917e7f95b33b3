//! Pushing to a registry that can be written, with and without a login.

use std::time::{Duration, Instant};

use tests::{Env, Running};

/// The password `secret` of the user `team`, as docker-registry wants it: by bcrypt.
const HTPASSWD: &str = "team:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n";

/// An empty docker-registry at 127.0.0.1:5001; with `login`, for the user `team` only.
pub struct Writable<'e> {
    running: Option<Running<'e>>,
}

impl<'e> Writable<'e> {
    pub fn start(env: &'e Env, login: bool) -> Self {
        env.write("htpasswd", HTPASSWD);
        let auth = if login { "auth: {htpasswd: {realm: test, path: htpasswd}}\n" } else { "" };
        env.write(
            "registry.yml",
            format!(
                "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nstorage: {{filesystem: \
                 {{rootdirectory: storage}}}}\nhttp: {{addr: '127.0.0.1:5001'}}\n{auth}"
            ),
        );
        let serve = env.program("docker-registry").args(["serve", "registry.yml"]);
        let running = serve.var("OTEL_TRACES_EXPORTER", "none").within(Duration::from_secs(120)).start();
        let writable = Self { running: Some(running) };
        let begun = Instant::now();
        while env.sh("curl -s -o ping http://127.0.0.1:5001/v2/").run().code() != 0 {
            assert!(begun.elapsed() < Duration::from_secs(20), "the registry does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        writable
    }
}

impl Drop for Writable<'_> {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.signal_if_there("KILL");
            drop(running.wait());
        }
    }
}

#[test]
fn what_is_pushed_is_what_foreign_tools_find() {
    needs!(Root);
    let env = Env::with_images(&["whiteouts", "busybox:zstd"]);
    let _registry = Writable::start(&env, false);
    for name in ["whiteouts", "busybox:zstd"] {
        let there = format!("127.0.0.1:5001/{name}");
        let manifest = env.sh(&format!("img-inspect {name} | jq -r .Manifest")).run().ok().line();
        let repository = there.trim_end_matches(":zstd");
        env.sh(&format!("img-tag {name} {there} | img-push -"))
            .run()
            .ok()
            .stdout(format!("{repository}@{manifest}\n"));
        let line =
            format!("skopeo inspect --raw --tls-verify=false docker://{there} | sha256sum | cut -d' ' -f1");
        assert_eq!(format!("sha256:{}", env.sh(&line).run().ok().line()), manifest);
        env.sh(&format!("rm -rf all && skopeo copy -q --src-tls-verify=false docker://{there} dir:all"))
            .run()
            .ok();
        // And what we find ourselves.
        env.sh(&format!("img-pull --root other --run other-run {there}"))
            .run()
            .ok()
            .stdout(format!("{repository}@{manifest}\n"));
    }
}

#[test]
fn blobs_that_are_there_are_not_sent_again_and_others_are_mounted() {
    needs!(Root);
    let env = Env::with_images(&["busybox", "whiteouts"]);
    let _registry = Writable::start(&env, false);
    env.sh("img-tag busybox 127.0.0.1:5001/base; img-push 127.0.0.1:5001/base").run().ok();
    let uploads = |env: &Env| env.sh("find storage -name startedat | wc -l").run().ok().line();
    // whiteouts is busybox and one layer more: that one and the configuration are new.
    env.sh("img-tag whiteouts 127.0.0.1:5001/more; img-push 127.0.0.1:5001/more").run().ok();
    let lines = env.sh("strace -f -qq -s 120 -e trace=sendto,write,writev -o trace img-push 127.0.0.1:5001/more; \
                        grep -c 'PUT /v2/more/blobs' trace; grep -c 'POST /v2/more' trace; grep -c 'PUT /v2/more/manifests' trace");
    lines.run().stdout_has("\n0\n0\n1\n");
    assert_eq!(uploads(&env), "0");
    // A mount leaves a link and sends no body.
    env.sh("img-tag busybox 127.0.0.1:5001/copy").run().ok();
    env.sh("strace -f -qq -s 120 -e trace=sendto,write,writev -o trace img-push 127.0.0.1:5001/copy; \
            grep -c 'PUT /v2/copy/blobs' trace; grep -c 'mount=' trace")
        .run()
        .stdout_has("\n0\n2\n");
}

#[test]
fn a_blob_is_sent_whole_or_in_pieces() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    let _registry = Writable::start(&env, false);
    env.sh("img-tag busybox 127.0.0.1:5001/a 127.0.0.1:5001/b").run().ok();
    env.sh("strace -f -qq -s 120 -e trace=sendto,write,writev -o trace img-push --chunk-size 100k 127.0.0.1:5001/a; \
            test $(grep -c 'PATCH /v2/a/blobs' trace) -gt 3")
        .run()
        .ok();
    env.sh("img-rm 127.0.0.1:5001/a; rm -r storage").run().ok();
    env.sh("strace -f -qq -s 120 -e trace=sendto,write,writev -o trace img-push 127.0.0.1:5001/b; ! grep PATCH trace")
        .run()
        .ok();
    env.sh("img-push --chunk-size none 127.0.0.1:5001/b").run().status(2).one_error(&["chunk-size"]);
}

#[test]
fn layers_are_compressed_as_the_registry_is_to_have_them() {
    needs!(Root);
    let env = Env::with_images(&["whiteouts", "busybox:docker"]);
    let _registry = Writable::start(&env, false);
    env.sh("img-tag whiteouts 127.0.0.1:5001/w:1 127.0.0.1:5001/w:2 127.0.0.1:5001/w:3").run().ok();
    let kept = || {
        env.sh("cd $LONGSHORE_ROOT && find blobs layers index.json tmp -type f | sort | xargs sha256sum | sha256sum").run().ok().line()
    };
    let before = kept();
    let raw = |tag: &str| {
        env.sh(&format!("skopeo inspect --raw --tls-verify=false docker://127.0.0.1:5001/w:{tag}"))
            .run()
            .ok()
            .json()
    };
    let layers = |tag: &str| raw(tag)["layers"].as_array().unwrap().clone();
    let pushed = env.sh("img-push --compression zstd:3 127.0.0.1:5001/w:1").run().ok().line();
    let listed = env.sh("img-digest --remote 127.0.0.1:5001/w:1").run().ok().line();
    assert!(pushed.ends_with(&listed), "{pushed} {listed}");
    assert_eq!(raw("1")["mediaType"], "application/vnd.oci.image.manifest.v1+json");
    for layer in layers("1") {
        assert_eq!(layer["mediaType"], "application/vnd.oci.image.layer.v1.tar+zstd");
        let line = format!(
            "curl -s http://127.0.0.1:5001/v2/w/blobs/{} | tee blob | sha256sum | cut -d' ' -f1; stat -c %s blob; zstd -t -q <blob",
            layer["digest"].as_str().unwrap()
        );
        let said = format!("{}\n{}\n", &layer["digest"].as_str().unwrap()[7..], layer["size"]);
        env.sh(&line).run().ok().stdout(&said);
    }
    // The same image, with the same files, for us and for others.
    env.sh("img-pull -q --root other --run other-run 127.0.0.1:5001/w:1").run().ok();
    let id =
        |root: &str| env.sh(&format!("img-inspect {root} 127.0.0.1:5001/w:1 | jq -r .Id")).run().ok().line();
    assert_eq!(id("--root other"), id(""));
    let files = |of: &str| env.sh(&format!("img-export {of} | sha256sum")).run().ok().line();
    assert_eq!(files("--root other 127.0.0.1:5001/w:1"), files("whiteouts"));
    env.sh("skopeo copy -q --src-tls-verify=false docker://127.0.0.1:5001/w:1 oci:copy:1").run().ok();
    // What is compressed so already is not touched; a level compresses all anew, always to the same bytes.
    env.sh("img-push --compression gzip 127.0.0.1:5001/w:2").run().ok();
    let ours = env.sh("img-inspect --raw whiteouts").run().ok().json();
    assert_eq!(layers("2"), *ours["layers"].as_array().unwrap());
    let again = |level: u32| {
        env.sh(&format!("img-push --compression gzip:{level} 127.0.0.1:5001/w:3")).run().ok();
        layers("3")
    };
    let (weak, strong) = (again(1), again(9));
    assert!(weak[0]["size"].as_u64() > strong[0]["size"].as_u64());
    assert_eq!(again(1), weak);
    assert_eq!(kept(), before);
    env.sh("img-push --compression xz 127.0.0.1:5001/w:1").run().status(2).one_error(&["bad compression"]);
    // Docker's manifests stay Docker's, as long as they have a word for it.
    env.sh("img-tag busybox:docker 127.0.0.1:5001/w:4 && img-push --compression gzip:1 127.0.0.1:5001/w:4")
        .run()
        .ok();
    assert_eq!(raw("4")["mediaType"], "application/vnd.docker.distribution.manifest.v2+json");
    assert_eq!(layers("4")[0]["mediaType"], "application/vnd.docker.image.rootfs.diff.tar.gzip");
    env.sh("img-push --compression zstd 127.0.0.1:5001/w:4").run().ok();
    assert_eq!(raw("4")["mediaType"], "application/vnd.oci.image.manifest.v1+json");
    assert_eq!(raw("4")["config"]["mediaType"], "application/vnd.oci.image.config.v1+json");
    env.sh("img-pull -q --root other --run other-run 127.0.0.1:5001/w:4").run().ok();
    assert_eq!(files("--root other 127.0.0.1:5001/w:4"), files("busybox:docker"));
    // What is damaged here does not become somebody else's, even if it can be read: the time in a header.
    let blob = env.sh("img-path --blobs whiteouts | sed -n 1p").run().ok().line();
    env.sh(&format!("cp {blob} b && printf x | dd of=b bs=1 seek=4 conv=notrunc status=none && mv b {blob}"))
        .run()
        .ok();
    env.sh("img-push --compression zstd 127.0.0.1:5001/w:3")
        .run()
        .status(1)
        .one_error(&["compress", "its content has digest"]);
    assert_eq!(layers("3"), weak);
}

#[test]
fn all_tags_of_a_repository_are_pushed() {
    needs!(Root);
    let env = Env::with_images(&["tiny:1", "tiny:2"]);
    let _registry = Writable::start(&env, false);
    env.sh("img-tag tiny:1 127.0.0.1:5001/t:one; img-tag tiny:2 127.0.0.1:5001/t:two").run().ok();
    env.sh("img-push -a 127.0.0.1:5001/t | wc -l").run().ok().stdout("2\n");
    env.sh("curl -s http://127.0.0.1:5001/v2/t/tags/list | jq -c '.tags | sort'")
        .run()
        .ok()
        .stdout("[\"one\",\"two\"]\n");
    // One that cannot be pushed hides no other.
    let blob = env.sh("img-path --blobs tiny:1 | sed -n 1p").run().ok().line();
    env.sh(&format!("rm -r {blob} storage")).run().ok();
    env.sh("img-push -a 127.0.0.1:5001/t")
        .run()
        .status(1)
        .stderr_has("push \"127.0.0.1:5001/t:one\"")
        .stdout_has("127.0.0.1:5001/t@sha256:");
    env.sh("img-push -a 127.0.0.1:5001/t:one").run().status(1).one_error(&["has a tag or a digest"]);
    env.sh("img-push 127.0.0.1:5001/nothing").run().status(1).one_error(&["no such image"]);
    env.sh("reg-login -u me -p secret 127.0.0.1:5001")
        .run()
        .status(2)
        .one_error(&["every list of processes"]);
}

#[test]
fn a_login_is_tried_kept_used_and_forgotten() {
    needs!(Root);
    let env = Env::with_images(&["tiny:1"]);
    let _registry = Writable::start(&env, true);
    let at = "127.0.0.1:5001";
    env.sh(&format!("img-tag tiny:1 {at}/t")).run().ok();
    env.tool("img-push").arg(format!("{at}/t")).run().status(1).one_error(&["401", "reg-login"]);
    env.write("password", "secret\n");
    env.write("wrong", "Secret\n");
    env.sh(&format!("reg-login -u team --password-stdin {at} <wrong")).run().status(1).one_error(&["401"]);
    env.sh("test ! -e ~/.docker/config.json").run().ok();
    env.sh(&format!("reg-login -u team --password-stdin {at} <password"))
        .run()
        .ok()
        .stdout(format!("{at}\n"));
    env.sh("stat -c %a ~/.docker/config.json ~/.docker").run().ok().stdout("600\n700\n");
    env.sh(&format!("img-push {at}/t && img-rm {at}/t && img-pull {at}/t && img-digest --remote {at}/t"))
        .run()
        .ok();
    // Foreign tools use the same file.
    env.sh(&format!("skopeo inspect --tls-verify=false docker://{at}/t | jq -r .Os"))
        .run()
        .ok()
        .stdout("linux\n");
    env.sh(&format!("reg-logout {at}")).run().ok().stdout(format!("{at}\n"));
    env.sh("! grep -q auth\\\" ~/.docker/config.json").run().ok();
    env.sh(&format!("reg-logout {at}")).run().status(1).one_error(&["no login"]);
    env.sh(&format!("reg-logout --ignore {at}")).run().ok().stdout("");
    env.sh(&format!("img-pull {at}/t")).run().status(1).one_error(&["401"]);
    // A descriptor, and another file.
    let line = format!("REGISTRY_AUTH_FILE=$PWD/auth.json reg-login -u team --password-fd 7 {at} 7<password");
    env.sh(&line).run().ok();
    env.sh(&format!("REGISTRY_AUTH_FILE=$PWD/auth.json img-pull {at}/t")).run().ok();
    env.sh(&format!("reg-login -u team {at} <password")).run().status(2).one_error(&["--password"]);
    env.sh(&format!("reg-login -u team -p secret {at}")).run().status(2);
}

#[test]
fn a_helper_keeps_the_login_and_is_asked_first() {
    needs!(Root);
    let env = Env::with_images(&["tiny:1"]);
    let _registry = Writable::start(&env, true);
    let at = "127.0.0.1:5001";
    let helper = "#!/bin/sh\nread -r line || test -n \"$line\"\necho \"$1\" >>calls\ncase $1 in\n\
                  get) test -e kept || { echo 'credentials not found in native keychain'; exit 1; }; cat kept ;;\n\
                  store) printf %s \"$line\" >kept ;;\nerase) rm kept ;;\nesac\n";
    env.write("docker-credential-test", helper);
    env.sh("chmod +x docker-credential-test; mkdir -p ~/.docker; \
            echo '{\"credHelpers\": {\"127.0.0.1:5001\": \"test\"}}' >~/.docker/config.json")
        .run()
        .ok();
    env.write("password", "secret");
    let with = "PATH=$PWD:$PATH";
    env.sh(&format!("{with} reg-login -u team --password-stdin {at} <password")).run().ok();
    env.sh("jq -r .Secret kept; jq -c '.auths' ~/.docker/config.json")
        .run()
        .ok()
        .stdout("secret\n{\"127.0.0.1:5001\":{}}\n");
    env.sh(&format!("img-tag tiny:1 {at}/t; {with} img-push {at}/t && grep -q get calls")).run().ok();
    // Its own words, if it fails.
    env.sh(&format!("img-push {at}/t")).run().status(1).one_error(&["docker-credential-test"]);
    env.sh(&format!("{with} reg-logout {at} && test ! -e kept")).run().ok();
    env.sh(&format!("{with} img-push {at}/t")).run().status(1).one_error(&["401"]);
    env.sh("echo '{\"credsStore\": \"../evil\"}' >~/.docker/config.json").run().ok();
    env.sh(&format!("img-push {at}/t")).run().status(1).one_error(&["bad name of a credential helper"]);
}

#[test]
fn a_password_is_seen_nowhere_else() {
    needs!(Root);
    let env = Env::with_images(&["tiny:1"]);
    let _registry = Writable::start(&env, true);
    env.write("password", "secret");
    env.sh("strace -f -qq -s 4096 -e trace=execve,openat,write -o trace reg-login -u team --password-stdin 127.0.0.1:5001 <password")
        .run()
        .ok();
    env.sh("! grep execve trace | grep -q secret; test $(grep -c secret trace) = 0").run().ok();
    env.sh("find ~/.docker $LONGSHORE_ROOT -type f -newer password | xargs grep -l secret").run().stdout("");
}
