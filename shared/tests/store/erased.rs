//! What was erased stays away, whoever still writes about it.

use futures_util::FutureExt as _;
use magpie::journal::Lane;
use magpie::reason::Reason;
use magpie::store::{Death, Holder, Opened, Settled, Taken};

use crate::made::{
    after, ann, answer, at, claim, conversation, death, line, message, park, session, shop, snippet,
};
use crate::tables::Tables;

#[tokio::test]
async fn a_conversation_goes_with_everything_that_belongs_to_it() {
    let tables = Tables::new().await;
    let (ann, bob) = (at("oAnn"), at("oBob"));
    let (shop, window) = (shop(), message(0, "0", "").key);
    for (at, open_id, number) in [(&ann, "oAnn", 1), (&bob, "oBob", 2)] {
        let new = conversation(number, open_id);
        tables.begin(at, &new).await.unwrap();
        tables.link(at, &new, after(1)).await.unwrap();
        for number in 0..60 {
            let entry = message(number, &number.to_string(), "你好");
            tables.put_entry(at, &entry, None).await.unwrap();
        }
        tables
            .put_answer(at, &answer(1, "msg_1", 5), 4_000_000_000)
            .await
            .unwrap();
        tables.put_location(at, &message(1, "1", "")).await.unwrap();
        tables.set_timer(at, &shop, after(9)).await.unwrap();
        let park = park("run", &shop, &window, 9, Reason::Internal);
        tables.park(at, Lane::Out, &park).await.unwrap();
    }
    // Whoever dies in between leaves the row by which the indexes find the rest.
    let mut rows = 0;
    loop {
        let erased = tables.erase_some(&ann).await.unwrap();
        rows += erased.rows;
        if erased.all {
            break;
        }
        let left = tables.keys(ann.as_str()).await;
        assert!(
            left.is_empty() || left.iter().any(|key| key == "J"),
            "{left:?}"
        );
    }
    assert_eq!(rows, 69);
    assert!(tables.keys(ann.as_str()).await.is_empty());
    assert_eq!(tables.erase(&ann).await.unwrap(), 0);
    let find = async |number, open_id| {
        let customer = conversation(number, open_id).customer;
        tables.find(&customer).await.unwrap()
    };
    assert_eq!(find(1, "oAnn").await, None);
    assert_eq!(find(2, "oBob").await, Some((bob.clone(), shop)));
    assert_eq!(tables.keys(bob.as_str()).await.len(), 69);
}

#[tokio::test]
async fn an_erasure_goes_by_steps_and_finds_what_the_indexes_list() {
    let tables = Tables::new().await;
    let (ann, bob, carl) = (at("oAnn"), at("oBob"), at("oCarl"));
    let (shop, window) = (shop(), message(0, "0", "").key);
    assert!(tables.left_of(&shop).await.unwrap().is_empty());
    tables.begin(&ann, &conversation(1, "oAnn")).await.unwrap();
    for number in 0..40 {
        let entry = message(number, &number.to_string(), "你好");
        tables.put_entry(&ann, &entry, None).await.unwrap();
    }
    // Neither of them has a conversation: it was never begun.
    let parked = park("run", &shop, &window, 9, Reason::Internal);
    tables.park(&bob, Lane::In, &parked).await.unwrap();
    let dead = message(1, "1", "你好");
    tables.put_entry(&carl, &dead, None).await.unwrap();
    let death = death(&dead, Reason::ChannelDeleted, 1);
    let buried = tables.bury(&carl, &death);
    assert!(buried.await.unwrap());

    let other = magpie::message::ChannelId::parse("shop-other").unwrap();
    assert!(tables.left_of(&other).await.unwrap().is_empty());
    let mut seen = Vec::new();
    loop {
        let left = tables.left_of(&shop).await.unwrap();
        let Some(at) = left.first() else { break };
        let mut steps = 0;
        while !tables.erase_some(at).await.unwrap().all {
            steps += 1;
        }
        seen.push((at.clone(), steps));
    }
    seen.sort();
    // Her conversation's own row goes in a step of its own, when nothing else is left.
    let mut expected = vec![(ann, 3), (bob, 1), (carl, 1)];
    expected.sort();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_mark_on_an_erased_row_brings_nothing_back() {
    let tables = Tables::new().await;
    let at = &at("oAnn");
    let (shop, line, window) = (&shop(), &line(1, "msg_1"), &message(0, "1", "").key);
    let (key, run) = (&line.key, &claim("run", 9));
    let park = &park("run", shop, window, 9, Reason::Internal);
    let no = |result: Result<bool, _>| assert!(!result.unwrap());
    no(tables.claim(at, key, run, Some(window)).await);
    no(tables.delivered(at, key, Holder::Nobody, 1).await);
    no(tables.delivered(at, key, Holder::Run("run"), 1).await);
    for holder in [Holder::Nobody, Holder::Run("run")] {
        let death = Death {
            holder,
            ..death(line, Reason::Blocked, 1)
        };
        no(tables.bury(at, &death).await);
    }
    no(tables
        .release(at, key, "run", Reason::WindowFull, Some(window))
        .await);
    no(tables
        .redrive(at, std::slice::from_ref(key), after(1))
        .await);
    no(tables
        .raise(at, Lane::Out, Some(window), Some(after(1)))
        .await);
    no(tables.park_again(at, Lane::Out, 1, park).await);
    no(tables.move_timer(at, after(1), after(2)).await);
    no(tables
        .touch(at, (shop, &ann()), Some("s"), &snippet("", 1), after(1))
        .await);
    no(tables
        .touch(at, (shop, &ann()), None, &snippet("", 1), after(1))
        .await);
    no(tables.close_session(at, shop, "s", after(1)).await);
    tables.wake_held(at, after(1)).await.unwrap();
    let taken = tables.take(at, Lane::Out, "run", after(1), after(30)).await;
    assert_eq!(taken.unwrap(), Taken::Free);
    let gone = tables.unpark(at, Lane::Out, "run", 1).await.unwrap();
    assert!(gone, "what is gone is un-parked");
    tables.told(at, "s").await.unwrap();
    tables.stir(at, after(1)).await.unwrap();
    tables.read_up_to(at, window.as_str()).await.unwrap();
    tables.stop_timer(at, after(9)).await.unwrap();
    let opened = tables
        .open_session(at, (shop, &ann()), window, &session("s", 1), after(1))
        .await;
    assert_eq!(opened.unwrap(), Opened::Needless);
    let settled = tables.settle_session(at, window, "s").await;
    assert_eq!(settled.unwrap(), Settled::Needless);
    assert!(tables.keys(at.as_str()).await.is_empty());
}

#[tokio::test]
async fn a_late_link_of_an_erased_customer_leads_nowhere() {
    let tables = Tables::new().await;
    let at = at("oAnn");
    let (old, new) = (conversation(1, "oAnn"), conversation(2, "oAnn"));
    tables.begin(&at, &old).await.unwrap();
    tables.erase(&at).await.unwrap();
    // The worker that began it has not heard of the erasure.
    tables.link(&at, &old, after(1)).await.unwrap();
    assert_eq!(tables.find(&old.customer).await.unwrap(), None);
    assert!(tables.keys(at.as_str()).await.is_empty());
    // Nor does it speak for the customer who came back.
    tables.begin(&at, &new).await.unwrap();
    tables.link(&at, &old, after(1)).await.unwrap();
    assert_eq!(tables.find(&old.customer).await.unwrap(), None);
    let (known, _) = tables.conversation(&at).await.unwrap().unwrap();
    assert_eq!(known, new, "not linked: its own link is not written");
    tables.link(&at, &new, after(1)).await.unwrap();
    let found = tables.find(&new.customer).map(Result::unwrap).await;
    assert_eq!(found, Some((at, shop())));
}
