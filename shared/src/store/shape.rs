//! Whether the two tables are as `template.yaml` makes them: for who moves
//! everything, and for who looks what is wrong.

use std::fmt;

use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::{
    KeySchemaElement, KeyType, SseStatus, StreamViewType, TableDescription, TableStatus,
    TimeToLiveStatus,
};

use super::{Store, StoreError, unavailable};

/// One of the two tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// The journal.
    Messages,
    /// Channels and what belongs to them.
    Control,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Messages => "messages",
            Self::Control => "control",
        })
    }
}

/// What a table is like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// What keeps it from being one of ours, in words.
    pub misfit: Option<&'static str>,
    /// What protection it has not, in words. It works without.
    pub lacks: Vec<&'static str>,
    /// The ARN of its stream, if it has one.
    pub stream: Option<String>,
}

impl Store {
    pub(super) fn name(&self, table: Table) -> &str {
        match table {
            Table::Messages => &self.messages,
            Table::Control => &self.control,
        }
    }

    /// Looks at a table.
    pub async fn shape(&self, table: Table) -> Result<Shape, StoreError> {
        let name = self.name(table);
        let described = self.client.describe_table().table_name(name).send().await;
        let described = match described {
            Ok(described) => described.table,
            Err(error) if error.code() == Some("ResourceNotFoundException") => None,
            Err(error) => return Err(unavailable("DescribeTable")(error)),
        };
        let Some(described) = described else {
            return Ok(Shape {
                misfit: Some("there is no such table in this region"),
                ..Shape::default()
            });
        };
        let mut shape = Shape {
            misfit: misfit(table, &described),
            lacks: lacks(&described),
            stream: described.latest_stream_arn,
        };
        if table == Table::Messages && shape.misfit.is_none() && !self.expires(name).await? {
            shape.misfit = Some("nothing in it expires, so that nothing is ever deleted");
        }
        Ok(shape)
    }

    /// Whether rows go when their time is over.
    async fn expires(&self, table: &str) -> Result<bool, StoreError> {
        let call = self.client.describe_time_to_live().table_name(table);
        let described = call.send().await;
        let described = described.map_err(unavailable("DescribeTimeToLive"))?;
        Ok(described.time_to_live_description.is_some_and(|ttl| {
            let on = [TimeToLiveStatus::Enabled, TimeToLiveStatus::Enabling];
            ttl.attribute_name() == Some("ttl")
                && ttl
                    .time_to_live_status()
                    .is_some_and(|status| on.contains(status))
        }))
    }
}

fn has_keys(schema: &[KeySchemaElement], hash: &str, range: &str) -> bool {
    let has = |name: &str, kind: &KeyType| {
        let mut schema = schema.iter();
        schema.any(|key| key.attribute_name() == name && key.key_type() == kind)
    };
    has(hash, &KeyType::Hash) && has(range, &KeyType::Range)
}

fn misfit(table: Table, described: &TableDescription) -> Option<&'static str> {
    let works = [TableStatus::Active, TableStatus::Updating];
    if !described
        .table_status()
        .is_none_or(|status| works.contains(status))
    {
        return Some("it is being made, deleted or archived, or its key is out of reach");
    }
    if !has_keys(described.key_schema(), "pk", "sk") {
        return Some("its keys are not pk and sk");
    }
    if table == Table::Control {
        return None;
    }
    let indexes = described.global_secondary_indexes();
    for (name, hash, range, missing) in [
        ("due", "dp", "du", "it has no index due over dp and du"),
        ("board", "bp", "bt", "it has no index board over bp and bt"),
    ] {
        let there = indexes.iter().any(|index| {
            index.index_name() == Some(name) && has_keys(index.key_schema(), hash, range)
        });
        if !there {
            return Some(missing);
        }
    }
    let stream = described.stream_specification();
    let Some(stream) = stream.filter(|stream| stream.stream_enabled()) else {
        return Some("it has no stream, so that nothing would ring");
    };
    if stream.stream_view_type() != Some(&StreamViewType::KeysOnly) {
        return Some("its stream carries more than keys, so that messages would be in it");
    }
    None
}

fn lacks(described: &TableDescription) -> Vec<&'static str> {
    let mut lacks = Vec::new();
    if described.deletion_protection_enabled() != Some(true) {
        lacks.push("one call can delete it");
    }
    let encryption = described.sse_description();
    if encryption.and_then(|sse| sse.status()) != Some(&SseStatus::Enabled) {
        lacks.push("no key of KMS encrypts it");
    }
    lacks
}

#[cfg(all(test, feature = "embedded"))]
mod tests {
    use aws_sdk_dynamodb::types::{SseDescription, StreamSpecification};

    use super::*;
    use crate::store::embedded::Engine;

    #[tokio::test]
    async fn a_table_is_ours_or_it_is_said_why_not() {
        let engine = Engine::in_memory().unwrap();
        let store = Store::new(engine.client(), "messages", "control");
        let none = store.shape(Table::Messages).await.unwrap();
        assert_eq!(none.misfit, Some("there is no such table in this region"));
        store.create_tables(true).await.unwrap();
        let ours = store.shape(Table::Messages).await.unwrap();
        assert_eq!((ours.misfit, ours.stream.is_some()), (None, true));
        let control = store.shape(Table::Control).await.unwrap();
        assert_eq!((control.misfit, control.stream), (None, None));
        // The one is not the other.
        let twisted = Store::new(engine.client(), "control", "messages");
        let twisted = twisted.shape(Table::Messages).await.unwrap();
        assert!(twisted.misfit.unwrap().contains("index due"));
        let quiet = Engine::in_memory().unwrap();
        let store = Store::new(quiet.client(), "messages", "control");
        store.create_tables(false).await.unwrap();
        let quiet = store.shape(Table::Messages).await.unwrap();
        assert!(quiet.misfit.unwrap().contains("no stream"));
    }

    #[tokio::test]
    async fn what_a_restored_table_lacks_is_said() {
        let engine = Engine::in_memory().unwrap();
        let store = Store::new(engine.client(), "messages", "control");
        store.create_tables(true).await.unwrap();
        let described = store.client.describe_table().table_name("messages");
        let mut described = described.send().await.unwrap().table.unwrap();
        let all = StreamSpecification::builder()
            .stream_enabled(true)
            .stream_view_type(StreamViewType::NewImage);
        described.stream_specification = all.build().ok();
        let words = misfit(Table::Messages, &described).unwrap();
        assert!(words.contains("more than keys"), "{words}");
        described.table_status = Some(TableStatus::InaccessibleEncryptionCredentials);
        let words = misfit(Table::Messages, &described).unwrap();
        assert!(words.contains("its key is out of reach"), "{words}");
        described.deletion_protection_enabled = Some(false);
        described.sse_description = None;
        let all = ["one call can delete it", "no key of KMS encrypts it"];
        assert_eq!(lacks(&described), all);
        described.deletion_protection_enabled = Some(true);
        assert_eq!(lacks(&described), all[1..]);
        let own = SseDescription::builder().status(SseStatus::Enabled).build();
        described.sse_description = Some(own);
        assert_eq!(lacks(&described), [""; 0]);
    }
}
