//! ctr-wait - wait until containers have ended.

use std::process::ExitCode;

/// Wait for containers to end
///
/// Waits for each container in turn and prints its exit status, one a line;
/// "unknown" if it ended while nobody watched. Its own status is 0.
#[derive(Debug, clap::Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    store: cli::StoreArgs,
    #[command(flatten)]
    containers: cli::Operands,
}

fn main() -> ExitCode {
    cli::main(run)
}

fn run(args: Args) -> anyhow::Result<cli::Exit> {
    let store = args.store.open()?;
    args.containers.each("wait for", |name| {
        let status = engine::wait(&store, &store.find_container(name)?)?;
        Ok(status.map_or_else(|| "unknown".to_owned(), |code| code.to_string()))
    })
}
