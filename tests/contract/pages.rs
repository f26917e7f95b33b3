//! Every tool has a page, and page and `--help` name the same options.

use std::collections::BTreeSet;
use std::process::Command;

use tests::man::Page;

/// The sections that every page of a tool has, in this order.
const SECTIONS: &[&str] =
    &["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "FILES", "EXAMPLES", "SEE ALSO"];

/// The options that a tool's `--help` names.
fn options_of(tool: &str) -> BTreeSet<String> {
    let text = help_of(tool, None);
    let mut found = options_in(&text);
    // A tool with commands has one page, and a help for each command.
    for command in commands_in(&text) {
        found.append(&mut options_in(&help_of(tool, Some(&command))));
    }
    found
}

fn help_of(tool: &str, command: Option<&str>) -> String {
    let out = Command::new(tests::bin_dir().join(tool))
        .args(command)
        .arg("--help")
        .output()
        .unwrap_or_else(|e| panic!("{tool}: {e}"));
    assert!(out.status.success(), "{tool} --help: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// The commands that a help lists.
fn commands_in(text: &str) -> Vec<String> {
    let list = text.lines().skip_while(|l| *l != "Commands:").skip(1).take_while(|l| !l.is_empty());
    list.filter_map(|l| l.split_whitespace().next()).map(str::to_owned).collect()
}

fn options_in(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in text.lines().map(str::trim_start).filter(|l| l.starts_with('-')) {
        // `-v, --volume <V>  Text`: the names end where the argument or the text begins.
        let names = line.split("  ").next().unwrap_or_default();
        for name in names.split(", ") {
            let name = name.split([' ', '=', '[', '<']).next().unwrap_or_default();
            if name.len() > 1 {
                found.insert(name.to_owned());
            }
        }
    }
    found
}

#[test]
fn every_tool_has_a_page_with_its_sections_in_order() {
    let mut wrong = Vec::new();
    for tool in tests::tools() {
        let Some(page) = Page::find(&format!("{tool}.1")) else {
            wrong.push(format!("{tool} has no page"));
            continue;
        };
        let have = page.sections();
        let mut from = 0;
        for section in SECTIONS {
            match have[from..].iter().position(|s| s == section) {
                Some(at) => from += at + 1,
                None => wrong.push(format!("{tool}(1) has no {section}, or not in its place")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn page_and_help_name_the_same_options() {
    let mut wrong = Vec::new();
    for tool in tests::tools() {
        let Some(page) = Page::find(&format!("{tool}.1")) else { continue }; // said by another test
        let (help, page) = (options_of(&tool), page.options());
        // clap gives these two to everybody; longshore-cli(7) has them.
        let common: BTreeSet<_> = ["-h", "--help", "-V", "--version"].map(String::from).into();
        for option in
            help.difference(&page).filter(|o| !common.contains(*o) || (*o == "-h" && page.contains("-h")))
        {
            wrong.push(format!("{tool}(1) does not have {option}"));
        }
        for option in page.difference(&help).filter(|o| !common.contains(*o)) {
            wrong.push(format!("{tool} --help does not have {option}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_page_of_a_tool_shows_a_pipe() {
    let pipeless: Vec<_> = tests::tools()
        .into_iter()
        .filter(|tool| {
            Page::find(&format!("{tool}.1"))
                .is_some_and(|p| !p.examples().concat().join("\n").contains(" | "))
        })
        .collect();
    assert!(pipeless.is_empty(), "no pipe in the EXAMPLES of {}", pipeless.join(", "));
}

#[test]
fn the_overview_names_every_tool() {
    let text = Page::open("longshore.7").text();
    let readme = std::fs::read_to_string(tests::top().join("README.md")).unwrap();
    for tool in tests::tools() {
        assert!(text.contains(&tool), "longshore(7) does not name {tool}");
        assert!(readme.contains(&tool), "README.md does not name {tool}");
    }
}

#[test]
fn the_pages_that_every_page_leads_to_exist() {
    for page in [
        "longshore.7",
        "longshore-cli.7",
        "longshore-news.7",
        "longshore-registries.7",
        "longshore-security.7",
        "longshore-store.5",
    ] {
        assert!(!Page::open(page).section("NAME").is_empty(), "{page} has no NAME");
    }
}
