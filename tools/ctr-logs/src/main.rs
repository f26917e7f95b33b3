//! ctr-logs - print what a container wrote.

use cli::Exit;
use types::time::Time;

/// Print what a container wrote
///
/// What it wrote to standard output goes to standard output, and what it wrote to standard error
/// to standard error.
#[derive(Debug, clap::Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    store: cli::StoreArgs,
    /// Go on until the container ends
    #[arg(short, long)]
    follow: bool,
    /// Only the last N lines of what is there already; "all" for all
    #[arg(short = 'n', long, value_name = "N", allow_hyphen_values = true, value_parser = cli::tail)]
    tail: Option<cli::Tail>,
    /// Show when each line was written
    #[arg(short, long)]
    timestamps: bool,
    /// Only what was written since a time (2024-05-31T12:00) or for so long (10m)
    #[arg(long, value_name = "TIME", value_parser = cli::moment)]
    since: Option<Time>,
    /// Only what was written until a time or until so long ago
    #[arg(long, value_name = "TIME", value_parser = cli::moment)]
    until: Option<Time>,
    /// The container; - reads it from stdin
    container: String,
}

fn main() -> std::process::ExitCode {
    cli::main(run)
}

fn run(args: Args) -> anyhow::Result<Exit> {
    let Args { store, follow, tail, timestamps, since, until, container } = args;
    let store = store.open()?;
    let id = store.find_container(&cli::one(&container)?)?;
    let options = engine::LogOptions { follow, tail: tail.and_then(|tail| tail.0), since, until };
    engine::logs(&store, &id, &options, &mut cli::LogPrinter::new(timestamps))?;
    Ok(Exit::Ok)
}
