//! Figures of one invocation, as a line of CloudWatch's embedded metric format.
//!
//! Invariant: the dimension is the deployment alone. Each further one is a metric
//! of its own that costs money, and none may name a person. The format:
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use std::io::Write as _;

use serde_json::{Map, Value, json};

/// Where the metrics are found in CloudWatch.
pub const NAMESPACE: &str = "Magpie";
/// Their one dimension: the deployment's name.
pub const DIMENSION: &str = "Stage";

/// What a figure counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Seconds.
    Seconds,
    /// Thousandths of a second.
    Milliseconds,
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Seconds => "Seconds",
            Self::Milliseconds => "Milliseconds",
        }
    }
}

/// The figures of one invocation, and what stands beside them in its line.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    metrics: Vec<Value>,
    fields: Map<String, Value>,
}

impl Figures {
    /// Whether there is nothing to tell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Adds a figure.
    pub fn add(&mut self, name: &'static str, unit: Unit, value: impl Into<Value>) {
        self.metrics
            .push(json!({ "Name": name, "Unit": unit.name() }));
        self.fields.insert(name.to_owned(), value.into());
    }

    /// Adds something that is in the line and is no metric.
    pub fn beside(&mut self, name: &'static str, value: impl Into<Value>) {
        self.fields.insert(name.to_owned(), value.into());
    }

    /// The line. `millis` is the time since 1970.
    #[must_use]
    pub fn line(mut self, stage: &str, millis: i64) -> String {
        self.beside("level", "INFO");
        self.beside(DIMENSION, stage);
        let directive = json!({
            "Namespace": NAMESPACE,
            "Dimensions": [[DIMENSION]],
            "Metrics": self.metrics,
        });
        let root = json!({ "Timestamp": millis, "CloudWatchMetrics": [directive] });
        self.beside("_aws", root);
        Value::Object(self.fields).to_string()
    }

    /// Prints the line: whole, whatever level is logged, since a level that left it
    /// out would silence the alarms.
    pub fn print(self, stage: &str, millis: i64) {
        let mut line = self.line(stage, millis);
        line.push('\n');
        // Nobody is left to be told that nobody reads.
        let _ = std::io::stdout().lock().write_all(line.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_every_figure_and_its_unit() {
        let mut figures = Figures::default();
        assert!(figures.is_empty());
        figures.add("Pushed", Unit::Count, 2);
        figures.add("AcknowledgeMillis", Unit::Milliseconds, 1.5);
        figures.beside("request", "r1");
        let line: Value = serde_json::from_str(&figures.line("prod", 7)).unwrap();
        let expected = json!({
            "level": "INFO",
            "Stage": "prod",
            "request": "r1",
            "Pushed": 2,
            "AcknowledgeMillis": 1.5,
            "_aws": {
                "Timestamp": 7,
                "CloudWatchMetrics": [{
                    "Namespace": "Magpie",
                    "Dimensions": [["Stage"]],
                    "Metrics": [
                        { "Name": "Pushed", "Unit": "Count" },
                        { "Name": "AcknowledgeMillis", "Unit": "Milliseconds" },
                    ],
                }],
            },
        });
        assert_eq!(line, expected);
    }
}
