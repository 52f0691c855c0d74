//! What the end-to-end scenarios stand on: the real binaries as processes,
//! and around them the parts of AWS that they meet, on loopback.
//!
//! | module | stands for |
//! |---|---|
//! | [`process`] | a started program and everything that it prints |
//! | [`runtime_api`] | Lambda: one event at a time, deadlines, restarts |
//! | [`emulator`] | nobody: it is AWS's own, around a built artefact |
//! | [`invoke_api`] | Lambda, when one function calls another |
//! | [`gateway`] | API Gateway's HTTP API, payload format 2.0 |
//! | [`secrets_manager`] | Secrets Manager, the calls that we make |
//! | [`bucket`] | S3, the calls that we make |
//! | [`engine`] | DynamoDB, and the stream's event source mapping |
//! | [`recorder`] | nobody: it notes what functions ask of AWS, for the policies |
//! | [`tables`], [`vault`], [`remote`] | nobody: an engine behind the programs' backs |
//! | [`rows`] | nobody: it looks into the journal, and lets time pass there |
//! | [`markers`] | nobody: it searches what was printed for what must not be |
//!
//! A test target includes it with `#[path = "…/tests/harness/mod.rs"] mod harness;`.

#![allow(dead_code, reason = "every target uses its own part of the harness")]
#![expect(
    clippy::unwrap_used,
    reason = "a harness that cannot go on fails the test that uses it"
)]

pub(crate) mod bucket;
mod emulator;
pub(crate) mod engine;
pub(crate) mod gateway;
pub(crate) mod invoke_api;
pub(crate) mod markers;
pub(crate) mod process;
pub(crate) mod recorder;
pub(crate) mod remote;
pub(crate) mod rows;
pub(crate) mod runtime_api;
pub(crate) mod secrets_manager;
pub(crate) mod tables;
pub(crate) mod vault;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// The account whose resources the fakes pretend to be.
pub(crate) const ACCOUNT: &str = "123456789012";
/// The region that every function is told it runs in.
pub(crate) const REGION: &str = "us-east-1";

/// Milliseconds since 1970: real time, since the binaries read the real clock.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where the harness reads the clock"
)]
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    since.as_millis().try_into().unwrap()
}

/// A version 4 UUID in shape, unique in this process and not meant to be guessed.
pub(crate) fn fresh_uuid() -> String {
    let (high, low) = (random(), random());
    let (time, rest) = (high >> 32, high & 0xffff_ffff);
    let version = 0x4000 | rest & 0x0fff;
    let variant = 0x8000 | low >> 48 & 0x3fff;
    let (middle, node) = (rest >> 16, low & 0xffff_ffff_ffff);
    format!("{time:08x}-{middle:04x}-{version:04x}-{variant:04x}-{node:012x}")
}

/// Random bits from the seed that the standard library takes from the system.
pub(crate) fn random() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    static CALLS: AtomicU64 = AtomicU64::new(0);
    RandomState::new().hash_one(CALLS.fetch_add(1, Ordering::Relaxed))
}
