//! Registries that break the protocol itself: at the manifest, at a blob, at a token, in a list of tags.
//! Each fault ends in a message, in bounded time, with nothing in the store.

use std::io::{Read, Result as Io, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use types::Kind;

use crate::fake_registry::{Answer, Image, Server};
use crate::fault_tests::{nothing_named, pull_from, pull_serially, scratch, settings, words};
use crate::{Client, tags};

type Act = fn(&mut TcpStream) -> Io<()>;

/// Longer than any of them may take with the settings of tests, on a loaded machine.
const ENOUGH: Duration = Duration::from_secs(25);
const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";

fn reset(stream: &mut TcpStream) -> Io<()> {
    stream.write_all(HEAD)?;
    // What is closed so is reset, if nothing ends it in order before that.
    rustix::net::sockopt::set_socket_linger(&*stream, Some(Duration::ZERO))?;
    Err(std::io::ErrorKind::ConnectionReset.into())
}

fn garbage(stream: &mut TcpStream) -> Io<()> {
    stream.write_all(b"\x00\x01\xffgarbage\r\n\r\n")
}

fn hang_up(_: &mut TcpStream) -> Io<()> {
    Ok(())
}

fn truncated(stream: &mut TcpStream) -> Io<()> {
    stream.write_all(HEAD)?;
    stream.write_all(b"Content-Length: 1000\r\n\r\n{")
}

fn endless_headers(stream: &mut TcpStream) -> Io<()> {
    stream.write_all(HEAD)?;
    loop {
        stream.write_all(b"X-More: and more and more and more and more and more and more and more\r\n")?;
    }
}

fn endless_chunks(stream: &mut TcpStream) -> Io<()> {
    stream.write_all(HEAD)?;
    stream.write_all(b"Transfer-Encoding: chunked\r\n\r\n")?;
    let chunk = [b"10000\r\n".as_slice(), &vec![b' '; 0x10000], b"\r\n"].concat();
    loop {
        stream.write_all(&chunk)?;
    }
}

fn bad_chunk(stream: &mut TcpStream) -> Io<()> {
    stream.write_all(HEAD)?;
    stream.write_all(b"Transfer-Encoding: chunked\r\n\r\nno size\r\n")
}

fn stall(stream: &mut TcpStream) -> Io<()> {
    stream.write_all(HEAD)?;
    stream.write_all(b"Content-Length: 1000\r\n\r\n{")?;
    // Until the client gives up.
    stream.read(&mut [0]).map(drop)
}

fn silence(stream: &mut TcpStream) -> Io<()> {
    stream.read(&mut [0]).map(drop)
}

fn drip(stream: &mut TcpStream) -> Io<()> {
    stream.write_all(HEAD)?;
    stream.write_all(b"Content-Length: 1000000\r\n\r\n")?;
    loop {
        stream.write_all(b" ")?;
        std::thread::sleep(Duration::from_millis(30));
    }
}

fn dripping_headers(stream: &mut TcpStream) -> Io<()> {
    stream.write_all(HEAD)?;
    stream.write_all(b"X-Slow: ")?;
    loop {
        stream.write_all(b"x")?;
        std::thread::sleep(Duration::from_millis(30));
    }
}

/// What a server that knows HTTP/2 only says first: SETTINGS, then GOAWAY.
fn http2_only(stream: &mut TcpStream) -> Io<()> {
    stream.write_all(b"\0\0\0\x04\0\0\0\0\0\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\x01")
}

fn encoded(stream: &mut TcpStream) -> Io<()> {
    stream.write_all(HEAD)?;
    stream.write_all(b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00")
}

fn deep_json(stream: &mut TcpStream) -> Io<()> {
    stream.write_all(HEAD)?;
    let deep = "[".repeat(200_000);
    write!(stream, "Content-Length: {}\r\n\r\n{deep}", deep.len())
}

fn garbage_json(stream: &mut TcpStream) -> Io<()> {
    stream.write_all(HEAD)?;
    stream.write_all(b"Content-Length: 9\r\n\r\n{\"a\":nope")
}

fn a_hundred_megabytes(stream: &mut TcpStream) -> Io<()> {
    stream.write_all(HEAD)?;
    stream.write_all(b"Content-Length: 104857600\r\n\r\n")?;
    for _ in 0..1600 {
        stream.write_all(&[b' '; 65536])?;
    }
    Ok(())
}

/// A fault, and what is said of it where a document is expected.
const FAULTS: &[(&str, Act, Kind)] = &[
    ("reset", reset, Kind::TryLater),
    ("garbage", garbage, Kind::TryLater),
    ("hang up", hang_up, Kind::TryLater),
    ("truncated", truncated, Kind::TryLater),
    ("endless headers", endless_headers, Kind::TryLater),
    ("endless chunks", endless_chunks, Kind::Invalid),
    ("bad chunk", bad_chunk, Kind::TryLater),
    ("stall", stall, Kind::TryLater),
    ("silence", silence, Kind::TryLater),
    ("drip", drip, Kind::TryLater),
    ("dripping headers", dripping_headers, Kind::TryLater),
    ("HTTP/2 only", http2_only, Kind::TryLater),
    ("encoded", encoded, Kind::Unsupported),
    ("deep JSON", deep_json, Kind::Invalid),
    ("garbage JSON", garbage_json, Kind::Invalid),
    ("a hundred megabytes", a_hundred_megabytes, Kind::Invalid),
];

/// Runs all faults at one place, side by side.
fn each(ask: impl Fn(&str, Act) -> types::Error + Sync) {
    std::thread::scope(|scope| {
        for (name, act, kind) in FAULTS {
            let ask = &ask;
            scope.spawn(move || {
                let begun = Instant::now();
                let err = ask(name, *act);
                assert_eq!(err.kind(), *kind, "{name}: {}", words(&err));
                assert!(begun.elapsed() < ENOUGH, "{name}: {:?}", begun.elapsed());
            });
        }
    });
}

#[test]
fn at_the_manifest() {
    each(|name, act| {
        let server = Server::start(move |r| match r.path.contains("/manifests/") {
            true => Answer::raw(act),
            false => Answer::status(200),
        });
        let s = scratch();
        let err = pull_from(&s.store, &server, "").expect_err(name);
        nothing_named(&s.store);
        err
    });
}

#[test]
fn at_the_token() {
    each(|name, act| {
        let tokens = Server::start(move |_| Answer::raw(act));
        let realm = format!("Bearer realm=\"http://{}/token\"", tokens.address);
        let server = Server::start(move |r| match r.path.as_str() {
            "/v2/" => Answer::status(200),
            _ => Answer::status(401).with("WWW-Authenticate", &realm),
        });
        let s = scratch();
        let err = pull_from(&s.store, &server, "").expect_err(name);
        nothing_named(&s.store);
        err
    });
}

#[test]
fn in_a_list_of_tags() {
    each(|name, act| {
        let server = Server::start(move |r| match r.path.as_str() {
            "/v2/" => Answer::status(200),
            _ => Answer::raw(act),
        });
        let name_of = format!("{}/a/b", server.address).parse().expect("name");
        tags(&Client::new(settings()), &name_of).expect_err(name)
    });
}

#[test]
fn at_a_blob() {
    // Its content decides there, and what is wrong with that.
    std::thread::scope(|scope| {
        for (name, act, _) in FAULTS {
            scope.spawn(move || {
                let image = Image::new(&[("a", 100_000)]);
                let server = Server::start(move |r| match r.path.contains("/blobs/") {
                    true => Answer::raw(*act),
                    false => image.answer(r),
                });
                let (s, begun) = (scratch(), Instant::now());
                let host = format!("{}/a/b", server.address);
                let err = pull_serially(&s.store, settings(), &host).expect_err(name);
                let right = matches!(err.kind(), Kind::TryLater | Kind::Corrupt | Kind::Invalid);
                assert!(right, "{name}: {:?} {}", err.kind(), words(&err));
                assert!(begun.elapsed() < ENOUGH, "{name}: {:?}", begun.elapsed());
                nothing_named(&s.store);
            });
        }
    });
}

#[test]
fn a_registry_that_asks_for_a_login_again_and_again_is_left() {
    let tokens = Server::start(|_| Answer::ok(br#"{"token":"never-good"}"#, "application/json"));
    let realm = format!("Bearer realm=\"http://{}/token\"", tokens.address);
    let server = Server::start(move |r| match r.path.as_str() {
        "/v2/" => Answer::status(200),
        _ => Answer::status(401).with("WWW-Authenticate", &realm),
    });
    let err = pull_from(&scratch().store, &server, "").expect_err("401 loop");
    assert_eq!(err.kind(), Kind::Denied);
    assert_eq!((server.requests("/manifests/").len(), tokens.requests("/token").len()), (2, 1));
}

#[test]
fn waits_end_with_the_budget() {
    let server = Server::start(|r| match r.path.as_str() {
        "/v2/" => Answer::status(200),
        _ => Answer::status(503).with("Retry-After", "3"),
    });
    let begun = Instant::now();
    let err = pull_from(&scratch().store, &server, "").expect_err("503");
    assert_eq!(err.kind(), Kind::TryLater);
    // Two waits would be beyond the four seconds that a question may take.
    assert_eq!(server.requests("/manifests/").len(), 2);
    assert!(begun.elapsed() < ENOUGH);
}
