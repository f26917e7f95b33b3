//! img-ls - list images, one record for each name.

use cli::{Exit, Writer};
use store::Store;
use types::filter::{Filters, Values};
use types::out::Record;
use types::out::img_ls::{Image, WithDigest};
use types::time::Time;

/// List images
///
/// Prints one line for each name of an image, the newest image first.
#[derive(Debug, clap::Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    store: cli::StoreArgs,
    #[command(flatten)]
    format: cli::Format,
    /// Only images for which this holds: reference, label, dangling, before or since (can be repeated)
    #[arg(short, long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// Accepted and ignored: there are no hidden images
    #[arg(short, long)]
    all: bool,
    /// Show digests
    #[arg(long)]
    digests: bool,
    /// Show whole ids
    #[arg(long)]
    no_trunc: bool,
    /// Only images of this name; may have *, ? and [a-z]
    #[arg(value_name = "REPOSITORY[:TAG]")]
    pattern: Option<String>,
}

const FILTERS: &[(&str, Values)] = &[
    ("reference", Values::Text),
    ("label", Values::Text),
    ("dangling", Values::Switch),
    ("before", Values::Text),
    ("since", Values::Text),
];

fn main() -> std::process::ExitCode {
    cli::main(run)
}

fn run(args: Args) -> anyhow::Result<Exit> {
    let Args { store, format, filter, digests, no_trunc, pattern, all: _ } = args;
    let store = store.open()?;
    let wanted = Wanted { filters: Filters::parse(&filter, FILTERS)?, pattern, whole: no_trunc };
    if digests {
        print(&store, &wanted, format.writer(), WithDigest)
    } else {
        print(&store, &wanted, format.writer(), |image| image)
    }
}

/// What is to be listed, and how.
struct Wanted {
    filters: Filters,
    pattern: Option<String>,
    whole: bool,
}

/// Prints the images that are asked for. A damaged one is reported and hides no other.
fn print<R: Record>(
    store: &Store,
    wanted: &Wanted,
    mut out: Writer<R>,
    form: impl Fn(Image) -> R,
) -> anyhow::Result<Exit> {
    let filters = &wanted.filters;
    let built = |name: &str| -> types::Result<Option<Time>> { Ok(created(&store.image(name)?)) };
    let before: Vec<_> = filters.values("before").map(built).collect::<types::Result<_>>()?;
    let since: Vec<_> = filters.values("since").map(built).collect::<types::Result<_>>()?;
    let mut exit = Exit::Ok;
    let mut images = Vec::new();
    for image in store.images()? {
        match image {
            Ok(image) => images.push(image),
            Err(e) => {
                cli::report(&e.into());
                exit = Exit::Failed;
            }
        }
    }
    images.sort_by_key(|image| std::cmp::Reverse(created(image)));
    let now = cli::now();
    for image in images {
        let age = created(&image);
        if wanted.pattern.as_deref().is_none_or(|p| image.name.matches(p))
            && filters.any("reference", |p| image.name.matches(p))
            && filters.labels(&image.labels)
            && filters.switch("dangling", image.name.tag().is_none())
            && before.iter().all(|other| age < *other)
            && since.iter().all(|other| age > *other)
        {
            out.record(&form(record(image, now, wanted.whole)))?;
        }
    }
    out.finish()?;
    Ok(exit)
}

fn created(image: &store::Image) -> Option<Time> {
    image.created.as_deref()?.parse().ok()
}

fn record(image: store::Image, now: Time, whole: bool) -> Image {
    let created = created(&image);
    let (name, repository, tag) = Image::names(&image.name);
    Image {
        id: image.id,
        name,
        repository,
        tag,
        digest: image.digest,
        created,
        size: image.size,
        platform: image.platform,
        labels: image.labels,
        now,
        shown_id: if whole { image.id.to_string() } else { image.id.short() },
    }
}
