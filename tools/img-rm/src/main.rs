//! img-rm - remove images, or names of images.

use cli::Exit;
use store::{RemoveOptions, Removed};
use types::Kind;

/// Remove images
///
/// Takes a name away from an image; with its last name the image goes, and what no other image
/// needs. Prints what was untagged and deleted. An image that a container uses is not removed.
#[derive(Debug, clap::Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    store: cli::StoreArgs,
    /// Take all names away from an image that is named by its id; keep what containers use, without a name
    #[arg(short, long)]
    force: bool,
    /// Ignore images that do not exist
    #[arg(long)]
    ignore: bool,
    /// Print what would be removed and remove nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    #[command(flatten)]
    images: cli::Operands,
}

fn main() -> std::process::ExitCode {
    cli::main(run)
}

fn run(args: Args) -> anyhow::Result<Exit> {
    let Args { store, force, ignore, dry_run, images } = args;
    let store = store.open()?;
    images.each_some("remove", |name| match store.remove_image(name, RemoveOptions { force, dry_run }) {
        Ok(removed) => Ok(Some(lines(&removed))),
        Err(e) if ignore && e.kind() == Kind::NotFound => Ok(None),
        Err(e) => Err(e),
    })
}

/// As `docker rmi` prints it.
fn lines(removed: &Removed) -> String {
    let untagged = removed.untagged.iter().map(|name| format!("Untagged: {name}"));
    let deleted = removed.deleted.iter().map(|digest| format!("Deleted: {digest}"));
    untagged.chain(deleted).collect::<Vec<_>>().join("\n")
}
