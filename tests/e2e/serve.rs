//! The store as a registry: for our own tools, for those of others, and for whoever means harm.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use tests::{Env, Running};

const AT: &str = "127.0.0.1:5001";

/// A server at 127.0.0.1:5001.
struct Serving<'e> {
    running: Option<Running<'e>>,
}

impl<'e> Serving<'e> {
    fn start(env: &'e Env, options: &[&str]) -> Self {
        let serve = env.tool("img-serve").args(["--addr", AT]).args(options);
        let serving = Self { running: Some(serve.within(Duration::from_secs(120)).start()) };
        let begun = Instant::now();
        while env
            .sh(&format!("curl -sk -o ping http://{AT}/v2/ || curl -sk -o ping https://{AT}/v2/"))
            .run()
            .code()
            != 0
        {
            assert!(begun.elapsed() < Duration::from_secs(20), "img-serve does not start");
            std::thread::sleep(Duration::from_millis(10));
        }
        serving
    }

    /// Ends it as an operator does.
    fn end(mut self) {
        if let Some(running) = self.running.take() {
            running.signal("TERM");
            running.wait().ok().stdout(format!("{AT}\n"));
        }
    }
}

impl Drop for Serving<'_> {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.signal_if_there("KILL");
            drop(running.wait());
        }
    }
}

fn digest_of(env: &Env, name: &str) -> String {
    env.sh(&format!("img-digest {name}")).run().ok().line()
}

#[test]
fn other_stores_and_other_tools_take_images_from_here() {
    needs!(Root);
    let env = Env::with_images(&["whiteouts", "busybox:zstd"]);
    let serving = Serving::start(&env, &[]);
    for (name, there) in [
        ("whiteouts", "whiteouts"),
        ("whiteouts", "library/whiteouts"),
        ("busybox:zstd", "docker.io/library/busybox:zstd"),
    ] {
        let other = "--root other --run other-run";
        env.sh(&format!("img-pull {other} {AT}/{there}")).run().ok();
        let digest = digest_of(&env, name);
        env.sh(&format!("img-digest {other} {AT}/{there}")).run().ok().stdout(format!("{digest}\n"));
        env.sh("rm -rf other other-run").run().ok();
        env.sh(&format!("rm -rf dir && skopeo copy -q --src-tls-verify=false docker://{AT}/{there} dir:dir"))
            .run()
            .ok();
    }
    // A registry is asked for by the mirror of the configuration, too.
    env.write(
        "mirror.conf",
        format!(
            "unqualified-search-registries = ['docker.io']\n[[registry]]\nprefix = 'docker.io'\nlocation = 'docker.io'\n\
             [[registry.mirror]]\nlocation = '{AT}'\ninsecure = true\n"
        ),
    );
    env.sh("CONTAINERS_REGISTRIES_CONF=$PWD/mirror.conf img-pull --root other --run other-run whiteouts")
        .run()
        .ok();
    serving.end();
}

#[test]
fn lists_are_given_page_by_page() {
    needs!(Root);
    let env = Env::with_images(&["tiny:1", "tiny:2", "busybox"]);
    env.sh("img-tag tiny:1 registry.example/x/y:v1 localhost:5000/not:listed").run().ok();
    let _serving = Serving::start(&env, &[]);
    let get = |path: &str| env.sh(&format!("curl -sf 'http://{AT}{path}'")).run().ok().json();
    assert_eq!(get("/v2/tiny/tags/list"), serde_json::json!({"name": "tiny", "tags": ["1", "2"]}));
    assert_eq!(get("/v2/tiny/tags/list?n=1")["tags"], serde_json::json!(["1"]));
    assert_eq!(get("/v2/tiny/tags/list?n=1&last=1")["tags"], serde_json::json!(["2"]));
    env.sh(&format!("curl -si '{AT}/v2/tiny/tags/list?n=1' | grep -i ^link:"))
        .run()
        .ok()
        .stdout_has("</v2/tiny/tags/list?n=1&last=1>; rel=\"next\"");
    env.sh(&format!("curl -si '{AT}/v2/tiny/tags/list?n=2' | grep -ci ^link:")).run().status(1);
    assert_eq!(
        get("/v2/_catalog")["repositories"],
        serde_json::json!(["busybox", "registry.example/x/y", "tiny"])
    );
    assert_eq!(get("/v2/not/tags/list?ns=localhost:5000")["tags"], serde_json::json!(["listed"]));
    env.sh(&format!("img-tags {AT}/tiny")).run().ok().stdout_has("2");
    let refused =
        |path: &str| env.sh(&format!("curl -s '{AT}{path}' | jq -r .errors[0].code")).run().ok().line();
    for (path, code) in [
        ("/v2/nothing/tags/list", "NAME_UNKNOWN"),
        ("/v2/UPPER/tags/list", "NAME_INVALID"),
        ("/v2/tiny/tags/list?n=x", "PAGINATION_NUMBER_INVALID"),
        ("/v2/tiny/manifests/3", "MANIFEST_UNKNOWN"),
        ("/v2/tiny/manifests/sha256:1", "DIGEST_INVALID"),
        ("/v2/tiny/..%2f..%2fmanifests/x", "NAME_INVALID"),
        ("/v2/tiny/blobs/sha256:1", "DIGEST_INVALID"),
        ("/v1/search", "UNSUPPORTED"),
    ] {
        assert_eq!(refused(path), code, "{path}");
    }
}

#[test]
fn content_is_sent_whole_in_pieces_or_not_at_all() {
    needs!(Root);
    let env = Env::with_images(&["busybox"]);
    let _serving = Serving::start(&env, &[]);
    let layer = env.sh("img-inspect busybox | jq -r .Layers[0].Digest").run().ok().line();
    let url = format!("http://{AT}/v2/busybox/blobs/{layer}");
    let status = |options: &str| {
        env.sh(&format!("curl -s -o got -w '%{{http_code}} %{{size_download}}' {options} {url}"))
            .run()
            .ok()
            .text()
    };
    let size = env
        .sh(&format!("stat -c %s root/blobs/sha256/{}", layer.trim_start_matches("sha256:")))
        .current_dir(env.root().parent().unwrap())
        .run()
        .ok()
        .line();
    assert_eq!(status(""), format!("200 {size}"));
    env.sh("sha256sum <got").run().ok().stdout_has(layer.trim_start_matches("sha256:"));
    assert_eq!(status("-r 5-14"), "206 10");
    assert_eq!(status(&format!("-r {size}-")).split(' ').next(), Some("416"));
    assert_eq!(status("-I"), "200 0");
    assert_eq!(status(&format!("-H 'If-None-Match: \"{layer}\"'")), "304 0");
    // Compressed blobs may be gone while the image is still here.
    let blob = env.root().join("blobs/sha256").join(layer.trim_start_matches("sha256:"));
    std::fs::remove_file(&blob).unwrap();
    env.sh(&format!("curl -s {url}")).run().ok().stdout_has("img-pull fetches it again");
}

#[test]
fn what_is_pushed_here_runs_here() {
    needs!(Root);
    let env = Env::with_images(&["busybox", "whiteouts"]);
    let serving = Serving::start(&env, &["--writable"]);
    let other = "--root other --run other-run";
    // By skopeo, by our own push from another store, whole and in pieces.
    env.sh("img-save -o busybox.tar busybox && img-save -o w.tar whiteouts && img-rm busybox whiteouts")
        .run()
        .ok();
    env.sh(&format!(
        "skopeo copy -q --dest-tls-verify=false oci-archive:busybox.tar docker://{AT}/team/app:1"
    ))
    .run()
    .ok();
    env.sh("ctr-run --rm team/app:1 echo it runs").run().ok().stdout("it runs\n");
    env.sh(&format!("img-load {other} <w.tar && img-tag {other} whiteouts {AT}/w:one {AT}/w:two")).run().ok();
    env.sh(&format!("img-push {other} --chunk-size 100k {AT}/w:one && img-push {other} {AT}/w:two"))
        .run()
        .ok();
    env.sh("img-ls -q --root root --run run | sort -u | wc -l")
        .current_dir(env.root().parent().unwrap())
        .run()
        .ok()
        .stdout("2\n");
    assert_eq!(digest_of(&env, "w:one"), digest_of(&env, "w:two"));
    env.sh("img-fsck").run().ok();
    // A tag is taken away, and the image stays by its digest, until that goes.
    let code = |method: &str, what: &str| {
        let line = format!("curl -s -o answer -w '%{{http_code}}' -X {method} http://{AT}/v2/{what}");
        env.sh(&line).run().ok().text()
    };
    let digest = digest_of(&env, "team/app:1");
    assert_eq!(code("DELETE", "team/app/manifests/1"), "202");
    assert_eq!(code("GET", "team/app/manifests/1"), "404");
    assert_eq!(code("GET", &format!("team/app/manifests/{digest}")), "200");
    env.sh(&format!("ctr-create --name user team/app@{digest} true")).run().ok();
    assert_eq!(code("DELETE", &format!("team/app/manifests/{digest}")), "409");
    env.sh("ctr-rm user").run().ok();
    assert_eq!(code("DELETE", &format!("team/app/manifests/{digest}")), "202");
    assert_eq!(code("GET", &format!("team/app/manifests/{digest}")), "404");
    env.sh("img-ls team/app -q").run().ok().stdout("");
    serving.end();
}

#[test]
fn what_is_no_image_for_this_machine_is_kept_for_others() {
    needs!(Root);
    let env = Env::new();
    let serving = Serving::start(&env, &["--writable"]);
    // An artifact of one blob, by hand.
    env.write("blob", "{}");
    let blob = env.sh("echo sha256:$(sha256sum <blob | cut -d' ' -f1)").run().ok().line();
    env.write(
        "manifest",
        format!(
            "{{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"artifactType\":\"text/x\",\
             \"config\":{{\"mediaType\":\"application/vnd.oci.empty.v1+json\",\"digest\":\"{blob}\",\"size\":2}},\"layers\":[],\
             \"subject\":{{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"{blob}\",\"size\":2}}}}"
        ),
    );
    let put = format!(
        "curl -s -o answer -w '%{{http_code}}' -H 'Content-Type: application/vnd.oci.image.manifest.v1+json' -T manifest http://{AT}/v2/a/manifests/sig"
    );
    env.sh(&put).run().ok().stdout("400");
    env.sh("jq -r .errors[0].code answer").run().ok().stdout("MANIFEST_BLOB_UNKNOWN\n");
    env.sh(&format!("curl -sf -X POST --data-binary @blob 'http://{AT}/v2/a/blobs/uploads/?digest={blob}'"))
        .run()
        .ok();
    env.sh(&put).run().ok().stdout("201");
    env.sh("img-ls -q").run().ok().stdout("");
    env.sh("img-gc").run().ok().stdout_lacks("sha256");
    env.sh(&format!("curl -sf http://{AT}/v2/a/manifests/sig | cmp - manifest")).run().ok();
    env.sh(&format!(
        "curl -sf '{AT}/v2/a/referrers/{blob}?artifactType=text/x' | jq -r .manifests[].artifactType"
    ))
    .run()
    .ok()
    .stdout("text/x\n");
    env.sh(&format!("curl -s -X DELETE {AT}/v2/a/blobs/{blob}")).run().ok().stdout_has("needs blob");
    serving.end();
    env.sh("img-fsck").run().ok();
}

#[test]
fn an_upload_that_is_given_up_leaves_nothing() {
    needs!(Root);
    let env = Env::new();
    let serving = Serving::start(&env, &["--writable"]);
    env.sh("head -c 3000000 /dev/urandom >blob").run().ok();
    let begin = format!(
        "curl -si -X POST http://{AT}/v2/a/blobs/uploads/ | tr -d '\\r' | sed -n 's/^location: //Ip'"
    );
    let place = env.sh(&begin).run().ok().line();
    let code =
        |line: &str| env.sh(&format!("curl -s -o answer -w '%{{http_code}}' {line}")).run().ok().text();
    assert_eq!(code(&format!("-X PATCH --data-binary @blob http://{AT}{place}")), "202");
    assert_eq!(code(&format!("-X PATCH -H 'Content-Range: 5-9' -d 12345 http://{AT}{place}")), "416");
    env.sh(&format!("curl -si http://{AT}{place} | grep -i ^range:")).run().ok().stdout_has("0-2999999");
    let wrong = format!("sha256:{}", "0a".repeat(32));
    assert_eq!(code(&format!("-X PUT 'http://{AT}{place}?digest={wrong}'")), "400");
    assert_eq!(code(&format!("http://{AT}{place}")), "404");
    let place = env.sh(&begin).run().ok().line();
    assert_eq!(code(&format!("-X DELETE http://{AT}{place}")), "204");
    env.sh("find tmp blobs -type f").current_dir(env.root()).run().ok().stdout("");
    let place = env.sh(&begin).run().ok().line();
    assert_eq!(code(&format!("-X PATCH --data-binary @blob http://{AT}{place}")), "202");
    serving.end();
    env.sh("find tmp blobs -type f").current_dir(env.root()).run().ok().stdout("");
}

#[test]
fn strangers_may_read_and_no_more() {
    needs!(Root);
    let env = Env::with_images(&["tiny:1"]);
    let serving = Serving::start(&env, &[]);
    let code =
        |line: &str| env.sh(&format!("curl -s -o answer -w '%{{http_code}}' {line}")).run().ok().text();
    assert_eq!(code(&format!("-X POST http://{AT}/v2/a/blobs/uploads/")), "405");
    assert_eq!(code(&format!("-X DELETE http://{AT}/v2/tiny/manifests/1")), "405");
    assert_eq!(code(&format!("-H 'Host: evil.example' http://{AT}/v2/")), "421");
    assert_eq!(code(&format!("-H 'Host: localhost:5001' http://{AT}/v2/")), "200");
    env.machine().enter(|| {
        // Many fields, a long line, and no HTTP at all: refused, and the connection ends.
        for (request, answer) in [
            (format!("GET /v2/ HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X: y\r\n".repeat(2000)), "431"),
            (format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "a".repeat(100_000)), "4"),
            ("\u{16}\u{3}\u{1}hello\r\n\r\n".to_owned(), "400"),
            ("POST /v2/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(), "4"),
        ] {
            let mut stream = TcpStream::connect(AT).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            drop(stream.write_all(request.as_bytes())); // it may be refused before all is sent
            let mut text = Vec::new();
            drop(stream.read_to_end(&mut text)); // a reset after the answer is no answer less
            let text = String::from_utf8_lossy(&text).into_owned();
            assert!(text.is_empty() || text.starts_with(&format!("HTTP/1.1 {answer}")), "{text}");
        }
    });
    env.sh("img-ls -q | wc -l").run().ok().stdout("1\n");
    serving.end();
    let serving = Serving::start(&env, &["--writable"]);
    assert_eq!(
        code(&format!("-X POST -H 'Origin: http://evil.example' http://{AT}/v2/a/blobs/uploads/")),
        "403"
    );
    serving.end();
    env.sh("img-serve --addr 127.0.0.1:99999").run().status(2);
    env.sh("img-serve --tls-cert x").run().status(2);
}

#[test]
fn it_speaks_tls_and_warns_without() {
    needs!(Root);
    let env = Env::with_images(&["tiny:1"]);
    env.sh(
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost \
            -addext subjectAltName=IP:127.0.0.1,DNS:localhost 2>log",
    )
    .run()
    .ok();
    let serving = Serving::start(&env, &["--tls-cert", "cert.pem", "--tls-key", "key.pem"]);
    env.sh(&format!("curl -sf --cacert cert.pem https://{AT}/v2/tiny/tags/list"))
        .run()
        .ok()
        .stdout_has("tiny");
    env.sh(&format!("curl -s http://{AT}/v2/")).run().status_is_not(0);
    serving.end();
    env.sh("img-serve --tls-cert key.pem --tls-key key.pem").run().status(2).one_error(&["certificate"]);
    env.sh("timeout 2 img-serve --addr 0.0.0.0:0").run().status(124).stderr_has("is not encrypted");
}
