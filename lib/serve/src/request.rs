//! One request: who may ask, what is asked for, and the answer.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};

use crate::answer::{Answer, Outcome, Refusal, header};
use crate::body::{Arriving, Leaving};
use crate::route::{Route, route};
use crate::{App, Event, blobs, lists, manifests, names, referrers, uploads};

/// What is asked for, without the body.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) method: Method,
    path: String,
    query: Vec<(String, String)>,
    headers: HeaderMap,
}

impl Head {
    fn new(parts: &Parts) -> Self {
        let query = parts.uri.query().unwrap_or_default();
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        };
        Self {
            method: parts.method.clone(),
            path: decode(parts.uri.path()),
            query: query.split('&').filter(|p| !p.is_empty()).map(pair).collect(),
            headers: parts.headers.clone(),
        }
    }

    /// A parameter of the query.
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// A header that is text.
    pub(crate) fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Whether only the headers of the answer are wanted.
    pub(crate) fn is_head(&self) -> bool {
        self.method == Method::HEAD
    }
}

/// Answers. Whatever goes wrong is an answer too.
pub(crate) async fn answer(
    app: Arc<App>,
    (local, peer): (SocketAddr, SocketAddr),
    request: Request<Incoming>,
) -> Result<Response<Leaving>, Infallible> {
    let (parts, body) = request.into_parts();
    let head = Head::new(&parts);
    let is_head = head.is_head();
    let mut body = Arriving::new(body, tokio::runtime::Handle::current());
    let run = {
        let app = Arc::clone(&app);
        tokio::task::spawn_blocking(move || {
            guard(&app, &head, local).and_then(|()| act(&app, &head, &mut body))
        })
    };
    let outcome = run.await.unwrap_or_else(|e| Err(Refusal::ours(crate::listen::no_thread(&e))));
    let answer = outcome.unwrap_or_else(|refusal| {
        if let Some(trouble) = &refusal.trouble {
            (app.watch)(&Event::Trouble(trouble));
        }
        refusal.into_answer()
    });
    (app.watch)(&Event::Answered {
        peer,
        method: parts.method.as_str(),
        path: parts.uri.path(),
        status: answer.status.as_u16(),
    });
    Ok(response(answer, is_head))
}

fn response(answer: Answer, is_head: bool) -> Response<Leaving> {
    let length = answer.content.len();
    let bodiless = matches!(answer.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let body = if is_head || bodiless { Leaving::none() } else { Leaving::new(answer.content) };
    let mut response = Response::new(body);
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    headers.insert(header::API_VERSION, HeaderValue::from_static("registry/2.0"));
    headers.insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
    if !bodiless {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    headers.extend(answer.headers.into_iter().map(|(name, value)| (Some(name), value)));
    response
}

/// Refuses what a web page could make a browser ask for: changes (`Origin` says where from), and at the
/// loopback address anything under a foreign name (DNS rebinding).
fn guard(app: &App, head: &Head, local: SocketAddr) -> Result<(), Refusal> {
    let reads = matches!(head.method, Method::GET | Method::HEAD);
    if !reads && head.headers.contains_key(ORIGIN) {
        return Err(Refusal::new(StatusCode::FORBIDDEN, "DENIED", "web pages may not change images"));
    }
    if !reads && !app.options.writable {
        return Err(Refusal::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "UNSUPPORTED",
            "this registry is read-only; img-serve --writable lets clients push",
        )
        .with(ALLOW, "GET, HEAD"));
    }
    if local.ip().to_canonical().is_loopback() && !head.header(HOST).is_none_or(is_local_name) {
        return Err(Refusal::new(
            StatusCode::MISDIRECTED_REQUEST,
            "DENIED",
            "at a loopback address only localhost and addresses are names of this registry",
        ));
    }
    Ok(())
}

/// Whether a `Host` is an address or localhost: no name that somebody else gives out.
fn is_local_name(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_matches(['[', ']']);
    name == "localhost" || name.ends_with(".localhost") || name.parse::<IpAddr>().is_ok()
}

fn act(app: &App, head: &Head, body: &mut Arriving) -> Outcome {
    let Some(route) = route(&head.path) else {
        return Err(Refusal::not_found("UNSUPPORTED", "a registry has nothing at this path"));
    };
    let repository = |name: &str| names::repository(name, head.param("ns"));
    let get = matches!(head.method, Method::GET | Method::HEAD);
    match (&route, head.method.as_str()) {
        (Route::Base, _) if get => Ok(Answer::json(StatusCode::OK, &serde_json::json!({}))),
        (Route::Catalog, _) if get => lists::catalog(app, head),
        (Route::Tags(name), _) if get => lists::tags(app, head, name, &repository(name)?),
        (Route::Referrers(name, digest), _) if get => {
            referrers::list(app, head, &repository(name)?, &names::digest(digest)?)
        }
        (Route::Manifest(name, reference), method) => {
            let wanted = names::version(&repository(name)?, reference)?;
            match method {
                _ if get => manifests::get(app, head, &wanted),
                "PUT" => manifests::put(app, head, (name, &wanted), body),
                "DELETE" => manifests::delete(app, &wanted),
                _ => Err(not_allowed("GET, HEAD, PUT, DELETE")),
            }
        }
        (Route::Blob(name, digest), method) => {
            let (_, digest) = (repository(name)?, names::digest(digest)?);
            match method {
                _ if get => blobs::get(app, head, &digest),
                "DELETE" => blobs::delete(app, &digest),
                _ => Err(not_allowed("GET, HEAD, DELETE")),
            }
        }
        (Route::Uploads(name), "POST") => uploads::begin(app, head, (name, &repository(name)?), body),
        (Route::Uploads(_), _) => Err(not_allowed("POST")),
        (Route::Upload(name, id), method) => {
            let whose = (*name, &repository(name)?);
            match method {
                "GET" => uploads::status(app, whose, id),
                "PATCH" => uploads::patch(app, head, whose, id, body),
                "PUT" => uploads::finish(app, head, whose, id, body),
                "DELETE" => uploads::cancel(app, whose, id),
                _ => Err(not_allowed("GET, PATCH, PUT, DELETE")),
            }
        }
        _ => Err(not_allowed("GET, HEAD")),
    }
}

fn not_allowed(allowed: &str) -> Refusal {
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", "there is no such method here")
        .with(ALLOW, allowed)
}

/// Percent-decoding; what is not well formed, or not UTF-8, stays as it is and is refused as a name.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let hex = |at: usize| bytes.get(at).and_then(|b| char::from(*b).to_digit(16));
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(at) {
        match (byte, hex(at + 1), hex(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high << 4 | low).unwrap_or(b'%'));
                at += 3;
            }
            _ => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded_once() {
        for (text, is) in [
            ("a/b", "a/b"),
            ("sha256%3A00", "sha256:00"),
            ("%25%33%61", "%3a"),
            ("100%", "100%"),
            ("%zz%4", "%zz%4"),
            ("%ff", "%ff"),
            ("a+b", "a+b"),
        ] {
            assert_eq!(decode(text), is, "{text}");
        }
    }

    #[test]
    fn names_that_others_give_out_are_not_ours() {
        for host in ["localhost", "localhost:5000", "127.0.0.1:5000", "[::1]:5000", "[::1]", "a.localhost:1"]
        {
            assert!(is_local_name(host), "{host}");
        }
        for host in
            ["evil.example", "evil.example:5000", "localhost.evil.example", "", "127.0.0.1.evil.example:80"]
        {
            assert!(!is_local_name(host), "{host}");
        }
    }
}
