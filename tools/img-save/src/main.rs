//! img-save - write images to an archive.

use std::io::{IsTerminal, stdout};
use std::path::PathBuf;

use cli::Exit;
use image::{SaveFormat, SavePlan, TarSink};
use types::{Context, Error, Kind};

/// Write images to an archive
///
/// The same bytes for the same images, whoever writes them when.
#[derive(Debug, clap::Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    store: cli::StoreArgs,
    /// Write to this file, or with oci-dir to this directory, instead of stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// What to write
    #[arg(long, value_enum, default_value = "oci-archive")]
    format: Form,
    /// Leave out the layers whose digests are in this file: what is written completes a store that has them
    #[arg(long, value_name = "FILE")]
    except_from: Option<PathBuf>,
    #[command(flatten)]
    images: cli::Operands,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// An OCI image layout in an archive that docker load reads too
    OciArchive,
    /// An OCI image layout in a new directory
    OciDir,
    /// The archive of docker save with uncompressed layers
    DockerArchive,
}

fn main() -> std::process::ExitCode {
    cli::main(run)
}

fn run(args: Args) -> anyhow::Result<Exit> {
    let Args { store, output, format, except_from, images } = args;
    let store = store.open()?;
    let images = images.read()?;
    let format_of_files = if format == Form::DockerArchive { SaveFormat::Docker } else { SaveFormat::Oci };
    let mut plan = SavePlan::whole(format_of_files);
    if let Some(file) = except_from {
        let text = std::fs::read_to_string(&file).with_context(|| format!("read {file:?}"))?;
        plan.except = image::digests_in(&text);
    }
    match (output, format) {
        (Some(dir), Form::OciDir) => image::save_dir(&store, &images, &plan, &dir)?,
        (None, Form::OciDir) => {
            return Err(Error::new(Kind::Invalid, "--format oci-dir wants a directory in -o").into());
        }
        (Some(file), _) => image::save_file(&store, &images, &plan, &file)?,
        (None, _) if stdout().is_terminal() => {
            return Err(Error::new(Kind::Invalid, "stdout is a terminal").hint("name a file in -o").into());
        }
        (None, _) => image::save(&store, &images, &plan, &mut TarSink::new(stdout().lock()))?,
    }
    Ok(Exit::Ok)
}
