//! img-lock - write down which images names lead to.

use std::collections::BTreeSet;
use std::io::Write;

use anyhow::Context;
use cli::Exit;
use types::out::img_lock::Locked;

/// Write down which images names lead to
///
/// Prints one line of JSON for each name, in order: a file for img-pull --lock.
#[derive(Debug, clap::Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    store: cli::StoreArgs,
    /// Write down what the names lead to in the store, and ask no registry
    #[arg(long)]
    local: bool,
    #[command(flatten)]
    images: cli::Operands,
}

fn main() -> std::process::ExitCode {
    cli::main(run)
}

fn run(args: Args) -> anyhow::Result<Exit> {
    let Args { store, local, images } = args;
    let client = image::client(&store.sources()?)?;
    let store = local.then(|| store.open()).transpose()?;
    let mut lock = BTreeSet::new();
    let exit = images.each_some("lock", |name| {
        lock.insert(match &store {
            Some(store) => {
                store.image(name).map(|image| Locked { name: image.name, digest: image.digest })?
            }
            None => image::first_of(&client, name, |name| image::lock(&client, name))?,
        });
        Ok(None)
    })?;
    // A part of a lock file would pass for the whole.
    if exit == Exit::Ok {
        let lines: Result<Vec<String>, _> = lock.iter().map(|locked| Ok(cli::json(locked)? + "\n")).collect();
        let text = lines.map_err(|e: types::Error| e)?.concat();
        std::io::stdout().write_all(text.as_bytes()).context("write standard output")?;
    }
    Ok(exit)
}
