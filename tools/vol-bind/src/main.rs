//! vol-bind - mount directories and volumes into containers, running or not.

use anyhow::Context;
use cli::Exit;
use types::mount;

/// Mount directories and volumes into a container
///
/// If the container runs the mounts are there at once; they are there at every later start too.
/// Prints the container as it was named, so that a pipeline goes on. Without SOURCE:TARGET it
/// lists what is mounted.
#[derive(Debug, clap::Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    store: cli::StoreArgs,
    #[command(flatten)]
    format: cli::Format,
    /// Take the mounts at these targets out of the container
    #[arg(long, requires = "mounts", conflicts_with_all = ["quiet", "json"])]
    rm: bool,
    /// The container; - reads it from stdin
    container: String,
    /// What to mount, and where: ./site:/srv:ro; with --rm only where
    #[arg(value_name = "SOURCE:TARGET[:OPTIONS]")]
    mounts: Vec<String>,
}

fn main() -> std::process::ExitCode {
    cli::main(run)
}

fn run(args: Args) -> anyhow::Result<Exit> {
    let Args { store, format, rm, container, mounts } = args;
    let store = store.open()?;
    if mounts.is_empty() {
        let id = store.find_container(&cli::one(&container)?)?;
        let mut out = format.writer();
        vol::describe(&store, &engine::mounts(&store, &id)?).iter().try_for_each(|m| out.record(m))?;
        return out.finish();
    }
    let containers = cli::Operands::of(vec![container]);
    if rm {
        let targets: Vec<_> =
            mounts.iter().map(|t| mount::target("target", t, t)).collect::<Result<_, _>>()?;
        return containers.each("unbind from", |name| {
            let id = store.find_container(name)?;
            targets.iter().try_for_each(|target| engine::unbind(&store, &id, target))?;
            Ok(name.to_owned())
        });
    }
    let cwd = std::env::current_dir().context("find the current directory")?;
    let specs: Vec<_> = mounts.iter().map(|text| mount::bind(text, &cwd)).collect::<Result<_, _>>()?;
    containers.each("bind into", |name| {
        let id = store.find_container(name)?;
        specs.iter().try_for_each(|spec| engine::bind(&store, &id, spec))?;
        Ok(name.to_owned())
    })
}
