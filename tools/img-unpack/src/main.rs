//! img-unpack - make the files of an image in a directory.

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use cli::Exit;
use rootfs::View;

/// Make the files of an image in a directory
///
/// The files are those that a container of the image would see: all of them, or none. Prints the directory.
#[derive(Debug, clap::Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    store: cli::StoreArgs,
    /// The image: a name, an id, or a unique beginning of an id; - reads it from stdin
    #[arg(value_name = "IMAGE")]
    image: String,
    /// A directory that is empty or not there
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

fn main() -> std::process::ExitCode {
    cli::main(run)
}

fn run(args: Args) -> anyhow::Result<Exit> {
    let interrupt = cli::Interrupt::watch()?; // before any thread
    interrupt.finish(unpack(&args, &interrupt))
}

fn unpack(Args { store, image, dir }: &Args, interrupt: &cli::Interrupt) -> anyhow::Result<Exit> {
    let store = store.open()?;
    let view = View::of(&store, &cli::one(image)?)?;
    rootfs::unpack(&view, dir, &|| interrupt.flag().load(Ordering::Relaxed))?;
    cli::print_line(&dir.display().to_string())
}
