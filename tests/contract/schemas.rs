//! A schema a tool that prints records, with the names of its page's OUTPUT section.

use std::collections::BTreeSet;
use std::process::Command;

use tests::man::Page;
use tests::schema::Schema;

/// Tools whose `--help` knows `--json`.
fn tools_with_json() -> Vec<String> {
    let has_json = |tool: &String| {
        let out = Command::new(tests::bin_dir().join(tool)).arg("--help").output().unwrap();
        String::from_utf8_lossy(&out.stdout).contains("--json")
    };
    // These print nothing but records.
    let inspects = |tool: &str| ["ctr-inspect", "img-inspect", "img-lock"].contains(&tool);
    tests::tools().into_iter().filter(|tool| has_json(tool) || inspects(tool)).collect()
}

#[test]
fn every_tool_that_prints_records_has_a_schema() {
    let without: Vec<_> = tools_with_json().into_iter().filter(|tool| Schema::find(tool).is_none()).collect();
    assert!(without.is_empty(), "no tests/schema/TOOL.json for {}", without.join(", "));
}

#[test]
fn schema_and_page_name_the_same_fields() {
    for tool in tools_with_json() {
        let (Some(schema), Some(page)) = (Schema::find(&tool), Page::find(&format!("{tool}.1"))) else {
            continue;
        };
        let (schema, page): (BTreeSet<_>, _) = (schema.fields(), page.fields());
        let undocumented: Vec<_> = schema.difference(&page).collect();
        let invented: Vec<_> = page.difference(&schema).collect();
        assert!(
            undocumented.is_empty() && invented.is_empty(),
            "{tool}(1), OUTPUT: not in the page: {undocumented:?}; not in the schema: {invented:?}"
        );
    }
}

#[test]
fn the_checker_of_schemas_sees_what_is_wrong() {
    let schema = Schema::parse(
        r#"{"type": "object", "required": ["Id"], "additionalProperties": false, "properties": {
            "Id": {"type": "string"}, "Size": {"type": "integer"}, "Tags": {"type": "array", "items": {"type": "string"}},
            "State": {"enum": ["running", "exited"]}, "Ports": {"type": "object", "additionalProperties": {"type": "string"}}}}"#,
    );
    let check = |text: &str| schema.errors(&serde_json::from_str(text).unwrap());
    assert_eq!(
        check(r#"{"Id": "a", "Size": 1, "Tags": ["x"], "State": "running", "Ports": {"80": "a"}}"#),
        [""; 0]
    );
    assert_eq!(check(r#"{"Size": 1}"#), ["Id is missing"]);
    assert_eq!(check(r#"{"Id": "a", "New": 1}"#), ["New is not in the schema"]);
    assert_eq!(check(r#"{"Id": "a", "Size": "1"}"#), ["Size is not of type integer"]);
    assert_eq!(check(r#"{"Id": "a", "Tags": [1]}"#), ["Tags[0] is not of type string"]);
    assert_eq!(check(r#"{"Id": "a", "State": "lost"}"#), ["State is none of the values"]);
    assert_eq!(check(r#"{"Id": "a", "Ports": {"80": 1}}"#), ["Ports.80 is not of type string"]);
}
