//! reg-login - log in to a registry.

use std::io::{IsTerminal, Write};

use anyhow::Context;
use cli::Exit;
use types::{Error, Kind};

/// Log in to a registry
///
/// Tries a name and a password and keeps them. Prints the registry.
#[derive(Debug, clap::Parser)]
#[command(version)]
struct Args {
    /// The name of the user
    #[arg(short, long, value_name = "NAME")]
    username: String,
    /// Read the password from stdin
    #[arg(long, conflicts_with = "password_fd", required_unless_present = "password_fd")]
    password_stdin: bool,
    /// Read the password from this descriptor
    #[arg(long, value_name = "N")]
    password_fd: Option<u32>,
    /// The registry, HOST[:PORT]
    #[arg(value_name = "REGISTRY", default_value = "docker.io")]
    registry: String,
}

fn main() -> std::process::ExitCode {
    cli::main(run)
}

fn run(args: Args) -> anyhow::Result<Exit> {
    let Args { username: user, password_fd, registry, .. } = args;
    if password_fd.is_none() && std::io::stdin().is_terminal() {
        let err = Error::new(Kind::Invalid, "stdin is a terminal, which would show the password");
        return Err(err.hint("pipe it in, or name a descriptor with --password-fd").into());
    }
    let password = cli::password(password_fd.unwrap_or(0))?;
    let settings = image::settings(&cli::StoreArgs::default().sources()?)?;
    let what = || format!("log in to {registry:?}");
    match settings.try_login(&registry, &user, &password) {
        Err(e) if e.kind() == Kind::Denied => {
            cli::report(&e.within(what()).into());
            return Ok(Exit::Failed);
        }
        other => other.with_context(what)?,
    }
    let helper = settings.credentials.helper(&registry);
    if let Some(helper) = &helper {
        helper.store(&image::server_key(&registry), &user, &password).with_context(what)?;
    }
    // What a helper keeps is not kept a second time.
    let login = helper.is_none().then_some((user.as_str(), password.as_str()));
    cli::edit_logins(|text| image::with_login(text, &registry, login).map(Some))?;
    writeln!(std::io::stdout(), "{registry}").context("write standard output")?;
    Ok(Exit::Ok)
}
