//! What went wrong, in words: answers that are not the wanted ones, and errors of the HTTP library.

use std::io::Read;

use reqwest::blocking::Response;
use reqwest::{Method, Url};
use types::{Error, Kind};

use crate::http::{retry_after, says_later};

/// No message of a server is read further than this.
const MAX_MESSAGE: u64 = 64 << 10;

/// An address without its query, which may be a signature that opens the door for an hour.
pub(crate) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.to_string()
}

/// Turns an answer that is not the wanted one into words.
pub(crate) fn refusal(response: Response) -> Error {
    refusal_of(&Method::GET, response)
}

/// The same for another method.
pub(crate) fn refusal_of(method: &Method, response: Response) -> Error {
    let status = response.status();
    let later = retry_after(response.headers());
    let url = shown(response.url());
    let kind = match status.as_u16() {
        401 | 403 => Kind::Denied,
        404 => Kind::NotFound,
        _ if says_later(status) => Kind::TryLater,
        _ => Kind::Io,
    };
    let reason = status.canonical_reason().unwrap_or("unknown status");
    let mut text = format!("{method} {url}: {} {reason}", status.as_u16());
    if let Some(message) = message_of(response) {
        text.push_str(": ");
        text.push_str(&message);
    }
    let err = Error::new(kind, text);
    match (status.as_u16(), later) {
        (429, Some(wait)) => {
            err.hint(format!("the registry limits pulls; try again in {} s", wait.as_secs()))
        }
        (429, None) => err.hint("the registry limits pulls; try again later, or log in"),
        _ => err,
    }
}

/// The first message of a registry's JSON, cut to a line.
fn message_of(response: Response) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Body {
        errors: Vec<Item>,
    }
    #[derive(serde::Deserialize)]
    struct Item {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    let mut body = Vec::new();
    // A message that cannot be read is not worth an error of its own.
    response.take(MAX_MESSAGE).read_to_end(&mut body).ok()?;
    let item = serde_json::from_slice::<Body>(&body).ok()?.errors.into_iter().next()?;
    let text = if item.message.is_empty() { item.code } else { item.message };
    Some(text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect())
}

/// Turns an error of the HTTP library, whose own text is for programmers, into words: its
/// innermost cause.
pub(crate) fn describe(err: &reqwest::Error) -> Error {
    let kind = if err.is_connect() {
        Kind::Io
    } else {
        // Something broke on the way, not before it: the same request may well succeed.
        Kind::TryLater
    };
    if err.is_timeout() {
        return Error::new(
            kind,
            if err.is_connect() { "no connection in time" } else { "no answer in time" },
        )
        .hint("the host is unreachable, or a proxy or firewall is in the way");
    }
    let mut cause: &dyn std::error::Error = err;
    while let Some(next) = cause.source() {
        cause = next;
    }
    let text = cause.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text).to_owned();
    let connect = err.is_connect();
    let named = lower_first(&text);
    let err = Error::new(kind, named);
    if connect && text.contains("lookup") {
        err.hint("check the registry's name and the network")
    } else {
        err
    }
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
