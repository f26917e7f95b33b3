//! ctr-kill - send a signal to containers.

use std::process::ExitCode;

/// Send a signal to containers
///
/// Sends SIGKILL, or another signal, to the first process of each container.
/// Prints each name when done.
#[derive(Debug, clap::Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    store: cli::StoreArgs,
    /// Signal, by name or number
    #[arg(short, long, value_name = "SIGNAL", default_value = "KILL")]
    signal: String,
    #[command(flatten)]
    containers: cli::Operands,
}

fn main() -> ExitCode {
    cli::main(run)
}

fn run(args: Args) -> anyhow::Result<cli::Exit> {
    let store = args.store.open()?;
    let signal = types::signal::parse(&args.signal)?;
    args.containers.each("kill", |name| {
        engine::kill(&store, &store.find_container(name)?, signal)?;
        Ok(name.to_owned())
    })
}
