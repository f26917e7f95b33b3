//! Pushes to registries that send us elsewhere, fail, and answer nonsense; tokens that end and identity
//! tokens.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use types::reference::ImageRef;
use types::{Kind, Result};

use crate::fake_registry::{Answer, Image, Request, Server, digest};
use crate::fault_tests::{Scratch, pull_from, pull_with, scratch, settings, words};
use crate::{Client, Credentials, PushOptions, Settings, Silent, push};

/// A store with an image that is to be pushed to the server.
fn with_image(server: &Server) -> (Scratch, ImageRef) {
    let image = Image::new(&[("a", 10), ("b", 70_000)]);
    let source = Server::start(move |r| image.answer(r));
    let s = scratch();
    let pulled = pull_from(&s.store, &source, "").expect("pull");
    let name: ImageRef = format!("{}/a/b:1", server.address).parse().expect("name");
    s.store.tag_image(&pulled.pinned, &name).expect("tag");
    (s, name)
}

fn push_with(s: &Scratch, settings: Settings, name: &ImageRef, chunk: Option<u64>) -> Result<String> {
    let cancel = AtomicBool::new(false);
    push(
        &s.store,
        &Client::new(settings),
        name,
        &PushOptions { chunk, uploads: 2, compression: None, cancel: &cancel },
    )
}

/// Answers as a registry that has nothing and takes everything; uploads go to `place`.
fn taking(r: &Request, place: &str) -> Answer {
    match r.method.as_str() {
        "HEAD" => Answer::status(404),
        "POST" => Answer::status(202).with("Location", place),
        "PATCH" => Answer::status(202).with("Location", place),
        "PUT" if r.path.contains("/manifests/") => {
            Answer::status(201).with("Docker-Content-Digest", &digest(&r.body).to_string())
        }
        "PUT" => Answer::status(201),
        _ => Answer::status(200),
    }
}

fn logged_in(host: &str) -> Settings {
    let mut credentials = Credentials::default();
    credentials.add("c", &format!(r#"{{"auths":{{"{host}":{{"auth":"dTpw"}}}}}}"#)).expect("credentials");
    Settings { credentials, ..settings() }
}

#[test]
fn every_blob_arrives_byte_by_byte_and_the_manifest_last() {
    for chunk in [None, Some(20_000)] {
        let server = Server::start(|r| taking(r, "/v2/a/b/blobs/uploads/1?state=x"));
        let (s, name) = with_image(&server);
        let pinned = push_with(&s, settings(), &name, chunk).expect("push");
        let image = s.store.image(&name.to_string()).expect("image");
        assert_eq!(pinned, format!("{}/a/b@{}", server.address, image.manifest));
        let puts: Vec<Request> = server.requests("").into_iter().filter(|r| r.method == "PUT").collect();
        assert!(puts.last().expect("puts").path.ends_with("/manifests/1"));
        assert_eq!(puts.len(), 4);
        let patches = server.requests("").into_iter().filter(|r| r.method == "PATCH");
        let (sizes, ranges): (Vec<_>, Vec<_>) = patches
            .map(|r| (r.body.len(), r.headers.get("content-range").cloned().unwrap_or_default()))
            .unzip();
        if chunk.is_none() {
            assert_eq!(sizes, [0; 0]);
            for put in puts.iter().take(3) {
                let named = put.path.rsplit("digest=").next().unwrap_or_default().replace("%3A", ":");
                assert_eq!(digest(&put.body).to_string(), named);
            }
        } else {
            assert!(sizes.len() >= 3 && sizes.iter().all(|s| *s == 20_000), "{sizes:?}");
            assert_eq!(ranges[..2], ["0-19999", "20000-39999"]);
        }
    }
}

#[test]
fn another_host_gets_the_blob_and_no_credentials() {
    let other = Server::start(|r| taking(r, "/elsewhere"));
    let place = format!("http://{}/upload", other.address);
    let server = Server::start(move |r| match r.headers.get("authorization").map(String::as_str) {
        Some("Basic dTpw") => taking(r, &place),
        _ => Answer::status(401).with("WWW-Authenticate", "Basic realm=\"r\""),
    });
    let (s, name) = with_image(&server);
    push_with(&s, logged_in(&server.address.to_string()), &name, None).expect("push");
    let sent = other.requests("/upload");
    assert_eq!(sent.len(), 3);
    assert!(sent.iter().all(|r| !r.headers.contains_key("authorization")), "{sent:?}");
}

#[test]
fn uploads_are_sent_into_no_nearer_network_and_redirects_are_not_followed() {
    for (place, part) in [
        ("http://evil.example/x", ""),
        ("file:///etc/passwd", "not HTTP"),
        ("http://u:p@127.0.0.1/x", "credentials"),
    ] {
        let server = Server::start(move |r| taking(r, place));
        let (s, name) = with_image(&server);
        let err = push_with(&s, settings(), &name, None).expect_err(place);
        assert!(words(&err).contains(part), "{}", words(&err));
    }
    let server = Server::start(|r| match r.method.as_str() {
        "PUT" | "POST" => Answer::status(307).with("Location", "/elsewhere"),
        _ => taking(r, ""),
    });
    let (s, name) = with_image(&server);
    assert!(words(&push_with(&s, settings(), &name, None).expect_err("redirect")).contains("307"));
    assert_eq!(server.requests("/elsewhere").len(), 0);
}

#[test]
fn an_upload_that_fails_is_begun_anew_and_a_refused_one_is_not() {
    let failures = AtomicUsize::new(0);
    let server = Server::start(move |r| {
        let blob = r.method == "PUT" && r.path.contains("digest=");
        if blob && failures.fetch_add(1, Ordering::Relaxed) < 2 {
            return Answer::status(503);
        }
        taking(r, "/v2/a/b/blobs/uploads/1")
    });
    let (s, name) = with_image(&server);
    push_with(&s, settings(), &name, None).expect("push");
    let begun = server.requests("/uploads/").into_iter().filter(|r| r.method == "POST").count();
    assert_eq!(begun, 5, "three blobs, two of them twice");

    let server = Server::start(|r| match r.method.as_str() {
        "PUT" => Answer::status(403),
        _ => taking(r, "/v2/a/b/blobs/uploads/1"),
    });
    let (s, name) = with_image(&server);
    let err = push_with(&s, settings(), &name, None).expect_err("denied");
    assert_eq!(err.kind(), Kind::Denied);
    assert!(words(&err).contains("PUT") && words(&err).contains("403"), "{}", words(&err));
}

#[test]
fn a_registry_that_keeps_something_else_is_not_believed() {
    let server = Server::start(|r| {
        let answer = taking(r, "/v2/a/b/blobs/uploads/1");
        let manifest = r.method == "PUT" && r.path.contains("/manifests/");
        if manifest {
            Answer::status(201).with("Docker-Content-Digest", &digest(b"x").to_string())
        } else {
            answer
        }
    });
    let (s, name) = with_image(&server);
    assert_eq!(push_with(&s, settings(), &name, None).expect_err("another").kind(), Kind::Corrupt);
    let server = Server::start(|r| if r.method == "POST" { Answer::status(202) } else { taking(r, "") });
    let (s, name) = with_image(&server);
    assert_eq!(push_with(&s, settings(), &name, None).expect_err("nowhere").kind(), Kind::Invalid);
}

#[test]
fn a_token_that_ends_in_the_middle_is_renewed() {
    let image = Image::new(&[("a", 10), ("b", 20), ("c", 30)]);
    let given = std::sync::Arc::new(AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&given);
    let tokens = Server::start(move |_| {
        let number = counted.fetch_add(1, Ordering::Relaxed);
        Answer::ok(format!(r#"{{"token":"t{number}"}}"#).as_bytes(), "application/json")
    });
    // Every token is good for two answers.
    let (realm, used) = (format!("http://{}/token", tokens.address), AtomicUsize::new(0));
    let latest = std::sync::Arc::clone(&given);
    let server = Server::start(move |r| {
        let current = format!("Bearer t{}", latest.load(Ordering::Relaxed).wrapping_sub(1));
        let known = r.headers.get("authorization") == Some(&current);
        if known && used.fetch_add(1, Ordering::Relaxed) % 3 < 2 {
            return image.answer(r);
        }
        Answer::status(401).with("WWW-Authenticate", &format!("Bearer realm=\"{realm}\",scope=\"s\""))
    });
    let s = scratch();
    let name = format!("{}/a/b", server.address);
    // One at a time: others would use up the token that one has just been given.
    crate::fault_tests::pull_serially(&s.store, settings(), &name).expect("pull");
    assert!(given.load(Ordering::Relaxed) >= 2);
}

#[test]
fn an_identity_token_is_exchanged_at_the_registrys_own_server() {
    let image = Image::new(&[("a", 10)]);
    let tokens = Server::start(|r| match r.method.as_str() {
        "POST" => Answer::ok(br#"{"access_token":"good"}"#, "application/json"),
        _ => Answer::status(405),
    });
    let realm = format!("http://{}/token", tokens.address);
    let server = Server::start(move |r| match r.headers.get("authorization").map(String::as_str) {
        Some("Bearer good") => image.answer(r),
        _ => Answer::status(401)
            .with("WWW-Authenticate", &format!("Bearer realm=\"{realm}\",service=\"s\",scope=\"a b\"")),
    });
    let host = server.address.to_string();
    let mut credentials = Credentials::default();
    let file = format!(r#"{{"auths":{{"{host}":{{"identitytoken":"se&cret"}}}}}}"#);
    credentials.add("c", &file).expect("credentials");
    let s = scratch();
    pull_with(&s.store, Settings { credentials, ..settings() }, &format!("{host}/a/b"), &Silent)
        .expect("pull");
    let asked = tokens.requests("/token");
    let body = String::from_utf8_lossy(&asked[0].body).into_owned();
    assert!(body.contains("grant_type=refresh_token") && body.contains("refresh_token=se%26cret"), "{body}");
    assert!(body.contains("service=s") && body.contains("scope=a+b"), "{body}");
    assert!(server.requests("").iter().all(|r| !format!("{r:?}").contains("se&cret")));
}
