//! img-export - write the files of an image as one archive.

use std::io::{IsTerminal, stdout};
use std::path::PathBuf;

use cli::Exit;
use rootfs::View;
use types::{Error, Kind};

/// Write the files of an image as one archive
///
/// The files are those that a container of the image would see. The same bytes for the same files.
#[derive(Debug, clap::Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    store: cli::StoreArgs,
    /// Write to this file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The image: a name, an id, or a unique beginning of an id; - reads it from stdin
    #[arg(value_name = "IMAGE")]
    image: String,
}

fn main() -> std::process::ExitCode {
    cli::main(run)
}

fn run(Args { store, output, image }: Args) -> anyhow::Result<Exit> {
    let store = store.open()?;
    if output.is_none() && stdout().is_terminal() {
        return Err(Error::new(Kind::Invalid, "stdout is a terminal").hint("name a file in -o").into());
    }
    let view = View::of(&store, &cli::one(&image)?)?;
    match &output {
        Some(file) => rootfs::export_file(&view, file)?,
        None => rootfs::export(&view, stdout().lock())?,
    }
    Ok(Exit::Ok)
}
