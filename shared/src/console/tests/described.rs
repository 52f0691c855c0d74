//! The API is what its document says: the calls of every test of the console are
//! held against it, and it has our routes, codes and no other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri};
use serde_json::{Value, json};

use super::super::{DESCRIPTION, Route};
use super::schema::{closed, faults};
use super::{House, Reply};
use crate::channel::REFUSED_FOR;
use crate::reason::Reason;

/// What a field has to be is not all that a schema can say: it depends on the
/// time, on what is stored, or on what the operator allows.
const BEYOND_SCHEMAS: [&str; 20] = [
    "api_base",
    "callback.encoding_aes_key",
    "callback.token",
    "choices",
    "confirm",
    "cursor",
    "data",
    "desk.url",
    "fallback.data",
    "fallback.url",
    "hq_url",
    "key",
    "media",
    "picture",
    "text",
    "thumb",
    "url",
    "time",
    "time_zone",
    "up_to",
];

/// The limits of a menu are in bytes; schemas count characters.
const IN_BYTES: &str = "button[";

/// The document; answers have the fields that it names and no other.
static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| closed(serde_json::from_str(DESCRIPTION).unwrap()));

/// An answer that was given: method, address and status as the document has them.
pub(super) type Given = (String, String, String);

/// A call, as far as the document speaks of it.
pub(super) struct Asked {
    method: Method,
    uri: Uri,
    body: Bytes,
}

impl Asked {
    pub(super) fn of(request: &Request<Bytes>) -> Self {
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            body: request.body().clone(),
        }
    }

    /// The address as the document has it, and its parameters.
    fn place(&self) -> Option<(&'static str, BTreeMap<&'static str, String>)> {
        let parts: Vec<&str> = self.uri.path().split('/').collect();
        let paths = DOCUMENT["paths"].as_object().unwrap();
        paths.keys().find_map(|path| {
            let names: Vec<&str> = path.split('/').collect();
            let mut values = BTreeMap::new();
            let fits = names.len() == parts.len()
                && names.iter().zip(&parts).all(|(name, part)| {
                    let parameter = name.strip_prefix('{').and_then(|n| n.strip_suffix('}'));
                    parameter.map(|name| values.insert(name, (*part).to_owned()));
                    parameter.is_some() || name == part
                });
            fits.then_some((path.as_str(), values))
        })
    }

    /// What the document finds wrong with the call: the names of parameters and fields.
    fn wrong(&self, operation: &'static Value, values: &BTreeMap<&str, String>) -> Vec<String> {
        let query = self.uri.query().unwrap_or_default();
        let query: BTreeMap<_, _> = url::form_urlencoded::parse(query.as_bytes()).collect();
        let mut wrong = Vec::new();
        for parameter in parameters(operation) {
            let name = parameter["name"].as_str().unwrap();
            let value = if parameter["in"] == "path" {
                values.get(name).map(String::as_str)
            } else {
                let value = query.get(name).map(AsRef::as_ref);
                assert_eq!(parameter["allowEmptyValue"], true, "{name}");
                value.filter(|value| !value.is_empty())
            };
            let Some(value) = value else { continue };
            let schema = follow(&parameter["schema"]);
            let value = match schema["type"].as_str() {
                Some("string") => value.into(),
                _ => serde_json::from_str(value).unwrap_or_else(|_| value.into()),
            };
            if !faults(&DOCUMENT, &parameter["schema"], &value).is_empty() {
                wrong.push(name.to_owned());
            }
        }
        if let Some(body) = operation.get("requestBody") {
            let schema = &body["content"]["application/json"]["schema"];
            let value = serde_json::from_slice(&self.body).unwrap_or_default();
            wrong.extend(faults(&DOCUMENT, schema, &value));
        }
        wrong
    }
}

/// What a reference stands for.
fn follow(value: &'static Value) -> &'static Value {
    match value.get("$ref").and_then(Value::as_str) {
        Some(to) => follow(DOCUMENT.pointer(to.trim_start_matches('#')).unwrap()),
        None => value,
    }
}

/// The operations: method, address, what the document says.
pub(super) fn operations() -> Vec<(String, &'static str, &'static Value)> {
    let mut all = Vec::new();
    for (path, item) in DOCUMENT["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            all.push((method.to_uppercase(), path.as_str(), operation));
        }
    }
    all
}

fn parameters(operation: &'static Value) -> Vec<&'static Value> {
    let own = operation.get("parameters").and_then(Value::as_array);
    own.into_iter().flatten().map(follow).collect()
}

/// Holds a call and its answer against the document.
pub(super) fn hold(asked: &Asked, reply: &Reply) -> Option<Given> {
    if !asked.uri.path().starts_with("/api/") {
        return None;
    }
    let what = format!(
        "{} {}: {} {}",
        asked.method, asked.uri, reply.status, reply.text
    );
    if reply.status.as_u16() >= 400 {
        let problem = &DOCUMENT["components"]["schemas"]["Problem"];
        assert_eq!(
            reply.headers["content-type"], "application/problem+json",
            "{what}"
        );
        assert_eq!(faults(&DOCUMENT, problem, &reply.json()), [""; 0], "{what}");
        assert_eq!(reply.json()["status"], reply.status.as_u16(), "{what}");
    }
    let refused = |status: StatusCode| [StatusCode::UNAUTHORIZED, status].contains(&reply.status);
    let Some((path, values)) = asked.place() else {
        assert!(refused(StatusCode::NOT_FOUND), "{what}");
        return None;
    };
    let method = asked.method.as_str();
    let known = operations().into_iter();
    let Some((_, _, operation)) = known
        .into_iter()
        .find(|one| one.0 == method && one.1 == path)
    else {
        // An address that means nothing has no methods.
        let nothing = Route::find(asked.uri.path()).is_none();
        assert!(
            refused(if nothing {
                StatusCode::NOT_FOUND
            } else {
                StatusCode::METHOD_NOT_ALLOWED
            }),
            "{what}"
        );
        return None;
    };
    let status = reply.status.as_str();
    let answer = operation["responses"].get(status).map(follow);
    assert!(answer.is_some(), "the document has no such answer: {what}");
    hold_answer(answer.unwrap(), reply, &what);
    let wrong = asked.wrong(operation, &values);
    if reply.status.is_success() {
        assert_eq!(wrong, [""; 0], "the document refuses it: {what}");
    } else if reply.json()["code"] == "invalid" && wrong.is_empty() {
        let told = reply.json()["errors"].as_array().unwrap().clone();
        let told = told
            .iter()
            .map(|one| one["field"].as_str().unwrap().to_owned());
        let more: Vec<_> = told
            .filter(|one| !BEYOND_SCHEMAS.contains(&one.as_str()) && !one.starts_with(IN_BYTES))
            .collect();
        assert_eq!(more, [""; 0], "the document takes it: {what}");
    }
    Some((method.to_owned(), path.to_owned(), status.to_owned()))
}

fn hold_answer(answer: &'static Value, reply: &Reply, what: &str) {
    match answer.get("content") {
        Some(content) => {
            let kind = reply.headers["content-type"].to_str().unwrap();
            let schema = &content[kind]["schema"];
            assert!(schema.is_object(), "{kind}: {what}");
            let body = if kind.ends_with("json") {
                reply.json()
            } else {
                reply.text.as_str().into()
            };
            assert_eq!(faults(&DOCUMENT, schema, &body), [""; 0], "{what}");
        }
        None => assert_eq!(reply.text, "", "{what}"),
    }
    for (name, header) in answer
        .get("headers")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let value = reply.headers[name.as_str()].to_str().unwrap();
        let value = match header["schema"]["type"].as_str() {
            Some("integer") => serde_json::from_str(value).unwrap(),
            _ => value.into(),
        };
        assert_eq!(
            faults(&DOCUMENT, &header["schema"], &value),
            [""; 0],
            "{name}: {what}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_document_is_for_everybody() {
    let house = House::new().await;
    let reply = house.call("GET", "/api/openapi.json", &[], None).await;
    assert_eq!(
        (reply.status.as_u16(), reply.text.as_str()),
        (200, DESCRIPTION)
    );
    assert_eq!(reply.json()["info"]["version"], env!("CARGO_PKG_VERSION"));
    let reply = house.call("POST", "/api/openapi.json", &[], None).await;
    assert_eq!(reply.status.as_u16(), 401);
}

#[test]
fn every_route_is_in_the_document_and_no_other() {
    // What `Route::find` reads: `["channels", id, "check"] =>`.
    let source = include_str!("../mod.rs");
    let (_, find) = source.split_once("match parts.as_slice() {").unwrap();
    let (find, _) = find.split_once("_ => return None").unwrap();
    let routes: BTreeSet<String> = find
        .lines()
        .filter_map(|line| line.trim().strip_prefix('[')?.split_once("] =>"))
        .map(|(parts, _)| {
            let part = |part: &str| match part.strip_prefix('"') {
                Some(name) => name.trim_end_matches('"').to_owned(),
                None => "{}".to_owned(),
            };
            let parts: Vec<_> = parts.split(", ").map(part).collect();
            format!("/api/{}", parts.join("/"))
        })
        .collect();
    assert!(routes.len() > 10, "{routes:?}");
    let mut described = BTreeSet::new();
    let mut methods = BTreeMap::<_, BTreeSet<_>>::new();
    for (method, path, _) in operations() {
        let parts = path
            .split('/')
            .map(|part| if part.starts_with('{') { "{}" } else { part });
        described.insert(parts.collect::<Vec<_>>().join("/"));
        methods.entry(path).or_default().insert(method);
    }
    assert_eq!(described, routes);
    for (path, methods) in methods {
        let route = Route::find(&nowhere(path)).unwrap();
        let known: BTreeSet<_> = route.methods().split(", ").map(str::to_owned).collect();
        assert_eq!(methods, known, "{path}");
    }
}

#[test]
fn the_document_is_of_one_piece() {
    let schemas = &DOCUMENT["components"]["schemas"];
    let codes: Vec<_> = Reason::ALL.iter().map(|reason| reason.code()).collect();
    assert_eq!(schemas["ReasonCode"]["enum"], json!(codes));
    let refused = &schemas["Seen"]["properties"]["refused"]["items"]["properties"]["code"];
    assert_eq!(refused["enum"], json!(REFUSED_FOR));
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations() {
        assert!(
            ids.insert(operation["operationId"].as_str().unwrap()),
            "{path}"
        );
        let read: Vec<_> = path
            .split('/')
            .filter(|part| part.starts_with('{'))
            .collect();
        let named = parameters(operation)
            .into_iter()
            .filter(|one| one["in"] == "path");
        let named: Vec<_> = named
            .map(|one| format!("{{{}}}", one["name"].as_str().unwrap()))
            .collect();
        assert_eq!(named, read, "{path}");
        let open = operation["security"] == json!([]);
        let changes = operation["security"][1].get("page").is_some();
        assert_eq!(changes, method != "GET" && !open, "{method} {path}");
    }
    // Everything that is there is used.
    let text = DESCRIPTION;
    for kind in ["schemas", "responses", "parameters"] {
        for name in DOCUMENT["components"][kind].as_object().unwrap().keys() {
            let used = text.contains(&format!("\"#/components/{kind}/{name}\""));
            assert!(used, "nothing uses {name}");
        }
    }
}

/// An address of this form that leads to nothing.
pub(super) fn nowhere(path: &str) -> String {
    path.replace("{channel}", "nowhere")
        .replace("{customer_id}", "00000000-0000-4000-8000-000000000000")
        .replace("{id}", "bm9uc2Vuc2U")
        .replace("{scene}", "counter_3")
        .replace("{menuid}", "208396938")
        .replace("{tag_id}", "134")
        .replace("{rid}", "6498abcd-1a2b3c4d-5e6f7a8b")
}
