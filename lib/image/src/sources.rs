//! Where images come from, as the files of a user say it.

use registry::{Client, Credentials, Registries, Settings};
use types::Result;

/// What a client is made from: the texts of containers-registries.conf(5), in their order, and those with
/// logins, of which an earlier one wins. Each has a name for messages.
///
/// # Errors
/// `Invalid` if one is damaged.
pub fn settings(registry_files: &[(String, String)], login_files: &[(String, String)]) -> Result<Settings> {
    let mut registries = Registries::default();
    for (name, text) in registry_files {
        registries.add(name, text)?;
    }
    let mut credentials = Credentials::default();
    for (name, text) in login_files {
        credentials.add(name, text)?;
    }
    Ok(Settings { registries, credentials, ..Settings::default() })
}

/// A client that does as these files say.
///
/// # Errors
/// As [`settings`].
pub fn client(registry_files: &[(String, String)], login_files: &[(String, String)]) -> Result<Client> {
    settings(registry_files, login_files).map(Client::new)
}
