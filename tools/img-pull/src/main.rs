//! img-pull - Pull images from a registry

mod show;

use std::sync::atomic::Ordering;

use image::PullOptions;
use types::platform::Platform;

/// Pull images from a registry
///
/// Prints one line NAME@DIGEST for each image.
#[derive(Debug, clap::Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    store: cli::StoreArgs,
    /// Pull for this platform, such as linux/arm64 (default: $DOCKER_DEFAULT_PLATFORM, this machine's)
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,
    /// Show no progress
    #[arg(short, long, conflicts_with = "progress")]
    quiet: bool,
    /// Show progress on stderr: a bar on a terminal, JSON Lines, or not at all
    #[arg(long, value_enum, default_value = "auto", value_name = "HOW")]
    progress: show::How,
    #[command(flatten)]
    images: cli::Operands,
}

fn main() -> std::process::ExitCode {
    cli::main(run)
}

fn run(args: Args) -> anyhow::Result<cli::Exit> {
    let interrupt = cli::Interrupt::watch()?; // before any thread
    let store = args.store.open()?;
    let client = image::client(&args.store.sources()?)?;
    let platform = args.platform.map_or_else(cli::default_platform, Ok)?;
    let how = if args.quiet { show::How::None } else { args.progress };
    let exit = args.images.each("pull", |name| {
        if interrupt.flag().load(Ordering::Relaxed) {
            return Err(types::Error::new(types::Kind::Io, "interrupted"));
        }
        let shown = show::Show::new(how);
        let options = PullOptions {
            platform: &platform,
            downloads: 4,
            unpackers: 2,
            progress: shown.progress(),
            cancel: interrupt.flag(),
        };
        let pulled = image::first_of(&client, name, |name| image::pull(&store, &client, name, &options));
        shown.finish();
        Ok(pulled?.pinned)
    })?;
    Ok(interrupt.exit(exit))
}
