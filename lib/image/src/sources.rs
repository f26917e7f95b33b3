//! Where images come from, as the files of a user say it.

use registry::{Client, Credentials, Registries, Settings};
use types::reference::ImageRef;
use types::sources::Sources;
use types::{Error, Kind, Result};

/// What a client is made from.
///
/// # Errors
/// `Invalid` if a file is damaged.
pub fn settings(sources: &Sources) -> Result<Settings> {
    let mut registries = Registries::default();
    for (name, text) in &sources.registries {
        registries.add(name, text)?;
    }
    if let Some((name, text)) = &sources.recorded {
        registries.add_recorded(name, text)?;
    }
    let mut credentials = Credentials::default();
    for (name, text) in &sources.logins {
        credentials.add(name, text)?;
    }
    credentials.ask_in_order(registries.credential_helpers());
    Ok(Settings {
        registries,
        credentials,
        certificates: sources.certificates.clone(),
        tokens: sources.tokens.clone(),
        ..Settings::default()
    })
}

/// A client that does as these files say.
///
/// # Errors
/// As [`settings`].
pub fn client(sources: &Sources) -> Result<Client> {
    settings(sources).map(Client::new)
}

/// Does something with the first meaning of a name for which it succeeds. The next one is tried where a
/// registry does not have it, or does not show it to us; one that is down ends the search, since otherwise
/// whoever can break a connection could choose where an image comes from.
///
/// # Errors
/// Those of `act`; of several that failed the last, with what was said before it.
pub fn first_of<T>(client: &Client, name: &str, mut act: impl FnMut(&ImageRef) -> Result<T>) -> Result<T> {
    let names = client.names(name)?;
    let mut before = Vec::new();
    for (at, candidate) in names.iter().enumerate() {
        match act(candidate) {
            Err(e) if at + 1 < names.len() && matches!(e.kind(), Kind::NotFound | Kind::Denied) => {
                before.push(format!("{}: {}", candidate.familiar(), types::error::chain(&e)));
            }
            Err(e) if !before.is_empty() => return Err(e.hint(format!("before that: {}", before.join("; ")))),
            other => return other,
        }
    }
    Err(Error::new(Kind::NotFound, "no registry to search"))
}
