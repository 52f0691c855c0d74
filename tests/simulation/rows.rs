//! The tables as they are, behind everybody's back.

use magpie::store::embedded::Engine;
use serde_json::{Value, json};

/// One row, in the engine's JSON.
pub(crate) struct Row(Value);

impl Row {
    /// A text attribute; empty if there is none.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.0[name]["S"].as_str().unwrap_or_default()
    }

    /// A number attribute.
    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        self.0[name]["N"].as_str()?.parse().ok()
    }

    /// The row for those who replay a seed: its place, and what became of it.
    pub(crate) fn line(&self) -> String {
        let (pk, sk) = (self.text("pk"), self.text("sk"));
        let rest = ["st", "r", "win", "xw", "at", "ra", "wl", "cid", "ses", "ls"].map(|name| {
            let value = &self.0[name];
            let value = value["S"].as_str().or_else(|| value["N"].as_str());
            value.map(|value| format!(" {name}={value}"))
        });
        let rest: String = rest.into_iter().flatten().collect();
        format!("{pk} {sk}{rest}")
    }

    /// Whether the row has this attribute.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.get(name).is_some()
    }
}

/// Every row of a table.
pub(crate) fn all(engine: &Engine, table: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut request = json!({"TableName": table});
    loop {
        let page = engine
            .database()
            .scan(serde_json::from_value(request.clone()).unwrap())
            .unwrap();
        let mut page = serde_json::to_value(page).unwrap();
        if let Value::Array(items) = page["Items"].take() {
            rows.extend(items.into_iter().map(Row));
        }
        request["ExclusiveStartKey"] = page["LastEvaluatedKey"].take();
        if request["ExclusiveStartKey"].is_null() {
            return rows;
        }
    }
}
