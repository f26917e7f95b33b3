//! What the libraries may not do, read from their sources.

use std::fs;
use std::path::{Path, PathBuf};

/// All sources below a directory, each with its text up to its tests.
pub fn sources(below: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut todo = vec![tests::top().join(below)];
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            // Tests and examples beside `src` may do what the library may not.
            let beside = |n: &std::ffi::OsStr| n == "tests" || n == "examples" || n == "benches";
            if path.is_dir() && !path.file_name().is_some_and(beside) {
                todo.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") && !is_test(&path) {
                found.push((short(&path), before_tests(&fs::read_to_string(&path).unwrap())));
            }
        }
    }
    found.sort();
    found
}

fn is_test(path: &Path) -> bool {
    path.file_stem().is_some_and(|name| name == "tests" || name.to_string_lossy().ends_with("_tests"))
}

fn short(path: &Path) -> String {
    path.strip_prefix(tests::top()).unwrap_or(path).display().to_string()
}

/// Unit tests stand at the end of a file; they may do what the library may not.
fn before_tests(text: &str) -> String {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned()
}

/// The lines of code (not of comments) in these files that contain one of the words.
pub fn lines_with(files: &[(String, String)], words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in files {
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if words.iter().any(|word| code.contains(word)) {
                found.push(format!("{path}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    found
}

fn room_of(path: &str) -> &str {
    path.split('/').nth(1).unwrap_or_default()
}

#[test]
fn unsafe_code_lives_in_two_rooms() {
    let mut files = sources("lib");
    files.extend(sources("tools"));
    files.retain(|(path, _)| !path.starts_with("lib/sys/") && !path.starts_with("lib/child/"));
    let found =
        lines_with(&files, &["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern", "(unsafe_code"]);
    assert!(found.is_empty(), "unsafe outside sys and child:\n{}", found.join("\n"));
}

#[test]
fn a_library_never_prints_exits_or_reads_arguments_and_environment() {
    let mut files = sources("lib");
    files.retain(|(path, _)| room_of(path) != "cli" && !path.ends_with("/build.rs"));
    let words = [
        "println!",
        "print!(",
        "eprint",
        "dbg!(",
        "std::process::exit",
        "env::args",
        "env::var",
        "env::vars",
    ];
    let found = lines_with(&files, &words);
    assert!(found.is_empty(), "what only cli may do:\n{}", found.join("\n"));
}

#[test]
fn only_one_module_spells_a_path_of_the_store() {
    let mut files = sources("lib");
    files.extend(sources("tools"));
    files.retain(|(path, _)| path != "lib/store/src/layout.rs");
    // Not all words of the layout are unmistakable; these are.
    let words = [
        "blobs/sha256/",
        "layers/sha256/",
        "containers/{",
        "volumes/{",
        "\"record.json\"",
        "\"run.jsonl\"",
        "\"layer.json\"",
        "\"volume.json\"",
        "\"store.json\"",
        "/var/lib/longshore/",
        "/run/longshore/",
    ];
    let found = lines_with(&files, &words);
    assert!(found.is_empty(), "paths of the store outside lib/store/src/layout.rs:\n{}", found.join("\n"));
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    for top in ["lib", "tools"] {
        for entry in fs::read_dir(tests::top().join(top)).unwrap() {
            let manifest: PathBuf = entry.unwrap().path().join("Cargo.toml");
            let Ok(text) = fs::read_to_string(&manifest) else { continue };
            assert!(text.contains("[lints]\nworkspace = true"), "{} has no lints", short(&manifest));
        }
    }
}

#[test]
fn the_main_file_of_a_tool_is_short() {
    for (path, text) in sources("tools") {
        // Without comments and blank lines. About sixty is meant; past a hundred it is no main any more.
        let lines = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with("//")).count();
        assert!(lines <= 110, "{path} has {lines} lines of code: what it does belongs into a library");
    }
}
