//! The part of JSON Schema that the records of the tools need.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::top;

/// `tests/schema/TOOL.json`. It allows no property that it does not name, so that a tool cannot print
/// a field that nobody has documented; users of the records are told to expect new ones.
#[derive(Debug)]
pub struct Schema(Value);

impl Schema {
    /// The schema of a tool, if it has one.
    #[must_use]
    pub fn find(tool: &str) -> Option<Self> {
        let text = std::fs::read_to_string(top().join(format!("tests/schema/{tool}.json"))).ok()?;
        Some(Self::parse(&text))
    }

    /// A schema from its text.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Self(serde_json::from_str(text).expect("a schema is JSON"))
    }

    /// The names on the first level.
    #[must_use]
    pub fn fields(&self) -> BTreeSet<String> {
        self.0["properties"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
    }

    /// What is wrong with a record, in words.
    #[must_use]
    pub fn errors(&self, record: &Value) -> Vec<String> {
        let mut errors = Vec::new();
        check(&self.0, record, "", &mut errors);
        errors
    }
}

/// What [`check`] understands, and what only explains. Another keyword would be a check that does nothing.
const KEYWORDS: &[&str] = &[
    "$schema",
    "$id",
    "title",
    "description",
    "type",
    "enum",
    "required",
    "properties",
    "additionalProperties",
    "items",
];

fn check(schema: &Value, value: &Value, path: &str, errors: &mut Vec<String>) {
    let unknown = schema.as_object().into_iter().flatten().find(|(key, _)| !KEYWORDS.contains(&key.as_str()));
    assert!(unknown.is_none(), "the schema has a keyword that is not understood here: {unknown:?}");
    if let Some(allowed) = schema.get("enum").and_then(Value::as_array)
        && !allowed.contains(value)
    {
        errors.push(format!("{path} is none of the values"));
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !types.is_empty() && !types.iter().any(|t| is(value, t)) {
        errors.push(format!("{path} is not of type {}", types.join(" or ")));
        return;
    }
    if let Some(object) = value.as_object() {
        check_object(schema, object, path, errors);
    }
    if let Some(items) = value.as_array() {
        for (n, item) in items.iter().enumerate() {
            check(&schema["items"], item, &format!("{path}[{n}]"), errors);
        }
    }
}

fn check_object(
    schema: &Value,
    object: &serde_json::Map<String, Value>,
    path: &str,
    errors: &mut Vec<String>,
) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !object.contains_key(name) {
            errors.push(format!("{} is missing", below(name)));
        }
    }
    for (name, value) in object {
        match (schema["properties"].get(name), &schema["additionalProperties"]) {
            (Some(known), _) => check(known, value, &below(name), errors),
            (None, Value::Bool(false)) => errors.push(format!("{} is not in the schema", below(name))),
            (None, Value::Object(_)) => check(&schema["additionalProperties"], value, &below(name), errors),
            (None, _) => {}
        }
    }
}

fn is(value: &Value, kind: &str) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("the schema has an unknown type {other}"),
    }
}
