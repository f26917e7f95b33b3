//! img-diff - print which files differ between two images.

use cli::{Exit, Format};
use rootfs::View;
use types::{Error, Kind};

/// Print which files differ between two images
///
/// Prints one line for each file that was added, changed or removed from the first image to the second.
#[derive(Debug, clap::Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    store: cli::StoreArgs,
    #[command(flatten)]
    format: Format,
    /// The image that is compared with: a name, an id, or a unique beginning of an id
    #[arg(value_name = "IMAGE")]
    old: String,
    /// The image that is compared
    #[arg(value_name = "IMAGE")]
    new: String,
}

fn main() -> std::process::ExitCode {
    cli::main(run)
}

fn run(args: Args) -> anyhow::Result<Exit> {
    let Args { store, format, old, new } = args;
    let store = store.open()?;
    let (old, new) = (View::of(&store, &old)?, View::of(&store, &new)?);
    let mut out = format.writer();
    rootfs::diff(&old, &new, &mut |difference| {
        out.record(&difference).map_err(|e| Error::new(Kind::Io, format!("write standard output: {e:#}")))
    })?;
    out.finish()
}
