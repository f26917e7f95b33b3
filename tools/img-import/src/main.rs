//! img-import - make an image of an archive of files.

use std::fs::File;
use std::io::{IsTerminal, stdin};

use anyhow::Context;
use cli::Exit;
use rootfs::{Change, ImportOptions};
use types::platform::Platform;
use types::reference::ImageRef;
use types::{Error, Kind};

/// Make an image of an archive of files
///
/// Reads a tar archive, plain or compressed by gzip or zstd, with the files of a root directory. Prints
/// NAME@DIGEST.
#[derive(Debug, clap::Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    store: cli::StoreArgs,
    /// Change what the image says of itself, as a Dockerfile does: 'CMD ["sh"]' (can be repeated)
    #[arg(short, long, value_name = "INSTRUCTION")]
    change: Vec<Change>,
    /// Say this in the image's history
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    /// What its programs run on, such as linux/arm64 (default: $DOCKER_DEFAULT_PLATFORM, this machine's)
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,
    /// How the layer is kept unless the archive comes compressed
    #[arg(long, value_enum, default_value = "gzip")]
    compression: cli::Compression,
    /// Refuse what has more bytes than this, such as 20g, uncompressed
    #[arg(long, value_name = "SIZE", value_parser = types::size::bytes)]
    max_size: Option<u64>,
    /// The archive; - is stdin
    #[arg(value_name = "FILE")]
    file: String,
    /// What the image is called; without, it is found by its digest
    #[arg(value_name = "NAME")]
    name: Option<ImageRef>,
}

fn main() -> std::process::ExitCode {
    cli::main(run)
}

fn run(args: Args) -> anyhow::Result<Exit> {
    let interrupt = cli::Interrupt::watch()?; // before any thread
    interrupt.finish(import(&args, &interrupt))
}

fn import(args: &Args, interrupt: &cli::Interrupt) -> anyhow::Result<Exit> {
    let Args { store, change, message, platform, compression, max_size, file, name } = args;
    cli::check_new_name(name.as_ref())?;
    let store = store.open()?;
    let platform = platform.clone().map_or_else(cli::default_platform, Ok)?;
    let message = message.clone().unwrap_or_else(|| format!("Imported from {file}"));
    let options = ImportOptions {
        name: name.as_ref(),
        changes: change,
        message: &message,
        platform: &platform,
        created: cli::build_time()?,
        zstd: compression.is_zstd(),
        max_size: *max_size,
    };
    let made = match file.as_str() {
        "-" if stdin().is_terminal() => {
            return Err(Error::new(Kind::Invalid, "stdin is a terminal").hint("name a file").into());
        }
        "-" => rootfs::import(&store, interrupt.stdin()?, &options)?,
        url if url.contains("://") => {
            return Err(Error::new(Kind::Unsupported, format!("{url:?} is fetched by other tools"))
                .hint(format!("curl -L {url} | img-import -"))
                .into());
        }
        path => {
            let archive = File::open(path).with_context(|| format!("open {path:?}"))?;
            rootfs::import(&store, interrupt.reads(archive), &options)?
        }
    };
    cli::print_line(&made)
}
