//! ctr-rm - remove containers with their writable layers.

use std::process::ExitCode;

use types::Kind;

/// Remove containers
///
/// Removes each container with its writable layer and its log. One that runs is
/// refused unless --force kills it first. Prints each name when done.
#[derive(Debug, clap::Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    store: cli::StoreArgs,
    /// Kill a container that runs; one that is missing is no error
    #[arg(short, long)]
    force: bool,
    /// Remove its anonymous volumes too
    #[arg(short, long)]
    volumes: bool,
    /// A container that is missing is no error
    #[arg(long)]
    ignore: bool,
    /// Only print what would be removed
    #[arg(short = 'n', long)]
    dry_run: bool,
    #[command(flatten)]
    containers: cli::Operands,
}

fn main() -> ExitCode {
    cli::main(run)
}

fn run(args: Args) -> anyhow::Result<cli::Exit> {
    let store = args.store.open()?;
    args.containers.each_some("remove", |name| {
        let id = match store.find_container(name) {
            Err(e) if e.kind() == Kind::NotFound && (args.force || args.ignore) => return Ok(None),
            other => other?,
        };
        if !args.dry_run {
            engine::remove(&store, &id, args.force, args.volumes)?;
        }
        Ok(Some(name.to_owned()))
    })
}
