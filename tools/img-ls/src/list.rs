//! The images that are asked for, newest first.

use cli::{Exit, Writer};
use store::Store;
use types::filter::{Filters, Values};
use types::out::Record;
use types::out::img_ls::Image;
use types::time::Time;

const FILTERS: &[(&str, Values)] = &[
    ("reference", Values::Text),
    ("label", Values::Text),
    ("dangling", Values::Switch),
    ("before", Values::Text),
    ("since", Values::Text),
];

/// What is to be listed, and how.
#[derive(Debug)]
pub struct Wanted {
    filters: Filters,
    pattern: Option<String>,
    whole: bool,
}

impl Wanted {
    /// Images for which all filters hold and whose name matches; `whole` ids are not shortened.
    pub fn new(filters: &[String], pattern: Option<String>, whole: bool) -> types::Result<Self> {
        Ok(Self { filters: Filters::parse(filters, FILTERS)?, pattern, whole })
    }

    fn has(&self, image: &store::Image, ages: &Ages) -> bool {
        let (filters, age) = (&self.filters, created(image));
        self.pattern.as_deref().is_none_or(|p| image.name.matches(p))
            && filters.any("reference", |p| image.name.matches(p))
            && filters.labels(&image.labels)
            && filters.switch("dangling", image.name.tag().is_none())
            && ages.before.iter().all(|other| age < *other)
            && ages.since.iter().all(|other| age > *other)
    }
}

/// When the images that `before` and `since` name were built.
struct Ages {
    before: Vec<Option<Time>>,
    since: Vec<Option<Time>>,
}

impl Ages {
    fn of(store: &Store, filters: &Filters) -> types::Result<Self> {
        let built = |name: &str| Ok(created(&store.image(name)?));
        Ok(Self {
            before: filters.values("before").map(built).collect::<types::Result<_>>()?,
            since: filters.values("since").map(built).collect::<types::Result<_>>()?,
        })
    }
}

/// Prints the images that are asked for. A damaged one is reported and hides no other.
pub fn print<R: Record>(
    store: &Store,
    wanted: &Wanted,
    mut out: Writer<R>,
    form: impl Fn(Image) -> R,
) -> anyhow::Result<Exit> {
    let ages = Ages::of(store, &wanted.filters)?;
    let mut exit = Exit::Ok;
    let mut images = Vec::new();
    for image in store.images()? {
        match image {
            Ok(image) if wanted.has(&image, &ages) => images.push(image),
            Ok(_) => {}
            Err(e) => {
                cli::report(&e.into());
                exit = Exit::Failed;
            }
        }
    }
    images.sort_by_key(|image| std::cmp::Reverse(created(image)));
    let now = cli::now();
    for image in images {
        out.record(&form(record(image, now, wanted.whole)))?;
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
