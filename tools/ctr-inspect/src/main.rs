//! ctr-inspect - print all about containers.

use cli::Exit;

/// Print all about containers
///
/// Prints one JSON object for each container, one a line.
#[derive(Debug, clap::Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    store: cli::StoreArgs,
    #[command(flatten)]
    containers: cli::Operands,
}

fn main() -> std::process::ExitCode {
    cli::main(run)
}

fn run(args: Args) -> anyhow::Result<Exit> {
    let Args { store, containers } = args;
    let store = store.open()?;
    containers.each("inspect", |name| {
        let container = engine::inspect(&store, &store.find_container(name)?)?;
        cli::json(&container)
    })
}
