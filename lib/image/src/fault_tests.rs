//! Pulls from registries that fail, lie and stall.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use store::{Paths, Store};
use types::oci::{OCI_INDEX, OCI_MANIFEST};
use types::platform::Platform;
use types::reference::ImageRef;
use types::{Error, Kind, Result};

use crate::fake_registry::{Answer, Image, Request, Server, digest, layer};
use crate::{Client, Event, Progress, PullOptions, Pulled, Settings, Silent, pull};

const LARGE: usize = 3 << 20;

pub(crate) struct Scratch {
    _dir: tempfile::TempDir,
    pub(crate) store: Store,
}

pub(crate) fn scratch() -> Scratch {
    let dir = tempfile::tempdir().expect("tempdir");
    let paths = Paths { root: dir.path().join("root"), run: dir.path().join("run") };
    let store = Store::open(&paths).expect("open");
    Scratch { _dir: dir, store }
}

pub(crate) fn settings() -> Settings {
    Settings {
        stall: Duration::from_millis(800),
        retries: 2,
        backoff: Duration::from_millis(5),
        document: Duration::from_millis(1500),
        crawl: Duration::from_millis(1500),
        budget: Duration::from_secs(4),
        ..Settings::default()
    }
}

pub(crate) fn pull_with(
    store: &Store,
    settings: Settings,
    name: &str,
    progress: &dyn Progress,
) -> Result<Pulled> {
    let name: ImageRef = name.parse().expect(name);
    let platform: Platform = "linux/amd64".parse().expect("platform");
    let cancel = AtomicBool::new(false);
    let options = PullOptions {
        platform: &platform,
        downloads: 3,
        unpackers: 2,
        max_size: None,
        progress,
        cancel: &cancel,
    };
    pull(store, &Client::new(settings), &name, &options)
}

/// The same with one connection at a time.
pub(crate) fn pull_serially(store: &Store, settings: Settings, name: &str) -> Result<Pulled> {
    let name: ImageRef = name.parse().expect(name);
    let platform: Platform = "linux/amd64".parse().expect("platform");
    let cancel = AtomicBool::new(false);
    let options = PullOptions {
        platform: &platform,
        downloads: 1,
        unpackers: 1,
        max_size: None,
        progress: &Silent,
        cancel: &cancel,
    };
    pull(store, &Client::new(settings), &name, &options)
}

pub(crate) fn pull_from(store: &Store, server: &Server, version: &str) -> Result<Pulled> {
    pull_with(store, settings(), &format!("{}/a/b{version}", server.address), &Silent)
}

pub(crate) fn words(err: &Error) -> String {
    let mut text = err.to_string();
    let mut next = std::error::Error::source(err);
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// What a failed pull may leave: no image, no layer, no blob but verified ones, nothing in `tmp`.
pub(crate) fn nothing_named(store: &Store) {
    assert_eq!(store.images().expect("images").len(), 0);
    let tmp =
        store.absolute(&store.layer_place(&digest(b"any"))).ancestors().nth(4).expect("root").join("tmp");
    assert_eq!(std::fs::read_dir(tmp).map_or(0, Iterator::count), 0, "tmp");
}

fn layer_file(store: &Store, name: &str) -> u64 {
    let found = store.images().expect("images").into_iter().next().expect("one").expect("image");
    let sizes = found.layers.iter().filter_map(|l| {
        std::fs::metadata(store.absolute(&store.layer_place(l)).join(name)).ok().map(|m| m.len())
    });
    sizes.sum()
}

#[test]
fn an_image_is_pulled_once() {
    let image = Image::new(&[("small", 10), ("large", LARGE), ("medium", 70_000)]);
    let (s, served) = (scratch(), image.clone());
    let server = Server::start(move |r| served.answer(r));
    let pulled = pull_from(&s.store, &server, "").expect("pull");
    let index = image.index.clone().expect("index").digest;
    assert_eq!(pulled.pinned, format!("{}/a/b@{index}", server.address));
    assert!(pulled.changed);
    assert_eq!(layer_file(&s.store, "large"), LARGE as u64);
    assert_eq!(s.store.image(&pulled.pinned).expect("image").layers.len(), 3);

    let before = server.requests("/blobs/").len();
    assert_eq!(before, 4);
    assert!(!pull_from(&s.store, &server, "").expect("again").changed);
    assert!(!pull_from(&s.store, &server, &format!("@{index}")).expect("by digest").changed);
    assert_eq!(server.requests("/blobs/").len(), before, "nothing is fetched twice");
    assert_eq!(s.store.images().expect("images").len(), 1);
}

#[test]
fn a_cut_body_is_taken_up_where_it_was_cut() {
    let image = Image::new(&[("large", LARGE)]);
    let (s, served, cuts) = (scratch(), image.clone(), AtomicUsize::new(0));
    let server = Server::start(move |r| {
        let answer = served.answer(r);
        if answer.body.len() > 100_000 && cuts.fetch_add(1, Ordering::Relaxed) < 3 {
            return Answer { cut: Some(answer.body.len() / 3), ..answer };
        }
        answer
    });
    pull_from(&s.store, &server, "").expect("pull");
    assert_eq!(layer_file(&s.store, "large"), LARGE as u64);
    assert_eq!(server.requests(&image.layers[0].digest.to_string()).len(), 4);
    // Not a byte of the layer was sent twice.
    let whole: usize = image.blobs.values().map(Vec::len).sum();
    let documents: usize = ["latest", "one"].iter().map(|t| image.manifests[*t].1.len()).sum();
    assert_eq!(server.sent(), whole + documents);
}

#[test]
fn an_interrupted_pull_is_taken_up_by_the_next_one() {
    let image = Image::new(&[("large", LARGE), ("other", 200_000)]);
    let (s, served, broken) = (scratch(), image.clone(), std::sync::Arc::new(AtomicBool::new(true)));
    let fault = std::sync::Arc::clone(&broken);
    let server = Server::start(move |r| {
        let answer = served.answer(r);
        match fault.load(Ordering::Relaxed) {
            true if r.range_start().is_some() => Answer::status(404),
            true if answer.body.len() > 1_000_000 => Answer { cut: Some(2_000_000), ..answer },
            _ => answer,
        }
    });
    pull_from(&s.store, &server, "").expect_err("cut");
    nothing_named(&s.store);
    let (sent, requests) = (server.sent(), server.requests("/blobs/").len());
    broken.store(false, Ordering::Relaxed);
    pull_from(&s.store, &server, "").expect("pull");
    let large = image.layers.iter().map(|l| l.size as usize).max().expect("layers");
    let rest = large - 2_000_000;
    let resumed = &server.requests("/blobs/")[requests..];
    assert_eq!(resumed.len(), 1, "the rest of one blob: {resumed:?}");
    assert_eq!(resumed[0].range_start(), Some(2_000_000));
    assert!(server.sent() - sent < rest + 10_000);
    assert_eq!(layer_file(&s.store, "large"), LARGE as u64);
}

#[test]
fn a_server_without_ranges_begins_again() {
    let image = Image::new(&[("large", LARGE)]);
    let (s, served, cuts) = (scratch(), image.clone(), AtomicUsize::new(0));
    let server = Server::start(move |r| {
        let answer = served.answer(&Request { headers: Default::default(), ..r.clone() });
        if answer.body.len() > 1_000_000 && cuts.fetch_add(1, Ordering::Relaxed) == 0 {
            return Answer { cut: Some(2_000_000), ..answer };
        }
        answer
    });
    pull_from(&s.store, &server, "").expect("pull");
    assert_eq!(layer_file(&s.store, "large"), LARGE as u64);
}

#[test]
fn bodies_that_are_not_what_was_announced_get_no_name() {
    let image = Image::new(&[("large", 500_000), ("small", 1000)]);
    type Fault = fn(Answer) -> Answer;
    let faults: [(&str, Fault, &str); 4] = [
        ("short", |a| Answer { body: a.body[..300_000].to_vec(), ..a }, "ended after"),
        ("long", |a| Answer { body: [a.body.clone(), vec![0; 100]].concat(), ..a }, "is longer than"),
        (
            "wrong",
            |mut a| {
                let last = a.body.len() - 1;
                a.body[last] ^= 1;
                a
            },
            "arrived with digest",
        ),
        (
            "wrong from the start",
            |mut a| {
                a.body[1] ^= 1;
                a
            },
            "arrived with digest",
        ),
    ];
    for (name, fault, want) in faults {
        let (s, served) = (scratch(), image.clone());
        let server = Server::start(move |r| {
            let answer = served.answer(&Request { headers: Default::default(), ..r.clone() });
            if answer.body.len() > 400_000 { fault(answer) } else { answer }
        });
        let err = pull_from(&s.store, &server, "").expect_err(name);
        assert!(words(&err).contains(want), "{name}: {}", words(&err));
        assert_eq!(err.kind(), Kind::Corrupt, "{name}");
        nothing_named(&s.store);
        assert!(!s.store.has_blob(&image.layers[0].digest), "{name}");
    }
}

#[test]
fn manifests_that_are_not_what_was_asked_for_are_refused() {
    let honest = Image::new(&[("a", 10)]);
    let wanted = honest.index.clone().expect("index").digest;
    let other = digest(b"other");
    let body = honest.manifests["one"].1.clone();
    let by_digest = format!("@{wanted}");
    type Case<'a> = (&'a str, &'a str, Answer, &'a str);
    let large = vec![b' '; 5 << 20];
    let schema1 = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    let both = br#"{"schemaVersion":2,"manifests":[],"layers":[],"config":{}}"#;
    let artifact =
        String::from_utf8(body.clone()).expect("text").replace("image.config.v1", "other.config.v1");
    let many = String::from_utf8(body.clone()).expect("text");
    let cases: Vec<Case<'_>> = vec![
        ("wrong digest", &by_digest, Answer::ok(&body, OCI_MANIFEST), "the manifest has digest"),
        (
            "a header that lies",
            "",
            Answer::ok(&body, OCI_MANIFEST).with("Docker-Content-Digest", &other.to_string()),
            "the manifest has digest",
        ),
        ("too large", "", Answer::ok(&large, OCI_MANIFEST), "larger than 4 MiB"),
        ("html", "", Answer::ok(b"<html>", "text/html"), "is of type \"text/html\""),
        ("html that claims", "", Answer::ok(b"<html>", OCI_MANIFEST), "read manifest"),
        ("schema 1", "", Answer::ok(b"{}", schema1), "schema 1"),
        ("schema 1 inside", "", Answer::ok(br#"{"schemaVersion":1,"fsLayers":[]}"#, ""), "schema 1"),
        ("announced as an index", "", Answer::ok(&body, OCI_INDEX), "not the"),
        ("both at once", "", Answer::ok(both, OCI_INDEX), "both"),
        ("no image", "", Answer::ok(artifact.as_bytes(), OCI_MANIFEST), "no container image"),
        (
            "missing digest",
            "",
            Answer::ok(many.replace("sha256:", "md5:").as_bytes(), OCI_MANIFEST),
            "bad digest",
        ),
    ];
    for (name, version, answer, want) in cases {
        let (s, served) = (scratch(), honest.clone());
        let server = Server::start(move |r| match r.path.contains("/manifests/") {
            true => answer.clone(),
            false => served.answer(r),
        });
        let err = pull_from(&s.store, &server, version).expect_err(name);
        assert!(words(&err).contains(want), "{name}: {}", words(&err));
        nothing_named(&s.store);
    }
}

#[test]
fn an_image_for_another_platform_is_refused_by_name() {
    let (blob, id) = layer("a", 10);
    let image = Image::of(vec![blob], &[id], "arm64");
    let (s, served) = (scratch(), image);
    let server = Server::start(move |r| served.answer(r));
    for tag in ["", ":one"] {
        let err = pull_from(&s.store, &server, tag).expect_err("platform");
        assert_eq!(words(&err), "it is not for platform linux/amd64");
        assert!(err.hints().any(|h| h.contains("linux/arm64")), "{tag}");
        nothing_named(&s.store);
    }
}

#[test]
fn layers_are_what_the_configuration_says() {
    let (a, id_a) = layer("a", 1000);
    let (b, id_b) = layer("b", 10);
    for (name, blobs, ids, want) in [
        ("swapped", vec![a.clone(), b.clone()], vec![id_b, id_a], "unpacks to an archive with digest"),
        ("too few", vec![a.clone(), b.clone()], vec![id_a], "2 layers and 1 layer digests"),
        (
            "no archive",
            vec![b"no archive at all, but with the right digest".to_vec()],
            vec![id_a],
            "the archive",
        ),
    ] {
        let (s, served) = (scratch(), Image::of(blobs, &ids, "amd64"));
        let server = Server::start(move |r| served.answer(r));
        let err = pull_from(&s.store, &server, "").expect_err(name);
        assert!(words(&err).contains(want), "{name}: {}", words(&err));
        nothing_named(&s.store);
        assert!(!s.store.has_layer(&id_a) && !s.store.has_layer(&id_b), "{name}");
    }
}

#[test]
fn what_is_not_there_is_said_in_one_line() {
    let s = scratch();
    let server = Server::start(|r| if r.path == "/v2/" { Answer::status(200) } else { Answer::status(404) });
    let err = pull_from(&s.store, &server, ":nope").expect_err("404");
    assert_eq!(err.kind(), Kind::NotFound);
    assert!(err.hints().any(|h| h.contains("b:nope")));
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("bind").local_addr().expect("address");
    let err = pull_with(&s.store, settings(), &format!("{closed}/a"), &Silent).expect_err("closed");
    assert!(words(&err).ends_with("connection refused"), "{}", words(&err));
}

#[test]
fn later_is_waited_for_and_then_said() {
    let image = Image::new(&[("a", 10)]);
    let (s, served, refusals) = (scratch(), image.clone(), AtomicUsize::new(0));
    let server = Server::start(move |r| match refusals.fetch_add(1, Ordering::Relaxed) {
        2 => Answer::status(503),
        4 => Answer::status(429).with("Retry-After", "0"),
        _ => served.answer(r),
    });
    pull_from(&s.store, &server, "").expect("after two refusals");

    let s = scratch();
    let server = Server::start(|r| match r.path.as_str() {
        "/v2/" => Answer::status(200),
        _ => Answer::status(429).with("Retry-After", "3600"),
    });
    let err = pull_from(&s.store, &server, "").expect_err("429");
    assert_eq!(err.kind(), Kind::TryLater);
    assert!(err.hints().any(|h| h.contains("3600 s")), "{err:?}");
    assert_eq!(server.requests("/manifests/").len(), 1, "an hour is not waited");
    let server = Server::start(|r| if r.path == "/v2/" { Answer::status(200) } else { Answer::status(503) });
    assert_eq!(pull_from(&s.store, &server, "").expect_err("503").kind(), Kind::TryLater);
    assert_eq!(server.requests("/manifests/").len(), 3, "tried, and tried again twice");
}

#[test]
fn a_server_that_stalls_is_left() {
    let image = Image::new(&[("large", LARGE)]);
    let (s, served, stalls) = (scratch(), image.clone(), AtomicUsize::new(0));
    let server = Server::start(move |r| {
        let answer = served.answer(r);
        if answer.body.len() > 1_000_000 && stalls.fetch_add(1, Ordering::Relaxed) == 0 {
            return Answer { stall: Some(1_000_000), ..answer };
        }
        answer
    });
    pull_from(&s.store, &server, "").expect("another connection has the rest");
    let requests = server.requests(&image.layers[0].digest.to_string());
    assert_eq!(requests.len(), 2);
    assert!(requests[1].range_start().is_some_and(|at| at > 0 && at <= 1_000_000));
}

#[test]
fn progress_tells_each_layer_once() {
    #[derive(Default)]
    struct Log(Mutex<Vec<String>>);
    impl Progress for Log {
        fn event(&self, event: &Event<'_>) {
            let text = serde_json::to_value(event).expect("json")["type"].as_str().expect("type").to_owned();
            self.0.lock().expect("log").push(text);
        }
    }
    let image = Image::new(&[("a", 10), ("b", 300_000)]);
    let server = Server::start(move |r| image.answer(r));
    let (s, log) = (scratch(), Log::default());
    pull_with(&s.store, settings(), &format!("{}/a/b", server.address), &log).expect("pull");
    let count = |kind: &str| log.0.lock().expect("log").iter().filter(|k| *k == kind).count();
    assert_eq!((count("resolved"), count("layer"), count("downloaded"), count("unpacked")), (1, 2, 2, 2));
    assert!(count("download") >= 3);
}

#[test]
fn several_pulls_at_once_fetch_each_blob_once() {
    let image = Image::new(&[("a", 2_000_000), ("b", 1_000_000), ("c", 10)]);
    let (s, served) = (scratch(), image.clone());
    let server = Server::start(move |r| served.answer(r));
    std::thread::scope(|scope| {
        for tag in ["", ":one", ""] {
            let (s, server) = (&s, &server);
            scope.spawn(move || pull_from(&s.store, server, tag).expect("pull"));
        }
    });
    assert_eq!(s.store.images().expect("images").len(), 2);
    for blob in &image.layers {
        assert_eq!(server.requests(&blob.digest.to_string()).len(), 1, "{}", blob.size);
    }
}

#[test]
fn an_image_that_is_here_costs_one_head_and_by_digest_nothing() {
    let image = Image::new(&[("a", 10)]);
    let (s, served) = (scratch(), image.clone());
    let moved = std::sync::Arc::new(AtomicBool::new(false));
    let elsewhere = std::sync::Arc::clone(&moved);
    let other = Image::new(&[("b", 20)]);
    let server = Server::start(move |r| {
        let shown = if elsewhere.load(Ordering::Relaxed) { &other } else { &served };
        let answer = shown.answer(r);
        let digest = digest(&answer.body).to_string();
        answer.with("Docker-Content-Digest", &digest).with("RateLimit-Remaining", "76;w=21600")
    });
    pull_from(&s.store, &server, "").expect("first");
    let asked = |since: usize| {
        let all = server.requests("/v2/a/b/");
        all.iter().skip(since).map(|r| format!("{} {}", r.method, r.path)).collect::<Vec<_>>()
    };
    let before = asked(0).len();
    assert!(!pull_from(&s.store, &server, "").expect("again").changed);
    assert_eq!(asked(before), ["HEAD /v2/a/b/manifests/latest"]);
    let index = image.index.clone().expect("index").digest;
    pull_from(&s.store, &server, &format!("@{index}")).expect("by digest");
    let before = asked(0).len();
    assert!(!pull_from(&s.store, &server, &format!("@{index}")).expect("again").changed);
    assert_eq!(asked(before), [""; 0]);
    moved.store(true, Ordering::Relaxed);
    assert!(pull_from(&s.store, &server, "").expect("moved").changed);
    assert_eq!(asked(before)[..2], ["HEAD /v2/a/b/manifests/latest", "GET /v2/a/b/manifests/latest"]);
}

#[test]
fn a_registry_that_does_not_answer_head_is_asked_as_ever() {
    let image = Image::new(&[("a", 10)]);
    let s = scratch();
    let server =
        Server::start(move |r| if r.method == "HEAD" { Answer::status(405) } else { image.answer(r) });
    pull_from(&s.store, &server, "").expect("first");
    assert!(!pull_from(&s.store, &server, "").expect("again").changed);
    assert_eq!(server.requests("/manifests/latest").iter().filter(|r| r.method == "GET").count(), 2);
}

#[test]
fn the_limit_of_pulls_is_told_also_when_it_is_reached() {
    #[derive(Default)]
    struct Log(Mutex<Vec<serde_json::Value>>);
    impl Progress for Log {
        fn event(&self, event: &Event<'_>) {
            self.0.lock().expect("log").push(serde_json::to_value(event).expect("json"));
        }
    }
    let server = Server::start(|r| match r.path.as_str() {
        "/v2/" => Answer::status(200),
        _ => Answer::status(429)
            .with("Retry-After", "3600")
            .with("ratelimit-limit", "100;w=21600")
            .with("ratelimit-remaining", "0;w=21600"),
    });
    let (s, log) = (scratch(), Log::default());
    pull_with(&s.store, settings(), &format!("{}/a/b", server.address), &log).expect_err("limited");
    let told = serde_json::json!({"type": "ratelimit", "limit": 100, "remaining": 0, "window": 21600});
    assert_eq!(*log.0.lock().expect("log"), [told]);
}

#[test]
fn layers_that_cannot_be_unpacked_are_refused_before_anything_is_fetched() {
    const KNOWN: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
    let honest = Image::new(&[("a", 10)]);
    let text = String::from_utf8(honest.manifests["one"].1.clone()).expect("text");
    for (kind, is_known) in [
        ("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", false),
        ("application/vnd.oci.image.layer.v1.squashfs", false),
        ("application/vnd.oci.image.layer.v1.tar+xz", false),
        ("application/octet-stream", false),
        ("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", true),
        ("application/vnd.docker.image.rootfs.diff.tar.gzip", true),
        ("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", true),
    ] {
        let mut image = honest.clone();
        image.add("other", OCI_MANIFEST, text.replace(KNOWN, kind).as_bytes());
        let server = Server::start(move |r| image.answer(r));
        let s = scratch();
        let pulled = pull_from(&s.store, &server, ":other");
        if is_known {
            assert!(pulled.is_ok(), "{kind}: {pulled:?}");
            continue;
        }
        let err = pulled.expect_err(kind);
        assert!(words(&err).contains(kind) && err.kind() == Kind::Unsupported, "{}", words(&err));
        assert_eq!(server.requests("/blobs/").len(), 0, "{kind}");
        nothing_named(&s.store);
    }
}
