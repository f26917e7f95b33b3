//! img-gc - remove what no image and no container needs.

use cli::{Exit, Format};
use types::out::img_gc::Garbage;

/// Remove what no image and no container needs
///
/// Prints what was removed: blobs, unpacked layers, and downloads that were interrupted an hour ago or earlier.
#[derive(Debug, clap::Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    store: cli::StoreArgs,
    #[command(flatten)]
    format: Format,
    /// Print what would be removed and remove nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

fn main() -> std::process::ExitCode {
    cli::main(run)
}

fn run(args: Args) -> anyhow::Result<Exit> {
    let Args { store, format, dry_run } = args;
    let mut out = format.writer();
    for piece in store.open()?.collect_garbage(dry_run)? {
        out.record(&Garbage {
            kind: piece.kind.name(),
            digest: piece.digest,
            size: piece.size,
            shown: piece.digest.to_string(),
        })?;
    }
    out.finish()
}
