//! Conversations that begin on one machine and go on in a stack: `magpie export`.
//!
//! `MAGPIE_TEST_DYNAMODB` and `MAGPIE_TEST_SECRETS` name other engines than ours
//! for the stack to stand on.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first thing that is not as it has to be"
)]

#[path = "world/cloud.rs"]
mod cloud;
#[path = "harness/mod.rs"]
mod harness;
#[path = "world/lambda.rs"]
mod lambda;
#[path = "world/machine.rs"]
mod machine;
#[path = "world/moved.rs"]
mod moved;
#[path = "world/mod.rs"]
mod world;

use cloud::Cloud;
use harness::process::{Outputs, Process};
use magpie_local::simulator::Mode;
use moved::Moved as Form;
use serde_json::{Value, json};
use world::{Shop, WINDOW, World};

/// What is said of a stack that is new: the template has made it a pepper.
const FRESH: [&str; 1] = ["--replace-pepper"];

/// Lets a stack do all that it does by itself, until something is done.
async fn while_it_lives<T>(cloud: &Cloud, what: impl Future<Output = T>) -> T {
    let mut what = std::pin::pin!(what);
    let mut beat = tokio::time::interval(std::time::Duration::from_millis(20));
    loop {
        tokio::select! {
            done = &mut what => return done,
            _ = beat.tick() => {
                cloud.pump().await;
                let tick = json!({ "source": "magpie.sweep" });
                cloud.invoke("sweep", tick).await.unwrap();
            }
        }
    }
}

/// Suspends a shop, or lets it go on.
async fn suspend(shop: &Shop<'_>, suspended: bool) {
    let mut settings = shop.settings().await;
    settings["suspended"] = suspended.into();
    shop.puts(settings).await;
}

#[tokio::test]
async fn conversations_go_on_in_the_stack() {
    let world = World::start().await;
    let shop = world.shop_with_inbox(Mode::Secure).await;
    let customer = shop.customer("Han Meimei");
    customer.says("你好").await;
    let inbox = shop.conversation().await;
    let sixth = inbox.uses_up_the_window(&customer).await;
    // Two wait for a desk that is down, and both directions of a shop that is
    // suspended.
    let (other, desk) = world.shop_with_desk(Mode::Plain).await;
    let second = other.customer("Jim");
    desk.goes_down();
    let waiting = [world.markers().text(), world.markers().text()];
    for text in &waiting {
        second.says(text).await;
    }
    let asleep = world.shop_with_inbox(Mode::Compatible).await;
    let third = asleep.customer("Li Lei");
    third.says("你好").await;
    let talk = asleep.conversation().await;
    talk.shows("in", "你好", "delivered").await;
    suspend(&asleep, true).await;
    let (question, reply) = (world.markers().text(), world.markers().text());
    third.says(&question).await;
    talk.answers(&reply).await;
    world.parks(4).await;

    let cloud = Cloud::start().await;
    let moved = world.bridge();
    let (code, said) = moved.exports(&cloud, &[]).await;
    assert_eq!(code, 1);
    assert!(
        said.contains("another Magpie uses the data folder"),
        "{said}"
    );
    moved.stops().await;
    // The stack's functions are at work meanwhile.
    let (code, said) = while_it_lives(&cloud, moved.exports(&cloud, &FRESH)).await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("3 channels work there now"), "{said}");
    let (code, said) = moved.exports(&cloud, &[]).await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("nothing is left to do"), "{said}");
    let data = moved.machine.data();
    let start = [("MAGPIE_LISTEN", "127.0.0.1:0"), ("MAGPIE_DEMO", "0")];
    let (code, said) = moved.machine.command(&data, &[], &start).await;
    assert_eq!(code, 1);
    assert!(said.contains("was moved to AWS"), "{said}");

    moved.lives_in(cloud).await;
    assert_eq!(inbox.history().await.len(), 1 + WINDOW + 1);
    desk.comes_back();
    world.later().await;
    desk.hears(&world, "session.opened").await;
    for text in &waiting {
        desk.hears_message(&world, text).await;
    }
    customer.says("在吗").await;
    customer.sees(&sixth).await;
    inbox.shows("out", &sixth, "delivered").await;
    third.sees_nothing_yet();
    suspend(&asleep, false).await;
    world.later().await;
    talk.shows("in", &question, "delivered").await;
    third.sees(&reply).await;
    // Who wrote here is the same there, and new ones are welcome.
    second.says("还在").await;
    desk.hears_message(&world, "还在").await;
    let newcomer = other.customer("Wang Wu");
    newcomer.says("你好").await;
    desk.hears(&world, "session.opened").await;
    desk.hears_message(&world, "你好").await;
    world.close().await;
}

#[tokio::test]
async fn a_move_that_was_killed_is_finished_by_another() {
    let world = World::start().await;
    let (shop, desk) = world.shop_with_desk(Mode::Secure).await;
    let customer = shop.customer("Han Meimei");
    customer.says("你好").await;
    desk.hears(&world, "session.opened").await;
    desk.hears_message(&world, "你好").await;
    desk.goes_down();
    let waiting: Vec<_> = (0..5).map(|_| world.markers().text()).collect();
    for text in &waiting {
        customer.says(text).await;
    }
    world.parks(1).await;
    let moved = world.bridge();
    moved.stops().await;
    let cloud = Cloud::start().await;
    let data = moved.machine.data();
    for needle in ["looking at", "control:", "messages:", "counting", "sages: "] {
        let outputs = Outputs::default();
        let mut settings = moved::settings(&cloud);
        settings.push(("MAGPIE_DATA", data.to_str().unwrap()));
        let program = machine::program();
        let arguments = ["export", "--replace-pepper"];
        let export = Process::start(&outputs, "export", &program, arguments, settings).unwrap();
        assert!(export.printed(needle).await.is_some(), "{needle}");
        export.kill();
        cloud.pump().await;
    }
    let (code, said) = while_it_lives(&cloud, moved.exports(&cloud, &FRESH)).await;
    assert_eq!(code, 0, "{said}");
    moved.lives_in(cloud).await;
    desk.comes_back();
    world.later().await;
    for text in &waiting {
        desk.hears_message(&world, text).await;
    }
    world.close().await;
}

#[tokio::test]
async fn a_stack_of_somebody_else_stays_as_it_is() {
    let world = World::start().await;
    let shop = world.shop_with_inbox(Mode::Plain).await;
    let customer = shop.customer("Han Meimei");
    customer.says("你好").await;
    let moved = world.bridge();
    shop.conversation()
        .await
        .shows("in", "你好", "delivered")
        .await;
    moved.stops().await;
    let refused = async |cloud: &Cloud, flags: &[&str], words: &str| {
        let (code, said) = moved.exports(cloud, flags).await;
        assert_eq!(code, 1, "{said}");
        assert!(said.contains(words), "{words}: {said}");
    };

    // Nothing is written to a stack with another pepper, unless that is said.
    let theirs = Cloud::start().await;
    refused(&theirs, &[], "say --replace-pepper").await;
    for table in [&theirs.messages, &theirs.control] {
        assert_eq!(theirs.tables().all(table), Vec::<Value>::new());
    }
    assert_eq!(theirs.secrets.names().len(), 1, "the pepper");
    assert!(!moved.machine.data().join("exported").exists());
    // And nothing helps where somebody may live with it.
    let somebody = json!({ "pk": { "S": "U#somebody" }, "sk": { "S": "J" } });
    let (tables, name) = (theirs.tables(), &theirs.messages);
    tables.set(name, &somebody, "cid", &json!({ "S": "x" }));
    let before = tables.all(name);
    refused(&theirs, &FRESH, "rows in its tables").await;
    assert_eq!(tables.all(name), before);
    assert_eq!(theirs.secrets.names().len(), 1);

    // A row that is another one there: nothing is written over it.
    let cloud = Cloud::start().await;
    let (code, said) = moved.exports(&cloud, &FRESH).await;
    assert_eq!(code, 0, "{said}");
    let (tables, name) = (cloud.tables(), &cloud.messages);
    let before = tables.all(name);
    let entry = before.iter().find(|row| !row["st"].is_null()).unwrap();
    tables.set(name, entry, "st", &json!({ "S": "x" }));
    let changed = tables.all(name);
    let words = "1 of messages and 0 of control";
    refused(&cloud, &["--again"], words).await;
    assert_eq!(tables.all(name), changed);
    // Nor is the folder moved to a second stack, unless that is said.
    refused(&theirs, &[], "was moved to another stack").await;
    let fresh = Cloud::start().await;
    let (code, said) = moved.exports(&fresh, &["--again", FRESH[0]]).await;
    assert_eq!(code, 0, "{said}");
    assert_eq!(fresh.tables().all(&fresh.messages).len(), before.len());
    for cloud in [theirs, cloud] {
        cloud.markers.watch("open id", "no open id has such a form");
        cloud.close();
    }
    moved.lives_in(fresh).await;
    world.close().await;
}
