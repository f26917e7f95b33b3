//! ctr-ls - list containers.

use cli::Exit;
use types::out::ctr_ls::Listed;
use types::{Error, Kind};

/// List containers
///
/// Prints one line for each container that runs, the newest first.
#[derive(Debug, clap::Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    store: cli::StoreArgs,
    #[command(flatten)]
    format: cli::Format,
    /// Show those that do not run too
    #[arg(short, long)]
    all: bool,
    /// Only containers for which this holds: name, status, label, ... (can be repeated)
    #[arg(short, long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// Only the N newest, whether they run or not
    #[arg(short = 'n', long, value_name = "N")]
    last: Option<usize>,
    /// Only the newest, whether it runs or not
    #[arg(short, long, conflicts_with = "last")]
    latest: bool,
    /// Do not shorten ids and commands
    #[arg(long)]
    no_trunc: bool,
    /// Show sizes
    #[arg(short, long, hide = true)]
    size: bool,
}

fn main() -> std::process::ExitCode {
    cli::main(run)
}

fn run(args: Args) -> anyhow::Result<Exit> {
    let Args { store, format, all, filter, last, latest, no_trunc, size } = args;
    if size {
        return Err(Error::new(Kind::Invalid, "option \"--size\": not supported yet").into());
    }
    let wanted = engine::Wanted::new(all, if latest { Some(1) } else { last }, &filter)?;
    let found = engine::list(&store.open()?, &wanted, format.is_json())?;
    let now = cli::now();
    let mut out = format.writer();
    for (row, container) in found.containers {
        out.record(&Listed { container, row, now, whole: no_trunc })?;
    }
    let exit = out.finish()?;
    let failed = !found.errors.is_empty();
    found.errors.into_iter().for_each(|err| cli::report(&err.into()));
    Ok(if failed { Exit::Failed } else { exit })
}
