//! img-push - push images to a registry.

use cli::{Exit, Operands};
use image::PushOptions;
use store::Store;
use types::reference::ImageRef;

/// Push images to a registry
///
/// A name says which image and which registry. Prints one line NAME@DIGEST for each image.
#[derive(Debug, clap::Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    store: cli::StoreArgs,
    /// Push all tags that a repository has here; names have no tag then
    #[arg(short, long)]
    all_tags: bool,
    /// Send blobs in pieces of this size, such as 16m, instead of whole
    #[arg(long, value_name = "SIZE", value_parser = types::size::bytes)]
    chunk_size: Option<u64>,
    /// Compress layers by gzip or zstd, where they are not, or with :LEVEL all of them
    #[arg(long, value_name = "HOW[:LEVEL]")]
    compression: Option<image::Effort>,
    /// Accepted and ignored: no progress is shown
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    images: Operands,
}

fn main() -> std::process::ExitCode {
    cli::main(run)
}

fn run(args: Args) -> anyhow::Result<Exit> {
    let interrupt = cli::Interrupt::watch()?; // before any thread
    let Args { store, all_tags, chunk_size, compression, images, quiet: _ } = args;
    let client = image::client(&store.sources()?)?;
    let store = store.open()?;
    let options = PushOptions { chunk: chunk_size, uploads: 4, compression, cancel: interrupt.flag() };
    let (images, listed) = if all_tags { tags_of(&store, &images)? } else { (images, Exit::Ok) };
    let pushed = images.each("push", |name| image::push(&store, &client, &name.parse()?, &options))?;
    Ok(interrupt.exit(if pushed == Exit::Ok { listed } else { pushed }))
}

/// Every name that the store has of the repositories, and whether all have some.
fn tags_of(store: &Store, repositories: &Operands) -> anyhow::Result<(Operands, Exit)> {
    let mut names = Vec::new();
    let exit = repositories.each_some("push all tags of", |name| {
        let tags = image::tags_of(store, &ImageRef::parse_repository(name)?)?;
        names.extend(tags.iter().map(ToString::to_string));
        Ok(None)
    })?;
    Ok((Operands::of(names), exit))
}
