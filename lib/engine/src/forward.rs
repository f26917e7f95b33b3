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
    let ends = |port: &&Forward| selectors.iter().any(|selector| selector.matches(port));
    let runs = store.state(id)?.status == Status::Running;
    for port in known.iter().filter(ends) {
        if runs {
            net::unpublish(store, id, port)?;
        }
        forget(&mut record.ports, port);
    }
    store.update_record(&lock, &record)
}

/// Takes a port out of those of every start: itself, or what it was chosen for.
fn forget(kept: &mut Vec<Forward>, ended: &Forward) {
    let itself = kept.iter().position(|port| port == ended);
    if let Some(at) = itself.or_else(|| kept.iter().position(|port| port.stands_for(ended))) {
        kept.remove(at);
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use types::port::parse;

    #[test]
    fn a_port_that_was_chosen_at_the_start_is_not_chosen_again_after_it_was_ended() {
        let all = |texts: &[&str]| texts.iter().flat_map(|t| parse(t).unwrap()).collect::<Vec<_>>();
        let mut kept = all(&["80", "8000-8010:80", "81", "9000:80"]);
        forget(&mut kept, &parse("8003:80").unwrap()[0]);
        // Both the first and the second could have become that one: which does not matter.
        assert_eq!(kept.len(), 3);
        forget(&mut kept, &parse("9000:80").unwrap()[0]);
        assert!(!kept.contains(&parse("9000:80").unwrap()[0]), "{kept:?}");
        forget(&mut kept, &parse("40000:81").unwrap()[0]);
        forget(&mut kept, &parse("8004:80").unwrap()[0]);
        assert!(kept.is_empty(), "{kept:?}");
    }
}
