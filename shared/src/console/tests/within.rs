//! A channel that is set by a program in this process.

use serde_json::json;

use super::super::within::{body_of, set_channel};
use crate::channel::{Channel, DeskSettings};
use crate::message::ChannelId;
use crate::testing::Stage;

#[tokio::test(start_paused = true)]
async fn a_body_made_of_a_channel_changes_nothing_of_it() {
    let stage = Stage::new().await;
    let url = "https://desk.example.com/in".to_owned();
    for (id, desk) in [
        ("demo", DeskSettings::Inbox),
        ("far-desk", DeskSettings::Webhook { url }),
    ] {
        let channel = stage.connect(id, desk).await;
        let before = stage.bridge.secrets.channel(&channel.id).await.unwrap();
        let set = set_channel(&stage.bridge, &channel.id, body_of(&channel));
        let secrets = set.await.unwrap();
        let after = stage.bridge.store.channel(&channel.id).await.unwrap();
        let expected = Channel {
            revision: 2,
            ..channel
        };
        assert_eq!(after, Some(expected));
        let kept = before.map(|before| (before.token, before.app_secret));
        assert_eq!(kept, Some((secrets.token, secrets.app_secret)));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_is_told_in_words() {
    let stage = Stage::new().await;
    let id = ChannelId::parse("demo").unwrap();
    let mut channel = body_of(&stage.connect("other", DeskSettings::Inbox).await);
    channel.insert("callback".to_owned(), json!({ "mode": "plain" }));
    let refused = set_channel(&stage.bridge, &id, channel.clone()).await;
    let words = "the channel cannot be set: callback.token: it is missing.";
    assert_eq!(refused.unwrap_err().to_string(), words);
    let callback = json!({ "mode": "plain", "token": "abc" });
    channel.insert("callback".to_owned(), callback);
    let refused = set_channel(&stage.bridge, &id, channel).await;
    let words = refused.unwrap_err().to_string();
    assert!(words.contains("connected already"), "{words}");
}
