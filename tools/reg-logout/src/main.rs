//! reg-logout - log out from registries.

use cli::Exit;
use types::{Error, Kind};

/// Log out from registries
///
/// Forgets the logins that reg-login, docker login and podman login keep. Prints each registry.
#[derive(Debug, clap::Parser)]
#[command(version)]
struct Args {
    /// Ignore registries without a login
    #[arg(long)]
    ignore: bool,
    /// Registries, HOST[:PORT]
    #[arg(value_name = "REGISTRY", default_value = "docker.io")]
    registries: Vec<String>,
}

fn main() -> std::process::ExitCode {
    cli::main(run)
}

fn run(args: Args) -> anyhow::Result<Exit> {
    let Args { ignore, registries } = args;
    let settings = image::settings(&cli::StoreArgs::default().sources()?)?;
    cli::Operands::of(registries).each_some("log out from", |registry| {
        let kept = match settings.credentials.helper(registry) {
            Some(helper) => helper.erase(&image::server_key(registry))?,
            None => false,
        };
        let mut found = kept;
        cli::edit_logins(|text| {
            let without = image::without_login(text, registry)?;
            found |= without.is_some();
            Ok(without)
        })
        .map_err(|e| Error::new(Kind::Io, cli::explain(&e)))?;
        match found {
            true => Ok(Some(registry.to_owned())),
            false if ignore => Ok(None),
            false => Err(Error::new(Kind::NotFound, "there is no login for it")),
        }
    })
}
