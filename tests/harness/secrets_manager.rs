//! Secrets Manager, as far as we call it, and strict: a call that AWS would
//! refuse is refused here, and so is one that nobody taught this fake.
//!
//! <https://docs.aws.amazon.com/secretsmanager/latest/apireference/>

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::{ACCOUNT, REGION, now_ms, random};

/// Bytes of a secret's value.
const VALUE_LIMIT: usize = 65_536;
const CURRENT: &str = "AWSCURRENT";
const PREVIOUS: &str = "AWSPREVIOUS";

/// A running Secrets Manager; it stops when it is dropped.
pub(crate) struct SecretsManager {
    endpoint: String,
    vault: Arc<Mutex<Vault>>,
    _server: JoinSet<()>,
}

impl SecretsManager {
    pub(crate) async fn start() -> std::io::Result<SecretsManager> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let vault = Arc::<Mutex<Vault>>::default();
        let router = Router::new().fallback(serve).with_state(Arc::clone(&vault));
        let mut server = JoinSet::new();
        server.spawn(async move {
            axum::serve(listener, router).await.unwrap();
        });
        Ok(SecretsManager {
            endpoint,
            vault,
            _server: server,
        })
    }

    /// `http://127.0.0.1:<port>`
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// How often `operation` was called, refused calls included.
    pub(crate) fn calls(&self, operation: &str) -> usize {
        let vault = self.vault.lock().unwrap();
        vault.calls.get(operation).copied().unwrap_or_default()
    }

    /// The names of the secrets that are there and not scheduled for deletion.
    pub(crate) fn names(&self) -> Vec<String> {
        let vault = self.vault.lock().unwrap();
        let live = vault
            .secrets
            .iter()
            .filter(|(_, secret)| secret.deleted.is_none());
        live.map(|(name, _)| name.clone()).collect()
    }

    /// Makes a secret as an operator would, without a call being counted.
    pub(crate) fn put(&self, name: &str, value: &str) {
        let mut vault = self.vault.lock().unwrap();
        let mut secret = Secret::new(name);
        secret.add(&super::fresh_uuid(), value);
        vault.secrets.insert(name.to_owned(), secret);
    }
}

async fn serve(
    State(vault): State<Arc<Mutex<Vault>>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let answer = vault.lock().unwrap().answer(&headers, &body);
    let kind = HeaderValue::from_static("application/x-amz-json-1.1");
    let (status, code, body) = match answer {
        Ok(body) => (StatusCode::OK, None, body),
        Err(Refusal(code, message)) => {
            let body = json!({ "__type": code, "Message": message });
            (StatusCode::BAD_REQUEST, Some(code), body)
        }
    };
    let mut response = (status, body.to_string()).into_response();
    response.headers_mut().insert("content-type", kind);
    if let Some(code) = code {
        let code = HeaderValue::from_static(code);
        response.headers_mut().insert("x-amzn-errortype", code);
    }
    response
}

/// An error's code and its message.
#[derive(Debug, PartialEq)]
struct Refusal(&'static str, String);

#[derive(Default)]
struct Vault {
    secrets: BTreeMap<String, Secret>,
    calls: BTreeMap<String, usize>,
}

struct Secret {
    name: String,
    arn: String,
    created: f64,
    changed: f64,
    /// When it goes, if that is decided.
    deleted: Option<f64>,
    tags: Value,
    /// By version id.
    versions: BTreeMap<String, Version>,
}

struct Version {
    value: String,
    stages: Vec<String>,
    created: f64,
}

impl Secret {
    fn new(name: &str) -> Secret {
        // AWS ends every ARN with six characters, so that a new secret of an
        // old name has another one.
        let suffix = format!("{:06x}", random() & 0x00ff_ffff);
        let now = seconds();
        Secret {
            name: name.to_owned(),
            arn: format!("arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}-{suffix}"),
            created: now,
            changed: now,
            deleted: None,
            tags: json!([]),
            versions: BTreeMap::new(),
        }
    }

    /// Adds a version and makes it the current one, as `PutSecretValue` does.
    fn add(&mut self, id: &str, value: &str) {
        self.add_labelled(id, value, CURRENT);
    }

    fn add_labelled(&mut self, id: &str, value: &str, stage: &str) {
        let version = Version {
            value: value.to_owned(),
            stages: Vec::new(),
            created: seconds(),
        };
        self.versions.insert(id.to_owned(), version);
        self.label(id, stage);
    }

    /// Moves a stage to a version. The one that was current is the previous.
    fn label(&mut self, id: &str, stage: &str) {
        let holder = self.holder(stage);
        for version in self.versions.values_mut() {
            version.stages.retain(|held| held != stage);
        }
        if let Some(version) = self.versions.get_mut(id) {
            version.stages.push(stage.to_owned());
        }
        if let (CURRENT, Some(holder)) = (stage, holder.filter(|holder| holder != id)) {
            self.label(&holder, PREVIOUS);
        }
        self.changed = seconds();
    }

    /// The version that has a stage.
    fn holder(&self, stage: &str) -> Option<String> {
        let has = |version: &Version| version.stages.iter().any(|held| held == stage);
        let mut versions = self.versions.iter();
        let found = versions.find(|(_, version)| has(version));
        found.map(|(id, _)| id.clone())
    }

    /// True if this very version is there already; an id stands for one value.
    fn repeats(&self, id: &str, value: &str) -> Result<bool, Refusal> {
        match self.versions.get(id) {
            None => Ok(false),
            Some(version) if version.value == value => Ok(true),
            Some(_) => Err(Refusal(
                "ResourceExistsException",
                "A resource with the ID you requested already exists.".to_owned(),
            )),
        }
    }
}

impl Vault {
    fn answer(&mut self, headers: &HeaderMap, body: &[u8]) -> Result<Value, Refusal> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let target = text("x-amz-target").unwrap_or_default();
        let operation = target.strip_prefix("secretsmanager.").unwrap_or_default();
        *self.calls.entry(operation.to_owned()).or_default() += 1;
        signed(text("authorization"), text("x-amz-date"))?;
        if text("content-type") != Some("application/x-amz-json-1.1") {
            return Err(unknown_operation());
        }
        let Ok(Value::Object(fields)) = serde_json::from_slice(body) else {
            let message = "the body is not a JSON object".to_owned();
            return Err(Refusal("SerializationException", message));
        };
        match operation {
            "CreateSecret" => self.create(&Input::new(
                fields,
                &[
                    "Name",
                    "SecretString",
                    "ClientRequestToken",
                    "Description",
                    "KmsKeyId",
                    "Tags",
                ],
            )?),
            "GetSecretValue" => self.get(&Input::new(
                fields,
                &["SecretId", "VersionId", "VersionStage"],
            )?),
            "PutSecretValue" => self.put(&Input::new(
                fields,
                &[
                    "SecretId",
                    "SecretString",
                    "ClientRequestToken",
                    "VersionStages",
                ],
            )?),
            "UpdateSecretVersionStage" => self.move_stage(&Input::new(
                fields,
                &[
                    "SecretId",
                    "VersionStage",
                    "RemoveFromVersionId",
                    "MoveToVersionId",
                ],
            )?),
            "DeleteSecret" => self.delete(&Input::new(
                fields,
                &[
                    "SecretId",
                    "ForceDeleteWithoutRecovery",
                    "RecoveryWindowInDays",
                ],
            )?),
            "DescribeSecret" => self.describe(&Input::new(fields, &["SecretId"])?),
            _ => Err(unknown_operation()),
        }
    }

    fn create(&mut self, input: &Input) -> Result<Value, Refusal> {
        let name = input.name()?;
        let value = input.value()?;
        let token = input.token()?;
        match self.secrets.get(name) {
            Some(secret) if secret.deleted.is_some() => {
                return Err(invalid_request(
                    "You can't create this secret because a secret with this name is already \
                     scheduled for deletion.",
                ));
            }
            Some(secret) if !secret.versions.contains_key(token) => {
                return Err(Refusal(
                    "ResourceExistsException",
                    format!("The operation failed because the secret {name} already exists."),
                ));
            }
            Some(secret) => {
                secret.repeats(token, value)?;
            }
            None => {
                let mut secret = Secret::new(name);
                secret.add(token, value);
                if let Some(tags) = input.0.get("Tags") {
                    secret.tags = tags.clone();
                }
                self.secrets.insert(name.to_owned(), secret);
            }
        }
        let secret = self.live(name)?;
        Ok(json!({ "ARN": secret.arn, "Name": secret.name, "VersionId": token }))
    }

    fn get(&mut self, input: &Input) -> Result<Value, Refusal> {
        let id = input.text("SecretId", 1..=2048)?;
        let stage = input.optional("VersionStage", 1..=256)?;
        let version_id = input.optional("VersionId", 32..=64)?;
        let secret = self.live(id)?;
        let wanted_stage = stage.or(version_id.is_none().then_some(CURRENT));
        let found = secret.versions.iter().find(|(id, version)| {
            version_id.is_none_or(|wanted| wanted == *id)
                && wanted_stage
                    .is_none_or(|wanted| version.stages.iter().any(|held| held == wanted))
        });
        let Some((id, version)) = found else {
            return Err(not_found());
        };
        Ok(json!({
            "ARN": secret.arn,
            "Name": secret.name,
            "VersionId": id,
            "VersionStages": version.stages,
            "SecretString": version.value,
            "CreatedDate": version.created,
        }))
    }

    fn put(&mut self, input: &Input) -> Result<Value, Refusal> {
        let value = input.value()?;
        let token = input.token()?;
        let stage = match input.0.get("VersionStages") {
            None => CURRENT,
            Some(stages) => match stages.as_array().map(Vec::as_slice) {
                Some([Value::String(stage)]) => stage,
                // One is all that we ever give.
                _ => return Err(serialization("VersionStages")),
            },
        };
        let secret = self.live(input.text("SecretId", 1..=2048)?)?;
        if !secret.repeats(token, value)? {
            secret.add_labelled(token, value, stage);
        }
        let stages = secret
            .versions
            .get(token)
            .map(|version| version.stages.clone());
        Ok(json!({
            "ARN": secret.arn,
            "Name": secret.name,
            "VersionId": token,
            "VersionStages": stages,
        }))
    }

    /// A stage goes only from the version that is said to have it.
    fn move_stage(&mut self, input: &Input) -> Result<Value, Refusal> {
        let stage = input.text("VersionStage", 1..=256)?;
        let from = input.optional("RemoveFromVersionId", 32..=64)?;
        let to = input.text("MoveToVersionId", 32..=64)?;
        let secret = self.live(input.text("SecretId", 1..=2048)?)?;
        if !secret.versions.contains_key(to) {
            return Err(not_found());
        }
        if secret.holder(stage).as_deref() != from {
            return Err(Refusal(
                "InvalidParameterException",
                format!("{stage} is attached to another version than RemoveFromVersionId."),
            ));
        }
        secret.label(to, stage);
        Ok(json!({ "ARN": secret.arn, "Name": secret.name }))
    }

    fn delete(&mut self, input: &Input) -> Result<Value, Refusal> {
        let id = input.text("SecretId", 1..=2048)?;
        let force = match input.0.get("ForceDeleteWithoutRecovery") {
            None => false,
            Some(Value::Bool(force)) => *force,
            Some(_) => return Err(serialization("ForceDeleteWithoutRecovery")),
        };
        let days = match input.0.get("RecoveryWindowInDays") {
            None => None,
            Some(days) => {
                let days = days
                    .as_f64()
                    .ok_or_else(|| serialization("RecoveryWindowInDays"))?;
                Some(days)
            }
        };
        if days.is_some_and(|days| force || !(7.0..=30.0).contains(&days)) {
            return Err(Refusal(
                "InvalidParameterException",
                "RecoveryWindowInDays is 7 to 30 and not for a forced deletion.".to_owned(),
            ));
        }
        let now = seconds();
        if force {
            let Some(name) = self.find(id).map(|secret| secret.name.clone()) else {
                // A forced deletion of what is not there is no error at AWS.
                return Ok(json!({ "Name": id, "DeletionDate": now }));
            };
            let secret = self.secrets.remove(&name);
            let arn = secret.map(|secret| secret.arn);
            return Ok(json!({ "ARN": arn, "Name": name, "DeletionDate": now }));
        }
        let secret = self.live(id)?;
        let at = now + days.unwrap_or(30.0) * 86_400.0;
        secret.deleted = Some(at);
        Ok(json!({ "ARN": secret.arn, "Name": secret.name, "DeletionDate": at }))
    }

    fn describe(&mut self, input: &Input) -> Result<Value, Refusal> {
        let secret = self
            .find(input.text("SecretId", 1..=2048)?)
            .ok_or_else(not_found)?;
        let stages: Map<String, Value> = secret
            .versions
            .iter()
            .map(|(id, version)| (id.clone(), json!(version.stages)))
            .collect();
        let mut described = json!({
            "ARN": secret.arn,
            "Name": secret.name,
            "CreatedDate": secret.created,
            "LastChangedDate": secret.changed,
            "Tags": secret.tags,
            "VersionIdsToStages": stages,
        });
        if let Some(at) = secret.deleted {
            let described = described.as_object_mut().unwrap();
            described.insert("DeletedDate".to_owned(), json!(at));
        }
        Ok(described)
    }

    fn find(&mut self, id: &str) -> Option<&mut Secret> {
        let mut all = self.secrets.values_mut();
        all.find(|secret| secret.name == id || secret.arn == id)
    }

    fn live(&mut self, id: &str) -> Result<&mut Secret, Refusal> {
        let secret = self.find(id).ok_or_else(not_found)?;
        if secret.deleted.is_some() {
            return Err(invalid_request(
                "You can't perform this operation on the secret because it was marked for \
                 deletion.",
            ));
        }
        Ok(secret)
    }
}

/// The fields of a request, every one of them known.
struct Input(Map<String, Value>);

impl Input {
    fn new(mut fields: Map<String, Value>, known: &[&str]) -> Result<Input, Refusal> {
        fields.retain(|_, value| !value.is_null());
        match fields.keys().find(|field| !known.contains(&field.as_str())) {
            Some(field) => Err(validation(&format!("{field} is not known to this call."))),
            None => Ok(Input(fields)),
        }
    }

    fn optional(
        &self,
        field: &str,
        length: std::ops::RangeInclusive<usize>,
    ) -> Result<Option<&str>, Refusal> {
        let Some(value) = self.0.get(field) else {
            return Ok(None);
        };
        let value = value.as_str().ok_or_else(|| serialization(field))?;
        if length.contains(&value.len()) {
            Ok(Some(value))
        } else {
            let message = format!("The length of {field} must be in {length:?}.");
            Err(validation(&message))
        }
    }

    fn text(&self, field: &str, length: std::ops::RangeInclusive<usize>) -> Result<&str, Refusal> {
        self.optional(field, length)?
            .ok_or_else(|| validation(&format!("{field} must not be null.")))
    }

    fn name(&self) -> Result<&str, Refusal> {
        let name = self.text("Name", 1..=512)?;
        let allowed = |c: char| c.is_ascii_alphanumeric() || "/_+=.@-".contains(c);
        if name.chars().all(allowed) {
            Ok(name)
        } else {
            Err(validation(
                "Name has other characters than letters, digits and /_+=.@-.",
            ))
        }
    }

    fn value(&self) -> Result<&str, Refusal> {
        self.text("SecretString", 1..=VALUE_LIMIT)
    }

    /// Optional at AWS, where every SDK fills it in; required here, since a
    /// repeat without it makes another version.
    fn token(&self) -> Result<&str, Refusal> {
        self.text("ClientRequestToken", 32..=64)
    }
}

/// The form of a Signature Version 4, which is all that can be checked here.
fn signed(authorization: Option<&str>, date: Option<&str>) -> Result<(), Refusal> {
    let Some(authorization) = authorization else {
        return Err(Refusal(
            "MissingAuthenticationTokenException",
            "Missing Authentication Token".to_owned(),
        ));
    };
    let part = |name: &str| {
        let fields = authorization.strip_prefix("AWS4-HMAC-SHA256 ")?;
        let mut fields = fields.split(',').map(str::trim);
        fields.find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
    };
    let scope = format!("/{REGION}/secretsmanager/aws4_request");
    let credential = part("Credential").is_some_and(|credential| credential.ends_with(&scope));
    let headers: Vec<&str> = part("SignedHeaders")
        .unwrap_or_default()
        .split(';')
        .collect();
    let headers = ["host", "x-amz-date", "x-amz-target"]
        .iter()
        .all(|name| headers.contains(name));
    let signature = part("Signature").is_some_and(|signature| {
        signature.len() == 64 && signature.bytes().all(|byte| byte.is_ascii_hexdigit())
    });
    if credential && headers && signature && date.is_some() {
        Ok(())
    } else {
        let message = "the Authorization header is no Signature Version 4".to_owned();
        Err(Refusal("IncompleteSignatureException", message))
    }
}

fn not_found() -> Refusal {
    let message = "Secrets Manager can't find the specified secret.".to_owned();
    Refusal("ResourceNotFoundException", message)
}

fn invalid_request(message: &str) -> Refusal {
    Refusal("InvalidRequestException", message.to_owned())
}

fn validation(message: &str) -> Refusal {
    Refusal("ValidationException", message.to_owned())
}

fn serialization(field: &str) -> Refusal {
    Refusal(
        "SerializationException",
        format!("{field} has another type."),
    )
}

fn unknown_operation() -> Refusal {
    Refusal("UnknownOperationException", String::new())
}

/// AWS writes times as seconds with a fraction.
fn seconds() -> f64 {
    std::time::Duration::from_millis(now_ms()).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";
    const OTHER: &str = "fedcba9876543210fedcba9876543210";

    fn headers(operation: &str) -> HeaderMap {
        let signature = "ab".repeat(32);
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=AKIA/20260101/{REGION}/secretsmanager/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature={signature}"
        );
        let mut headers = HeaderMap::new();
        let mut put = |name: &'static str, value: &str| {
            headers.insert(name, value.parse().unwrap());
        };
        put("x-amz-target", &format!("secretsmanager.{operation}"));
        put("x-amz-date", "20260101T000000Z");
        put("content-type", "application/x-amz-json-1.1");
        put("authorization", &authorization);
        headers
    }

    /// The answer, or the code of the refusal.
    fn call(vault: &mut Vault, operation: &str, body: &Value) -> Result<Value, &'static str> {
        let answer = vault.answer(&headers(operation), body.to_string().as_bytes());
        answer.map_err(|Refusal(code, _)| code)
    }

    fn create(vault: &mut Vault, name: &str, value: &str, token: &str) -> Result<(), &'static str> {
        let body = json!({ "Name": name, "SecretString": value, "ClientRequestToken": token });
        call(vault, "CreateSecret", &body).map(drop)
    }

    fn get(vault: &mut Vault, body: &Value) -> Result<Value, &'static str> {
        let answer = call(vault, "GetSecretValue", body)?;
        Ok(answer["SecretString"].clone())
    }

    #[test]
    fn the_life_of_a_secret() {
        let mut vault = Vault::default();
        let id = json!({ "SecretId": "magpie/demo" });
        assert_eq!(get(&mut vault, &id), Err("ResourceNotFoundException"));
        create(&mut vault, "magpie/demo", "one", TOKEN).unwrap();
        create(&mut vault, "magpie/demo", "one", TOKEN).unwrap();
        let again = create(&mut vault, "magpie/demo", "two", TOKEN);
        assert_eq!(again, Err("ResourceExistsException"));
        let again = create(&mut vault, "magpie/demo", "one", OTHER);
        assert_eq!(again, Err("ResourceExistsException"));

        let put = json!({ "SecretId": "magpie/demo", "SecretString": "two", "ClientRequestToken": OTHER });
        for _ in 0..2 {
            let answer = call(&mut vault, "PutSecretValue", &put).unwrap();
            assert_eq!(answer["VersionStages"], json!(["AWSCURRENT"]));
        }
        assert_eq!(get(&mut vault, &id), Ok(json!("two")));
        let previous = json!({ "SecretId": "magpie/demo", "VersionStage": "AWSPREVIOUS" });
        assert_eq!(get(&mut vault, &previous), Ok(json!("one")));
        let by_arn = call(&mut vault, "DescribeSecret", &id).unwrap()["ARN"].clone();
        assert_eq!(
            get(&mut vault, &json!({ "SecretId": by_arn })),
            Ok(json!("two"))
        );

        let third = "00000000000000000000000000000003";
        let proposed = json!({ "SecretId": "magpie/demo", "SecretString": "three",
            "ClientRequestToken": third, "VersionStages": ["PROPOSED"] });
        call(&mut vault, "PutSecretValue", &proposed).unwrap();
        assert_eq!(get(&mut vault, &id), Ok(json!("two")));
        let mut moved = json!({ "SecretId": "magpie/demo", "VersionStage": "AWSCURRENT",
            "RemoveFromVersionId": TOKEN, "MoveToVersionId": third });
        let refused = call(&mut vault, "UpdateSecretVersionStage", &moved);
        assert_eq!(refused, Err("InvalidParameterException"));
        moved["RemoveFromVersionId"] = OTHER.into();
        call(&mut vault, "UpdateSecretVersionStage", &moved).unwrap();
        assert_eq!(get(&mut vault, &id), Ok(json!("three")));
        assert_eq!(get(&mut vault, &previous), Ok(json!("two")));

        call(&mut vault, "DeleteSecret", &id).unwrap();
        assert_eq!(get(&mut vault, &id), Err("InvalidRequestException"));
        let again = create(&mut vault, "magpie/demo", "one", TOKEN);
        assert_eq!(again, Err("InvalidRequestException"));
        let force = json!({ "SecretId": "magpie/demo", "ForceDeleteWithoutRecovery": true });
        for _ in 0..2 {
            call(&mut vault, "DeleteSecret", &force).unwrap();
        }
        assert_eq!(get(&mut vault, &id), Err("ResourceNotFoundException"));
        assert_eq!(vault.calls["DeleteSecret"], 3);
    }

    #[test]
    fn what_is_refused() {
        let mut vault = Vault::default();
        let mut check = |operation: &str, body: Value, code: &str| {
            assert_eq!(
                call(&mut vault, operation, &body),
                Err(code),
                "{operation} {body}"
            );
        };
        let token = TOKEN;
        check("ListSecrets", json!({}), "UnknownOperationException");
        check("GetSecretValue", json!([]), "SerializationException");
        check("GetSecretValue", json!({}), "ValidationException");
        check(
            "GetSecretValue",
            json!({ "SecretId": 1 }),
            "SerializationException",
        );
        check(
            "GetSecretValue",
            json!({ "SecretId": "a", "Secret": 1 }),
            "ValidationException",
        );
        check(
            "CreateSecret",
            json!({ "Name": "a b", "SecretString": "x", "ClientRequestToken": token }),
            "ValidationException",
        );
        check(
            "CreateSecret",
            json!({ "Name": "a", "SecretString": "x".repeat(VALUE_LIMIT + 1), "ClientRequestToken": token }),
            "ValidationException",
        );
        check(
            "CreateSecret",
            json!({ "Name": "a", "SecretString": "x", "ClientRequestToken": "short" }),
            "ValidationException",
        );
        check(
            "DeleteSecret",
            json!({ "SecretId": "a", "RecoveryWindowInDays": 3 }),
            "InvalidParameterException",
        );
        check(
            "DeleteSecret",
            json!({ "SecretId": "a", "RecoveryWindowInDays": 7, "ForceDeleteWithoutRecovery": true }),
            "InvalidParameterException",
        );
    }

    #[test]
    fn unsigned_calls_are_refused() {
        let mut vault = Vault::default();
        let mut check = |name: &'static str, value: Option<&str>, code: &str| {
            let mut headers = headers("GetSecretValue");
            match value {
                Some(value) => headers.insert(name, value.parse().unwrap()),
                None => headers.remove(name),
            };
            let Refusal(said, _) = vault.answer(&headers, b"{}").unwrap_err();
            assert_eq!(said, code, "{name}: {value:?}");
        };
        check("authorization", None, "MissingAuthenticationTokenException");
        check(
            "authorization",
            Some("Bearer x"),
            "IncompleteSignatureException",
        );
        check("x-amz-date", None, "IncompleteSignatureException");
        check(
            "content-type",
            Some("application/json"),
            "UnknownOperationException",
        );
    }
}
