//! img-search - search a registry for images.

use cli::{Exit, Format};
use types::out::img_search::Repository;

/// Search a registry for images
///
/// Asks Docker Hub, or the registry before the term. Prints one line for each repository.
#[derive(Debug, clap::Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    format: Format,
    /// Only repositories for which this holds: is-official=true, stars=N or more (can be repeated)
    #[arg(short, long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// At most this many of each registry, up to 100
    #[arg(long, value_name = "N", default_value_t = 25)]
    limit: usize,
    /// Show whole descriptions
    #[arg(long)]
    no_trunc: bool,
    /// What names or descriptions have in them
    #[arg(value_name = "[REGISTRY/]TERM")]
    term: String,
}

fn main() -> std::process::ExitCode {
    cli::main(run)
}

fn run(args: Args) -> anyhow::Result<Exit> {
    let Args { format, filter, limit, no_trunc, term } = args;
    let search = image::Search::new(&term, limit, &filter)?;
    let client = image::client(&cli::StoreArgs::default().sources()?)?;
    let mut out = format.writer();
    for found in search.run(&client)? {
        out.record(&Repository {
            name: found.repository.familiar_name(),
            shown: Repository::shown(&found.description, no_trunc),
            description: found.description,
            star_count: found.stars,
            is_official: found.official,
        })?;
    }
    out.finish()
}
