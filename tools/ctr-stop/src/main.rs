//! ctr-stop - stop containers: their stop signal, then SIGKILL after a while.

use std::process::ExitCode;

/// Stop containers
///
/// Sends all containers their stop signals and, to those that have not ended
/// after a while, SIGKILL. Returns when nothing is left of the run. A container whose first
/// process has no handler for the signal is killed at once: it would never
/// notice the signal. Prints each name when done.
#[derive(Debug, clap::Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    store: cli::StoreArgs,
    /// Seconds until SIGKILL; -1 for ever (default: the container's own, 10)
    #[arg(short, long, visible_alias = "time", value_name = "SECONDS", allow_hyphen_values = true)]
    timeout: Option<i64>,
    /// Send this signal first instead of the container's own
    #[arg(short, long, value_name = "SIGNAL")]
    signal: Option<String>,
    #[command(flatten)]
    containers: cli::Operands,
}

fn main() -> ExitCode {
    cli::main(run)
}

fn run(args: Args) -> anyhow::Result<cli::Exit> {
    let store = args.store.open()?;
    let signal = args.signal.as_deref().map(types::signal::parse).transpose()?;
    args.containers.each_begun(
        "stop",
        |name| engine::begin_stop(&store, &store.find_container(name)?, signal, args.timeout),
        |name, stopping| stopping.finish(&store).map(|()| Some(name.to_owned())),
    )
}
