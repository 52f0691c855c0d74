//! S3, as far as we call it, and strict: every signature is computed anew, from the words
//! of AWS's documentation and without its library; what AWS would refuse is refused, and so
//! is what nobody taught this fake.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse, Response};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use url::form_urlencoded;

use super::{REGION, now_ms, recorder};

/// The bucket's name.
pub(crate) const NAME: &str = "magpie-media";
/// The secret key of every function.
const SECRET: &str = "harness";

/// An object of the bucket.
#[derive(Clone)]
pub(crate) struct Object {
    pub(crate) bytes: Bytes,
    pub(crate) kind: String,
    pub(crate) tags: String,
}

type Objects = Arc<Mutex<BTreeMap<String, Object>>>;

/// A running S3 with one bucket; it stops when it is dropped.
pub(crate) struct Bucket {
    address: String,
    objects: Objects,
    _server: JoinSet<()>,
}

impl Bucket {
    pub(crate) async fn start() -> std::io::Result<Bucket> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}/{NAME}", listener.local_addr()?);
        let objects = Objects::default();
        let router = Router::new()
            .fallback(serve)
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::clone(&objects));
        let mut server = JoinSet::new();
        server.spawn(async move {
            axum::serve(listener, router).await.unwrap();
        });
        Ok(Bucket {
            address,
            objects,
            _server: server,
        })
    }

    /// Where the bucket is.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// What is in it, by key.
    pub(crate) fn objects(&self) -> BTreeMap<String, Object> {
        self.objects.lock().unwrap().clone()
    }
}

/// Why a call is refused: the status and S3's code.
type Refusal = (StatusCode, &'static str);

const DENIED: Refusal = (StatusCode::FORBIDDEN, "AccessDenied");
const MISMATCH: Refusal = (StatusCode::FORBIDDEN, "SignatureDoesNotMatch");
const INVALID: Refusal = (StatusCode::BAD_REQUEST, "InvalidRequest");

async fn serve(
    State(objects): State<Objects>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let call = Call {
        method,
        path: uri.path().to_owned(),
        query: form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
            .into_owned()
            .collect(),
        headers,
        body,
    };
    match call.answer(&objects) {
        Ok(response) => response,
        Err((status, code)) => {
            let xml = format!("<Error><Code>{code}</Code><Message>no</Message></Error>");
            (status, xml).into_response()
        }
    }
}

struct Call {
    method: Method,
    path: String,
    query: BTreeMap<String, String>,
    headers: HeaderMap,
    body: Bytes,
}

impl Call {
    fn answer(&self, objects: &Objects) -> Result<Response, Refusal> {
        let key = self
            .path
            .strip_prefix(&format!("/{NAME}/"))
            .ok_or(INVALID)?;
        let linked = self.query.contains_key("X-Amz-Signature");
        if linked {
            self.check_link()?;
        } else {
            self.check_headers()?;
        }
        let mut objects = objects.lock().unwrap();
        match (&self.method, key) {
            (&Method::PUT, key) if !key.is_empty() => {
                self.record("PutObject", key);
                objects.insert(key.to_owned(), self.object()?);
                Ok(StatusCode::OK.into_response())
            }
            (&Method::DELETE, key) if !key.is_empty() && !linked => {
                self.record("DeleteObject", key);
                objects.remove(key);
                Ok(StatusCode::NO_CONTENT.into_response())
            }
            (&Method::GET, "") if !linked => {
                self.record("ListObjectsV2", "");
                Ok(self.list(&objects)?.into_response())
            }
            (&Method::GET | &Method::HEAD, key) if linked => {
                self.record("GetObject", key);
                let object = objects.get(key);
                let object = object.ok_or((StatusCode::NOT_FOUND, "NoSuchKey"))?;
                let kind = self.query.get("response-content-type");
                let kind = kind.unwrap_or(&object.kind).clone();
                let shown = self.query.get("response-content-disposition").cloned();
                let headers = [
                    ("content-type", kind),
                    ("content-disposition", shown.unwrap_or_default()),
                ];
                Ok((headers, object.bytes.clone()).into_response())
            }
            (&Method::GET, key) => {
                self.record("GetObject", key);
                let object = objects.get(key);
                let object = object.ok_or((StatusCode::NOT_FOUND, "NoSuchKey"))?;
                self.piece(object)
            }
            _ => Err(INVALID),
        }
    }

    /// An object, or its first bytes if those are asked for.
    fn piece(&self, object: &Object) -> Result<Response, Refusal> {
        let Ok(range) = self.header("range") else {
            return Ok(object.bytes.clone().into_response());
        };
        let last = range
            .strip_prefix("bytes=0-")
            .and_then(|last| last.parse::<usize>().ok());
        let (last, size) = (last.ok_or(INVALID)?, object.bytes.len());
        if size == 0 {
            return Err((StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange"));
        }
        let end = size.min(last + 1);
        let told = format!("bytes 0-{}/{size}", end - 1);
        let piece = object.bytes.slice(..end);
        Ok((
            StatusCode::PARTIAL_CONTENT,
            [("content-range", told)],
            piece,
        )
            .into_response())
    }

    fn record(&self, operation: &str, key: &str) {
        let mut headers = self.headers.clone();
        if let Some(credential) = self.query.get("X-Amz-Credential") {
            let signed = format!("Credential={credential}");
            headers.insert("authorization", signed.parse().unwrap());
        }
        let call = json!({ "operation": operation, "key": key });
        recorder::record("s3", &headers, &call);
    }

    fn header(&self, name: &str) -> Result<&str, Refusal> {
        let value = self.headers.get(name).and_then(|value| value.to_str().ok());
        value.ok_or(INVALID)
    }

    fn object(&self) -> Result<Object, Refusal> {
        let tags = self.header("x-amz-tagging")?.to_owned();
        let days = tags
            .strip_prefix("keep=")
            .and_then(|days| days.parse().ok());
        // The rules of the template know these and no others.
        if !days.is_some_and(|days| magpie::storage::CLASSES.contains(&days)) {
            return Err((StatusCode::BAD_REQUEST, "InvalidTag"));
        }
        if self.header("content-length")? != self.body.len().to_string() {
            return Err((StatusCode::LENGTH_REQUIRED, "MissingContentLength"));
        }
        Ok(Object {
            bytes: self.body.clone(),
            kind: self.header("content-type")?.to_owned(),
            tags,
        })
    }

    fn list(&self, objects: &BTreeMap<String, Object>) -> Result<String, Refusal> {
        let of = |name: &str| self.query.get(name).ok_or(INVALID);
        if of("list-type")? != "2" {
            return Err(INVALID);
        }
        let most: usize = of("max-keys")?.parse().map_err(|_| INVALID)?;
        let prefix = of("prefix")?;
        let found = objects
            .keys()
            .filter(|key| key.starts_with(prefix.as_str()));
        let contents = found.take(most).fold(String::new(), |mut xml, key| {
            let _ = write!(xml, "<Contents><Key>{key}</Key><Size>1</Size></Contents>");
            xml
        });
        Ok(format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult \
             xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>{NAME}</Name>\
             <Prefix>{prefix}</Prefix>{contents}</ListBucketResult>"
        ))
    }

    /// The signature stands in a header.
    fn check_headers(&self) -> Result<(), Refusal> {
        let header = self.header("authorization").map_err(|_| DENIED)?;
        let rest = header.strip_prefix("AWS4-HMAC-SHA256 ").ok_or(DENIED)?;
        let parts: BTreeMap<_, _> = rest
            .split(',')
            .filter_map(|part| part.trim().split_once('='))
            .collect();
        let part = |name: &str| parts.get(name).copied().ok_or(DENIED);
        let digest = self.header("x-amz-content-sha256")?;
        if digest != hex(&Sha256::digest(&self.body)) {
            return Err((StatusCode::BAD_REQUEST, "XAmzContentSHA256Mismatch"));
        }
        let signed = part("SignedHeaders")?;
        for needed in ["host", "x-amz-date", "x-amz-content-sha256"] {
            if !signed.split(';').any(|name| name == needed) {
                return Err(DENIED);
            }
        }
        let stamp = self.header("x-amz-date")?;
        let expected = self.signature(part("Credential")?, signed, stamp, digest)?;
        if part("Signature")? == expected {
            Ok(())
        } else {
            Err(MISMATCH)
        }
    }

    /// The signature stands in the address, and is good for a while.
    fn check_link(&self) -> Result<(), Refusal> {
        let of = |name: &str| self.query.get(name).map(String::as_str).ok_or(DENIED);
        let stamp = of("X-Amz-Date")?;
        let span: u64 = of("X-Amz-Expires")?.parse().map_err(|_| DENIED)?;
        let begun = seconds(stamp).ok_or(DENIED)?;
        let now = now_ms() / 1_000;
        if !(begun.saturating_sub(60)..begun + span).contains(&now) {
            return Err(DENIED);
        }
        let (credential, signed) = (of("X-Amz-Credential")?, of("X-Amz-SignedHeaders")?);
        // What is brought by a link is as long as was signed.
        let sized = signed.split(';').any(|name| name == "content-length");
        if self.method == Method::PUT && !sized {
            return Err(DENIED);
        }
        let expected = self.signature(credential, signed, stamp, "UNSIGNED-PAYLOAD")?;
        if of("X-Amz-Signature")? == expected {
            Ok(())
        } else {
            Err(MISMATCH)
        }
    }

    fn signature(
        &self,
        credential: &str,
        signed: &str,
        stamp: &str,
        digest: &str,
    ) -> Result<String, Refusal> {
        let (_, scope) = credential.split_once('/').ok_or(DENIED)?;
        let day = stamp.get(..8).ok_or(DENIED)?;
        if scope != format!("{day}/{REGION}/s3/aws4_request") {
            return Err(DENIED);
        }
        let query = self
            .query
            .iter()
            .filter(|(name, _)| *name != "X-Amz-Signature");
        let query: Vec<_> = query
            .map(|(name, value)| format!("{}={}", escaped(name), escaped(value)))
            .collect();
        let mut canonical = format!("{}\n{}\n{}\n", self.method, self.path, query.join("&"));
        for name in signed.split(';') {
            let _ = writeln!(canonical, "{name}:{}", self.header(name)?.trim());
        }
        let _ = write!(canonical, "\n{signed}\n{digest}");
        let text = format!(
            "AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{}",
            hex(&Sha256::digest(&canonical))
        );
        let key = [day, REGION, "s3", "aws4_request"]
            .iter()
            .fold(format!("AWS4{SECRET}").into_bytes(), |key, part| {
                mac(&key, part.as_bytes())
            });
        Ok(hex(&mac(&key, text.as_bytes())))
    }
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Percent-encoded as AWS wants it.
fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut escaped, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
        escaped
    })
}

/// Seconds since 1970 of `20260101T000000Z`.
fn seconds(stamp: &str) -> Option<u64> {
    let part = |from: usize, to: usize| stamp.get(from..to);
    let text = format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0, 4)?,
        part(4, 6)?,
        part(6, 8)?,
        part(9, 11)?,
        part(11, 13)?,
        part(13, 15)?
    );
    u64::try_from(magpie::moment::Moment::parse(&text)?.seconds()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(headers: &[(&'static str, &str)], query: &str) -> Call {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        Call {
            method: Method::GET,
            path: format!("/{NAME}/shop/a/b.jpg"),
            query: form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
            headers: map,
            body: Bytes::new(),
        }
    }

    #[test]
    fn unsigned_calls_are_refused() {
        let objects = Objects::default();
        let refused = |call: Call| call.answer(&objects).unwrap_err();
        assert_eq!(refused(call(&[], "")), DENIED);
        let forged = "AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/s3/aws4_request, \
                      SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=00";
        let empty = hex(&Sha256::digest(b""));
        let headers = [
            ("authorization", forged),
            ("host", "localhost"),
            ("x-amz-content-sha256", &empty),
            ("x-amz-date", "20260101T000000Z"),
        ];
        assert_eq!(refused(call(&headers, "")), MISMATCH);
        let old = "X-Amz-Signature=00&X-Amz-Date=20200101T000000Z&X-Amz-Expires=300\
                   &X-Amz-Credential=A/20200101/us-east-1/s3/aws4_request&X-Amz-SignedHeaders=host";
        assert_eq!(refused(call(&headers, old)), DENIED);
    }
}
