//! The two tables as they must be: for the embedded engine, for tests, and as
//! the reference for the template.

use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType, StreamSpecification, StreamViewType,
    TimeToLiveSpecification,
};

use super::{Store, StoreError, unavailable};

fn attribute(name: &str, kind: ScalarAttributeType) -> Result<AttributeDefinition, StoreError> {
    AttributeDefinition::builder()
        .attribute_name(name)
        .attribute_type(kind)
        .build()
        .map_err(|_| StoreError::Unreadable("schema"))
}

fn keys(hash: &str, range: &str) -> Result<Vec<KeySchemaElement>, StoreError> {
    [(hash, KeyType::Hash), (range, KeyType::Range)]
        .into_iter()
        .map(|(name, kind)| {
            KeySchemaElement::builder()
                .attribute_name(name)
                .key_type(kind)
                .build()
                .map_err(|_| StoreError::Unreadable("schema"))
        })
        .collect()
}

fn index(
    name: &str,
    hash: &str,
    range: &str,
    carries: &[&str],
) -> Result<GlobalSecondaryIndex, StoreError> {
    let projection = Projection::builder()
        .projection_type(ProjectionType::Include)
        .set_non_key_attributes(Some(
            carries.iter().map(|name| (*name).to_owned()).collect(),
        ))
        .build();
    GlobalSecondaryIndex::builder()
        .index_name(name)
        .set_key_schema(Some(keys(hash, range)?))
        .projection(projection)
        .build()
        .map_err(|_| StoreError::Unreadable("schema"))
}

impl Store {
    /// Creates the tables that are missing. `stream` is for engines whose
    /// stream feeds `deliver`; in one process a bell does.
    pub async fn create_tables(&self, stream: bool) -> Result<(), StoreError> {
        use ScalarAttributeType::{N, S};
        let mut messages = self
            .client
            .create_table()
            .table_name(&self.messages)
            .billing_mode(BillingMode::PayPerRequest)
            .set_key_schema(Some(keys("pk", "sk")?))
            .global_secondary_indexes(index("due", "dp", "du", &["r", "fr"])?)
            .global_secondary_indexes(index(
                "board",
                "bp",
                "bt",
                &[
                    "ch", "cid", "oid", "lk", "ses", "so", "tol", "rd", "act", "lm",
                ],
            )?);
        for (name, kind) in [
            ("pk", S),
            ("sk", S),
            ("dp", S),
            ("du", N),
            ("bp", S),
            ("bt", S),
        ] {
            messages = messages.attribute_definitions(attribute(name, kind)?);
        }
        if stream {
            let keys_only = StreamSpecification::builder()
                .stream_enabled(true)
                .stream_view_type(StreamViewType::KeysOnly)
                .build()
                .map_err(|_| StoreError::Unreadable("schema"))?;
            messages = messages.stream_specification(keys_only);
        }
        exists_now("CreateTable messages", messages.send().await)?;
        let mut control = self
            .client
            .create_table()
            .table_name(&self.control)
            .billing_mode(BillingMode::PayPerRequest)
            .set_key_schema(Some(keys("pk", "sk")?));
        for name in ["pk", "sk"] {
            control = control.attribute_definitions(attribute(name, S)?);
        }
        exists_now("CreateTable control", control.send().await)?;
        let ttl = TimeToLiveSpecification::builder()
            .attribute_name("ttl")
            .enabled(true)
            .build()
            .map_err(|_| StoreError::Unreadable("schema"))?;
        for table in [&self.messages, &self.control] {
            let done = self
                .client
                .update_time_to_live()
                .table_name(table)
                .time_to_live_specification(ttl.clone())
                .send()
                .await;
            match done {
                // It is on already: the engine refuses to turn it on twice.
                Err(error) if error.code() == Some("ValidationException") => {}
                Err(error) => return Err(unavailable("UpdateTimeToLive")(error)),
                Ok(_) => {}
            }
        }
        Ok(())
    }
}

/// Takes "the table is there already" for success.
fn exists_now<T, E>(
    operation: &'static str,
    result: Result<T, aws_sdk_dynamodb::error::SdkError<E>>,
) -> Result<(), StoreError>
where
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    match result {
        Ok(_) => Ok(()),
        Err(error) if error.code() == Some("ResourceInUseException") => Ok(()),
        Err(error) => Err(unavailable(operation)(error)),
    }
}
