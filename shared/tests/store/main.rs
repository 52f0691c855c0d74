//! The store, operation by operation: against the engine in this process, or,
//! if `MAGPIE_TEST_DYNAMODB` names an endpoint, the same tests against that.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first thing that is not as it has to be"
)]

mod capacity;
mod control;
mod conversations;
mod departed;
mod entries;
mod erased;
mod lanes;
mod lists;
mod made;
mod outcomes;
mod qrcodes;
mod seen;
#[path = "../shop/mod.rs"]
mod shop;
mod tables;
mod token;
