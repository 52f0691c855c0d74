//! A judge of JSON: the keywords of JSON Schema (draft 2020-12) that our schemas
//! use. It is strict where validators are lenient: no value fits a keyword that it
//! does not know, and a format is held.
//!
//! <https://json-schema.org/draft/2020-12/json-schema-validation>

use regex_lite::Regex;
use serde_json::{Map, Value};

/// The schema with every object of named properties closed: what stands in no
/// schema is a fault to us, though callers have to pass over it.
pub(crate) fn closed(schema: Value) -> Value {
    match schema {
        Value::Object(keywords) => {
            let named = keywords.contains_key("properties") && keywords.contains_key("type");
            let inside = keywords
                .into_iter()
                .map(|(word, rule)| (word, closed(rule)));
            let mut keywords: Map<_, _> = inside.collect();
            if named {
                keywords
                    .entry("additionalProperties")
                    .or_insert(false.into());
            }
            Value::Object(keywords)
        }
        Value::Array(all) => all.into_iter().map(closed).collect(),
        other => other,
    }
}

/// What says something about a schema, and nothing about a value.
const NO_RULE: [&str; 6] = [
    "$schema",
    "$defs",
    "title",
    "description",
    "default",
    "examples",
];

/// What says nothing about values of another type than its own.
const OF_ANOTHER_TYPE: [&str; 15] = [
    "pattern",
    "format",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "items",
    "minProperties",
    "maxProperties",
    "required",
    "properties",
    "additionalProperties",
    "propertyNames",
];

/// What is wrong with a value, each fault with its place. References lead into
/// `root`.
pub(crate) fn faults(root: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut judge = Judge {
        root,
        faults: Vec::new(),
    };
    judge.value(schema, value, "");
    judge.faults
}

struct Judge<'a> {
    root: &'a Value,
    faults: Vec<String>,
}

impl Judge<'_> {
    fn value(&mut self, schema: &Value, value: &Value, at: &str) {
        let Some(keywords) = schema.as_object() else {
            if schema != true {
                self.faults.push(format!("{at} may not be there"));
            }
            return;
        };
        for (keyword, rule) in keywords {
            let fits = match (keyword.as_str(), value) {
                ("$ref", _) => {
                    let to = rule.as_str().unwrap().trim_start_matches('#');
                    self.value(self.root.pointer(to).unwrap(), value, at);
                    true
                }
                ("allOf", _) => {
                    list(rule).for_each(|schema| self.value(schema, value, at));
                    true
                }
                ("items", Value::Array(values)) => {
                    for (number, value) in values.iter().enumerate() {
                        self.value(rule, value, &format!("{at}/{number}"));
                    }
                    true
                }
                ("properties", Value::Object(fields)) => {
                    for (name, schema) in rule.as_object().unwrap() {
                        if let Some(value) = fields.get(name) {
                            self.value(schema, value, &format!("{at}/{name}"));
                        }
                    }
                    true
                }
                ("additionalProperties", Value::Object(fields)) => {
                    let named = keywords.get("properties").and_then(Value::as_object);
                    for (name, value) in fields {
                        if !named.is_some_and(|named| named.contains_key(name)) {
                            self.value(rule, value, &format!("{at}/{name}"));
                        }
                    }
                    true
                }
                ("propertyNames", Value::Object(fields)) => {
                    for name in fields.keys() {
                        self.value(rule, &name.as_str().into(), &format!("{at}/{name}"));
                    }
                    true
                }
                ("anyOf" | "oneOf" | "not", _) => self.chosen(keyword, rule, value),
                (keyword, value) => plain(keyword, rule, value),
            };
            if !fits {
                self.faults
                    .push(format!("{at} is against {keyword} {rule}"));
            }
        }
    }

    fn chosen(&self, keyword: &str, rule: &Value, value: &Value) -> bool {
        let fits = |schema: &Value| faults(self.root, schema, value).is_empty();
        match keyword {
            "anyOf" => list(rule).any(fits),
            "oneOf" => list(rule).filter(|schema| fits(schema)).count() == 1,
            _ => !fits(rule),
        }
    }
}

/// Whether a value is as a rule wants it that looks no deeper. No value fits a
/// rule that this judge does not know.
fn plain(keyword: &str, rule: &Value, value: &Value) -> bool {
    let least = |count: usize| count >= usize::try_from(rule.as_u64().unwrap()).unwrap();
    let most = |count: usize| count <= usize::try_from(rule.as_u64().unwrap()).unwrap();
    match (keyword, value) {
        ("type", _) if rule.is_array() => list(rule).any(|kind| is(kind, value)),
        ("type", _) => is(rule, value),
        ("const", _) => rule == value,
        ("enum", _) => list(rule).any(|one| one == value),
        ("pattern", Value::String(text)) => matches(rule.as_str().unwrap(), text),
        ("format", Value::String(text)) => is_formed(rule.as_str().unwrap(), text),
        ("minLength", Value::String(text)) => least(text.chars().count()),
        ("maxLength", Value::String(text)) => most(text.chars().count()),
        ("minimum", Value::Number(_)) => value.as_f64() >= rule.as_f64(),
        ("maximum", Value::Number(_)) => value.as_f64() <= rule.as_f64(),
        ("minItems", Value::Array(values)) => least(values.len()),
        ("maxItems", Value::Array(values)) => most(values.len()),
        ("minProperties", Value::Object(fields)) => least(fields.len()),
        ("maxProperties", Value::Object(fields)) => most(fields.len()),
        ("required", Value::Object(fields)) => {
            list(rule).all(|name| fields.contains_key(name.as_str().unwrap()))
        }
        (keyword, _) => NO_RULE.contains(&keyword) || OF_ANOTHER_TYPE.contains(&keyword),
    }
}

fn list(rule: &Value) -> impl Iterator<Item = &Value> {
    rule.as_array().unwrap().iter()
}

fn is(kind: &Value, value: &Value) -> bool {
    match kind.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    Regex::new(pattern).unwrap().is_match(text)
}

fn is_formed(format: &str, text: &str) -> bool {
    const DATE_TIME: &str = r"^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$";
    const UUID: &str = "^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$";
    match format {
        "date-time" => matches(DATE_TIME, text),
        "uuid" => matches(UUID, text),
        "uri" => url::Url::parse(text).is_ok(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_schema_says_is_held() {
        let root = json!({ "$defs": { "short": { "type": "string", "maxLength": 2 } } });
        let short = json!({ "$ref": "#/$defs/short" });
        let open = json!({ "type": "object", "required": ["a"], "properties": { "a": short } });
        let codes =
            json!({ "propertyNames": { "enum": ["a"] }, "additionalProperties": { "minimum": 1 } });
        for (schema, right, wrong) in [
            (short.clone(), json!("长长"), json!("long")),
            (open.clone(), json!({ "a": "x", "b": 1 }), json!({ "b": 1 })),
            (open.clone(), json!({ "a": "x" }), json!({ "a": "long" })),
            (
                closed(open),
                json!({ "a": "x" }),
                json!({ "a": "x", "b": 1 }),
            ),
            (codes.clone(), json!({ "a": 1 }), json!({ "b": 1 })),
            (codes, json!({}), json!({ "a": 0 })),
            (
                json!({ "items": short }),
                json!(["x"]),
                json!(["x", "long"]),
            ),
            (
                json!({ "allOf": [short, { "minLength": 1 }] }),
                json!("x"),
                json!(""),
            ),
            (
                json!({ "anyOf": [short, { "type": "null" }] }),
                json!(null),
                json!(1),
            ),
            (
                json!({ "oneOf": [short, { "minLength": 2 }] }),
                json!("long"),
                json!("xx"),
            ),
            (json!({ "not": short }), json!("long"), json!("x")),
            (
                json!({ "type": ["integer", "null"] }),
                json!(1.0),
                json!(1.5),
            ),
            (
                json!({ "pattern": "^[a-z]{2}$" }),
                json!("ab"),
                json!("abc"),
            ),
            (
                json!({ "format": "date-time" }),
                json!("2026-11-22T08:15:30Z"),
                json!("now"),
            ),
            (json!({ "const": 1 }), json!(1), json!(true)),
        ] {
            assert_eq!(faults(&root, &schema, &right), [""; 0], "{schema}");
            assert_ne!(faults(&root, &schema, &wrong), [""; 0], "{schema}");
        }
    }
}
