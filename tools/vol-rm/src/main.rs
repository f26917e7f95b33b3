//! vol-rm - remove volumes and their content.

use cli::Exit;
use types::Kind;

/// Remove volumes and what they hold
///
/// Prints the name of each volume that was removed. One that a container uses, running or not,
/// is not removed.
#[derive(Debug, clap::Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    store: cli::StoreArgs,
    /// Ignore volumes that do not exist
    #[arg(short, long)]
    force: bool,
    /// Print what would be removed and remove nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    #[command(flatten)]
    volumes: cli::Operands,
}

fn main() -> std::process::ExitCode {
    cli::main(run)
}

fn run(args: Args) -> anyhow::Result<Exit> {
    let Args { store, force, dry_run, volumes } = args;
    let store = store.open()?;
    volumes.each_some("remove", |name| match vol::remove(&store, name, dry_run) {
        Ok(()) => Ok(Some(name.to_owned())),
        Err(e) if force && e.kind() == Kind::NotFound => Ok(None),
        Err(e) => Err(e),
    })
}
