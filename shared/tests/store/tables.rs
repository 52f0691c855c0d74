//! Two empty tables for one test, and a look at their rows past the store.

use std::collections::HashMap;
use std::ops::Deref;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use magpie::clock::Chance;
use magpie::config::Aws;
use magpie::journal::ConversationKey;
use magpie::store::embedded::Engine;
use magpie::store::{Https, Store};

/// A row as it lies in the table.
pub(crate) type Row = HashMap<String, AttributeValue>;

/// A store over tables of its own. It reads as the store.
pub(crate) struct Tables {
    store: Store,
    client: Client,
    messages: String,
}

impl Deref for Tables {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

fn client() -> Client {
    let Some(endpoint) = magpie::config::variable("MAGPIE_TEST_DYNAMODB") else {
        return Engine::in_memory().unwrap().client();
    };
    let aws = Aws {
        region: "us-east-1".to_owned(),
        access_key: "test".to_owned(),
        secret_key: "test".to_owned(),
        session_token: None,
        dynamodb_endpoint: Some(endpoint),
        secrets_endpoint: None,
        lambda_endpoint: None,
    };
    magpie::store::client(&aws, &Https::new())
}

impl Tables {
    /// Makes two tables that no other test knows.
    pub(crate) async fn new() -> Self {
        let client = client();
        let nonce = Chance::System.nonce();
        let messages = format!("messages-{nonce}");
        let store = Store::new(client.clone(), &messages, format!("control-{nonce}"));
        store.create_tables(true).await.unwrap();
        Self {
            store,
            client,
            messages,
        }
    }

    /// The store alone, for a bridge.
    pub(crate) fn into_store(self) -> Store {
        self.store
    }

    /// A row of the table of messages.
    pub(crate) async fn row(&self, pk: &str, sk: &str) -> Option<Row> {
        let got = self
            .client
            .get_item()
            .table_name(&self.messages)
            .key("pk", AttributeValue::S(pk.to_owned()))
            .key("sk", AttributeValue::S(sk.to_owned()))
            .consistent_read(true)
            .send();
        got.await.unwrap().item
    }

    /// What a row of a conversation has under these names; `-` for nothing.
    pub(crate) async fn attributes(
        &self,
        at: &ConversationKey,
        sk: &str,
        names: &[&str],
    ) -> Vec<String> {
        let row = self.row(at.as_str(), sk).await.unwrap_or_default();
        let text = |value: &AttributeValue| match value {
            AttributeValue::S(text) | AttributeValue::N(text) => text.clone(),
            other => format!("{other:?}"),
        };
        let one = |name: &&str| row.get(*name).map_or_else(|| "-".to_owned(), text);
        names.iter().map(one).collect()
    }

    /// The sort keys of everything in a partition.
    pub(crate) async fn keys(&self, pk: &str) -> Vec<String> {
        let page = self
            .client
            .query()
            .table_name(&self.messages)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()))
            .consistent_read(true)
            .send();
        let rows = page.await.unwrap().items.unwrap_or_default();
        rows.iter()
            .map(|row| row["sk"].as_s().unwrap().clone())
            .collect()
    }

    /// What an index lists in one of its partitions, in its order: sort keys.
    pub(crate) async fn listed(&self, index: &str, partition: &str) -> Vec<String> {
        let name = if index == "due" { "dp" } else { "bp" };
        let page = self
            .client
            .query()
            .table_name(&self.messages)
            .index_name(index)
            .key_condition_expression("#p = :p")
            .expression_attribute_names("#p", name)
            .expression_attribute_values(":p", AttributeValue::S(partition.to_owned()))
            .send();
        let rows = page.await.unwrap().items.unwrap_or_default();
        rows.iter()
            .map(|row| row["sk"].as_s().unwrap().clone())
            .collect()
    }
}

#[tokio::test]
async fn tables_that_are_there_are_left_as_they_are() {
    let tables = Tables::new().await;
    let at = super::made::at("oAnn");
    let entry = super::made::message(1, "1", "你好");
    tables.put_entry(&at, &entry, None).await.unwrap();
    tables.create_tables(true).await.unwrap();
    assert_eq!(tables.entry(&at, &entry.key).await.unwrap(), Some(entry));
}
