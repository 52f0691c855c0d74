//! State: two `DynamoDB` tables, whoever answers for them.
//!
//! Invariant: there is one implementation of every query, the SDK's. On one
//! machine an engine in this process answers it ([`embedded`]). A write that
//! decides something is conditional; nothing is read first and written after.
//!
//! The API: <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/>

mod answers;
mod attachments;
mod body;
mod call;
mod callers;
mod census;
pub mod control;
mod conversations;
#[cfg(feature = "embedded")]
pub mod embedded;
mod entries;
mod erase;
mod erasure;
#[cfg(feature = "embedded")]
mod group;
mod lanes;
mod lists;
pub(crate) mod network;
mod outcomes;
mod pushes;
mod qrcodes;
mod row;
mod seen;
mod sessions;
pub mod shape;
#[cfg(feature = "embedded")]
pub mod snapshot;
pub mod tables;
mod token;
pub mod transfer;
mod uploads;
mod walk;

use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::ConsumedCapacity;

pub use answers::Said;
pub use attachments::Attached;
pub use callers::KeptCallers;
pub use census::ParkedLane;
pub use conversations::{Found, Snippet};
pub use entries::{Look, Put};
pub use erase::Erased;
pub use erasure::{Departed, Stage, Swept};
pub use lanes::{Park, Taken};
pub use lists::{BoardPage, DeadEntry, DeadPlace, Due, Page};
pub(crate) use network::credentials;
pub use network::{Https, client, fair_client, patient_client};
pub use outcomes::{Death, Holder};
pub use pushes::{Pushed, Ride};
pub use qrcodes::{Kept, QrcodePage};
pub use sessions::{Opened, Settled};
pub use token::{Lease, StoredToken};
pub use uploads::Upload;
pub use walk::{Waiting, WalkPlace};

/// The two tables and the client that reaches them.
#[derive(Debug)]
pub struct Store {
    client: Client,
    messages: String,
    control: String,
    spent: Spent,
}

/// What went wrong in the store. The text names the operation or the
/// attribute, never a value.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store did not answer, or refused for a reason that passes. The
    /// operation may have taken effect.
    #[error("the store did not carry out {operation}: {code}")]
    Unavailable {
        /// The operation.
        operation: &'static str,
        /// The engine's code, or what kept it from answering. No text of the
        /// engine's: that may repeat values.
        code: String,
        /// What the SDK said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A row that we cannot read: written by a newer version, or damaged.
    #[error("a row has no readable attribute {0}")]
    Unreadable(&'static str),
}

/// Capacity units spent so far, in thousandths.
#[derive(Debug, Default)]
struct Spent {
    write: AtomicU64,
    read: AtomicU64,
}

/// Capacity units.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Units {
    /// Write request units.
    pub write: f64,
    /// Read request units.
    pub read: f64,
}

impl std::ops::Sub for Units {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            write: self.write - before.write,
            read: self.read - before.read,
        }
    }
}

#[derive(Clone, Copy)]
enum Side {
    Write,
    Read,
}

impl Store {
    /// A store over these two tables.
    #[must_use]
    pub fn new(client: Client, messages: impl Into<String>, control: impl Into<String>) -> Self {
        Self {
            client,
            messages: messages.into(),
            control: control.into(),
            spent: Spent::default(),
        }
    }

    /// The capacity units that this process has spent, as the engine counts
    /// them; a failed condition counts as one write.
    #[must_use]
    pub fn spent(&self) -> Units {
        let units = |thousandths: &AtomicU64| {
            f64::from(u32::try_from(thousandths.load(Ordering::Relaxed)).unwrap_or(u32::MAX))
                / 1000.0
        };
        Units {
            write: units(&self.spent.write),
            read: units(&self.spent.read),
        }
    }

    fn count(&self, side: Side, capacity: Option<&ConsumedCapacity>) {
        let units = capacity.and_then(ConsumedCapacity::capacity_units);
        self.count_units(side, units.unwrap_or_default());
    }

    fn count_units(&self, side: Side, units: f64) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an operation costs a small, positive number of units"
        )]
        let thousandths = (units * 1000.0) as u64;
        let counter = match side {
            Side::Write => &self.spent.write,
            Side::Read => &self.spent.read,
        };
        counter.fetch_add(thousandths, Ordering::Relaxed);
    }
}

/// Wraps what the SDK said about this operation.
fn unavailable<E>(operation: &'static str) -> impl Fn(SdkError<E>) -> StoreError
where
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    move |error| StoreError::Unavailable {
        operation,
        code: code(&error),
        source: Box::new(error),
    }
}

/// The code of an AWS service's refusal, or what kept it from answering: fit
/// for a log, since neither carries a value.
pub(crate) fn code<E: ProvideErrorMetadata>(error: &SdkError<E>) -> String {
    let code = match error {
        SdkError::ConstructionFailure(_) => "no request could be made",
        SdkError::TimeoutError(_) => "no answer in time",
        SdkError::DispatchFailure(_) => "no connection",
        SdkError::ResponseError(_) => "an answer that cannot be read",
        _ => error.code().unwrap_or("a refusal without a code"),
    };
    code.to_owned()
}
