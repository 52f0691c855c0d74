//! API Gateway's HTTP API in front of the functions: every request becomes the
//! event of payload format 2.0, and every answer an HTTP response again.
//!
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>
//!
//! Its habits that surprise are kept, since the functions meet them:
//! * `rawPath` is percent-decoded, and cut at a `?` that comes out of that;
//!   `rawQueryString` is as it was sent.
//! * A body is text only for `text/*` and JSON, XML and JavaScript; every other
//!   one comes in base64, forms and bodies without a type too.
//! * The `cookie` header comes as `cookies` only; answers set cookies by
//!   `cookies` only, and `multiValueHeaders` of format 1.0 is not read.
//! * A caller who hangs up does not stop the invocation.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::runtime_api::{Function, FunctionError};
use super::{ACCOUNT, now_ms, random};

const BODY_LIMIT: usize = 10 * 1024 * 1024;
/// An HTTP API waits no longer for its integration.
const INTEGRATION_LIMIT: Duration = Duration::from_secs(30);

/// A running gateway; it stops when it is dropped.
pub(crate) struct Gateway {
    origin: String,
    _server: JoinSet<()>,
}

impl Gateway {
    /// Serves `routes`, each written as in a template: `POST /wechat/{channel}`,
    /// `ANY /api/{proxy+}`, `$default`.
    pub(crate) async fn start(routes: Vec<(&str, Function)>) -> std::io::Result<Gateway> {
        let routes: Vec<(Route, Function)> = routes
            .into_iter()
            .map(|(key, function)| (Route::new(key), function))
            .collect();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let origin = format!("http://{}", listener.local_addr()?);
        let service = Router::new()
            .fallback(pass)
            .with_state(Arc::new(routes))
            .into_make_service_with_connect_info::<SocketAddr>();
        let mut server = JoinSet::new();
        server.spawn(async move {
            axum::serve(listener, service).await.unwrap();
        });
        Ok(Gateway {
            origin,
            _server: server,
        })
    }

    /// `http://127.0.0.1:<port>`, without a slash at its end.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }
}

async fn pass(
    State(routes): State<Arc<Vec<(Route, Function)>>>,
    ConnectInfo(caller): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let path = decoded_path(parts.uri.path());
    let best = routes
        .iter()
        .filter_map(|(route, function)| {
            let found = route.find(parts.method.as_str(), &path)?;
            Some((found, route, function))
        })
        .max_by_key(|(found, ..)| found.rank);
    let Some((found, route, function)) = best else {
        return says(StatusCode::NOT_FOUND, "Not Found");
    };
    let Ok(body) = to_bytes(body, BODY_LIMIT).await else {
        return says(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
    };
    let event = event(&parts, &path, &body, &route.key, &found.parameters, caller);
    match tokio::time::timeout(INTEGRATION_LIMIT, function.invoke(event)).await {
        Ok(Ok(answer)) => response(&answer)
            .unwrap_or_else(|| says(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")),
        Ok(Err(FunctionError::TooLarge)) => {
            says(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large")
        }
        Ok(Err(_)) => says(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
        Err(_) => says(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"),
    }
}

/// `$default`, or a method and a path of names and variables.
struct Route {
    key: String,
    method: String,
    segments: Option<Vec<String>>,
}

struct Found {
    /// Full matches go before greedy ones, those before `$default`; a method
    /// before ANY, a name before a variable.
    rank: (u8, usize, bool),
    parameters: Map<String, Value>,
}

impl Route {
    fn new(key: &str) -> Route {
        let (method, path) = key.split_once(' ').unwrap_or(("ANY", ""));
        let segments = path.strip_prefix('/');
        assert!(
            segments.is_some() || key == "$default",
            "not a route: {key}"
        );
        Route {
            key: key.to_owned(),
            method: method.to_owned(),
            segments: segments.map(|path| path.split('/').map(str::to_owned).collect()),
        }
    }

    fn find(&self, method: &str, path: &str) -> Option<Found> {
        let exact = self.method == method;
        if !exact && self.method != "ANY" {
            return None;
        }
        let mut parameters = Map::new();
        let Some(segments) = &self.segments else {
            let rank = (0, 0, exact);
            return Some(Found { rank, parameters });
        };
        let mut rest = Some(path.strip_prefix('/')?);
        let mut names = 0;
        for segment in segments {
            let at = rest?;
            if let Some(name) = variable(segment).and_then(|name| name.strip_suffix('+')) {
                if at.is_empty() {
                    return None;
                }
                parameters.insert(name.to_owned(), at.into());
                let rank = (1, names, exact);
                return Some(Found { rank, parameters });
            }
            let (this, next) = match at.split_once('/') {
                Some((this, next)) => (this, Some(next)),
                None => (at, None),
            };
            rest = next;
            if let Some(name) = variable(segment) {
                if this.is_empty() {
                    return None;
                }
                parameters.insert(name.to_owned(), this.into());
            } else if segment == this {
                names += 1;
            } else {
                return None;
            }
        }
        let rank = (2, names, exact);
        rest.is_none().then_some(Found { rank, parameters })
    }
}

fn variable(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

fn event(
    parts: &Parts,
    path: &str,
    body: &[u8],
    route_key: &str,
    path_parameters: &Map<String, Value>,
    caller: SocketAddr,
) -> Value {
    let now = now_ms();
    let text = |name: HeaderName| {
        let value = parts.headers.get(name).map(HeaderValue::as_bytes);
        String::from_utf8_lossy(value.unwrap_or_default()).into_owned()
    };
    let domain = text(header::HOST);
    let query = parts.uri.query().unwrap_or_default();
    let mut event = json!({
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers(&parts.headers, caller, now),
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": "harness0",
            "domainName": domain,
            "domainPrefix": domain.split('.').next().unwrap_or_default(),
            "http": {
                "method": parts.method.as_str(),
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": caller.ip().to_string(),
                "userAgent": text(header::USER_AGENT),
            },
            "requestId": STANDARD.encode(random().to_be_bytes()),
            "routeKey": route_key,
            "stage": "$default",
            "time": common_log_time(now),
            "timeEpoch": now,
        },
        "isBase64Encoded": false,
    });
    let mut put = |name: &str, value: Value| {
        event
            .as_object_mut()
            .unwrap()
            .insert(name.to_owned(), value);
    };
    let cookies = cookies(&parts.headers);
    if !cookies.is_empty() {
        put("cookies", cookies.into());
    }
    if !query.is_empty() {
        put("queryStringParameters", parameters(query).into());
    }
    if !path_parameters.is_empty() {
        put("pathParameters", path_parameters.clone().into());
    }
    if !body.is_empty() {
        match std::str::from_utf8(body) {
            Ok(text) if is_text(&parts.headers) => put("body", text.into()),
            _ => {
                put("body", STANDARD.encode(body).into());
                put("isBase64Encoded", true.into());
            }
        }
    }
    event
}

/// Names in lower case, repeats joined with commas, and what the gateway adds.
fn headers(sent: &HeaderMap, caller: SocketAddr, now: u64) -> Map<String, Value> {
    let mut headers = Map::new();
    for name in sent.keys().filter(|name| *name != header::COOKIE) {
        let values: Vec<_> = sent
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        headers.insert(name.as_str().to_owned(), values.join(",").into());
    }
    let caller = caller.ip().to_string();
    let forwarded = match headers.get("x-forwarded-for").and_then(Value::as_str) {
        Some(before) => format!("{before}, {caller}"),
        None => caller,
    };
    let trace = format!(
        "Root=1-{:08x}-{:016x}{:08x}",
        now / 1000,
        random(),
        random() >> 32
    );
    headers.insert("x-forwarded-for".to_owned(), forwarded.into());
    headers.insert("x-forwarded-port".to_owned(), "443".into());
    headers.insert("x-forwarded-proto".to_owned(), "https".into());
    headers.insert("x-amzn-trace-id".to_owned(), trace.into());
    headers
}

fn cookies(sent: &HeaderMap) -> Vec<String> {
    let all = sent.get_all(header::COOKIE).iter();
    all.filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .map(|cookie| cookie.trim().to_owned())
        .filter(|cookie| !cookie.is_empty())
        .collect()
}

/// Decoded once; the values of a repeated name joined with commas.
fn parameters(query: &str) -> Map<String, Value> {
    let mut parameters: Map<String, Value> = Map::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = percent_decoded(&name.replace('+', " "));
        let mut value = percent_decoded(&value.replace('+', " "));
        if let Some(before) = parameters.get(&name).and_then(Value::as_str) {
            value = format!("{before},{value}");
        }
        parameters.insert(name, value.into());
    }
    parameters
}

fn decoded_path(path: &str) -> String {
    let decoded = percent_decoded(path);
    match decoded.split_once('?') {
        Some((path, _)) => path.to_owned(),
        None => decoded,
    }
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let escaped = (byte == b'%').then(|| after.split_at_checked(2)).flatten();
        let value = escaped.and_then(|(hex, after)| {
            let hex = std::str::from_utf8(hex).ok()?;
            Some((u8::from_str_radix(hex, 16).ok()?, after))
        });
        let (byte, after) = value.unwrap_or((byte, after));
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Which types are text is not documented; this is what was observed.
fn is_text(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let kind = kind.to_ascii_lowercase();
    kind.starts_with("text/")
        || [
            "application/json",
            "application/xml",
            "application/javascript",
        ]
        .contains(&kind.as_str())
}

/// `12/Mar/2020:19:03:58 +0000`
fn common_log_time(now_ms: u64) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let seconds = now_ms / 1000;
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Days since 0000-03-01, in years that begin in March: February is last.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12;
    let year = era * 400 + year_of_era + u64::from(month < 2);
    let name = MONTHS.get(usize::try_from(month).unwrap()).unwrap();
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{day:02}/{name}/{year}:{hour:02}:{minute:02}:{second:02} +0000")
}

/// The HTTP form of a function's answer; `None` if it is none that the gateway
/// takes. An answer without a status is itself the JSON body of a 200.
fn response(answer: &Value) -> Option<Response> {
    let Some(status) = answer.get("statusCode") else {
        let kind = [(header::CONTENT_TYPE, "application/json")];
        return Some((kind, answer.to_string()).into_response());
    };
    let status = StatusCode::from_u16(status.as_u64()?.try_into().ok()?).ok()?;
    let body = answer.get("body").unwrap_or(&Value::Null);
    let body = match body {
        Value::Null => Vec::new(),
        Value::String(text) if answer.get("isBase64Encoded") == Some(&Value::Bool(true)) => {
            STANDARD.decode(text).ok()?
        }
        Value::String(text) => text.clone().into_bytes(),
        _ => return None,
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in answer
        .get("headers")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        // The gateway frames the body itself.
        if name != header::CONTENT_LENGTH && name != header::TRANSFER_ENCODING {
            headers.insert(name, HeaderValue::from_str(&plain(value)?).ok()?);
        }
    }
    headers
        .entry(header::CONTENT_TYPE)
        .or_insert(HeaderValue::from_static("text/plain;charset=UTF-8"));
    for cookie in answer
        .get("cookies")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        headers.append(
            header::SET_COOKIE,
            HeaderValue::from_str(cookie.as_str()?).ok()?,
        );
    }
    Some(response)
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

fn says(status: StatusCode, message: &str) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (status, kind, json!({ "message": message }).to_string()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller() -> SocketAddr {
        "203.0.113.9:4711".parse().unwrap()
    }

    fn event_of(request: &http::request::Builder, body: &[u8]) -> Value {
        let copy = http::Request::builder()
            .method(request.method_ref().unwrap())
            .uri(request.uri_ref().unwrap());
        let mut parts = copy.body(()).unwrap().into_parts().0;
        parts.headers = request.headers_ref().unwrap().clone();
        let path = decoded_path(parts.uri.path());
        let mut parameters = Map::new();
        parameters.insert("channel".to_owned(), "demo".into());
        event(
            &parts,
            &path,
            body,
            "POST /wechat/{channel}",
            &parameters,
            caller(),
        )
    }

    #[test]
    fn a_push_in_payload_format_2() {
        let request = http::Request::post("/wechat/demo?nonce=a%2Bb&x=1&x=%E4%BD%A0+%E5%A5%BD")
            .header("Host", "abc.execute-api.us-east-1.amazonaws.com")
            .header("Content-Type", "text/xml; charset=utf-8")
            .header("User-Agent", "Mozilla/4.0")
            .header("X-Twice", "1")
            .header("X-Twice", "2")
            .header("Cookie", "a=1; b=2");
        let event = event_of(&request, "<xml>你好</xml>".as_bytes());
        assert_eq!(event["version"], "2.0");
        assert_eq!(
            event["rawQueryString"],
            "nonce=a%2Bb&x=1&x=%E4%BD%A0+%E5%A5%BD"
        );
        let query = json!({ "nonce": "a+b", "x": "1,你 好" });
        assert_eq!(event["queryStringParameters"], query);
        assert_eq!(event["pathParameters"], json!({ "channel": "demo" }));
        assert_eq!(event["cookies"], json!(["a=1", "b=2"]));
        assert_eq!(event["headers"]["x-twice"], "1,2");
        assert_eq!(event["headers"]["cookie"], Value::Null);
        assert_eq!(event["headers"]["x-forwarded-for"], "203.0.113.9");
        assert_eq!(event["body"], "<xml>你好</xml>");
        assert_eq!(event["isBase64Encoded"], false);
        let context = &event["requestContext"];
        assert_eq!(context["http"]["path"], "/wechat/demo");
        assert_eq!(context["http"]["userAgent"], "Mozilla/4.0");
        assert_eq!(context["domainPrefix"], "abc");
        assert_eq!(context["stage"], "$default");
    }

    #[test]
    fn which_bodies_are_text() {
        let check = |kind: Option<&str>, body: &[u8], text: bool| {
            let mut request = http::Request::post("/");
            if let Some(kind) = kind {
                request = request.header("content-type", kind);
            }
            let event = event_of(&request.header("host", "h"), body);
            assert_eq!(event["isBase64Encoded"], !text, "{kind:?}");
        };
        check(Some("text/xml"), b"<xml/>", true);
        check(Some("application/json; charset=utf-8"), b"{}", true);
        check(Some("text/xml"), b"\xff", false);
        check(Some("application/x-www-form-urlencoded"), b"a=b", false);
        check(None, b"<xml/>", false);
    }

    #[test]
    fn paths_are_decoded_once_and_cut() {
        assert_eq!(decoded_path("/a%20b%2Fc"), "/a b/c");
        assert_eq!(decoded_path("/a%253F"), "/a%3F");
        assert_eq!(decoded_path("/a%3Fb"), "/a");
        assert_eq!(decoded_path("/%zz%"), "/%zz%");
    }

    #[test]
    fn routes() {
        let keys = [
            "$default",
            "GET /wechat/{channel}",
            "ANY /api/{proxy+}",
            "GET /api/status",
            "GET /console/",
        ];
        let check = |method: &str, path: &str, expected: &str| {
            let routes = keys.map(Route::new);
            let found = routes
                .iter()
                .filter_map(|route| Some((route.find(method, path)?, route)));
            let (_, route) = found.max_by_key(|(found, _)| found.rank).unwrap();
            assert_eq!(route.key, expected, "{method} {path}");
        };
        check("GET", "/wechat/demo", "GET /wechat/{channel}");
        check("POST", "/wechat/demo", "$default");
        check("GET", "/wechat/demo/more", "$default");
        check("GET", "/wechat/", "$default");
        check("GET", "/api/status", "GET /api/status");
        check("POST", "/api/status", "ANY /api/{proxy+}");
        check("GET", "/api/a/b", "ANY /api/{proxy+}");
        check("GET", "/api/", "$default");
        check("GET", "/console/", "GET /console/");
        check("GET", "/console", "$default");
    }

    #[test]
    fn times() {
        assert_eq!(
            common_log_time(1_583_348_638_390),
            "04/Mar/2020:19:03:58 +0000"
        );
        assert_eq!(
            common_log_time(1_582_934_400_000),
            "29/Feb/2020:00:00:00 +0000"
        );
        assert_eq!(
            common_log_time(1_798_761_599_999),
            "31/Dec/2026:23:59:59 +0000"
        );
    }

    #[test]
    fn answers() {
        let answer = json!({
            "statusCode": 200,
            "headers": { "content-type": "text/html", "content-length": "999" },
            "multiValueHeaders": { "x-old": ["1"] },
            "cookies": ["a=1", "b=2"],
            "body": "5L2g5aW9",
            "isBase64Encoded": true,
        });
        let sent = response(&answer).unwrap();
        assert_eq!(sent.headers().get_all("set-cookie").iter().count(), 2);
        assert_eq!(sent.headers().get("x-old"), None);
        assert_eq!(sent.headers().get("content-length"), None);
        assert!(response(&json!({ "statusCode": "x" })).is_none());
        assert!(response(&json!({ "statusCode": 200, "body": {} })).is_none());
        assert_eq!(response(&json!({ "hello": 1 })).unwrap().status(), 200);
    }
}
