//! img-gc - remove what no image and no container needs.

use cli::{Exit, Format};
use store::Policy;
use types::out::img_gc::Garbage;

/// Remove what no image and no container needs
///
/// Prints what was removed: images, if an option says which; blobs, unpacked layers, and downloads that were
/// interrupted an hour ago or earlier.
#[derive(Debug, clap::Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    store: cli::StoreArgs,
    #[command(flatten)]
    format: Format,
    /// Also images that were not used for so long, such as 7d
    #[arg(long, value_name = "AGE", value_parser = types::time::age)]
    unused_for: Option<i64>,
    /// Also images, the longest unused first, until all take no more than this, such as 20G
    #[arg(long, value_name = "SIZE", value_parser = types::size::bytes)]
    max_bytes: Option<u64>,
    /// Of images, keep the N that were used last; alone, the others go
    #[arg(long, value_name = "N")]
    keep_last: Option<usize>,
    /// Print what would be removed and remove nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

fn main() -> std::process::ExitCode {
    cli::main(run)
}

fn run(args: Args) -> anyhow::Result<Exit> {
    let Args { store, format, unused_for, max_bytes, keep_last, dry_run } = args;
    let policy = Policy { unused_for, max_bytes, keep_last };
    let collected = store.open()?.collect_garbage(&policy, dry_run)?;
    let mut out = format.writer();
    let images = collected.retired.into_iter().map(|i| ("image", i.digest, i.size, i.names));
    let pieces = collected.garbage.into_iter().map(|p| (p.kind.name(), p.digest, p.size, Vec::new()));
    for (kind, digest, size, names) in images.chain(pieces) {
        out.record(&Garbage { kind, digest, size, names, shown: digest.to_string() })?;
    }
    out.finish()
}
