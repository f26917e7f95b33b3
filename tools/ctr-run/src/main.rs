//! ctr-run - run a program in a new container.

use std::process::ExitCode;

use engine::{Attach, Outcome};

/// Run a program in a new container
///
/// Makes a container of an image, which is pulled first if it is not here, and
/// starts it. In the foreground it shows what the program writes, passes on
/// signals and ends with the program's status; with --detach it prints the
/// container's id. A container that cannot be started is removed again.
#[derive(Debug, clap::Parser)]
#[command(version, disable_help_flag = true, override_usage = "ctr-run [OPTIONS] IMAGE [COMMAND [ARG]...]")]
struct Args {
    #[command(flatten)]
    store: cli::StoreArgs,
    /// Leave the program running and print the container's id
    #[arg(short, long)]
    detach: bool,
    #[command(flatten)]
    attach: cli::AttachArgs,
    #[command(flatten)]
    container: cli::ContainerArgs,
    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

fn main() -> ExitCode {
    cli::main_run(run)
}

fn run(args: Args) -> anyhow::Result<cli::Exit> {
    let store = args.store.open()?;
    let request = args.container.request()?;
    let cidfile = args.container.cidfile()?;
    let attach = if args.detach {
        Attach::Detached
    } else {
        cli::check_terminal(request.tty, request.stdin_open)?;
        Attach::Foreground { stdin: true, detach_keys: engine::detach_keys(args.attach.detach_keys())? }
    };
    let create = |image: &str| engine::create(&store, &request.with_image(image));
    let created = args.container.image().provide(&args.store, &store, &request.image, create)?;
    cidfile.write(created.id())?;
    let id = created.id().to_owned();
    match engine::start_created(&store, created, &attach)? {
        Outcome::Started => cli::print_line(&id),
        Outcome::Left => Ok(cli::Exit::Ok),
        Outcome::Ended(code) => Ok(cli::Exit::Status(code)),
        Outcome::Abandoned(err) => Ok(cli::fail(125, err)),
        Outcome::Failed(status, err) => {
            engine::discard(&store, &id)?;
            Ok(cli::fail(status, err))
        }
    }
}
