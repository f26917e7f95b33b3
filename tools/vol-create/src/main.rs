//! vol-create - create volumes, and print their names.

use std::io::Write;

use cli::Exit;

/// Create volumes
///
/// Prints the name of each volume. A volume that is there already stays as it is; without NAME
/// the volume gets a name of its own.
#[derive(Debug, clap::Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    store: cli::StoreArgs,
    /// Set a label (can be repeated)
    #[arg(short, long, value_name = "KEY[=VALUE]")]
    label: Vec<String>,
    /// Where the content is; local is the only place there is
    #[arg(short, long, value_name = "NAME", value_parser = ["local"], default_value = "local")]
    driver: String,
    /// Names of volumes; - reads them from stdin
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

fn main() -> std::process::ExitCode {
    cli::main(run)
}

fn run(args: Args) -> anyhow::Result<Exit> {
    let store = args.store.open()?;
    let labels = types::env::labels(args.label.iter().map(String::as_str))?;
    if args.names.is_empty() {
        writeln!(std::io::stdout(), "{}", vol::create_anonymous(&store, &labels)?)?;
        return Ok(Exit::Ok);
    }
    cli::Operands::of(args.names).each("create", |name| {
        vol::create(&store, name, &labels)?;
        Ok(name.to_owned())
    })
}
