//! The bearer dance: a registry names a token server, which gives a token for a scope.

use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use types::{Context, Error, Kind, Result};

use crate::challenge::Challenge;
use crate::client::{Client, url};
use crate::config::Endpoint;
use crate::credentials::Login;
use crate::http::{Ask, Content};
use crate::tokens::Fresh;
use crate::{origin, refusal};

/// No answer with a token is larger.
const MAX_ANSWER: u64 = 1 << 20;

/// How long a token lasts if its server does not say (distribution spec, "token authentication").
const DEFAULT_LIFE: u64 = 60;

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
    /// Seconds.
    expires_in: Option<u64>,
}

/// The login for a repository.
pub(crate) fn login_for(client: &Client, endpoint: &Endpoint) -> Result<Option<Login>> {
    client.settings.credentials.find(&endpoint.host, &endpoint.path)
}

/// Returns the `Authorization` that meets a challenge; `None` if it takes a login and there is none.
pub(crate) fn authorize(
    client: &Client,
    endpoint: &Endpoint,
    base: &Url,
    challenge: &Challenge,
) -> Result<Option<Fresh>> {
    let login = login_for(client, endpoint)?;
    let basic = login.as_ref().and_then(Login::basic);
    match challenge {
        // Over plain HTTP a password goes nowhere but to this machine.
        Challenge::Basic if base.scheme() == "https" || origin::is_loopback(&endpoint.host) => {
            Ok(basic.map(|header| Fresh { header, life: None }))
        }
        Challenge::Basic if basic.is_some() => {
            Err(Error::new(Kind::Denied, "it wants a password unencrypted"))
        }
        Challenge::Basic => Ok(None),
        Challenge::Bearer { realm, service, scope } => {
            let mut realm = url(realm)?;
            origin::check_realm(base, &realm)?;
            let mut wants = Vec::new();
            if let Some(service) = service {
                wants.push(("service", service.clone()));
            }
            if let Some(scope) = scope.clone().or_else(|| own_scope(endpoint)) {
                wants.push(("scope", scope));
            }
            let trusted = origin::may_have_credentials(base, &realm);
            if let Some(Login::Identity(token)) = login.filter(|_| trusted) {
                return exchange(client, endpoint, realm, wants, &token).map(Some);
            }
            realm.query_pairs_mut().extend_pairs(wants);
            fetch(client, endpoint, realm, basic.filter(|_| trusted).as_deref()).map(Some)
        }
    }
}

fn own_scope(endpoint: &Endpoint) -> Option<String> {
    Some(format!("repository:{}:pull", endpoint.path)).filter(|_| !endpoint.path.is_empty())
}

/// Gives an identity token, which stands for a password, and gets a token for the scope (OAuth 2.0,
/// RFC 6749, 6).
fn exchange(
    client: &Client,
    endpoint: &Endpoint,
    realm: Url,
    mut wants: Vec<(&'static str, String)>,
    token: &str,
) -> Result<Fresh> {
    wants.push(("grant_type", "refresh_token".to_owned()));
    wants.push(("client_id", "longshore".to_owned()));
    wants.push(("refresh_token", token.to_owned()));
    let mut form = realm.clone();
    form.set_query(None);
    form.query_pairs_mut().extend_pairs(wants);
    let form = form.query().unwrap_or_default().to_owned();
    let open = || Ok(form.clone().into());
    let content = Content {
        media_type: "application/x-www-form-urlencoded",
        range: None,
        size: form.len() as u64,
        open: &open,
    };
    let ask = Ask {
        method: Method::POST,
        content: Some(content),
        accept: "application/json",
        ..Ask::get(realm, endpoint)
    };
    answer(client, &ask)
}

fn fetch(client: &Client, endpoint: &Endpoint, realm: Url, basic: Option<&str>) -> Result<Fresh> {
    let ask = Ask { accept: "application/json", authorization: basic, ..Ask::get(realm, endpoint) };
    answer(client, &ask)
}

fn answer(client: &Client, ask: &Ask<'_>) -> Result<Fresh> {
    let host = ask.url.host_str().unwrap_or_default().to_owned();
    let response = client.http.send(ask)?;
    if response.status() != StatusCode::OK {
        return Err(refusal::refusal_of(&ask.method, response)
            .hint("the token server refused; check the login for this registry"));
    }
    let body = client.http.read(response, MAX_ANSWER, "the token").with_context(|| format!("ask {host}"))?;
    let answer: Answer = serde_json::from_slice(&body)
        .map_err(|_| Error::new(Kind::Invalid, "it is no JSON"))
        .with_context(|| format!("read the token of {host}"))?;
    let token = if answer.token.is_empty() { answer.access_token } else { answer.token };
    if token.is_empty() {
        return Err(Error::new(Kind::Denied, format!("{host} gave no token")));
    }
    Ok(Fresh { header: format!("Bearer {token}"), life: Some(answer.expires_in.unwrap_or(DEFAULT_LIFE)) })
}
