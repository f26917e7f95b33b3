//! What a container was made with becomes what its image says of itself, as `docker commit` does it: the
//! next container of it runs as this one.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use store::Store;
use types::container::Record;
use types::env::DEFAULT_PATH;
use types::{Error, Kind, Result};

use crate::change::{self, Change};

/// Changes the configuration of the image, as a whole, for the container and then as it is asked for.
pub(super) fn put(
    store: &Store,
    record: &Record,
    changes: &[Change],
    all: &mut Map<String, Value>,
) -> Result<()> {
    let mut config = match all.remove("config") {
        Some(Value::Object(config)) => config,
        _ => Map::new(),
    };
    let env = environment(store, record, &config)?;
    of_record(record, env, &mut config);
    change::apply(changes, &mut config)?;
    all.insert("config".to_owned(), config.into());
    // Docker's own notes of the container that an image was made of, which nobody has read for years.
    for old in ["container", "container_config"] {
        all.remove(old);
    }
    Ok(())
}

fn of_record(record: &Record, env: Vec<String>, config: &mut Map<String, Value>) {
    let of_entrypoint = usize::try_from(record.entrypoint).unwrap_or(usize::MAX);
    let (entrypoint, command) = record.args.split_at(of_entrypoint.min(record.args.len()));
    let mut list = |key: &str, words: &[String]| {
        if words.is_empty() { config.remove(key) } else { config.insert(key.to_owned(), json!(words)) }
    };
    list("Entrypoint", entrypoint);
    list("Cmd", command);
    list("Env", &env);
    let mut text = |key: &str, value: &str, usual: &str| {
        if value != usual {
            config.insert(key.to_owned(), value.into());
        }
    };
    text("User", &record.user, "");
    let signal = types::signal::name(record.stop_signal);
    text("StopSignal", &signal, "SIGTERM");
    text("WorkingDir", &record.workdir, "/");
    if !record.labels.is_empty() {
        config.insert("Labels".to_owned(), json!(record.labels));
    }
    let ports: BTreeMap<String, Value> =
        record.ports.iter().map(|p| (format!("{}/{}", p.container_port, p.proto), json!({}))).collect();
    if !ports.is_empty() {
        let known = config.entry("ExposedPorts").or_insert_with(|| json!({}));
        match known.as_object_mut() {
            Some(known) => known.extend(ports),
            None => *known = json!(ports),
        }
    }
}

/// The container's variables, without those that every container gets anew.
fn environment(store: &Store, record: &Record, image: &Map<String, Value>) -> Result<Vec<String>> {
    let spec: Value = serde_json::from_slice(&store.config(&record.id)?)
        .map_err(|e| Error::because(Kind::Corrupt, "read its config.json", e))?;
    let own = spec.pointer("/process/env").and_then(Value::as_array).into_iter().flatten();
    let of_image = image.get("Env").and_then(Value::as_array);
    let given =
        [format!("PATH={DEFAULT_PATH}"), format!("HOSTNAME={}", record.hostname), "TERM=xterm".to_owned()];
    let by_itself = |line: &&Value| {
        let text = line.as_str().unwrap_or_default();
        given.iter().any(|g| g == text) && !of_image.is_some_and(|list| list.contains(line))
    };
    Ok(own.filter(|line| !by_itself(line)).filter_map(|line| line.as_str().map(str::to_owned)).collect())
}
