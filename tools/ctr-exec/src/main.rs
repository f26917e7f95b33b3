//! ctr-exec - run a program in a running container.

use std::process::ExitCode;

use engine::{Attach, Outcome};

/// Run a program in a running container
///
/// Starts a program beside those that run in a container, with the same
/// limits, privileges and file system. Shows what it writes, passes on signals
/// and ends with its status; the program ends if ctr-exec is killed.
#[derive(Debug, clap::Parser)]
#[command(version, override_usage = "ctr-exec [OPTIONS] CONTAINER COMMAND [ARG]...")]
struct Args {
    #[command(flatten)]
    store: cli::StoreArgs,
    /// Leave the program running
    #[arg(short, long)]
    detach: bool,
    #[command(flatten)]
    attach: cli::AttachArgs,
    #[command(flatten)]
    exec: cli::ExecArgs,
}

fn main() -> ExitCode {
    cli::main_run(run)
}

fn run(args: Args) -> anyhow::Result<cli::Exit> {
    let store = args.store.open()?;
    let request = args.exec.request()?;
    let name = args.exec.container()?;
    let id = match store.find_container(&name) {
        Err(e) if e.kind() == types::Kind::NotFound => return Ok(cli::fail(1, e)),
        other => other?,
    };
    let attach = if args.detach {
        Attach::Detached
    } else {
        cli::check_terminal(request.tty, request.stdin_open)?;
        Attach::Foreground { stdin: true, detach_keys: engine::detach_keys(args.attach.detach_keys())? }
    };
    Ok(match engine::exec(&store, &id, &request, &attach) {
        Ok(Outcome::Started | Outcome::Left) => cli::Exit::Ok,
        Ok(Outcome::Ended(code)) => cli::Exit::Status(code),
        Ok(Outcome::Failed(status, err)) => cli::fail(status, err.within(format!("run in {name:?}"))),
        Ok(Outcome::Abandoned(err)) => cli::fail(125, err),
        // Not running: Docker's status for it is 1.
        Err(e) if e.kind() == types::Kind::Conflict => cli::fail(1, e),
        Err(e) => return Err(e.into()),
    })
}
