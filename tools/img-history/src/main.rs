//! img-history - print how an image was built.

use cli::{Exit, Format};

/// Print how an image was built
///
/// Prints one line for each step, the last one first.
#[derive(Debug, clap::Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    store: cli::StoreArgs,
    #[command(flatten)]
    format: Format,
    /// Shorten neither ids nor what made a step
    #[arg(long)]
    no_trunc: bool,
    /// Print ages and sizes in words; with false, moments and bytes
    #[arg(short = 'H', long, value_name = "BOOL", default_value_t = true, default_missing_value = "true",
          num_args = 0..=1, require_equals = true, action = clap::ArgAction::Set)]
    human: bool,
    /// The image: a name, an id, or a unique beginning of an id; - reads it from stdin
    #[arg(value_name = "IMAGE")]
    image: String,
}

fn main() -> std::process::ExitCode {
    cli::main(run)
}

fn run(args: Args) -> anyhow::Result<Exit> {
    let Args { store, format, no_trunc, human, image } = args;
    let store = store.open()?;
    let image = store.image(&cli::one(&image)?)?;
    let mut out = format.writer();
    let now = cli::now();
    for mut step in image::history(&store, &image)? {
        step.show(now, no_trunc, human);
        out.record(&step)?;
    }
    out.finish()
}
