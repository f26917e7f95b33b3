//! img-path - print where an image is.

use std::path::PathBuf;

use store::{Image, Store};

/// Print where an image is
///
/// Prints the directories of its unpacked layers, the uppermost first.
#[derive(Debug, clap::Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    store: cli::StoreArgs,
    /// Print the files of its compressed layers, in the same order
    #[arg(long, conflicts_with = "oci")]
    blobs: bool,
    /// Print oci:DIR:NAME, by which skopeo and podman read it in place
    #[arg(long)]
    oci: bool,
    #[command(flatten)]
    images: cli::Operands,
}

fn main() -> std::process::ExitCode {
    cli::main(run)
}

fn run(args: Args) -> anyhow::Result<cli::Exit> {
    let Args { store, blobs, oci, images } = args;
    let store = store.open()?;
    images.each_some("find", |name| {
        let image = store.image(name)?;
        if oci {
            return Ok(Some(format!("oci:{}:{}", store.root_path().display(), image.name)));
        }
        let paths = if blobs { files(&store, &image) } else { trees(&store, &image) };
        let lines: Vec<_> = paths.iter().rev().map(|path| path.display().to_string()).collect();
        // An image without layers is nowhere.
        Ok(Some(lines.join("\n")).filter(|text| !text.is_empty()))
    })
}

fn trees(store: &Store, image: &Image) -> Vec<PathBuf> {
    image.layers.iter().map(|layer| store.absolute(&store.layer_place(layer))).collect()
}

fn files(store: &Store, image: &Image) -> Vec<PathBuf> {
    image.blobs.iter().map(|blob| store.blob_path(&blob.digest)).collect()
}
