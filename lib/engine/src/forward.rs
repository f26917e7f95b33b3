//! Publishing ports of containers that exist: at once if they run, and kept for every start.

use store::{Status, Store};
use types::container::{Network, Record};
use types::port::{Forward, HostPort};
use types::{Error, Kind, Result};

/// Publishes ports of a container. If it runs they work when this returns; otherwise a taken port
/// is found out at the start. Returns them, with the ports that were chosen for 0 if it runs.
///
/// # Errors
/// `Conflict` if a port is taken, or the container has no network that could publish.
pub fn forward(store: &Store, id: &str, wanted: &[Forward]) -> Result<Vec<Forward>> {
    let lock = store.lock_container(id)?;
    let mut record = store.record(id)?;
    if record.network != Network::Bridge {
        return Err(Error::new(Kind::Conflict, "it is not on the bridge")
            .hint("with --network host the program's own ports are the host's; with none it has no others"));
    }
    for port in wanted {
        if port.host_port != 0 && record.ports.iter().any(|known| same_host_port(known, port)) {
            return Err(Error::new(Kind::Conflict, format!("it has published port {} already", port.host())));
        }
    }
    let runs = store.state(id)?.status == Status::Running;
    let published =
        if runs { net::publish(store, &net::ensure(store)?, id, wanted)? } else { wanted.to_vec() };
    record.ports.extend(&published);
    if let Err(err) = store.update_record(&lock, &record) {
        if runs {
            // The record is what counts; the first error is the one to tell.
            published.iter().for_each(|port| drop(net::unpublish(store, id, port)));
        }
        return Err(err);
    }
    Ok(published)
}

/// Ends the publication of ports. Connections that exist go on.
///
/// # Errors
/// `NotFound` if one of them is not published; then none is ended.
pub fn unforward(store: &Store, id: &str, selectors: &[HostPort]) -> Result<()> {
    let lock = store.lock_container(id)?;
    let mut record = store.record(id)?;
    let known = ports(store, &record)?;
    for selector in selectors {
        if !known.iter().any(|port| selector.matches(port)) {
            return Err(Error::new(Kind::NotFound, format!("it has not published port {}", selector.port)));
        }
    }
    let ends = |port: &Forward| selectors.iter().any(|selector| selector.matches(port));
    if store.state(id)?.status == Status::Running {
        for port in known.iter().filter(|port| ends(port)) {
            net::unpublish(store, id, port)?;
        }
    }
    record.ports.retain(|port| !ends(port));
    store.update_record(&lock, &record)
}

/// The ports that a container publishes: those that work if it runs, else those of the next start.
///
/// # Errors
/// `NotFound` if there is no such container.
pub fn forwards(store: &Store, id: &str) -> Result<Vec<Forward>> {
    ports(store, &store.record(id)?)
}

fn ports(store: &Store, record: &Record) -> Result<Vec<Forward>> {
    match store.state(&record.id)?.status {
        Status::Running => net::published(store, &record.id),
        _ => Ok(record.ports.clone()),
    }
}

fn same_host_port(a: &Forward, b: &Forward) -> bool {
    (a.host_ip, a.host_port, a.proto) == (b.host_ip, b.host_port, b.proto)
}
