//! Every code that WeChat's API is known to answer with, end to end: an agent's answer goes
//! through the bridge to the simulated WeChat, which refuses it, and the test looks at what
//! the agent sees, in the inbox and at a desk.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop where it stands"
)]

mod house;
mod operator;
mod table;

use std::time::Duration;

use magpie::moment::Moment;
use magpie_local::simulator::ApiPath;
use serde_json::{Value, json};

use house::{CHANNELS, House, Seen};
use table::{ADVICE, Kind, Row, Sees, Then};

impl Kind {
    fn message(self) -> Value {
        match self {
            Self::Text => json!({ "kind": "text", "text": "您好" }),
            Self::Picture => {
                json!({ "kind": "image", "media": { "url": "http://files.test/1.png" } })
            }
            Self::Question => json!({ "kind": "choice", "text": "满意吗？",
                "choices": [{ "id": "1", "text": "满意" }, { "id": "2", "text": "不满意" }] }),
        }
    }
}

/// What an agent at this desk sees: state and reason.
fn expected(channel: &str, sees: Sees) -> Option<(&'static str, Option<&'static str>)> {
    let inbox = channel == "inbox";
    match sees {
        Sees::Delivered => Some(("delivered", None)),
        Sees::Failed(reason) if inbox => Some(("dead", Some(reason))),
        Sees::Failed(reason) => Some(("failed", Some(reason))),
        Sees::Waits(reason) => inbox.then_some(("pending", Some(reason))),
        Sees::Held => Some(("held", Some("window_full"))),
    }
}

/// What is seen is what was expected, and its words say what to do.
fn check(seen: Option<&Seen>, expected: Option<(&str, Option<&str>)>, what: &str) {
    let told = seen.map(|seen| (seen.state.as_str(), seen.reason.as_deref()));
    assert_eq!(told, expected, "{what}");
    let Some((Some(reason), words)) = seen.map(|seen| (seen.reason.as_deref(), &seen.words)) else {
        return;
    };
    let advice = ADVICE.iter().find(|(code, ..)| *code == reason);
    let (_, zh, en) = advice.unwrap_or_else(|| panic!("{reason} has no advice here"));
    assert!(words.contains(zh) && words.contains(en), "{what}: {words}");
}

/// When an answer may be tried again at the earliest.
fn earliest(then: Then, now: Moment) -> Moment {
    match then {
        Then::NextMinute => now.next_minute(),
        Then::NextDay => now.next_beijing_day(),
        Then::Over | Then::Soon | Then::Written => now,
    }
}

async fn try_row(row: &Row, channel: &str) {
    let what = format!("{row:?} at {channel}");
    let house = House::open("agents").await;
    if row.code != 0 {
        house.order(row.call, row.code, row.times);
    }
    house.sends(channel, "a", &row.kind.message()).await;
    let seen = house.sees(channel, "a").await;
    check(seen.as_ref(), expected(channel, row.sees), &what);
    let tries = house.answers(channel, row.call);
    assert_eq!(tries.len(), row.tries, "{what}");
    assert_eq!(tries[0], row.code, "{what}");
    let tokens = house.answers(channel, ApiPath::StableToken).len();
    assert_eq!(tokens, row.tokens, "{what}");
    let begun = house.bridge.now();
    let earliest = earliest(row.then, begun);
    if earliest > begun {
        let short = earliest
            .since(begun)
            .saturating_sub(Duration::from_millis(1));
        house.pass(short).await;
        assert_eq!(house.answers(channel, row.call), tries, "{what}: too early");
    }
    house.call_off();
    match row.then {
        Then::Over => {}
        Then::Written => house.writes(channel).await,
        Then::Soon | Then::NextMinute | Then::NextDay => {
            for _ in 0..6 {
                house.pass(Duration::from_mins(1)).await;
            }
        }
    }
    if row.then == Then::Over {
        for _ in 0..20 {
            house.pass(Duration::from_mins(1)).await;
        }
        assert_eq!(house.answers(channel, row.call), tries, "{what}: again");
        assert_eq!(house.sees(channel, "a").await, seen, "{what}");
    } else {
        let seen = house.sees(channel, "a").await;
        check(seen.as_ref(), Some(("delivered", None)), &what);
        let sent = house.answers(channel, ApiPath::Send);
        assert_eq!(sent.last(), Some(&0), "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_agents_see_of_each_code() {
    for row in table::rows() {
        for channel in CHANNELS {
            try_row(&row, channel).await;
        }
    }
}

#[test]
fn every_code_of_the_reference_has_a_row() {
    let all = table::REFERENCE
        .iter()
        .flat_map(|(first, last)| *first..=*last);
    let missing: Vec<_> = all
        .filter(|code| !table::tells_of(*code) && !operator::tells_of(*code))
        .collect();
    assert_eq!(missing, [0; 0], "they need a row");
}
