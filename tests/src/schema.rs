//! Enough of JSON Schema (2020-12) to check results: what the checked-in schema uses, and a refusal of what it does not.

use serde_json::Value;

/// Keywords that say nothing about validity.
const ANNOTATIONS: [&str; 6] = ["$schema", "$id", "$defs", "title", "description", "examples"];

/// Every place where `value` breaks `schema`, as `path: fault`.
///
/// # Panics
/// If the schema uses a keyword that is not implemented here: a check that is silently left out is none.
pub fn faults(schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(schema, schema, value, "$", &mut found);
    found
}

fn check(root: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    let rules = schema.as_object().expect("a schema is an object");
    for (keyword, rule) in rules {
        let sound = match keyword.as_str() {
            "$ref" => {
                let pointer = rule.as_str().and_then(|r| r.strip_prefix('#')).expect("a reference within the schema");
                check(root, root.pointer(pointer).expect("the reference leads somewhere"), value, at, found);
                true
            }
            "type" => names(rule).iter().any(|t| is(value, t)),
            "const" => value == rule,
            "enum" => list(rule).contains(value),
            "minimum" => value.as_f64().is_none_or(|v| v >= number(rule)),
            "maximum" => value.as_f64().is_none_or(|v| v <= number(rule)),
            "exclusiveMinimum" => value.as_f64().is_none_or(|v| v > number(rule)),
            "minItems" => value.as_array().is_none_or(|v| v.len() as f64 >= number(rule)),
            "maxItems" => value.as_array().is_none_or(|v| v.len() as f64 <= number(rule)),
            "minLength" => value.as_str().is_none_or(|v| v.chars().count() as f64 >= number(rule)),
            "pattern" => {
                // The one pattern there is; a regular expression engine would be a dependency for it alone.
                assert_eq!(rule, "^[0-9a-f]{64}$", "a pattern that is not implemented");
                value.as_str().is_none_or(|v| v.len() == 64 && v.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)))
            }
            "items" => {
                for (i, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(root, rule, item, &format!("{at}[{i}]"), found);
                }
                true
            }
            "required" => {
                let missing = names(rule).into_iter().filter(|k| value.is_object() && value.get(k).is_none());
                found.extend(missing.map(|k| format!("{at}: {k} is missing")));
                true
            }
            "properties" => {
                for (key, rule) in rule.as_object().expect("properties is an object") {
                    if let Some(inner) = value.get(key) {
                        check(root, rule, inner, &format!("{at}.{key}"), found);
                    }
                }
                true
            }
            "additionalProperties" => {
                assert_eq!(rule, false, "only additionalProperties: false is implemented");
                let known = rules.get("properties").and_then(Value::as_object);
                let extra = value.as_object().into_iter().flatten().map(|(k, _)| k).filter(|k| known.is_none_or(|p| !p.contains_key(*k)));
                found.extend(extra.map(|k| format!("{at}: {k} is not in the schema")));
                true
            }
            other => {
                assert!(ANNOTATIONS.contains(&other), "the keyword {other} is not implemented");
                true
            }
        };
        if !sound {
            found.push(format!("{at}: {value} breaks {keyword} {rule}"));
        }
    }
}

fn is(value: &Value, kind: &str) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|v| v.fract() == 0.0),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the type {other} is unknown"),
    }
}

/// A string or a list of strings.
fn names(rule: &Value) -> Vec<&str> {
    rule.as_str().map_or_else(|| list(rule).iter().filter_map(Value::as_str).collect(), |one| vec![one])
}

fn list(rule: &Value) -> &[Value] {
    rule.as_array().expect("a list")
}

fn number(rule: &Value) -> f64 {
    rule.as_f64().expect("a number")
}
