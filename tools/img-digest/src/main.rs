//! img-digest - print the digests of images.

use types::platform::Platform;

/// Print the digests of images
///
/// Prints for each image the digest that its registry knows it by.
#[derive(Debug, clap::Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    store: cli::StoreArgs,
    /// Print NAME@DIGEST, as all tools accept it
    #[arg(long)]
    full_ref: bool,
    /// Ask the registry instead of the store, and fetch no layer
    #[arg(long)]
    remote: bool,
    /// With --remote, the digest of the manifest for this platform, such as linux/arm64
    #[arg(long, value_name = "OS/ARCH[/VARIANT]", requires = "remote")]
    platform: Option<Platform>,
    #[command(flatten)]
    images: cli::Operands,
}

fn main() -> std::process::ExitCode {
    cli::main(run)
}

fn run(args: Args) -> anyhow::Result<cli::Exit> {
    let Args { store, full_ref, remote, platform, images } = args;
    if !remote {
        let store = store.open()?;
        return images.each("look up", |name| {
            let image = store.image(name)?;
            Ok(if full_ref { image.pinned() } else { image.digest.to_string() })
        });
    }
    let client = image::client(&store.sources()?)?;
    images.each("ask for", |name| {
        image::first_of(&client, name, |name| {
            let digest = image::remote_digest(&client, name, platform.as_ref())?;
            Ok(if full_ref { name.with_digest(digest).familiar() } else { digest.to_string() })
        })
    })
}
