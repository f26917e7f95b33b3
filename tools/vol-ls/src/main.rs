//! vol-ls - list the volumes of a store.

use std::collections::BTreeMap;

use cli::Exit;
use types::filter::{Filters, Values};
use types::out::vol_ls::Volume;

/// List volumes
///
/// Prints one line for each volume, sorted by name.
#[derive(Debug, clap::Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    store: cli::StoreArgs,
    #[command(flatten)]
    format: cli::Format,
    /// Only volumes for which this holds: name, label, dangling or driver (can be repeated)
    #[arg(short, long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
}

const FILTERS: &[(&str, Values)] = &[
    ("name", Values::Pattern),
    ("label", Values::Text),
    ("dangling", Values::Switch),
    ("driver", Values::Text),
];

fn main() -> std::process::ExitCode {
    cli::main(run)
}

fn run(args: Args) -> anyhow::Result<Exit> {
    let Args { store, format, filter } = args;
    let filters = Filters::parse(&filter, FILTERS)?;
    let store = store.open()?;
    // Who uses what is in the records of all containers: read only if it is asked for.
    let used = if filters.has("dangling") { vol::users(&store)? } else { BTreeMap::new() };
    let mut out = format.writer();
    for volume in vol::list(&store)? {
        let dangling = !used.contains_key(&volume.name);
        let volume = Volume::from(volume);
        if filters.matches("name", &[&volume.name])
            && filters.labels(&volume.labels)
            && filters.switch("dangling", dangling)
            && filters.matches("driver", &[volume.driver])
        {
            out.record(&volume)?;
        }
    }
    out.finish()
}
