//! Whom a registry makes us ask: token servers, redirects, mirrors, and what they get to know.

use types::Kind;

use crate::fake_registry::{Answer, Image, Server};
use crate::fault_tests::{pull_from, pull_with, scratch, settings, words};
use crate::{Credentials, Registries, Settings, Silent};

/// A registry that wants a token, from a server of its own.
fn with_token(image: Image, realm: String) -> Server {
    Server::start(move |r| {
        let known = r.headers.get("authorization").map(String::as_str);
        match known {
            Some("Bearer good") => image.answer(r),
            _ if r.path == "/v2/" => Answer::status(401),
            _ => Answer::status(401).with(
                "WWW-Authenticate",
                &format!("Bearer realm=\"{realm}\",service=\"s\",scope=\"repository:a/b:pull\""),
            ),
        }
    })
}

fn logged_in(host: &str) -> Settings {
    let mut credentials = Credentials::default();
    credentials.add("c", &format!(r#"{{"auths":{{"{host}":{{"auth":"dTpw"}}}}}}"#)).expect("credentials");
    Settings { credentials, ..settings() }
}

#[test]
fn tokens_are_fetched_once_and_credentials_go_to_the_registrys_own_server() {
    let image = Image::new(&[("a", 10), ("b", 20)]);
    let tokens = Server::start(|r| match r.headers.get("authorization").map(String::as_str) {
        None | Some("Basic dTpw") => Answer::ok(br#"{"token":"good"}"#, "application/json"),
        _ => Answer::status(401),
    });
    let server = with_token(image, format!("http://{}/token", tokens.address));
    let s = scratch();
    pull_from(&s.store, &server, "").expect("anonymous");
    let asked = tokens.requests("/token");
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].path, "/token?service=s&scope=repository%3Aa%2Fb%3Apull");
    assert_eq!(asked[0].headers.get("authorization"), None);

    let s = scratch();
    let host = server.address.to_string();
    pull_with(&s.store, logged_in(&host), &format!("{host}/a/b"), &Silent).expect("logged in");
    assert_eq!(
        tokens.requests("/token")[1].headers.get("authorization").map(String::as_str),
        Some("Basic dTpw")
    );
    let leaked = |s: &Server| s.requests("").iter().any(|r| r.headers.values().any(|v| v.contains("dTpw")));
    assert!(!leaked(&server), "the password is for the token server only");
}

#[test]
fn the_next_process_finds_the_token_and_another_login_does_not() {
    let image = Image::new(&[("a", 10)]);
    let tokens = Server::start(|_| Answer::ok(br#"{"token":"good","expires_in":300}"#, "application/json"));
    let server = with_token(image, format!("http://{}/token", tokens.address));
    let (s, dir) = (scratch(), tempfile::tempdir().expect("tempdir"));
    let host = server.address.to_string();
    let with = |settings: Settings| Settings { tokens: Some(dir.path().join("tokens")), ..settings };
    let pull = |settings: Settings| {
        pull_with(&s.store, with(settings), &format!("{host}/a/b"), &Silent).expect("pull")
    };
    pull(settings());
    pull(settings());
    assert_eq!(tokens.requests("/token").len(), 1, "of two processes");
    pull(logged_in(&host));
    assert_eq!(tokens.requests("/token").len(), 2, "a login has its own");
    pull(logged_in(&host));
    assert_eq!(tokens.requests("/token").len(), 2);
}

#[test]
fn a_token_that_a_registry_takes_no_more_is_replaced() {
    let image = Image::new(&[("a", 10)]);
    let given = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = std::sync::Arc::clone(&given);
    let tokens = Server::start(move |_| {
        let n = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        Answer::ok(format!("{{\"token\":\"t{n}\",\"expires_in\":300}}").as_bytes(), "application/json")
    });
    let realm = format!("http://{}/token", tokens.address);
    let server = Server::start(move |r| {
        let newest = format!("Bearer t{}", given.load(std::sync::atomic::Ordering::Relaxed));
        match r.headers.get("authorization") {
            Some(sent) if *sent == newest => image.answer(r),
            _ if r.path == "/v2/" => Answer::status(401),
            _ => Answer::status(401).with("WWW-Authenticate", &format!("Bearer realm=\"{realm}\"")),
        }
    });
    let dir = tempfile::tempdir().expect("tempdir");
    let with = || Settings { tokens: Some(dir.path().join("tokens")), ..settings() };
    let name = format!("{}/a/b", server.address);
    pull_with(&scratch().store, with(), &name, &Silent).expect("first");
    // Somebody else's is the newest now; what is kept has ended early.
    crate::fake_registry::get(tokens.address, "/token");
    pull_with(&scratch().store, with(), &name, &Silent).expect("second");
    assert_eq!(tokens.requests("/token").len(), 3);
}

#[test]
fn hostile_realms_are_refused() {
    for realm in
        ["file:///etc/passwd", "http://169.254.169.254/latest", "http://evil.example/token", "gopher://x"]
    {
        let server = with_token(Image::new(&[("a", 10)]), realm.to_owned());
        let s = scratch();
        let host = server.address.to_string();
        let err = pull_with(&s.store, logged_in(&host), &format!("{host}/a/b"), &Silent).expect_err(realm);
        assert!(words(&err).contains("its token server"), "{realm}: {}", words(&err));
        assert_eq!(err.kind(), Kind::Denied);
    }
}

#[test]
fn refused_logins_are_said() {
    let server = Server::start(|r| match r.path.as_str() {
        "/v2/" => Answer::status(200),
        _ => Answer::status(401).with("WWW-Authenticate", "Basic realm=\"r\""),
    });
    let (s, host) = (scratch(), server.address.to_string());
    let anonymous = pull_from(&s.store, &server, "").expect_err("anonymous");
    assert_eq!(anonymous.kind(), Kind::Denied);
    assert!(anonymous.hints().any(|h| h.contains("login")), "{anonymous:?}");
    let refused =
        pull_with(&s.store, logged_in(&host), &format!("{host}/a/b"), &Silent).expect_err("refused");
    assert_eq!(refused.kind(), Kind::Denied);
    assert!(!format!("{refused:?}").contains("dTpw"));
}

#[test]
fn a_redirect_takes_no_credentials_along() {
    let image = Image::new(&[("a", 10_000)]);
    let (served, elsewhere) = (image.clone(), image.clone());
    let cdn = Server::start(move |r| elsewhere.answer(r));
    let target = cdn.address;
    let server = Server::start(move |r| match r.headers.get("authorization").map(String::as_str) {
        Some("Basic dTpw") if r.path.contains("/blobs/") => {
            Answer::status(307).with("Location", &format!("http://{target}{}", r.path))
        }
        Some("Basic dTpw") => served.answer(r),
        _ if r.path == "/v2/" => Answer::status(200),
        _ => Answer::status(401).with("WWW-Authenticate", "Basic realm=\"r\""),
    });
    let (s, host) = (scratch(), server.address.to_string());
    pull_with(&s.store, logged_in(&host), &format!("{host}/a/b"), &Silent).expect("pull");
    let asked = cdn.requests("/blobs/");
    assert_eq!(asked.len(), 2);
    assert!(
        asked.iter().all(|r| !r.headers.contains_key("authorization") && !r.headers.contains_key("cookie"))
    );
}

#[test]
fn redirects_end() {
    for (location, want) in
        [("/v2/a/b/manifests/latest", "redirects more than"), ("file:///etc/passwd", "not HTTP")]
    {
        let server = Server::start(move |r| match r.path.as_str() {
            "/v2/" => Answer::status(200),
            _ => Answer::status(302).with("Location", location),
        });
        let err = pull_from(&scratch().store, &server, "").expect_err(location);
        assert!(words(&err).contains(want), "{}", words(&err));
    }
}

#[test]
fn a_mirror_that_has_it_not_is_passed_over() {
    let image = Image::new(&[("a", 10)]);
    let (empty, served) =
        (Server::start(|r| Answer::status(if r.path == "/v2/" { 200 } else { 404 })), image);
    let full = Server::start(move |r| served.answer(r));
    let conf = format!(
        "[[registry]]\nprefix='r.example'\nlocation='{}/own'\n[[registry.mirror]]\nlocation='{}/m'\n",
        full.address, empty.address
    );
    let mut registries = Registries::default();
    registries.add("t", &conf).expect("conf");
    let s = scratch();
    let with = Settings { registries: registries.clone(), ..settings() };
    let pulled = pull_with(&s.store, with.clone(), "r.example/a/b", &Silent).expect("pull");
    assert!(pulled.pinned.starts_with("r.example/a/b@"), "{}", pulled.pinned);
    assert_eq!(empty.requests("/v2/m/a/b/manifests/latest").len(), 1);
    assert_eq!(full.requests("/v2/own/a/b/manifests/latest").len(), 1);
    let err = pull_with(&s.store, with, "r.example/a/b:nope", &Silent).expect_err("nowhere");
    assert_eq!(err.kind(), Kind::NotFound);
    assert!(err.hints().any(|h| h.contains(&empty.address.to_string())), "{err:?}");
}
