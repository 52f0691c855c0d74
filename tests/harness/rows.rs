//! The journal's table, as a test looks at it behind the programs' backs:
//! only keys and states are read, never what somebody said.

use serde_json::{Value, json};

use super::now_ms;
use super::tables::Tables;

/// The journal's table, under the name that it has in tests and on one machine.
pub(crate) const MESSAGES: &str = "magpie-messages";

/// Time passes for everything that waits: it is due now. The programs read the
/// real clock, so the rows move instead of it.
pub(crate) fn make_due(tables: &Tables, messages: &str) {
    for row in tables.all(messages) {
        if row["dp"].is_null() {
            continue;
        }
        let now = json!({ "N": now_ms().to_string() });
        tables.set(messages, &row, "du", &now);
    }
}

/// What is not as it must be when everything is done: entries that wait, are
/// being sent, are dead or claimed, and lanes that are parked.
pub(crate) fn unfinished(tables: &Tables, messages: &str) -> Vec<String> {
    let all = tables.all(messages);
    all.iter().filter_map(complaint).collect()
}

fn complaint(row: &Value) -> Option<String> {
    let key = row["sk"]["S"].as_str().unwrap();
    let what = match (row["st"]["S"].as_str(), &row["cb"]) {
        (Some("d"), Value::Null) => return None,
        (Some("d"), _) => "is claimed",
        (Some("p"), _) => "waits",
        (Some("s"), _) => "is being sent",
        (Some("x"), _) => "is dead",
        (Some(_), _) => "is in a state that nobody knows",
        (None, _) if key == "J#in" || key == "J#out" => "is parked",
        (None, _) => return None,
    };
    Some(format!("{key} {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_finished() {
        for (key, state, expected) in [
            ("I#1", Some("d"), None),
            ("I#1", Some("p"), Some("I#1 waits")),
            ("O#1", Some("s"), Some("O#1 is being sent")),
            ("O#1", Some("x"), Some("O#1 is dead")),
            ("J", None, None),
            ("J#session", None, None),
            ("J#out", None, Some("J#out is parked")),
        ] {
            let mut row = json!({ "sk": { "S": key } });
            if let Some(state) = state {
                row["st"] = json!({ "S": state });
            }
            assert_eq!(complaint(&row).as_deref(), expected);
        }
    }
}
