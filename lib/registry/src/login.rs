//! Logging in: a name and a password are tried, and put into or taken out of Docker's `config.json`.

use base64::Engine as _;
use reqwest::StatusCode;
use reqwest::header::WWW_AUTHENTICATE;
use serde_json::{Map, Value};
use types::reference::ImageRef;
use types::{Context, Error, Kind, Result};

use crate::client::{Client, Settings};
use crate::config::Endpoint;
use crate::credentials::{Credentials, canonical, server_key};
use crate::http::Ask;
use crate::{challenge, refusal, token};

impl Settings {
    /// Tries a login at a registry (`HOST[:PORT]`), as it is configured here.
    ///
    /// # Errors
    /// `Denied` if it is refused; those of the network.
    pub fn try_login(&self, host: &str, user: &str, password: &str) -> Result<()> {
        let image: ImageRef = format!("{host}/x").parse()?;
        let endpoints = self.registries.endpoints(&image)?;
        let Some(home) = endpoints.into_iter().next_back() else {
            return Err(Error::new(Kind::NotFound, "no place to ask"));
        };
        let credentials = Credentials::one(&home.host, user, password);
        let client = Client::new(Self { credentials, ..self.clone() });
        client.greet(&Endpoint { path: String::new(), ..home }).with_context(|| format!("ask {host}"))
    }
}

impl Client {
    /// Asks for nothing but to be let in.
    fn greet(&self, endpoint: &Endpoint) -> Result<()> {
        let base = self.base(endpoint)?;
        let url = base.join("v2/").map_err(|e| Error::because(Kind::Invalid, "make an address", e))?;
        let ask = Ask::get(url, endpoint);
        let response = self.http.send(&ask)?;
        if response.status() == StatusCode::OK {
            return Ok(()); // it lets everybody in
        }
        let asked = response.headers().get_all(WWW_AUTHENTICATE);
        let found = challenge::parse(asked.iter().filter_map(|v| v.to_str().ok()));
        let (StatusCode::UNAUTHORIZED, Some(challenge)) = (response.status(), found) else {
            return Err(refusal::refusal(response));
        };
        let Some(token) = token::authorize(self, endpoint, &base, &challenge)? else {
            return Err(refusal::refusal(response));
        };
        let response = self.http.send(&Ask { authorization: Some(&token.header), ..ask })?;
        if response.status() == StatusCode::OK {
            return Ok(());
        }
        Err(refusal::refusal(response).hint("name or password is wrong"))
    }
}

/// The text of a `config.json` with one more login: the password is in it, or, without one, known to
/// a helper. What else is in it stays.
///
/// # Errors
/// `Invalid` if it is not JSON of that kind.
pub fn with_login(text: &str, host: &str, basic: Option<(&str, &str)>) -> Result<String> {
    if basic.is_some_and(|(user, _)| user.contains(':')) {
        return Err(Error::new(Kind::Invalid, "a user's name has no colon"));
    }
    let (mut file, mut auths) = open(text)?;
    auths.retain(|key, _| canonical(key) != canonical(host));
    let mut entry = Map::new();
    if let Some((user, password)) = basic {
        let auth = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        entry.insert("auth".to_owned(), auth.into());
    }
    auths.insert(server_key(host), entry.into());
    file.insert("auths".to_owned(), auths.into());
    print(&file)
}

/// The text without the login of a host; `None` if it has none.
///
/// # Errors
/// As [`with_login`].
pub fn without_login(text: &str, host: &str) -> Result<Option<String>> {
    let (mut file, mut auths) = open(text)?;
    let before = auths.len();
    auths.retain(|key, _| canonical(key) != canonical(host));
    if auths.len() == before {
        return Ok(None);
    }
    file.insert("auths".to_owned(), auths.into());
    print(&file).map(Some)
}

fn open(text: &str) -> Result<(Map<String, Value>, Map<String, Value>)> {
    let bad = || Error::new(Kind::Invalid, "it is not the JSON of docker login");
    let text = if text.trim().is_empty() { "{}" } else { text };
    let mut file: Map<String, Value> = serde_json::from_str(text).map_err(|_| bad())?;
    match file.remove("auths") {
        None | Some(Value::Null) => Ok((file, Map::new())),
        Some(Value::Object(auths)) => Ok((file, auths)),
        Some(_) => Err(bad()),
    }
}

fn print(file: &Map<String, Value>) -> Result<String> {
    let text = serde_json::to_string_pretty(file)
        .map_err(|e| Error::because(Kind::Invalid, "encode the logins", e))?;
    Ok(text + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_comes_and_goes_and_the_rest_stays() {
        let before = r#"{"auths":{"index.docker.io":{"auth":"old"},"a.example":{}},"HttpHeaders":{"x":"y"}}"#;
        let text = with_login(before, "docker.io", Some(("u", "p"))).expect("with");
        let value: Value = serde_json::from_str(&text).expect("json");
        assert_eq!(value["auths"]["https://index.docker.io/v1/"]["auth"], "dTpw");
        assert_eq!(value["auths"].as_object().expect("auths").len(), 2, "{text}");
        assert_eq!(value["HttpHeaders"]["x"], "y");
        let text = without_login(&text, "docker.io").expect("without").expect("was there");
        assert_eq!(without_login(&text, "docker.io").expect("again"), None);
        assert!(text.contains("a.example") && !text.contains("dTpw"));
        let text = with_login("", "r.example:5000", None).expect("helper");
        let value: Value = serde_json::from_str(&text).expect("json");
        assert_eq!(value["auths"]["r.example:5000"], serde_json::json!({}));
    }

    #[test]
    fn what_is_no_config_is_left_alone() {
        for text in ["[]", "x", r#"{"auths":[]}"#] {
            assert!(with_login(text, "a.example", None).is_err(), "{text}");
        }
        assert!(with_login("", "a.example", Some(("a:b", "p"))).is_err());
    }
}
