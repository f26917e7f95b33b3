//! The bearer dance: a registry names a token server, which gives a token for a scope.

use std::io::Read;

use reqwest::{StatusCode, Url};
use serde::Deserialize;
use types::{Context, Error, Kind, Result};

use crate::challenge::Challenge;
use crate::client::{Client, url};
use crate::config::Endpoint;
use crate::credentials::Login;
use crate::http::{self, Get};
use crate::origin;

/// No answer with a token is larger.
const MAX_ANSWER: u64 = 1 << 20;

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
}

/// Returns the `Authorization` that meets a challenge; `None` if it takes a login and there is none.
pub(crate) fn authorize(
    client: &Client,
    endpoint: &Endpoint,
    base: &Url,
    challenge: &Challenge,
) -> Result<Option<String>> {
    let login = client.settings.credentials.find(&endpoint.host, &endpoint.path);
    let basic = login.and_then(Login::basic);
    match challenge {
        // Over plain HTTP a password goes nowhere but to this machine.
        Challenge::Basic if base.scheme() == "https" || origin::is_loopback(&endpoint.host) => Ok(basic),
        Challenge::Basic if basic.is_some() => {
            Err(Error::new(Kind::Denied, "it wants a password unencrypted"))
        }
        Challenge::Basic => Ok(None),
        Challenge::Bearer { realm, service, scope } => {
            let mut realm = url(realm)?;
            origin::check_realm(base, &realm)?;
            let basic = basic.filter(|_| origin::may_have_credentials(base, &realm));
            {
                let mut query = realm.query_pairs_mut();
                if let Some(service) = service {
                    query.append_pair("service", service);
                }
                let own = format!("repository:{}:pull", endpoint.path);
                query.append_pair("scope", scope.as_deref().unwrap_or(&own));
            }
            fetch(client, endpoint, realm, basic.as_deref()).map(Some)
        }
    }
}

fn fetch(client: &Client, endpoint: &Endpoint, realm: Url, basic: Option<&str>) -> Result<String> {
    let host = realm.host_str().unwrap_or_default().to_owned();
    let get = Get {
        url: realm,
        accept: "application/json",
        from: 0,
        authorization: basic,
        insecure: endpoint.insecure,
    };
    let response = client.http.get(&get)?;
    if response.status() != StatusCode::OK {
        return Err(
            http::refusal(response).hint("the token server refused; check the login for this registry")
        );
    }
    let mut body = Vec::new();
    response
        .take(MAX_ANSWER)
        .read_to_end(&mut body)
        .map_err(|e| Error::because(Kind::TryLater, format!("read the token of {host}"), e))?;
    let answer: Answer = serde_json::from_slice(&body)
        .map_err(|_| Error::new(Kind::Invalid, "it is no JSON"))
        .with_context(|| format!("read the token of {host}"))?;
    let token = if answer.token.is_empty() { answer.access_token } else { answer.token };
    if token.is_empty() {
        return Err(Error::new(Kind::Denied, format!("{host} gave no token")));
    }
    Ok(format!("Bearer {token}"))
}
