//! The verbs at the edge: what a handshake, a push and a desk's call are
//! answered with, and what is journalled of them.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first thing that is not as it has to be"
)]

mod callers;
mod desk_down;
mod erasure;
mod events;
mod inbound;
mod media;
mod notices;
mod outbound;
mod replies;
mod rich;
mod sends;
mod sessions;
#[path = "../shop/mod.rs"]
mod shop;
mod turns;
mod verify;
mod walk;

use magpie::store::Store;
use magpie::store::embedded::Engine;

/// An empty store in memory.
async fn store() -> Store {
    let client = Engine::in_memory().unwrap().client();
    let store = Store::new(client, "messages", "control");
    store.create_tables(false).await.unwrap();
    store
}
