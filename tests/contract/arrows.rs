//! Dependencies point down: the arrows of `lib/README.md`, and who alone may link what.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Which of our own crates a crate may use.
const ARROWS: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("child", &[]),
    ("sys", &["types"]),
    ("registry", &["types"]),
    ("layer", &["types", "sys"]),
    ("store", &["types", "sys"]),
    ("runtime", &["types", "sys", "child"]),
    ("net", &["types", "sys", "store"]),
    ("vol", &["types", "sys", "store"]),
    ("image", &["types", "sys", "store", "layer", "registry"]),
    ("serve", &["types", "store", "image"]),
    ("rootfs", &["types", "sys", "store", "layer"]),
    ("oci", &["types", "sys", "runtime"]),
    ("engine", &["types", "sys", "store", "runtime", "net", "vol"]),
    ("cli", &["types", "sys", "store"]),
];

/// What a tool may use.
const TOOL: &[&str] = &["cli", "engine", "oci", "image", "rootfs", "serve", "vol", "net", "store", "types"];

/// Foreign crates that only some of ours may use directly. `*` is every tool.
const ONLY: &[(&str, &[&str])] = &[
    ("reqwest", &["registry"]),
    ("hyper", &["serve"]),
    ("tokio", &["serve"]),
    ("nftnl", &["net"]),
    ("mnl", &["net"]),
    ("anyhow", &["cli", "*"]),
    ("clap", &["cli", "*"]),
    ("indicatif", &["cli", "image", "*"]),
];

/// What no `ctr-*` may link, however indirectly: a missing image is pulled by running `img-pull`.
const NOT_IN_CTR: &[&str] =
    &["reqwest", "hyper", "rustls", "tokio", "openssl", "native-tls", "registry", "image", "serve"];

/// The packages of this workspace or, with `deep`, of everything it links, from cargo itself.
fn metadata(deep: bool) -> Value {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--format-version=1", "--locked", "--offline"]).current_dir(tests::top());
    if deep {
        // What other platforms would need has not been downloaded.
        cargo.args(["--filter-platform", &host()]);
    } else {
        cargo.arg("--no-deps");
    }
    let out = cargo.output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

fn host() -> String {
    let out = Command::new("rustc").arg("-vV").output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    text.lines().find_map(|l| l.strip_prefix("host: ")).unwrap().to_owned()
}

/// Every crate of ours and what it links directly. What only its tests use is left out.
fn direct() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = metadata(false);
    let packages = metadata["packages"].as_array().unwrap();
    let uses = |package: &Value| {
        let all = package["dependencies"].as_array().unwrap().iter();
        all.filter(|d| d["kind"] != "dev").map(|d| text(&d["name"])).collect()
    };
    packages.iter().map(|p| (text(&p["name"]), uses(p))).filter(|(name, _)| name != "tests").collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[test]
fn every_room_uses_only_the_rooms_below_it() {
    let all = direct();
    let ours: BTreeSet<_> = all.keys().cloned().collect();
    let table: BTreeMap<_, _> = ARROWS.iter().copied().collect();
    let mut wrong = Vec::new();
    for (name, uses) in &all {
        let allowed = match table.get(name.as_str()) {
            Some(allowed) => allowed,
            None if tests::tools().contains(name) => TOOL,
            None => panic!("{name} is neither a tool nor a room of the table"),
        };
        let extra = uses.intersection(&ours).filter(|used| !allowed.contains(&used.as_str()));
        wrong.extend(extra.map(|used| format!("{name} -> {used}")));
    }
    assert!(wrong.is_empty(), "arrows that point up or aside: {}", wrong.join(", "));
}

#[test]
fn every_room_of_the_table_exists() {
    let all = direct();
    for (room, _) in ARROWS {
        assert!(all.contains_key(*room), "{room} is in the table and not in lib/");
    }
}

#[test]
fn crates_with_one_room_stay_in_it() {
    let tools = tests::tools();
    for (name, uses) in direct() {
        for (krate, rooms) in ONLY {
            let may = rooms.contains(&name.as_str()) || (rooms.contains(&"*") && tools.contains(&name));
            assert!(may || !uses.contains(*krate), "{name} links {krate}, which only {rooms:?} may");
        }
    }
}

#[test]
fn what_runs_containers_links_no_http() {
    let metadata = metadata(true);
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap();
    let name_of: BTreeMap<_, _> =
        metadata["packages"].as_array().unwrap().iter().map(|p| (text(&p["id"]), text(&p["name"]))).collect();
    // Features of one tool do not make another link a crate, so the graph of packages is what counts.
    let links: BTreeMap<String, Vec<String>> = nodes
        .iter()
        .map(|n| {
            let deps = n["deps"].as_array().unwrap().iter();
            let linked =
                deps.filter(|d| d["dep_kinds"].as_array().unwrap().iter().any(|k| k["kind"].is_null()));
            (text(&n["id"]), linked.map(|d| text(&d["pkg"])).collect())
        })
        .collect();
    for (id, tool) in name_of.iter().filter(|(_, name)| name.starts_with("ctr-")) {
        let mut todo = vec![id.clone()];
        let mut seen = BTreeSet::new();
        while let Some(id) = todo.pop() {
            if seen.insert(id.clone()) {
                todo.extend(links[&id].iter().cloned());
            }
        }
        let linked: BTreeSet<_> = seen.iter().map(|id| name_of[id].as_str()).collect();
        let wrong: Vec<_> = NOT_IN_CTR.iter().filter(|name| linked.contains(*name)).collect();
        assert!(wrong.is_empty(), "{tool} links {wrong:?}");
    }
}

#[test]
fn the_page_of_the_rooms_draws_the_same_arrows() {
    let page = std::fs::read_to_string(tests::top().join("lib/README.md")).unwrap();
    for (room, uses) in ARROWS {
        let row = format!("| `{room}` |");
        let line = page.lines().find(|l| l.starts_with(&row));
        let line = line.unwrap_or_else(|| panic!("lib/README.md has no row for {room}"));
        let cell = line.split('|').nth(2).unwrap();
        let drawn: BTreeSet<_> = cell.split(['`', ',', ' ']).filter(|w| !w.is_empty() && *w != "-").collect();
        assert_eq!(drawn, uses.iter().copied().collect(), "lib/README.md, row {room}");
    }
}
