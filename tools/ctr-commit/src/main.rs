//! ctr-commit - make an image of what a container has changed.

use std::sync::atomic::Ordering;

use cli::Exit;
use rootfs::{Change, CommitOptions};
use types::reference::ImageRef;

/// Make an image of what a container has changed
///
/// The files that the container has changed become a layer on top of its image; volumes and binds are left
/// out. Prints NAME@DIGEST.
#[derive(Debug, clap::Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    store: cli::StoreArgs,
    /// Who made the image
    #[arg(short, long, value_name = "TEXT", default_value = "")]
    author: String,
    /// Change what the image says of itself, as a Dockerfile does: 'CMD ["sh"]' (can be repeated)
    #[arg(short, long, value_name = "INSTRUCTION")]
    change: Vec<Change>,
    /// Say this in the image's history
    #[arg(short, long, value_name = "TEXT", default_value = "")]
    message: String,
    /// Stop the processes of the container meanwhile
    #[arg(short, long, value_name = "BOOL", default_value_t = true, default_missing_value = "true",
          num_args = 0..=1, require_equals = true, action = clap::ArgAction::Set)]
    pause: bool,
    /// Let them go on: what is written meanwhile may be in the image in part
    #[arg(long)]
    no_pause: bool,
    /// How the layer is kept
    #[arg(long, value_enum, default_value = "gzip")]
    compression: cli::Compression,
    /// The container: a name, an id, or a unique beginning of an id; - reads it from stdin
    #[arg(value_name = "CONTAINER")]
    container: String,
    /// What the image is called; without, it is found by its digest
    #[arg(value_name = "NAME")]
    name: Option<ImageRef>,
}

fn main() -> std::process::ExitCode {
    cli::main(run)
}

fn run(args: Args) -> anyhow::Result<Exit> {
    cli::check_new_name(args.name.as_ref())?;
    let store = args.store.open()?;
    let id = store.find_container(&cli::one(&args.container)?)?;
    let _lock = store.lock_container(&id)?; // it is not removed meanwhile
    let paused = if args.pause && !args.no_pause { engine::pause(&store, &id)? } else { None };
    let interrupt = cli::Interrupt::watch()?; // before any thread, and after the process that guards the pause
    let options = CommitOptions {
        name: args.name.as_ref(),
        changes: &args.change,
        message: &args.message,
        author: &args.author,
        created: cli::build_time()?,
        zstd: args.compression.is_zstd(),
    };
    let made = rootfs::commit(&store, &id, &options, &|| interrupt.flag().load(Ordering::Relaxed));
    let ended = paused.map_or(Ok(()), engine::Paused::end);
    interrupt.finish(
        made.and_then(|made| ended.map(|()| made))
            .map_err(Into::into)
            .and_then(|made| cli::print_line(&made)),
    )
}
