//! img-mount - mount the files of an image for reading.

use std::path::PathBuf;

use cli::Exit;

/// Mount the files of an image for reading
///
/// The mount is in the mount namespace of the caller, and the image cannot be removed as long as it is there.
/// umount(8) takes it away, too. Prints the directory.
#[derive(Debug, clap::Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    store: cli::StoreArgs,
    /// Take the mounts on these directories away
    #[arg(short, long, value_name = "DIR", num_args = 1.., conflicts_with_all = ["image", "dir"])]
    unmount: Vec<String>,
    /// The image: a name, an id, or a unique beginning of an id; - reads it from stdin
    #[arg(value_name = "IMAGE", required_unless_present = "unmount")]
    image: Option<String>,
    /// A directory
    #[arg(value_name = "DIR", required_unless_present = "unmount")]
    dir: Option<PathBuf>,
}

fn main() -> std::process::ExitCode {
    cli::main(run)
}

fn run(args: Args) -> anyhow::Result<Exit> {
    let Args { store, unmount, image, dir } = args;
    let store = store.open()?;
    let (Some(image), Some(dir)) = (image, dir) else {
        return cli::Operands::of(unmount).each("unmount", |dir| {
            rootfs::unmount(&store, dir.as_ref())?;
            Ok(dir.to_owned())
        });
    };
    rootfs::mount(&store, &cli::one(&image)?, &dir)?;
    cli::print_line(&dir.display().to_string())
}
