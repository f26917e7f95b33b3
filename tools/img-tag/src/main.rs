//! img-tag - give an image more names.

use types::reference::ImageRef;

/// Give an image more names
///
/// A name that another image has is taken from it. Prints each name.
#[derive(Debug, clap::Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    store: cli::StoreArgs,
    /// The image: a name, an id, or a unique beginning of an id; - reads it from stdin
    #[arg(value_name = "IMAGE")]
    image: String,
    /// Names that it is to have
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
}

fn main() -> std::process::ExitCode {
    cli::main(run)
}

fn run(args: Args) -> anyhow::Result<cli::Exit> {
    let Args { store, image, names } = args;
    let store = store.open()?;
    let image = cli::one(&image)?;
    cli::Operands::of(names).each("give it the name", |name| {
        let name: ImageRef = name.parse()?;
        store.tag_image(&image, &name)?;
        Ok(name.familiar())
    })
}
