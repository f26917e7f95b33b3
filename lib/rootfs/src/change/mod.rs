//! Changes of an image's configuration, written as a Dockerfile writes them (`docker commit -c`).
//!
//! The grammar is that of Docker's builder: exec form as a JSON array, everything else in shell form;
//! variables of the image's environment are put in where a Dockerfile does that.

mod words;

use serde_json::{Map, Value, json};
use types::{Context, Error, Kind, Result};

/// What runs a command in shell form.
const SHELL: [&str; 2] = ["/bin/sh", "-c"];

/// One instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    verb: Verb,
    rest: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Cmd,
    Entrypoint,
    Env,
    Expose,
    Label,
    OnBuild,
    StopSignal,
    User,
    Volume,
    Workdir,
}

impl std::str::FromStr for Change {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let verb = match word.to_ascii_uppercase().as_str() {
            "CMD" => Verb::Cmd,
            "ENTRYPOINT" => Verb::Entrypoint,
            "ENV" => Verb::Env,
            "EXPOSE" => Verb::Expose,
            "LABEL" => Verb::Label,
            "ONBUILD" => Verb::OnBuild,
            "STOPSIGNAL" => Verb::StopSignal,
            "USER" => Verb::User,
            "VOLUME" => Verb::Volume,
            "WORKDIR" => Verb::Workdir,
            "HEALTHCHECK" => return Err(Error::new(Kind::Unsupported, "HEALTHCHECK cannot be changed yet")),
            _ => {
                return Err(Error::new(Kind::Invalid, format!("{word:?} is no change")).hint(
                    "changes are CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR",
                ));
            }
        };
        let rest = rest.trim().to_owned();
        if rest.is_empty() && verb != Verb::Cmd && verb != Verb::Entrypoint {
            return Err(Error::new(Kind::Invalid, format!("{word} says nothing")));
        }
        Ok(Self { verb, rest })
    }
}

/// Makes changes in an image's `config`, in their order.
///
/// # Errors
/// `Invalid` if one cannot be read.
pub(crate) fn apply(changes: &[Change], config: &mut Map<String, Value>) -> Result<()> {
    // An entrypoint takes the image's command away, unless a change before it has set that.
    let mut own_command = false;
    for change in changes {
        one(change, config, own_command)
            .with_context(|| format!("change {:?} {:?}", change.verb, change.rest))?;
        own_command |= change.verb == Verb::Cmd;
    }
    Ok(())
}

fn one(change: &Change, config: &mut Map<String, Value>, own_command: bool) -> Result<()> {
    let rest = change.rest.as_str();
    let env = environment(config);
    let variables = |name: &str| env.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    let set =
        |config: &mut Map<String, Value>, key: &str, value: Value| drop(config.insert(key.to_owned(), value));
    match change.verb {
        Verb::Cmd => set(config, "Cmd", command(rest)),
        Verb::Entrypoint => {
            set(config, "Entrypoint", command(rest));
            if !own_command {
                config.remove("Cmd");
            }
        }
        Verb::Env => {
            let new = pairs(rest, &variables)?;
            set(config, "Env", lines(merge(env, new)));
        }
        Verb::Label => {
            let labels = object(config, "Labels");
            pairs(rest, &variables)?
                .into_iter()
                .for_each(|(key, value)| drop(labels.insert(key, value.into())));
        }
        Verb::Expose => {
            for word in words::split(rest, &variables)? {
                for port in exposed(&word)? {
                    object(config, "ExposedPorts").insert(port, json!({}));
                }
            }
        }
        Verb::Volume => {
            let named = match json_words(rest) {
                Some(list) => {
                    list.iter().map(|word| words::expand(word, &variables)).collect::<Result<_>>()?
                }
                None => words::split(rest, &variables)?,
            };
            for volume in named.iter().map(|v| v.trim()).filter(|v| !v.is_empty()) {
                object(config, "Volumes").insert(volume.to_owned(), json!({}));
            }
        }
        Verb::OnBuild => {
            let list = config.entry("OnBuild").or_insert_with(|| json!([]));
            if !list.is_array() {
                *list = json!([]);
            }
            if let Some(list) = list.as_array_mut() {
                list.push(rest.into());
            }
        }
        Verb::User => set(config, "User", single(rest, &variables)?.into()),
        Verb::StopSignal => {
            let name = single(rest, &variables)?;
            types::signal::parse(&name)?;
            set(config, "StopSignal", name.into());
        }
        Verb::Workdir => {
            let at = config.get("WorkingDir").and_then(Value::as_str).unwrap_or("/");
            let dir = directory(at, &single(rest, &variables)?);
            set(config, "WorkingDir", dir.into());
        }
    }
    Ok(())
}

/// Exec form is a JSON array of strings; everything else is for a shell.
fn command(rest: &str) -> Value {
    match json_words(rest) {
        Some(list) => list.into(),
        None if rest.is_empty() => Value::Null,
        None => json!([SHELL[0], SHELL[1], rest]),
    }
}

fn json_words(rest: &str) -> Option<Vec<String>> {
    rest.starts_with('[').then(|| serde_json::from_str(rest).ok()).flatten()
}

/// `KEY=VALUE...`, or the old form `KEY VALUE`, where the rest of the line is the value.
fn pairs(rest: &str, variables: &words::Variables<'_>) -> Result<Vec<(String, String)>> {
    let raw = words::raw_words(rest)?;
    let no_value = |word: &str| Error::new(Kind::Invalid, format!("{word:?} has no ="));
    if !raw.first().is_some_and(|word| word.contains('=')) {
        let (key, value) = rest.split_once(char::is_whitespace).ok_or_else(|| no_value(rest))?;
        let key = words::expand(key, variables)?;
        return Ok(vec![(key, words::expand(value.trim_start(), variables)?)]);
    }
    let pair = |word: &String| {
        let (key, value) = word.split_once('=').ok_or_else(|| no_value(word))?;
        let key = words::expand(key, variables)?;
        if key.is_empty() {
            return Err(Error::new(Kind::Invalid, format!("{word:?} has no name")));
        }
        Ok((key, words::expand(value, variables)?))
    };
    raw.iter().map(pair).collect()
}

/// The whole line is one word, whatever blanks are in it.
fn single(rest: &str, variables: &words::Variables<'_>) -> Result<String> {
    words::expand(rest, variables)
}

fn environment(config: &Map<String, Value>) -> Vec<(String, String)> {
    let lines = config.get("Env").and_then(Value::as_array).into_iter().flatten();
    let pair = |line: &Value| {
        let (key, value) = line.as_str()?.split_once('=')?;
        Some((key.to_owned(), value.to_owned()))
    };
    lines.filter_map(pair).collect()
}

/// A variable that is there keeps its place.
fn merge(mut env: Vec<(String, String)>, new: Vec<(String, String)>) -> Vec<(String, String)> {
    for (key, value) in new {
        match env.iter_mut().find(|(known, _)| *known == key) {
            Some((_, old)) => *old = value,
            None => env.push((key, value)),
        }
    }
    env
}

fn lines(env: Vec<(String, String)>) -> Value {
    env.into_iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().into()
}

/// An object of a configuration, made if it is not there.
fn object<'c>(config: &'c mut Map<String, Value>, key: &str) -> &'c mut Map<String, Value> {
    let value = config.entry(key).or_insert_with(|| json!({}));
    if !value.is_object() {
        *value = json!({});
    }
    match value {
        Value::Object(map) => map,
        _ => unreachable!("it was just made one"),
    }
}

/// `PORT[-PORT][/PROTO]`, each port for itself, as images have them.
fn exposed(word: &str) -> Result<Vec<String>> {
    let bad = || Error::new(Kind::Invalid, format!("{word:?} is no port"));
    let (ports, proto) = word.split_once('/').unwrap_or((word, "tcp"));
    let proto = proto.to_ascii_lowercase();
    if !matches!(proto.as_str(), "tcp" | "udp" | "sctp") {
        return Err(bad());
    }
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let number = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(bad);
    let (first, last) = (number(first)?, number(last)?);
    if first > last {
        return Err(bad());
    }
    Ok((first..=last).map(|port| format!("{port}/{proto}")).collect())
}

/// A relative directory is seen from the one before.
fn directory(at: &str, new: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let above = if new.starts_with('/') { "" } else { at };
    for part in above.split('/').chain(new.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(changes: &[&str], config: Value) -> Result<Value> {
        let changes: Vec<Change> = changes.iter().map(|text| text.parse()).collect::<Result<_>>()?;
        let Value::Object(mut config) = config else { panic!("no object") };
        apply(&changes, &mut config)?;
        Ok(Value::Object(config))
    }

    #[test]
    fn each_instruction_does_what_docker_does() {
        for (changes, before, after) in [
            (&["CMD [\"a\", \"b c\"]"][..], json!({}), json!({"Cmd": ["a", "b c"]})),
            (&["cmd a $b"], json!({}), json!({"Cmd": ["/bin/sh", "-c", "a $b"]})),
            (&["CMD"], json!({"Cmd": ["x"]}), json!({"Cmd": null})),
            (&["ENTRYPOINT [\"e\"]"], json!({"Cmd": ["x"]}), json!({"Entrypoint": ["e"]})),
            (
                &["CMD [\"c\"]", "ENTRYPOINT [\"e\"]"],
                json!({"Cmd": ["x"]}),
                json!({"Entrypoint": ["e"], "Cmd": ["c"]}),
            ),
            (
                &["ENV PATH=$PATH:/x A=\"b c\"", "ENV OLD a  b"],
                json!({"Env": ["PATH=/bin", "Z=1"]}),
                json!({"Env": ["PATH=/bin:/x", "Z=1", "A=b c", "OLD=a  b"]}),
            ),
            (
                &["LABEL a=b \"c d\"='e f'"],
                json!({"Labels": null}),
                json!({"Labels": {"a": "b", "c d": "e f"}}),
            ),
            (
                &["EXPOSE 80 53/udp 8000-8001"],
                json!({}),
                json!({"ExposedPorts": {"80/tcp": {}, "53/udp": {}, "8000/tcp": {}, "8001/tcp": {}}}),
            ),
            (
                &["VOLUME /a /b", "VOLUME [\"/c d\"]"],
                json!({}),
                json!({"Volumes": {"/a": {}, "/b": {}, "/c d": {}}}),
            ),
            (&["WORKDIR /a/../b", "WORKDIR c"], json!({"WorkingDir": "/x"}), json!({"WorkingDir": "/b/c"})),
            (
                &["USER www-data", "STOPSIGNAL SIGINT"],
                json!({}),
                json!({"User": "www-data", "StopSignal": "SIGINT"}),
            ),
            (&["ONBUILD RUN x"], json!({}), json!({"OnBuild": ["RUN x"]})),
        ] {
            assert_eq!(changed(changes, before).expect("change"), after, "{changes:?}");
        }
    }

    #[test]
    fn what_is_no_change_is_refused() {
        for bad in [
            "RUN x",
            "ENV",
            "ENV A",
            "ENV A=1 B",
            "EXPOSE x",
            "EXPOSE 0",
            "EXPOSE 9-8",
            "EXPOSE 80/x",
            "LABEL =x",
            "STOPSIGNAL NONE",
            "HEALTHCHECK NONE",
            "",
            "USER",
            "LABEL a=\"b",
        ] {
            assert!(changed(&[bad], json!({})).is_err(), "{bad}");
        }
    }
}
