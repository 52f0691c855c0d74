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
use magpie_local::simulator::{MediaKind, Mode};

#[tokio::test]
async fn files_pass_through_little_memory() {
    let world = world::World::start().await;
    let (shop, desk) = world.shop_with_desk(Mode::Secure).await;
    let deliver = world.bridge().cloud().function("deliver").clone();
    let customer = shop.customer("Han Meimei");
    customer.says("你好").await;
    desk.hears_a_beginning(&world, "你好").await;
    for _ in 0..3 {
        let photo = conversation::picture(10 << 20);
        customer.sends(MediaKind::Image, "photo.jpg", &photo).await;
        let news = desk.hears(&world, "message.created").await;
        assert_eq!(news["message"]["media"]["size"], photo.len());
    }
    if let Some(peak) = deliver.peak_memory() {
        assert!(peak < 64 << 20, "{peak} bytes were resident");
    }
    let objects = world.bridge().cloud().bucket.objects();
    let tags: Vec<_> = objects
        .values()
        .map(|object| object.tags.as_str())
        .collect();
    assert_eq!(tags, ["keep=30"; 3]);
    world.close().await;
}
