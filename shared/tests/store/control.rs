//! Channels and what belongs to them.

use futures_util::future::join_all;
use magpie::store::control::Created;

use crate::made::{after, channel, channel_id};
use crate::tables::Tables;

#[tokio::test]
async fn an_account_is_connected_once() {
    let tables = Tables::new().await;
    let mut other_app = channel("shop-d", "1");
    other_app.app_id = "wx9".to_owned();
    let mut other_original = channel("shop-e", "1");
    other_original.original_id = "gh_9".to_owned();
    for (channel, expected) in [
        (channel("shop-a", "1"), Created::New),
        (channel("shop-a", "1"), Created::IdTaken),
        (channel("shop-a", "2"), Created::IdTaken),
        (channel("shop-b", "1"), Created::AccountTaken),
        (other_app, Created::AccountTaken),
        (other_original, Created::AccountTaken),
        (channel("shop-b", "2"), Created::New),
        // What a refusal had put besides is not there.
        (channel("shop-d", "9"), Created::New),
    ] {
        let created = tables.create_channel(&channel).await.unwrap();
        assert_eq!(created, expected, "{} {}", channel.id, channel.app_id);
    }
    let ids = tables.channel_ids().await.unwrap();
    assert_eq!(ids, ["shop-a", "shop-b", "shop-d"].map(channel_id));
    let stored = tables.channel(&channel_id("shop-a")).await.unwrap();
    assert_eq!(stored, Some(channel("shop-a", "1")));
    assert_eq!(tables.channel(&channel_id("shop-e")).await.unwrap(), None);
}

#[tokio::test]
async fn of_many_who_connect_an_account_at_once_one_does() {
    let tables = Tables::new().await;
    let channels: Vec<_> = (0..8).map(|n| channel(&format!("shop-{n}"), "1")).collect();
    let created = join_all(
        channels
            .iter()
            .map(|channel| tables.create_channel(channel)),
    )
    .await;
    // A transaction may also be refused because another is under way.
    let new = |created: &Result<Created, _>| matches!(created, Ok(Created::New));
    assert_eq!(created.iter().filter(|created| new(created)).count(), 1);
    assert_eq!(tables.channel_ids().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_change_on_a_stale_copy_is_refused() {
    let tables = Tables::new().await;
    let mut ours = channel("shop-a", "1");
    let mut change = async |revision, name: &str| {
        ours.revision = revision;
        ours.name = name.to_owned();
        tables.update_channel(&ours).await.unwrap()
    };
    assert!(!change(2, "unknown").await);
    tables
        .create_channel(&channel("shop-a", "1"))
        .await
        .unwrap();
    assert!(change(2, "one").await);
    assert!(!change(2, "two").await);
    assert!(!change(4, "three").await);
    assert!(change(3, "four").await);
    let stored = tables
        .channel(&channel_id("shop-a"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!((stored.name.as_str(), stored.revision), ("four", 3));
}

#[tokio::test]
async fn a_retired_channel_lets_its_account_go() {
    let tables = Tables::new().await;
    let mut old = channel("shop-a", "1");
    tables.create_channel(&old).await.unwrap();
    old.deleted = true;
    assert!(
        !tables.retire_channel(&old, after(1)).await.unwrap(),
        "a stale copy"
    );
    let next = channel("shop-b", "1");
    assert_eq!(
        tables.create_channel(&next).await.unwrap(),
        Created::AccountTaken
    );
    old.revision = 2;
    assert_eq!(tables.retired(&old.id).await.unwrap(), None);
    assert!(tables.retire_channel(&old, after(2)).await.unwrap());
    assert_eq!(tables.retired(&old.id).await.unwrap(), Some(after(2)));
    assert_eq!(tables.create_channel(&next).await.unwrap(), Created::New);
    let stored = tables.channel(&old.id).await.unwrap();
    assert_eq!(
        stored,
        Some(old.clone()),
        "it is there until its bodies are gone"
    );
    assert_eq!(tables.channel_ids().await.unwrap().len(), 2);
    // Whoever retires it again takes nothing from its successor.
    old.revision = 3;
    assert!(!tables.retire_channel(&old, after(3)).await.unwrap());
    assert_eq!(
        tables
            .create_channel(&channel("shop-c", "1"))
            .await
            .unwrap(),
        Created::AccountTaken
    );

    tables.open_breaker(&old.id, after(1)).await.unwrap();
    tables.forget_channel(&old.id).await.unwrap();
    tables.forget_channel(&old.id).await.unwrap();
    assert_eq!(tables.channel(&old.id).await.unwrap(), None);
    assert_eq!(tables.breaker(&old.id).await.unwrap(), None);
    assert_eq!(tables.channel_ids().await.unwrap(), [next.id]);
}

#[tokio::test]
async fn an_open_breaker_has_one_probe_a_minute() {
    let tables = Tables::new().await;
    let id = channel_id("shop-a");
    assert_eq!(tables.breaker(&id).await.unwrap(), None);
    assert!(!tables.take_probe(&id, after(0), after(60)).await.unwrap());
    assert_eq!(
        tables.breaker(&id).await.unwrap(),
        None,
        "a probe opens nothing"
    );
    tables.open_breaker(&id, after(0)).await.unwrap();
    assert_eq!(tables.breaker(&id).await.unwrap(), Some(after(0)));
    let probes = join_all((0..8).map(|_| tables.take_probe(&id, after(0), after(60)))).await;
    assert_eq!(
        probes
            .into_iter()
            .filter(|probe| *probe.as_ref().unwrap())
            .count(),
        1
    );
    assert_eq!(tables.breaker(&id).await.unwrap(), Some(after(60)));
    tables.close_breaker(&id).await.unwrap();
    tables.close_breaker(&id).await.unwrap();
    assert_eq!(tables.breaker(&id).await.unwrap(), None);
}
