//! img-load - load images from an archive.

use std::io::{IsTerminal, stdin};
use std::path::PathBuf;

use cli::Exit;
use image::{LoadOptions, PullOptions, Pulled, Silent};
use types::platform::Platform;
use types::reference::ImageRef;
use types::{Error, Kind};

/// Load images from an archive
///
/// Reads what img-save, docker save, podman save and skopeo write. Prints one line NAME@DIGEST for each image.
#[derive(Debug, clap::Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    store: cli::StoreArgs,
    /// Read this archive, or this directory with an OCI image layout, instead of stdin
    #[arg(short, long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Name the one image in it so
    #[arg(short, long, value_name = "NAME")]
    tag: Option<ImageRef>,
    /// Take names from the images that have them
    #[arg(long)]
    replace: bool,
    /// Load the image for this platform, such as linux/arm64 (default: $DOCKER_DEFAULT_PLATFORM, this machine's)
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,
    /// Refuse what has more bytes than this, such as 20g, uncompressed
    #[arg(long, value_name = "SIZE", value_parser = types::size::bytes)]
    max_size: Option<u64>,
    /// Accepted and ignored: no progress is shown
    #[arg(short, long)]
    quiet: bool,
}

fn main() -> std::process::ExitCode {
    cli::main(run)
}

fn run(args: Args) -> anyhow::Result<Exit> {
    let interrupt = cli::Interrupt::watch()?; // before any thread
    interrupt.finish(load(args, &interrupt))
}

fn load(args: Args, interrupt: &cli::Interrupt) -> anyhow::Result<Exit> {
    let Args { store, input, tag, replace, platform, max_size, quiet: _ } = args;
    let store = store.open()?;
    let platform = platform.map_or_else(cli::default_platform, Ok)?;
    let (progress, cancel) = (&Silent, interrupt.flag());
    let pull = PullOptions { platform: &platform, downloads: 1, unpackers: 2, max_size, progress, cancel };
    let options = LoadOptions { pull, name: tag, replace };
    let (mut exit, mut printed) = (Exit::Ok, Ok(Exit::Ok));
    let mut told = |name: &str, outcome: types::Result<Pulled>| match outcome {
        Ok(loaded) if printed.is_ok() => printed = cli::print_line(&loaded.pinned),
        Ok(_) => {}
        Err(e) => {
            cli::report(&e.within(format!("load {name:?}")).into());
            exit = Exit::Failed;
        }
    };
    match &input {
        Some(path) => image::load_path(&store, path, &options, &mut told)?,
        None if stdin().is_terminal() => {
            return Err(Error::new(Kind::Invalid, "stdin is a terminal").hint("name a file in -i").into());
        }
        None => image::load_archive(&store, interrupt.stdin()?, &options, &mut told)?,
    }
    printed?;
    Ok(exit)
}
