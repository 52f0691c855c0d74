//! What a message costs in steady state, as the engine counts it.

use magpie::channel::{CallbackMode, DeskSettings};
use magpie::store::Units;

use crate::shop::{Shop, at, webhook_desk};
use crate::tables::Tables;

/// What people write.
const CHAT: [&str; 4] = [
    "好的，我明天下午三点到店里取，可以吗？",
    "Is the blue one still in stock? I would like two of them, size 42.",
    "谢谢！",
    "订单号是 20261122-0093，昨天付的款，一直没有发货，麻烦帮我查一下，急用。",
];

/// Words that make a row of nearly a kilobyte, and hardly shrink.
fn long() -> String {
    let mut state = 5_u32;
    let words = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from_u32(0x4e00 + (state >> 16) % 0x5000).unwrap()
    });
    words.take(225).collect()
}

/// What inbound and outbound messages with these words cost at the most, after
/// the conversation has gone on for a while.
async fn cost(desk: DeskSettings, words: &[String]) -> (Units, Units) {
    let store = Tables::new().await.into_store();
    let answers = matches!(desk, DeskSettings::Webhook { .. });
    let shop = Shop::open(store, desk, CallbackMode::Plain).await;
    let (mut inbound, mut outbound) = (Units::default(), Units::default());
    for round in 0..12_u64 {
        let words = &words[usize::try_from(round).unwrap() % words.len()];
        let before = shop.bridge.store.spent();
        assert_eq!(shop.say("oAnn", round, words).await.status(), 200);
        shop.deliver().await;
        let said = shop.bridge.store.spent();
        let mut answered = said;
        if answers {
            let customer = shop.customer("oAnn").await;
            let begins = shop.bridge.store.spent();
            let id = format!("msg_{round}");
            assert_eq!(shop.answer(&id, &customer, words).await.status(), 202);
            shop.deliver().await;
            answered = shop.bridge.store.spent() - begins;
        }
        // The first rounds open the session and fill the caches.
        if round >= 3 {
            inbound = most(inbound, said - before);
            outbound = most(outbound, answered);
        }
    }
    let at = at("oAnn");
    for lane in [magpie::journal::Lane::In, magpie::journal::Lane::Out] {
        let entries = shop.journal(&at, lane).await;
        assert!(entries.iter().all(|entry| entry.state.ended()));
    }
    (inbound, outbound)
}

fn most(one: Units, other: Units) -> Units {
    Units {
        write: one.write.max(other.write),
        read: one.read.max(other.read),
    }
}

#[tokio::test]
async fn a_chat_message_costs_two_and_one_and_its_answer_three_and_two_and_a_half() {
    let (inbound, outbound) = cost(webhook_desk(), &CHAT.map(str::to_owned)).await;
    assert!(
        inbound.write <= 2.0 && inbound.read <= 1.0,
        "inbound {inbound:?}"
    );
    assert!(
        outbound.write <= 3.0 && outbound.read <= 2.5,
        "outbound {outbound:?}"
    );
}

#[tokio::test]
async fn the_inbox_adds_three_writes_to_a_message() {
    let (inbound, _) = cost(DeskSettings::Inbox, &CHAT.map(str::to_owned)).await;
    assert!(
        inbound.write <= 5.0 && inbound.read <= 1.0,
        "inbound {inbound:?}"
    );
}

/// An inbound look reads eight rows first and pays for each four kilobytes of
/// them; where only windows count fewer are read.
#[tokio::test]
async fn rows_of_nearly_a_kilobyte_cost_one_unit_more_to_deliver_and_none_to_answer() {
    let words = long();
    let tables = Tables::new().await;
    let entry = crate::made::message(1, "1", &words);
    tables.put_entry(&at("oAnn"), &entry, None).await.unwrap();
    let row = tables
        .row(at("oAnn").as_str(), entry.key.as_str())
        .await
        .unwrap();
    let size: usize = row
        .iter()
        .map(|(name, value)| {
            let value = match value.as_b() {
                Ok(bytes) => bytes.as_ref().len(),
                Err(other) => format!("{other:?}").len() - 5,
            };
            name.len() + value
        })
        .sum();
    let (inbound, outbound) = cost(webhook_desk(), &[words]).await;
    let message = format!("rows of about {size} bytes: inbound {inbound:?}, outbound {outbound:?}");
    assert!(inbound.write <= 2.0 && inbound.read <= 2.0, "{message}");
    assert!(outbound.write <= 3.0 && outbound.read <= 2.5, "{message}");
}
