//! The conversations over the one program of one machine.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first thing that is not as it has to be"
)]

#[path = "conversation.rs"]
mod conversation;
#[path = "harness/mod.rs"]
mod harness;
#[path = "world/machine.rs"]
mod machine;
#[path = "world/mod.rs"]
mod world;

use harness::engine::Engine;
use http::StatusCode;
use machine::Machine as Form;
use world::World;

#[tokio::test]
async fn over_an_engine_that_somebody_else_serves() {
    let machine = Form::over(Some(Engine::start().unwrap())).await;
    assert!(!machine.has_a_store(), "it needs none of its own");
    let world = World::around(machine).await;
    let health = world.http.get(world.at("/healthz")).send().await.unwrap();
    assert_eq!(health.status(), StatusCode::OK);
    conversation::there_and_back(world).await;
}

/// The transaction by which an answer rides, by another engine.
#[tokio::test]
async fn a_ride_over_an_engine_that_somebody_else_serves() {
    let machine = Form::over(Some(Engine::start().unwrap())).await;
    conversation::greetings_and_a_ride(World::around(machine).await).await;
}
