//! The conversations over the Lambda binaries.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first thing that is not as it has to be"
)]

#[path = "world/cloud.rs"]
mod cloud;
#[path = "conversation.rs"]
mod conversation;
#[path = "harness/mod.rs"]
mod harness;
#[path = "world/lambda.rs"]
mod lambda;
#[path = "world/mod.rs"]
mod world;

use lambda::Lambda as Form;
