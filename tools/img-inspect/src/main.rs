//! img-inspect - print all about images.

use std::io::Write;

use anyhow::Context;
use cli::Exit;
use types::platform::Platform;
use types::reference::ImageRef;

/// Print all about images
///
/// Prints one JSON object for each image, one a line.
#[derive(Debug, clap::Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    store: cli::StoreArgs,
    /// Ask the registry instead of the store, and fetch no layer
    #[arg(long)]
    remote: bool,
    /// With --remote, for this platform, such as linux/arm64 (default: $DOCKER_DEFAULT_PLATFORM, this machine's)
    #[arg(long, value_name = "OS/ARCH[/VARIANT]", requires = "remote")]
    platform: Option<Platform>,
    /// Print the index or manifest of one image, byte for byte
    #[arg(long, conflicts_with = "config")]
    raw: bool,
    /// Print the configuration of one image, byte for byte
    #[arg(long)]
    config: bool,
    #[command(flatten)]
    images: cli::Operands,
}

fn main() -> std::process::ExitCode {
    cli::main(run)
}

fn run(args: Args) -> anyhow::Result<Exit> {
    if args.remote { ask(args) } else { look(args) }
}

/// In the store.
fn look(args: Args) -> anyhow::Result<Exit> {
    let Args { store, raw, config, images, .. } = args;
    let store = store.open()?;
    match (raw, config) {
        (true, _) => bytes(&image::document(&store, &images.only()?)?),
        (_, true) => bytes(&image::configuration(&store, &images.only()?)?),
        _ => images.each("inspect", |name| cli::json(&image::inspect(&store, name)?)),
    }
}

/// In a registry.
fn ask(args: Args) -> anyhow::Result<Exit> {
    let Args { store, platform, raw, config, images, .. } = args;
    let client = image::client(&store.sources()?)?;
    let own = platform.is_some();
    let platform = platform.map_or_else(cli::default_platform, Ok)?;
    let remote = |name: &str| image::first_of(&client, name, |name| image::remote(&client, name, &platform));
    match (raw, config) {
        (true, _) if own => bytes(&remote(&images.only()?)?.manifest),
        (true, _) => {
            let document = |name: &ImageRef| image::remote_document(&client, name);
            bytes(&image::first_of(&client, &images.only()?, document)?)
        }
        (_, true) => bytes(&remote(&images.only()?)?.config),
        _ => images.each("inspect", |name| cli::json(&remote(name)?.record)),
    }
}

fn bytes(content: &[u8]) -> anyhow::Result<Exit> {
    std::io::stdout().write_all(content).context("write standard output")?;
    Ok(Exit::Ok)
}
