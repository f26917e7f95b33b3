//! img-ls - list images, one record for each name.

mod list;

use cli::Exit;
use types::out::img_ls::WithDigest;

use list::Wanted;

/// List images
///
/// Prints one line for each name of an image, the newest image first.
#[derive(Debug, clap::Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    store: cli::StoreArgs,
    #[command(flatten)]
    format: cli::Format,
    /// Only images for which this holds: reference, label, dangling, before or since (can be repeated)
    #[arg(short, long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// Accepted and ignored: there are no hidden images
    #[arg(short, long)]
    all: bool,
    /// Show digests
    #[arg(long)]
    digests: bool,
    /// Show whole ids
    #[arg(long)]
    no_trunc: bool,
    /// Only images of this name; may have *, ? and [a-z]
    #[arg(value_name = "REPOSITORY[:TAG]")]
    pattern: Option<String>,
}

fn main() -> std::process::ExitCode {
    cli::main(run)
}

fn run(args: Args) -> anyhow::Result<Exit> {
    let Args { store, format, filter, digests, no_trunc, pattern, all: _ } = args;
    let store = store.open()?;
    let wanted = Wanted::new(&filter, pattern, no_trunc)?;
    if digests {
        list::print(&store, &wanted, format.writer(), WithDigest)
    } else {
        list::print(&store, &wanted, format.writer(), |image| image)
    }
}
