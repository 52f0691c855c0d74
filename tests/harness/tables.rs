//! The engine behind the programs' backs: the one in this process, or one in
//! another, which the tests were told of.

use dynoxide::Database;
use serde_json::{Value, from_value, json, to_value};

use super::remote::Remote;

/// An engine. Clones are the same one.
#[derive(Clone)]
pub(crate) enum Tables {
    Memory(Database),
    Remote(Remote),
}

impl Tables {
    /// Carries out a call of `DynamoDB`, or of its streams.
    pub(crate) fn call(&self, operation: &str, input: &Value) -> Value {
        self.try_call(operation, input).unwrap()
    }

    /// Carries out a call that may be refused.
    pub(crate) fn try_call(&self, operation: &str, input: &Value) -> Result<Value, String> {
        match self {
            Self::Memory(database) => Ok(in_memory(database, operation, input.clone())),
            Self::Remote(remote) => {
                let streams = operation.contains("Stream")
                    || operation.contains("Shard")
                    || operation == "GetRecords";
                let service = if streams {
                    "DynamoDBStreams"
                } else {
                    "DynamoDB"
                };
                let target = format!("{service}_20120810.{operation}");
                remote.call(&target, input)
            }
        }
    }

    /// Every row of a table.
    pub(crate) fn all(&self, table: &str) -> Vec<Value> {
        let mut rows = Vec::new();
        let mut start = Value::Null;
        loop {
            let mut scan = json!({ "TableName": table });
            if !start.is_null() {
                scan["ExclusiveStartKey"] = start;
            }
            let mut page = self.call("Scan", &scan);
            rows.extend(page["Items"].as_array().unwrap().iter().cloned());
            start = page["LastEvaluatedKey"].take();
            if start.is_null() {
                return rows;
            }
        }
    }

    /// Takes a row away.
    pub(crate) fn remove(&self, table: &str, row: &Value) {
        let key = json!({ "pk": row["pk"], "sk": row["sk"] });
        self.call("DeleteItem", &json!({ "TableName": table, "Key": key }));
    }

    /// Gives a row, new or not, another value under `field`.
    pub(crate) fn set(&self, table: &str, row: &Value, field: &str, value: &Value) {
        let update = json!({
            "TableName": table,
            "Key": { "pk": row["pk"], "sk": row["sk"] },
            "UpdateExpression": "SET #field = :value",
            "ExpressionAttributeNames": { "#field": field },
            "ExpressionAttributeValues": { ":value": value },
        });
        self.call("UpdateItem", &update);
    }
}

fn in_memory(database: &Database, operation: &str, input: Value) -> Value {
    macro_rules! carry_out {
        ($($name:literal => $method:ident),* $(,)?) => {
            match operation {
                $($name => to_value(database.$method(from_value(input).unwrap()).unwrap()),)*
                _ => panic!("no test has asked for {operation} so far"),
            }
        };
    }
    let answer = carry_out! {
        "Scan" => scan,
        "UpdateItem" => update_item,
        "DeleteItem" => delete_item,
        "ListStreams" => list_streams,
        "DescribeStream" => describe_stream,
        "GetShardIterator" => get_shard_iterator,
        "GetRecords" => get_records,
    };
    answer.unwrap()
}
