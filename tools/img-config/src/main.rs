//! img-config - print or replace the configuration of an image.

use std::io::{Read, Write, stdin, stdout};
use std::path::PathBuf;

use anyhow::Context;
use cli::Exit;
use types::oci::MAX_CONFIG;
use types::reference::ImageRef;

/// Print or replace the configuration of an image
///
/// Prints the configuration byte for byte. With --set, makes an image of a configuration and of the layers
/// that it names, and prints NAME@DIGEST.
#[derive(Debug, clap::Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    store: cli::StoreArgs,
    /// Make an image of the configuration in this file; - is stdin
    #[arg(long, value_name = "FILE", conflicts_with = "image")]
    set: Option<PathBuf>,
    /// What that image is called; without, it is found by its digest
    #[arg(short, long, value_name = "NAME", requires = "set")]
    tag: Option<ImageRef>,
    /// The image: a name, an id, or a unique beginning of an id; - reads it from stdin
    #[arg(value_name = "IMAGE", required_unless_present = "set")]
    image: Option<String>,
}

fn main() -> std::process::ExitCode {
    cli::main(run)
}

fn run(args: Args) -> anyhow::Result<Exit> {
    let Args { store, set, tag, image } = args;
    let store = store.open()?;
    let Some(image) = image else {
        cli::check_new_name(tag.as_ref())?;
        let text = read(&set.unwrap_or_default())?;
        return cli::print_line(&rootfs::set_config(&store, &text, tag.as_ref())?);
    };
    let image = store.image(&cli::one(&image)?)?;
    let text = store.read_blob(&image.id, MAX_CONFIG)?;
    stdout().write_all(&text).context("write standard output")?;
    Ok(Exit::Ok)
}

/// A configuration that somebody else has written. One that is too large is cut, and refused as that.
fn read(path: &PathBuf) -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::new();
    if path.as_os_str() == "-" {
        stdin().lock().take(MAX_CONFIG + 1).read_to_end(&mut text).context("read standard input")?;
    } else {
        let file = std::fs::File::open(path).with_context(|| format!("open {path:?}"))?;
        file.take(MAX_CONFIG + 1).read_to_end(&mut text).with_context(|| format!("read {path:?}"))?;
    }
    Ok(text)
}
