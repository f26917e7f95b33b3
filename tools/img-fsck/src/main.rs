//! img-fsck - find and mend damaged images.

use cli::{Exit, Format};
use image::{Checked, PullOptions, Silent};
use types::out::img_gc::Finding;

/// Find and mend damaged images
///
/// Hashes every blob again and looks through every image. Prints what is wrong.
#[derive(Debug, clap::Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    store: cli::StoreArgs,
    #[command(flatten)]
    format: Format,
    /// Fetch what is damaged or missing again
    #[arg(long)]
    fix: bool,
}

fn main() -> std::process::ExitCode {
    cli::main(run)
}

fn run(args: Args) -> anyhow::Result<Exit> {
    let interrupt = cli::Interrupt::watch()?; // before any thread
    interrupt.finish(check(args, &interrupt))
}

fn check(args: Args, interrupt: &cli::Interrupt) -> anyhow::Result<Exit> {
    let Args { store, format, fix } = args;
    let sources = store.sources();
    let store = store.open()?;
    let findings = store.check(interrupt.flag())?;
    let checked = if fix {
        let client = image::client(&sources?)?;
        let platform = cli::default_platform()?;
        let (progress, cancel) = (&Silent, interrupt.flag());
        let options =
            PullOptions { platform: &platform, downloads: 4, unpackers: 2, max_size: None, progress, cancel };
        image::mend(&store, &client, &options, findings, &mut |name, e| {
            cli::report(&e.within(format!("mend {:?}", name.familiar())).into());
        })?
    } else {
        findings.into_iter().map(|finding| Checked { finding, fixed: false }).collect()
    };
    let exit = if checked.iter().all(|c| c.fixed) { Exit::Ok } else { Exit::Failed };
    let mut out = format.writer();
    for Checked { finding, fixed } in checked {
        let images = finding.images.iter().map(types::reference::ImageRef::familiar).collect();
        let (problem, digest) = (finding.trouble.name(), finding.digest);
        out.record(&Finding { problem, digest, images, fixed, shown: digest.to_string() })?;
    }
    out.finish()?;
    Ok(exit)
}
