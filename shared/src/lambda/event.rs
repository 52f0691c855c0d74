//! The events of API Gateway's HTTP API, of DynamoDB streams and of
//! EventBridge Scheduler, and the answers: exactly the fields that we use.
//!
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>,
//! <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html>

use std::collections::BTreeMap;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::bridge::token_source::Wish;
use crate::bridge::{Response, Ring};
use crate::journal::{ConversationKey, EntryKey};

/// A request, in payload format 2.0.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Call {
    /// Percent-decoded by the gateway.
    raw_path: String,
    /// As it was sent.
    #[serde(default)]
    raw_query_string: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// The gateway takes them out of the headers.
    cookies: Option<Vec<String>>,
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
    request_context: RequestContext,
    path_parameters: Option<PathParameters>,
}

/// A call of WeChat, in the same format: a push costs no header that nobody reads.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Callback {
    #[serde(default)]
    request_context: CallbackContext,
    #[serde(default)]
    raw_query_string: String,
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
    path_parameters: Option<PathParameters>,
}

#[derive(Default, Deserialize)]
struct CallbackContext {
    #[serde(default)]
    http: Caller,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Caller {
    #[serde(default)]
    source_ip: String,
}

#[derive(Deserialize)]
struct PathParameters {
    #[serde(default)]
    channel: String,
}

#[derive(Deserialize)]
struct RequestContext {
    http: HttpContext,
}

#[derive(Deserialize)]
struct HttpContext {
    method: String,
}

/// Why a call is no HTTP request. It names the part, never what it holds.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Nonsense {
    /// The method.
    #[error("the method is none")]
    Method,
    /// Path and query.
    #[error("the path or the query cannot stand in an address")]
    Address,
    /// A header.
    #[error("a header cannot be one")]
    Header,
    /// The body.
    #[error("the body is no base64")]
    Body,
}

impl Call {
    /// The channel in the route; empty if the route has none.
    pub(super) fn channel(&self) -> &str {
        channel(self.path_parameters.as_ref())
    }

    /// The request that the gateway was sent.
    pub(super) fn request(self) -> Result<http::Request<Bytes>, Nonsense> {
        let method = Method::from_bytes(self.request_context.http.method.as_bytes())
            .map_err(|_| Nonsense::Method)?;
        let mut address = encoded(&self.raw_path);
        if !self.raw_query_string.is_empty() {
            address.push('?');
            address.push_str(&self.raw_query_string);
        }
        let uri = Uri::try_from(address).map_err(|_| Nonsense::Address)?;
        let mut headers = HeaderMap::new();
        let mut put = |name: &str, value: &str| {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Nonsense::Header)?;
            let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| Nonsense::Header)?;
            headers.insert(name, value);
            Ok(())
        };
        for (name, value) in &self.headers {
            put(name, value)?;
        }
        if let Some(cookies) = self.cookies.filter(|cookies| !cookies.is_empty()) {
            put(COOKIE.as_str(), &cookies.join("; "))?;
        }
        let mut request = http::Request::new(bytes(self.body, self.is_base64_encoded)?);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        Ok(request)
    }
}

impl Callback {
    /// The channel in the route; empty if the route has none.
    #[must_use]
    pub fn channel(&self) -> &str {
        channel(self.path_parameters.as_ref())
    }

    /// The address of who has called the gateway, which nobody can make up.
    #[must_use]
    pub fn caller(&self) -> Option<IpAddr> {
        self.request_context.http.source_ip.parse().ok()
    }

    /// The query as it was sent, without the question mark.
    #[must_use]
    pub fn query(&self) -> &str {
        &self.raw_query_string
    }

    /// Takes the body out.
    pub fn take_body(&mut self) -> Result<Bytes, Nonsense> {
        bytes(self.body.take(), self.is_base64_encoded)
    }
}

fn channel(parameters: Option<&PathParameters>) -> &str {
    parameters.map_or("", |parameters| &parameters.channel)
}

/// The bytes of a body. The gateway encodes what it takes for no text.
fn bytes(body: Option<String>, is_base64: bool) -> Result<Bytes, Nonsense> {
    Ok(match body {
        Some(text) if is_base64 => STANDARD.decode(text).map_err(|_| Nonsense::Body)?.into(),
        Some(text) => text.into(),
        None => Bytes::new(),
    })
}

/// A decoded path as it stands in an address.
fn encoded(path: &str) -> String {
    use std::fmt::Write as _;
    path.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a text does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

/// An answer to the gateway, in payload format 2.0.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer {
    status_code: u16,
    headers: BTreeMap<String, String>,
    /// The gateway sets cookies by these alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cookies: Vec<String>,
    body: String,
    is_base64_encoded: bool,
}

impl From<Response> for Answer {
    fn from(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let mut headers: BTreeMap<String, String> = BTreeMap::new();
        let mut cookies = Vec::new();
        for (name, value) in &parts.headers {
            if name == SET_COOKIE {
                cookies.push(text(value));
                continue;
            }
            headers
                .entry(name.as_str().to_owned())
                .and_modify(|before| {
                    before.push(',');
                    before.push_str(&text(value));
                })
                .or_insert_with(|| text(value));
        }
        // The gateway sends a text as its bytes: whatever is UTF-8 is one.
        let (body, is_base64_encoded) = match std::str::from_utf8(&body) {
            Ok(text) => (text.to_owned(), false),
            Err(_) => (STANDARD.encode(&body), true),
        };
        Self {
            status_code: parts.status.as_u16(),
            headers,
            cookies,
            body,
            is_base64_encoded,
        }
    }
}

/// A batch of a table's stream.
#[derive(Deserialize)]
pub(super) struct Batch {
    #[serde(rename = "Records", default)]
    records: Vec<Record>,
}

#[derive(Deserialize)]
struct Record {
    #[serde(rename = "eventName", default)]
    event_name: String,
    dynamodb: Change,
}

#[derive(Deserialize)]
struct Change {
    #[serde(rename = "Keys", default)]
    keys: BTreeMap<String, Attribute>,
    /// Without one, which Lambda never sends, a failure means the whole batch.
    #[serde(rename = "SequenceNumber", default)]
    sequence_number: String,
}

#[derive(Deserialize)]
struct Attribute {
    #[serde(rename = "S")]
    text: Option<String>,
}

impl Record {
    fn ring(&self) -> Option<Ring> {
        let key = |name| self.dynamodb.keys.get(name)?.text.as_deref();
        (self.event_name == "INSERT").then_some(())?;
        Some(Ring {
            at: ConversationKey::parse(key("pk")?)?,
            key: EntryKey::parse(key("sk")?)?,
        })
    }
}

impl Batch {
    /// The bells of the batch, and the sequence number of each. Other records
    /// than new entries, which the mapping's filter keeps away, are left out.
    pub(super) fn rings(self) -> (Vec<Ring>, Vec<String>) {
        let count = self.records.len();
        let rung: (Vec<_>, Vec<_>) = self
            .records
            .into_iter()
            .filter_map(|record| Some((record.ring()?, record.dynamodb.sequence_number)))
            .unzip();
        let skipped = count - rung.0.len();
        if skipped > 0 {
            warn!(skipped, "records of the stream that are no new entries");
        }
        rung
    }
}

/// What a batch's reader is to be given again: Lambda repeats from the lowest
/// of these numbers on.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Failures {
    batch_item_failures: Vec<Failure>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    item_identifier: String,
}

impl Failures {
    /// The failures at these positions of a batch with these numbers.
    pub(super) fn of(numbers: &[String], positions: &[usize]) -> Self {
        let batch_item_failures = positions
            .iter()
            .map(|position| Failure {
                item_identifier: numbers.get(*position).cloned().unwrap_or_default(),
            })
            .collect();
        Self {
            batch_item_failures,
        }
    }
}

/// What Scheduler sends, or a person who invokes a function: that it is time.
#[derive(Deserialize)]
pub(super) struct Tick {
    /// Whether it is time for the walk over everything that waits, too.
    #[serde(default)]
    pub(super) walk: bool,
}

/// What `token-refresh` is invoked with: that it is time, or another function's
/// wish.
#[derive(Deserialize)]
pub(super) struct TokenCall {
    pub(super) token: Option<Wish>,
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use serde_json::{Value, from_value, json};

    use super::*;

    fn call(changes: &Value) -> Call {
        let mut event = json!({
            "version": "2.0",
            "rawPath": "/wechat/demo",
            "rawQueryString": "",
            "headers": {},
            "requestContext": { "http": { "method": "POST" } },
            "isBase64Encoded": false,
        });
        let (fields, changes) = (event.as_object_mut().unwrap(), changes.as_object().unwrap());
        fields.extend(changes.clone());
        from_value(event).unwrap()
    }

    #[test]
    fn a_call_is_the_request_that_was_sent() {
        let request = call(&json!({
            "rawPath": "/api/a b/你?好%",
            "rawQueryString": "a=%2B&b=c+d",
            "headers": { "host": "example.com", "webhook-id": "msg_1" },
            "cookies": ["a=1", "b=2"],
            "body": "5L2g5aW9",
            "isBase64Encoded": true,
        }))
        .request()
        .unwrap();
        assert_eq!(request.method(), Method::POST);
        assert_eq!(request.uri().path(), "/api/a%20b/%E4%BD%A0%3F%E5%A5%BD%25");
        assert_eq!(request.uri().query(), Some("a=%2B&b=c+d"));
        assert_eq!(request.headers()["webhook-id"], "msg_1");
        assert_eq!(request.headers()["cookie"], "a=1; b=2");
        assert_eq!(request.body(), "你好".as_bytes());
    }

    #[test]
    fn what_is_missing_is_empty() {
        let call = call(&json!({ "pathParameters": null, "cookies": null, "body": null }));
        assert_eq!(call.channel(), "");
        let request = call.request().unwrap();
        assert_eq!(request.uri().query(), None);
        assert!(request.headers().is_empty());
        assert!(request.body().is_empty());
    }

    #[test]
    fn of_a_call_of_wechat_nothing_else_is_read() {
        let mut event: Callback = from_value(json!({
            "rawPath": 7, "headers": null, "requestContext": [],
            "rawQueryString": "signature=a%2B&nonce=b",
            "pathParameters": { "channel": "demo", "other": "x" },
            "body": "5L2g5aW9", "isBase64Encoded": true,
        }))
        .unwrap();
        assert_eq!(
            (event.channel(), event.query()),
            ("demo", "signature=a%2B&nonce=b")
        );
        assert_eq!(event.caller(), None);
        assert_eq!(event.take_body().unwrap(), "你好".as_bytes());
        for bare in [
            json!({}),
            json!({ "pathParameters": null, "body": null }),
            json!({ "pathParameters": {}, "rawQueryString": "" }),
        ] {
            let mut event: Callback = from_value(bare).unwrap();
            assert_eq!((event.channel(), event.query()), ("", ""));
            assert!(event.take_body().unwrap().is_empty());
        }
        let mut event: Callback =
            from_value(json!({ "body": "!", "isBase64Encoded": true })).unwrap();
        assert_eq!(event.take_body().unwrap_err(), Nonsense::Body);
    }

    #[test]
    fn the_caller_of_a_callback_is_who_the_gateway_says() {
        let forged = json!({ "x-forwarded-for": "101.226.103.60" });
        for (address, expected) in [
            ("198.51.100.7", Some("198.51.100.7")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("", None),
            ("nobody", None),
        ] {
            let event: Callback = from_value(json!({
                "headers": forged,
                "requestContext": { "http": { "method": "POST", "sourceIp": address } },
            }))
            .unwrap();
            let expected = expected.map(|text| text.parse().unwrap());
            assert_eq!(event.caller(), expected, "{address}");
        }
    }

    #[test]
    fn nonsense_is_named() {
        for (changes, expected) in [
            (
                json!({ "requestContext": { "http": { "method": "A B" } } }),
                Nonsense::Method,
            ),
            (json!({ "rawPath": "" }), Nonsense::Address),
            (json!({ "rawQueryString": "a=<b>" }), Nonsense::Address),
            (json!({ "headers": { "a b": "c" } }), Nonsense::Header),
            (json!({ "headers": { "a": "b\nc" } }), Nonsense::Header),
            (json!({ "cookies": ["a=\u{0}"] }), Nonsense::Header),
            (
                json!({ "body": "!", "isBase64Encoded": true }),
                Nonsense::Body,
            ),
        ] {
            assert_eq!(call(&changes).request().unwrap_err(), expected, "{changes}");
        }
    }

    #[test]
    fn an_answer_has_texts_as_they_are() {
        let answer = |body: &'static [u8]| {
            let response = http::Response::builder()
                .status(StatusCode::CREATED)
                .header("content-type", "text/plain")
                .header("vary", "accept")
                .header("vary", "cookie")
                .header("set-cookie", "a=1; HttpOnly")
                .header("set-cookie", "b=2")
                .body(Bytes::from_static(body))
                .unwrap();
            serde_json::to_value(Answer::from(response)).unwrap()
        };
        let text = answer("你好".as_bytes());
        assert_eq!(
            text,
            json!({
                "statusCode": 201,
                "headers": { "content-type": "text/plain", "vary": "accept,cookie" },
                "cookies": ["a=1; HttpOnly", "b=2"],
                "body": "你好",
                "isBase64Encoded": false,
            })
        );
        let binary = answer(&[0xff, 0x00]);
        assert_eq!(binary["body"], "/wA=");
        assert_eq!(binary["isBase64Encoded"], true);
    }

    #[test]
    fn only_new_entries_ring() {
        let pk = "U#q83vEjRWeJASNFZ4kBI0Vg";
        let sk = "I#1767225600#500023300000000000001";
        let record = |number: &str, name: &str, keys: Value| {
            json!({
                "eventName": name,
                "dynamodb": { "Keys": keys, "SequenceNumber": number },
            })
        };
        let text = |pk: &str, sk: &str| json!({ "pk": { "S": pk }, "sk": { "S": sk } });
        let batch: Batch = from_value(json!({ "Records": [
            record("1", "MODIFY", text(pk, sk)),
            record("2", "INSERT", text(pk, sk)),
            record("3", "INSERT", text(pk, "J#in")),
            record("4", "INSERT", text("X#q83vEjRWeJASNFZ4kBI0Vg", sk)),
            record("5", "INSERT", json!({ "pk": { "N": "1" } })),
            record("6", "REMOVE", text(pk, sk)),
            record("7", "INSERT", text("A#demo", "O#1767225602000#m#01")),
        ] }))
        .unwrap();
        let (rings, numbers) = batch.rings();
        assert_eq!(numbers, ["2", "7"]);
        let places: Vec<_> = rings.iter().map(|ring| ring.at.as_str()).collect();
        assert_eq!(places, [pk, "A#demo"]);
        let answer = serde_json::to_value(Failures::of(&numbers, &[1])).unwrap();
        let expected = json!({ "batchItemFailures": [{ "itemIdentifier": "7" }] });
        assert_eq!(answer, expected);
        let answer = serde_json::to_value(Failures::of(&numbers, &[])).unwrap();
        assert_eq!(answer, json!({ "batchItemFailures": [] }));
    }

    #[test]
    fn every_kind_of_tick_is_one() {
        for (tick, walk) in [
            (json!({}), false),
            (json!({ "source": "magpie.sweep" }), false),
            (json!({ "source": "magpie.sweep", "walk": true }), true),
        ] {
            assert_eq!(from_value::<Tick>(tick).unwrap().walk, walk);
        }
    }
}
