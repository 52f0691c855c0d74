//! The API is what its document says, and the document says nothing else: the
//! calls of every test of the console are held against it, the answers of which
//! no other test hears are heard here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri};
use serde_json::{Value, json};

use super::super::{DESCRIPTION, Route};
use super::schema::{closed, faults};
use super::{House, KEY, Reply};
use crate::channel::{DeskSettings, REFUSED_FOR};
use crate::reason::Reason;

/// What a field has to be is not all that a schema can say: it depends on the
/// time, on what is stored, or on what the operator allows.
const BEYOND_SCHEMAS: [&str; 9] = [
    "api_base",
    "callback.encoding_aes_key",
    "callback.token",
    "cursor",
    "desk.url",
    "key",
    "text",
    "time",
    "up_to",
];

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
fn operations() -> Vec<(String, &'static str, &'static Value)> {
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
            .filter(|one| !BEYOND_SCHEMAS.contains(&one.as_str()))
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
            assert_eq!(faults(&DOCUMENT, schema, &reply.json()), [""; 0], "{what}");
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
fn nowhere(path: &str) -> String {
    path.replace("{channel}", "nowhere")
        .replace("{customer_id}", "00000000-0000-4000-8000-000000000000")
        .replace("{id}", "bm9uc2Vuc2U")
}

/// What everybody can do wrong, with every operation.
async fn go_wrong_everywhere(house: &House) {
    let bearer = format!("Bearer {KEY}");
    let key = json!({ "key": KEY });
    let reply = house.call("POST", "/api/session", &[], Some(&key)).await;
    let cookie = reply.headers["set-cookie"].to_str().unwrap().to_owned();
    for (method, path, operation) in operations() {
        let at = nowhere(path);
        house.call(&method, &at, &[], None).await;
        house.call(&method, &at, &[("cookie", &cookie)], None).await;
        let wrong = format!("{at}?limit=0&cursor=.&force=perhaps");
        house.program(&method, &wrong, None).await;
        house
            .program(&method, &format!("{at}?channel=nowhere"), None)
            .await;
        if operation.get("requestBody").is_some() {
            for (kind, body) in [
                ("text/plain", Bytes::new()),
                ("application/json", Bytes::from(vec![b' '; 64 * 1024 + 1])),
                ("application/json", Bytes::from_static(b"[]")),
                ("application/json", Bytes::from_static(b"{\"no\":1}")),
            ] {
                let request = Request::builder()
                    .method(method.as_str())
                    .uri(&at)
                    .header("authorization", &bearer)
                    .header("content-type", kind);
                house.send(request.body(body).unwrap()).await;
            }
        }
    }
}

/// Keys that nobody has, and pages that are not ours.
async fn knock(house: &House) {
    let wrong = json!({ "key": "wrong" });
    for _ in 0..11 {
        house.call("POST", "/api/session", &[], Some(&wrong)).await;
    }
    let from = [("origin", "https://evil.example"), ("host", "desk.example")];
    house
        .call("POST", "/api/session", &from, Some(&wrong))
        .await;
    house.program("DELETE", "/api/session", None).await;
}

/// A channel's life.
async fn connect(house: &House) {
    let settings = json!({
        "name": "Shop A", "app_id": "wx0123456789abcdef", "original_id": "gh_0123456789ab",
        "callback": { "mode": "plain", "token": "token" }, "app_secret": "0123456789abcdef",
        "retention_days": 30.0, "part_pause_ms": -0.0,
        "desk": { "kind": "webhook", "url": "https://desk.example.com/in" }
    });
    for path in ["shop-a", "shop-a", "shop-b", "Not_An_Id"] {
        let path = format!("/api/channels/{path}");
        house.program("PUT", &path, Some(&settings)).await;
    }
    house.get("/api/channels?limit=1").await;
    house.get("/api/channels/shop-a").await;
    house.post("/api/channels/shop-a/check", &json!({})).await;
    house
        .program("DELETE", "/api/channels/shop-a?force=false", None)
        .await;
}

/// A conversation's life.
async fn talk(house: &mut House) {
    let shop = house.stage.connect("shop-c", DeskSettings::Inbox).await;
    house.stage.says(&shop.id, "openid-1", "hello").await;
    house.stage.settle().await;
    let list = house
        .get("/api/conversations?state=open&channel=shop-c")
        .await;
    let customer = list["conversations"][0]["customer_id"].as_str().unwrap();
    let path = format!("/api/conversations/{customer}");
    let words = house.get(&path).await["messages"][0]["id"].clone();
    house
        .get(&format!("/api/changes?customer={customer}"))
        .await;
    let now = house.stage.bridge.now().to_string();
    for text in ["你好", "other words", " "] {
        let said = json!({ "id": "a", "time": now, "kind": "text", "text": text });
        house.post(&format!("{path}/messages"), &said).await;
    }
    house
        .post(&format!("{path}/read"), &json!({ "up_to": words }))
        .await;
    house.program("DELETE", "/api/channels/shop-c", None).await;
    house.post(&format!("{path}/end"), &json!({})).await;
    let nobody = nowhere("/api/conversations/{customer_id}");
    let said = json!({ "id": "a", "time": now, "kind": "text", "text": "hi" });
    house.post(&format!("{nobody}/messages"), &said).await;
    house
        .post(&format!("{nobody}/read"), &json!({ "up_to": words }))
        .await;
    house.post(&format!("{nobody}/end"), &json!({})).await;
}

/// What waits, and what is dead.
async fn operate(house: &mut House) {
    let url = "https://desk.example.com/in".to_owned();
    let desk = DeskSettings::Webhook { url };
    let far = house.stage.connect("far", desk).await;
    for (status, text) in [(400, "dies"), (400, "dies too"), (500, "waits")] {
        *house.stage.outside.desk.lock().unwrap() = Some(status);
        house.stage.says(&far.id, "openid-2", text).await;
        house.stage.settle().await;
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    let parked = house.get("/api/parked?limit=1").await;
    assert_eq!(parked["parked"][0]["reason"]["code"], "desk_unreachable");
    house.get("/api/status").await;
    let dead = house.get("/api/dead?channel=far").await["dead"][0]["id"].clone();
    let path = format!("/api/dead/{}/redrive", dead.as_str().unwrap());
    for _ in 0..2 {
        house.post(&path, &json!({})).await;
    }
    for channel in ["far", "nowhere"] {
        let all = json!({ "channel": channel, "reason": "desk_refused" });
        house.post("/api/dead/redrive", &all).await;
    }
}

#[tokio::test(start_paused = true)]
async fn every_answer_of_the_document_is_given() {
    let mut house = House::new().await;
    house.call("GET", "/api/openapi.json", &[], None).await;
    go_wrong_everywhere(&house).await;
    knock(&house).await;
    connect(&house).await;
    talk(&mut house).await;
    operate(&mut house).await;
    let mut left = BTreeSet::new();
    for (method, path, operation) in operations() {
        for status in operation["responses"].as_object().unwrap().keys() {
            left.insert((method.clone(), path.to_owned(), status.clone()));
        }
    }
    for given in house.given.lock().unwrap().iter() {
        left.remove(given);
    }
    // Of a store that fails other tests tell, and of one machine's own answers.
    left.retain(|(_, path, status)| {
        let stream = path == "/api/events" && status == "200";
        !(stream || status == "408" || status == "503")
    });
    assert_eq!(left, BTreeSet::new(), "never given");
}
