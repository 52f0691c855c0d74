//! DynamoDB behind the programs' backs: the engine of this process, or another
//! one over HTTP, such as AWS's DynamoDB Local.

use dynoxide::Database;
use serde_json::{Value, from_value, to_value};

/// Where rows and streams are looked at.
#[derive(Clone)]
pub(crate) enum Source {
    /// In this process.
    Here(Database),
    /// At this address.
    There(String),
}

impl From<Database> for Source {
    fn from(database: Database) -> Source {
        Source::Here(database)
    }
}

impl Source {
    /// Carries out a call of DynamoDB or of its streams.
    pub(crate) async fn call(&self, operation: &str, request: Value) -> Value {
        match self {
            Source::Here(database) => here(database, operation, request),
            Source::There(endpoint) => there(endpoint, operation, &request).await,
        }
    }
}

/// Whether a stream has no such place any more.
pub(crate) fn is_trimmed(answer: &Value) -> bool {
    let code = answer["__type"].as_str();
    code.is_some_and(|code| code.ends_with("#TrimmedDataAccessException"))
}

fn here(database: &Database, operation: &str, request: Value) -> Value {
    macro_rules! call {
        ($method:ident) => {
            to_value(database.$method(from_value(request).unwrap()).unwrap())
        };
    }
    let answer = match operation {
        "Scan" => call!(scan),
        "UpdateItem" => call!(update_item),
        "ListStreams" => call!(list_streams),
        "DescribeStream" => call!(describe_stream),
        "GetShardIterator" => call!(get_shard_iterator),
        _ => call!(get_records),
    };
    answer.unwrap()
}

async fn there(endpoint: &str, operation: &str, request: &Value) -> Value {
    let service = match operation {
        "Scan" | "UpdateItem" => "DynamoDB_20120810",
        _ => "DynamoDBStreams_20120810",
    };
    // It wants to be asked by somebody, and does not ask who that is.
    let credential = "Credential=test/20260101/us-east-1/dynamodb/aws4_request";
    #[expect(clippy::disallowed_methods, reason = "a caller from outside")]
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client
        .post(endpoint)
        .header("x-amz-target", format!("{service}.{operation}"))
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-date", "20260101T000000Z")
        .header(
            "authorization",
            format!("AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=0"),
        )
        .body(request.to_string())
        .send()
        .await
        .unwrap();
    let status = answer.status();
    let body = answer.bytes().await.unwrap();
    let answer: Value = serde_json::from_slice(&body).unwrap();
    assert!(
        status.is_success() || is_trimmed(&answer),
        "{operation}: {status}"
    );
    answer
}
