//! ctr-start - start containers that do not run.

use std::process::ExitCode;

use engine::{Attach, Outcome};

/// Start containers
///
/// Starts each container that does not run, and prints its name. With --attach
/// it stays with the one container, as ctr-run does, and ends with its status.
#[derive(Debug, clap::Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    store: cli::StoreArgs,
    /// Stay: show what it writes, pass on signals, end with its status
    #[arg(short, long)]
    attach: bool,
    /// Stay, and pass on standard input
    #[arg(short, long)]
    interactive: bool,
    #[command(flatten)]
    keys: cli::AttachArgs,
    #[command(flatten)]
    containers: cli::Operands,
}

fn main() -> ExitCode {
    cli::main(run)
}

fn run(args: Args) -> anyhow::Result<cli::Exit> {
    let store = args.store.open()?;
    if args.attach || args.interactive {
        return attach(&args, &store);
    }
    args.containers.each("start", |name| {
        let id = store.find_container(name)?;
        match engine::start(&store, &id, &Attach::Detached) {
            Ok(Outcome::Failed(_, err)) => Err(err),
            // It runs already, which is what was asked for.
            Err(e) if e.kind() == types::Kind::Conflict => Ok(name.to_owned()),
            other => other.map(|_| name.to_owned()),
        }
    })
}

fn attach(args: &Args, store: &store::Store) -> anyhow::Result<cli::Exit> {
    let name = args.containers.only()?;
    let id = store.find_container(&name)?;
    let record = store.record(&id)?;
    cli::check_terminal(record.tty, args.interactive)?;
    let detach_keys = engine::detach_keys(args.keys.detach_keys())?;
    Ok(match engine::start(store, &id, &Attach::Foreground { stdin: args.interactive, detach_keys })? {
        Outcome::Started | Outcome::Left => cli::Exit::Ok,
        Outcome::Ended(code) => cli::Exit::Status(code),
        Outcome::Failed(status, err) => cli::fail(status, err.within(format!("start {name:?}"))),
        Outcome::Abandoned(err) => cli::fail(125, err.within(format!("start {name:?}"))),
    })
}
