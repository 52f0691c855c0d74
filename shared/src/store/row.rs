//! Attributes of a row: short names, since every started kilobyte is paid for.

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;

use super::StoreError;
use crate::moment::Moment;

/// A row as the SDK hands it over.
pub(crate) type Row = HashMap<String, AttributeValue>;

/// A string attribute.
pub(crate) fn s(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

/// A number attribute.
pub(crate) fn n(number: impl std::fmt::Display) -> AttributeValue {
    AttributeValue::N(format!("{number}"))
}

/// A binary attribute.
pub(crate) fn b(bytes: Vec<u8>) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes))
}

/// Reads attributes; every miss names the attribute, never its value.
pub(crate) trait Read {
    /// A string that may be absent.
    fn text(&self, name: &'static str) -> Option<&str>;
    /// A string that must be there.
    fn need(&self, name: &'static str) -> Result<&str, StoreError>;
    /// A whole number that may be absent.
    fn number<T: std::str::FromStr>(&self, name: &'static str) -> Option<T>;
    /// A moment that must be there.
    fn moment(&self, name: &'static str) -> Result<Moment, StoreError>;
    /// A flag; absent is false.
    fn flag(&self, name: &'static str) -> bool;
    /// Bytes that must be there.
    fn bytes(&self, name: &'static str) -> Result<&[u8], StoreError>;
}

impl Read for Row {
    fn text(&self, name: &'static str) -> Option<&str> {
        self.get(name)?.as_s().ok().map(String::as_str)
    }

    fn need(&self, name: &'static str) -> Result<&str, StoreError> {
        self.text(name).ok_or(StoreError::Unreadable(name))
    }

    fn number<T: std::str::FromStr>(&self, name: &'static str) -> Option<T> {
        self.get(name)?.as_n().ok()?.parse().ok()
    }

    fn moment(&self, name: &'static str) -> Result<Moment, StoreError> {
        self.number(name)
            .map(Moment::from_millis)
            .ok_or(StoreError::Unreadable(name))
    }

    fn flag(&self, name: &'static str) -> bool {
        self.get(name).is_some_and(|v| v.as_bool() == Ok(&true))
    }

    fn bytes(&self, name: &'static str) -> Result<&[u8], StoreError> {
        self.get(name)
            .and_then(|v| v.as_b().ok())
            .map(Blob::as_ref)
            .ok_or(StoreError::Unreadable(name))
    }
}
