//! The fields of a body in JSON, read strictly: every problem is collected, a
//! field that nobody asked for is one. Values are in no message.

use std::collections::BTreeMap;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};

use super::problem::{Fault, Problem, Refusal};

/// The longest body that is read, in bytes.
const MAX_BODY: usize = 64 * 1024;
/// How much of a name that a caller made up is repeated, in characters.
const NAME_SHOWN: usize = 64;

/// A field that may keep what is stored.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Secret<T> {
    /// It is not there: what is stored stays.
    Kept,
    /// It is null: what is stored goes.
    Removed,
    /// It is there.
    Given(T),
}

impl<T> Secret<T> {
    /// What is stored from now on.
    pub(super) fn over(self, stored: Option<T>) -> Option<T> {
        match self {
            Self::Kept => stored,
            Self::Removed => None,
            Self::Given(new) => Some(new),
        }
    }
}

/// A whole number; `30.0` is one too, as JSON Schema has it.
fn whole(number: &Value) -> Option<u32> {
    // Written out it has no fraction then. Adding nothing makes a 0 of -0.
    (number.as_f64()? + 0.0).to_string().parse().ok()
}

/// The fields of one object.
#[derive(Clone)]
pub(super) struct Fields {
    path: String,
    left: Map<String, Value>,
    faults: Vec<Fault>,
}

impl Fields {
    /// Reads a body: an object in JSON of at most 64 KiB.
    pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, Refusal> {
        if body.len() > MAX_BODY {
            let (zh, en) = ("内容超过 64 KiB。", "The body is longer than 64 KiB.");
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", zh, en).into());
        }
        let kind = headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .map(|value| value.trim().to_ascii_lowercase());
        if kind.as_deref() != Some("application/json") {
            let (zh, en) = (
                "内容必须是 application/json。",
                "The body must be application/json.",
            );
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(Problem::new(status, "not_json", zh, en).into());
        }
        if let Ok(Value::Object(left)) = serde_json::from_slice(body) {
            return Ok(Self::of(left));
        }
        let (zh, en) = ("内容不是 JSON 对象。", "The body is no object in JSON.");
        Err(Problem::new(StatusCode::BAD_REQUEST, "not_json", zh, en).into())
    }

    /// The fields of an object that was made here.
    pub(super) fn of(left: Map<String, Value>) -> Self {
        Self {
            path: String::new(),
            left,
            faults: Vec::new(),
        }
    }

    /// Notes what is wrong with a field.
    pub(super) fn fault(&mut self, name: &str, zh: &'static str, en: &'static str) {
        let field = format!("{}{name}", self.path);
        self.faults.push(Fault::new(field, zh, en));
    }

    /// Whether something was noted of a field.
    pub(super) fn is_faulty(&self, name: &str) -> bool {
        let field = format!("{}{name}", self.path);
        self.faults.iter().any(|fault| fault.field == field)
    }

    fn missing(&mut self, name: &str) {
        self.fault(name, "缺少此字段", "it is missing");
    }

    /// A text; `None` if it is absent or null.
    pub(super) fn maybe_text(&mut self, name: &str) -> Option<String> {
        match self.left.remove(name) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text),
            Some(_) => {
                self.fault(name, "应为字符串", "it must be a string");
                None
            }
        }
    }

    /// A text that must be there. `None` is noted.
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        self.needed(name, |fields| fields.maybe_text(name))
    }

    /// What `take` has to find under this name. `None` is noted, unless it was.
    fn needed<T>(&mut self, name: &str, take: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let before = self.faults.len();
        let taken = take(self);
        if taken.is_none() && self.faults.len() == before {
            self.missing(name);
        }
        taken
    }

    /// A text that `read` makes sense of; otherwise `zh` and `en` say what
    /// would be right.
    pub(super) fn parsed<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&str) -> Option<T>,
        zh: &'static str,
        en: &'static str,
    ) -> Option<T> {
        self.needed(name, |fields| fields.maybe_parsed(name, read, zh, en))
    }

    /// The same of a text that may be absent.
    pub(super) fn maybe_parsed<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&str) -> Option<T>,
        zh: &'static str,
        en: &'static str,
    ) -> Option<T> {
        let read = read(&self.maybe_text(name)?);
        if read.is_none() {
            self.fault(name, zh, en);
        }
        read
    }

    /// A flag; false if it is absent.
    pub(super) fn flag(&mut self, name: &str) -> bool {
        match self.left.remove(name) {
            None | Some(Value::Null) => false,
            Some(Value::Bool(flag)) => flag,
            Some(_) => {
                self.fault(name, "应为 true 或 false", "it must be true or false");
                false
            }
        }
    }

    /// Takes this where a field is absent or null.
    pub(super) fn or(&mut self, name: &str, value: impl Into<Value>) {
        let field = self.left.entry(name).or_insert(Value::Null);
        if field.is_null() {
            *field = value.into();
        }
    }

    /// A whole number within limits, or its default if it is absent.
    pub(super) fn number(
        &mut self,
        name: &str,
        range: std::ops::RangeInclusive<u32>,
        default: u32,
    ) -> u32 {
        let number = match self.left.remove(name) {
            None | Some(Value::Null) => return default,
            Some(value) => whole(&value),
        };
        if let Some(number) = number.filter(|number| range.contains(number)) {
            return number;
        }
        let (low, high) = (range.start(), range.end());
        let field = format!("{}{name}", self.path);
        self.faults.push(Fault::new(
            field,
            format!("应为 {low} 到 {high} 之间的整数"),
            format!("it must be a whole number from {low} to {high}"),
        ));
        default
    }

    /// Whole numbers within limits, at most so many; none if the list is absent.
    pub(super) fn numbers(
        &mut self,
        name: &str,
        range: std::ops::RangeInclusive<u32>,
        most: usize,
    ) -> Vec<u32> {
        let values = match self.left.remove(name) {
            None | Some(Value::Null) => return Vec::new(),
            Some(Value::Array(values)) if values.len() <= most => values,
            Some(_) => Vec::from([Value::Null]),
        };
        let numbers: Option<Vec<u32>> = values
            .iter()
            .map(|value| whole(value).filter(|number| range.contains(number)))
            .collect();
        numbers.unwrap_or_else(|| {
            let (low, high) = (range.start(), range.end());
            self.faults.push(Fault::new(
                format!("{}{name}", self.path),
                format!("应为 {low} 到 {high} 之间的整数列表，最多 {most} 个"),
                format!("it must be a list of at most {most} whole numbers from {low} to {high}"),
            ));
            Vec::new()
        })
    }

    /// A secret text that `read` checks.
    pub(super) fn secret(
        &mut self,
        name: &str,
        read: impl FnOnce(&str) -> bool,
        zh: &'static str,
        en: &'static str,
    ) -> Secret<String> {
        match self.left.remove(name) {
            None => Secret::Kept,
            Some(Value::Null) => Secret::Removed,
            Some(Value::String(text)) if read(text.trim()) => Secret::Given(text.trim().to_owned()),
            Some(_) => {
                self.fault(name, zh, en);
                Secret::Kept
            }
        }
    }

    /// Secret texts.
    pub(super) fn secrets(&mut self, name: &str) -> Secret<Vec<String>> {
        let texts = match self.left.remove(name) {
            None => return Secret::Kept,
            Some(Value::Null) => return Secret::Removed,
            Some(Value::Array(values)) => values
                .into_iter()
                .map(|value| match value {
                    Value::String(text) => Some(text),
                    _ => None,
                })
                .collect::<Option<Vec<_>>>(),
            Some(_) => None,
        };
        texts.map_or_else(
            || {
                self.fault(name, "应为字符串列表", "it must be a list of strings");
                Secret::Kept
            },
            Secret::Given,
        )
    }

    /// An object that must be there. Its problems come back by [`Self::close`].
    pub(super) fn object(&mut self, name: &str) -> Self {
        let left = match self.left.remove(name) {
            Some(Value::Object(left)) => left,
            None | Some(Value::Null) => {
                self.missing(name);
                Map::new()
            }
            Some(_) => {
                self.fault(name, "应为对象", "it must be an object");
                Map::new()
            }
        };
        Self {
            path: format!("{}{name}.", self.path),
            left,
            faults: Vec::new(),
        }
    }

    /// An object that may be absent or null. Its problems come back by [`Self::close`].
    pub(super) fn maybe_object(&mut self, name: &str) -> Option<Self> {
        match self.left.get(name) {
            None => None,
            Some(Value::Null) => {
                self.left.remove(name);
                None
            }
            Some(_) => Some(self.object(name)),
        }
    }

    /// Texts by their names; none if the object is absent.
    pub(super) fn texts(&mut self, name: &str) -> BTreeMap<String, String> {
        let mut texts = BTreeMap::new();
        if let Some(mut object) = self.maybe_object(name) {
            for key in object.names() {
                texts.extend(object.text(&key).map(|text| (key, text)));
            }
            self.close(object);
        }
        texts
    }

    /// A list of objects that must be there. The problems of each come back by
    /// [`Self::close`]. `None` is noted.
    pub(super) fn objects(&mut self, name: &str) -> Option<Vec<Self>> {
        self.needed(name, |fields| {
            let values = match fields.left.remove(name) {
                None | Some(Value::Null) => return None,
                Some(Value::Array(values)) => values,
                Some(_) => Vec::from([Value::Null]),
            };
            let objects = values
                .into_iter()
                .enumerate()
                .map(|(at, value)| match value {
                    Value::Object(left) => Some(Self {
                        path: format!("{}{name}.{at}.", fields.path),
                        left,
                        faults: Vec::new(),
                    }),
                    _ => None,
                });
            let objects: Option<Vec<_>> = objects.collect();
            if objects.is_none() {
                fields.fault(name, "应为对象列表", "it must be a list of objects");
            }
            objects
        })
    }

    /// The names that nobody has asked for yet.
    pub(super) fn names(&self) -> Vec<String> {
        self.left.keys().cloned().collect()
    }

    /// Leaves all fields unread: nobody can say whether they are right.
    pub(super) fn pass_over_all(&mut self) {
        self.left.clear();
    }

    /// All fields, for a reader of its own.
    pub(super) fn unread(self) -> Map<String, Value> {
        self.left
    }

    /// Leaves fields unread of which nobody can say whether they are right.
    pub(super) fn pass_over(&mut self, names: &[&str]) {
        for name in names {
            self.left.remove(*name);
        }
    }

    /// Takes over the problems of an object of ours. The missing fields of an
    /// object that is itself missing are no news.
    pub(super) fn close(&mut self, object: Self) {
        let name = object.path.trim_end_matches('.').to_owned();
        let gone = self.faults.iter().any(|fault| fault.field == name);
        if !gone {
            self.faults.extend(object.all());
        }
    }

    fn all(mut self) -> Vec<Fault> {
        for name in self.left.keys() {
            let shown: String = name.chars().take(NAME_SHOWN).collect();
            let field = format!("{}{shown}", self.path);
            self.faults
                .push(Fault::new(field, "未知字段", "there is no such field"));
        }
        self.faults
    }

    /// Ends the reading: all problems, if there is one.
    pub(super) fn done(self) -> Result<(), Refusal> {
        let faults = self.all();
        if faults.is_empty() {
            Ok(())
        } else {
            Err(Problem::fields(faults).into())
        }
    }
}
