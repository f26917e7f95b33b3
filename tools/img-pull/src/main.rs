//! img-pull - Pull images from a registry

mod show;
mod wanted;

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use image::PullOptions;
use types::platform::Platform;

/// Pull images from a registry
///
/// Prints one line NAME@DIGEST for each image.
#[derive(Debug, clap::Parser)]
#[command(version, mut_arg("names", |names| names.required(false).required_unless_present("lock")))]
struct Args {
    #[command(flatten)]
    store: cli::StoreArgs,
    /// Pull for this platform, such as linux/arm64 (default: $DOCKER_DEFAULT_PLATFORM, this machine's)
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,
    /// Pull all tags of the repositories; names have no tag then
    #[arg(short, long, conflicts_with = "lock")]
    all_tags: bool,
    /// Pull what a file of img-lock says: these names, or all that are in it
    #[arg(long, value_name = "FILE")]
    lock: Option<PathBuf>,
    /// Refuse what has more bytes than this, such as 20g, uncompressed
    #[arg(long, value_name = "SIZE", value_parser = types::size::bytes)]
    max_size: Option<u64>,
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
    let lock = args.lock.as_deref().map(wanted::lock).transpose()?;
    let (images, listed) = match &lock {
        Some(lock) => (wanted::locked(&args.images, lock)?, cli::Exit::Ok),
        None if args.all_tags => wanted::all_tags(&client, &args.images)?,
        None => (args.images, cli::Exit::Ok),
    };
    let pulled = images.each("pull", |name| {
        if interrupt.flag().load(Ordering::Relaxed) {
            return Err(types::Error::new(types::Kind::Io, "interrupted"));
        }
        let shown = show::Show::new(how);
        let options = PullOptions {
            platform: &platform,
            downloads: 4,
            unpackers: 2,
            max_size: args.max_size,
            progress: shown.progress(),
            cancel: interrupt.flag(),
        };
        let pulled = match &lock {
            Some(lock) => image::pull_locked(&store, &client, &name.parse()?, lock, &options),
            None => image::first_of(&client, name, |name| image::pull(&store, &client, name, &options)),
        };
        shown.finish();
        Ok(pulled?.pinned)
    })?;
    Ok(interrupt.exit(if pulled == cli::Exit::Ok { listed } else { pulled }))
}
