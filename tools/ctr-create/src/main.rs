//! ctr-create - make a container without starting it.

use std::process::ExitCode;

/// Create a container
///
/// Makes a container of an image, which is pulled first if it is not here, and
/// prints its id. ctr-start runs it.
#[derive(Debug, clap::Parser)]
#[command(
    version,
    disable_help_flag = true,
    override_usage = "ctr-create [OPTIONS] IMAGE [COMMAND [ARG]...]"
)]
struct Args {
    #[command(flatten)]
    store: cli::StoreArgs,
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
    let create = |image: &str| engine::create(&store, &request.with_image(image));
    let created = args.container.image().provide(&args.store, &store, &request.image, create)?;
    cidfile.write(created.id())?;
    cli::print_line(created.id())
}
