//! The containers of a store, filtered and sorted.

use std::collections::BTreeSet;

use store::{Image, State, Status, Store};
use types::container::{Brief, Record};
use types::filter::{Filters, Values};
use types::mount::Source;
use types::out::ctr_inspect::Container;
use types::out::ctr_ls::Row;
use types::port::{Forward, Proto};
use types::{Error, Kind, Result};

use crate::view;

/// The keys of `ctr-ls --filter`.
const FILTERS: &[(&str, Values)] = &[
    ("name", Values::Pattern),
    ("id", Values::Pattern),
    ("status", Values::Words(&["created", "running", "restarting", "exited", "lost"])),
    ("label", Values::Text),
    ("ancestor", Values::Text),
    ("exited", Values::Text),
    ("before", Values::Text),
    ("since", Values::Text),
    ("volume", Values::Text),
    ("network", Values::Text),
    ("publish", Values::Text),
];

/// Which containers are wanted.
#[derive(Debug)]
pub struct Wanted {
    /// Those that do not run too.
    pub all: bool,
    /// Only so many, the newest.
    pub last: Option<usize>,
    filters: Filters,
    exited: Vec<i32>,
    publish: Vec<Ports>,
}

#[derive(Debug)]
struct Ports {
    first: u16,
    last: u16,
    proto: Option<Proto>,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// The containers, newest first; all of each if that was asked for.
    pub containers: Vec<(Row, Option<Box<Container>>)>,
    /// Why some could not be looked at.
    pub errors: Vec<Error>,
}

impl Wanted {
    /// Those that run, or all, for which all filters hold.
    ///
    /// # Errors
    /// `Invalid` for a filter that does not follow its grammar.
    pub fn new(all: bool, last: Option<usize>, filters: &[String]) -> Result<Self> {
        let filters = Filters::parse(filters, FILTERS)?;
        let exited = filters
            .values("exited")
            .map(|code| code.parse().map_err(|_| bad("exited", code, "not a number")))
            .collect::<Result<_>>()?;
        let publish = filters.values("publish").map(Ports::parse).collect::<Result<_>>()?;
        // Who asks for what only others than running ones can be, or names one by its age, means all.
        let implied = ["status", "exited", "before", "since"].iter().any(|key| filters.has(key));
        Ok(Self { all: all || implied || last.is_some(), last, filters, exited, publish })
    }

    /// Whether a filter asks for what only the whole record tells.
    fn needs_record(&self) -> bool {
        ["volume", "ancestor", "publish"].iter().any(|key| self.filters.has(key))
    }

    fn brief(&self, id: &str, brief: &Brief, looked: &Looked) -> bool {
        let filters = &self.filters;
        (!filters.has("name") || filters.matches("name", &[&brief.name, &format!("/{}", brief.name)]))
            && filters.matches("id", &[id])
            && filters.labels(&brief.labels)
            && filters.matches("network", &[brief.network.name()])
            && looked.before.iter().all(|time| brief.created < *time)
            && looked.since.iter().all(|time| brief.created > *time)
    }

    fn record(&self, record: &Record, looked: &Looked) -> bool {
        self.filters.any("volume", |wanted| uses(record, wanted))
            && self.filters.any("ancestor", |wanted| looked.is_ancestor(wanted, record))
    }

    fn state(&self, state: &State) -> bool {
        let word = |wanted: &str| match state.status {
            Status::Created => wanted == "created",
            Status::Running => wanted == "running",
            Status::Restarting => wanted == "restarting",
            Status::Exited => wanted == "exited",
            // It has ended as well: who cleans up means it too.
            Status::Lost => wanted == "lost" || wanted == "exited",
        };
        let code = state.exit.as_ref().filter(|_| state.status == Status::Exited).map(|exit| exit.code);
        self.filters.any("status", word)
            && (self.exited.is_empty() || code.is_some_and(|code| self.exited.contains(&code)))
    }

    fn ports(&self, ports: &[Forward]) -> bool {
        self.publish.is_empty() || self.publish.iter().any(|wanted| ports.iter().any(|p| wanted.has(p)))
    }
}

impl Ports {
    /// Parses `PORT[-PORT][/PROTO]`.
    fn parse(text: &str) -> Result<Self> {
        let fail = || bad("publish", text, "write a port, as in 80, 8000-8010 or 53/udp");
        let (range, proto) = text.split_once('/').map_or((text, None), |(range, proto)| (range, Some(proto)));
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let proto = match proto {
            None => None,
            Some("tcp") => Some(Proto::Tcp),
            Some("udp") => Some(Proto::Udp),
            Some("sctp") => Some(Proto::Sctp),
            Some(_) => return Err(fail()),
        };
        let port = |text: &str| text.parse().map_err(|_| fail());
        Ok(Self { first: port(first)?, last: port(last)?, proto })
    }

    fn has(&self, forward: &Forward) -> bool {
        let range = self.first..=self.last;
        (range.contains(&forward.container_port) || range.contains(&forward.host_port))
            && self.proto.is_none_or(|proto| proto == forward.proto)
    }
}

fn bad(key: &str, value: &str, why: &'static str) -> Error {
    Error::new(Kind::Invalid, format!("bad filter \"{key}={value}\": {why}"))
}

fn uses(record: &Record, wanted: &str) -> bool {
    record.mounts.iter().any(|mount| {
        let source = match &mount.source {
            Source::Volume(name) => wanted == name,
            Source::Bind(path) => path.to_str() == Some(wanted),
            _ => false,
        };
        source || mount.target.to_str() == Some(wanted)
    })
}

/// What is not in a container's own records, looked up once.
#[derive(Debug, Default)]
struct Looked {
    /// The containers that host ports lead to.
    published: BTreeSet<String>,
    before: Vec<String>,
    since: Vec<String>,
    /// The images that `ancestor` names, as far as they are here.
    ancestors: Vec<(String, Option<Image>)>,
}

impl Looked {
    fn up(store: &Store, filters: &Filters) -> Result<Self> {
        let created = |name: &str| Ok(store.record(&store.find_container(name)?)?.created);
        let image = |name: &str| match store.image(name) {
            Ok(image) => Ok((name.to_owned(), Some(image))),
            // One that is gone can still be named by the containers that were made of it.
            Err(e) if matches!(e.kind(), Kind::NotFound | Kind::Invalid) => Ok((name.to_owned(), None)),
            Err(e) => Err(e),
        };
        let claims = store.claimed_ports(|_, _, _| true)?;
        Ok(Self {
            published: claims.into_iter().map(|claim| claim.id).collect(),
            before: filters.values("before").map(created).collect::<Result<_>>()?,
            since: filters.values("since").map(created).collect::<Result<_>>()?,
            ancestors: filters.values("ancestor").map(image).collect::<Result<_>>()?,
        })
    }

    /// Whether a container's image is the one that `wanted` names, or was built on it.
    fn is_ancestor(&self, wanted: &str, record: &Record) -> bool {
        let image =
            self.ancestors.iter().find(|(name, _)| name == wanted).and_then(|(_, image)| image.as_ref());
        let built_on = image.is_some_and(|image| {
            image.id == record.image_id
                || (!image.layers.is_empty() && record.layers.starts_with(&image.layers))
        });
        let untagged = types::out::ctr_ls::image(&record.image);
        built_on || wanted == record.image || wanted == untagged || record.image_id.to_string() == wanted
    }
}

/// Lists containers, with all that is known of each if `whole`. Readers take no lock: one that is
/// made or removed meanwhile is there or not.
///
/// # Errors
/// `NotFound` if a filter names a container that does not exist. A container that is damaged is
/// among [`Found::errors`], and the others are listed.
pub fn list(store: &Store, wanted: &Wanted, whole: bool) -> Result<Found> {
    let looked = Looked::up(store, &wanted.filters)?;
    let mut found = Found::default();
    let ids = store.containers()?;
    found.containers.reserve_exact(ids.len());
    for id in ids {
        match one(store, &id, wanted, &looked, whole) {
            Ok(Some(container)) => found.containers.push(container),
            Ok(None) => {}
            Err(e) if e.kind() == Kind::NotFound => {} // removed meanwhile
            Err(e) => found.errors.push(e.within(format!("look at container {:?}", types::name::short(&id)))),
        }
    }
    found.containers.sort_unstable_by(|(a, _), (b, _)| (b.created, &b.id).cmp(&(a.created, &a.id)));
    found.containers.truncate(wanted.last.unwrap_or(usize::MAX));
    Ok(found)
}

fn one(
    store: &Store,
    id: &str,
    wanted: &Wanted,
    looked: &Looked,
    whole: bool,
) -> Result<Option<(Row, Option<Box<Container>>)>> {
    let mut state = store.state(id)?;
    if (!wanted.all && state.status != Status::Running && state.status != Status::Restarting)
        || !wanted.state(&state)
    {
        return Ok(None);
    }
    // Most of what is listed runs, and then the record of the run says enough.
    let copy = state.run.as_mut().and_then(|run| run.brief.take());
    let (brief, record) = match copy {
        Some(brief) if !whole && !wanted.needs_record() => (brief, None),
        _ => {
            let record = store.record(id)?;
            (record.brief(), Some(record))
        }
    };
    if !wanted.brief(id, &brief, looked) || record.as_ref().is_some_and(|r| !wanted.record(r, looked)) {
        return Ok(None);
    }
    let ports = match &record {
        _ if state.status == Status::Running && looked.published.contains(id) => net::published(store, id)?,
        Some(record) if state.status != Status::Running => record.ports.clone(),
        _ => Vec::new(),
    };
    if !wanted.ports(&ports) {
        return Ok(None);
    }
    let container = match record {
        Some(record) if whole => Some(Box::new(view::summary(store, &record, state.clone(), &ports)?)),
        _ => None,
    };
    Ok(Some((view::row(id, brief, state, ports)?, container)))
}
