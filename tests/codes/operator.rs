//! What operators see: codes that calls about an account are refused with, and what
//! becomes of typing, of which nobody waits to hear.

use std::time::Duration;

use magpie_local::simulator::ApiPath;
use serde_json::{Value, json};

use crate::house::{CHANNELS, House};

/// A call about an account, and codes that it may be refused with.
struct Row {
    method: &'static str,
    path: &'static str,
    call: ApiPath,
    codes: &'static [i64],
}

const ROWS: [Row; 8] = [
    Row {
        method: "GET",
        path: "quota",
        call: ApiPath::QuotaGet,
        codes: &[-1, 45009, 45011, 48001, 48004, 76021, 76022],
    },
    Row {
        method: "GET",
        path: "rid/6498f8a1-1c0b6c1f-3ad1ad0e",
        call: ApiPath::RidGet,
        codes: &[76001, 76002, 76003, 76004],
    },
    Row {
        method: "POST",
        path: "quota/clear",
        call: ApiPath::ClearQuota,
        codes: &[48006, 50007],
    },
    Row {
        method: "GET",
        path: "menu",
        call: ApiPath::MenuGet,
        codes: &[-1, 48001, 40200],
    },
    Row {
        method: "DELETE",
        path: "menu",
        call: ApiPath::MenuDelete,
        codes: &[48005, 48001],
    },
    Row {
        method: "GET",
        path: "tags",
        call: ApiPath::TagsGet,
        codes: &[45009, 48001],
    },
    // Of WeChat's own customer service, of a check of the callback and of a move to another
    // account; nothing here makes those calls yet: the words stand ready.
    Row {
        method: "GET",
        path: "quota",
        call: ApiPath::QuotaGet,
        codes: &[
            40201, 40202, 40203, 63178, 61450, 61451, 61452, 61453, 61454, 61455, 61456, 61457,
        ],
    },
    Row {
        method: "GET",
        path: "quota",
        call: ApiPath::QuotaGet,
        codes: &[
            65400, 65401, 65402, 65403, 65404, 65405, 65406, 65407, 65408, 65409, 65410, 65411,
            65412, 65413, 65414, 65415, 65416, 65417, 65418,
        ],
    },
];

/// What typing may be refused with.
const TYPING: [i64; 6] = [45072, 45080, 45081, 45015, 48001, -1];

/// Whether a row tells of this code.
pub(crate) fn tells_of(code: i64) -> bool {
    let about = ROWS.iter().any(|row| row.codes.contains(&code));
    about || TYPING.contains(&code)
}

/// The words that stand for a code that nobody knows.
const UNKNOWN: [&str; 2] = ["错误码见微信文档", "its documents tell of the code"];

#[tokio::test(start_paused = true)]
async fn what_a_call_about_an_account_is_refused_with_is_told_in_words() {
    for row in ROWS {
        for code in row.codes {
            let house = House::open("operator").await;
            house.order(row.call, *code, None);
            let path = format!("/api/channels/inbox/{}", row.path);
            let body = (row.method == "POST").then(|| json!({ "confirm": "inbox" }));
            let (status, told) = house.api(row.method, &path, body.as_ref()).await;
            assert_eq!(
                (status, &told["code"]),
                (424, &json!("wechat_refused")),
                "{code}"
            );
            assert_eq!(told["wechat"]["code"], *code);
            let rid = told["wechat"]["rid"].as_str().unwrap();
            assert_eq!(rid.split('-').count(), 3, "WeChat's support asks for it");
            let words = told["detail"].as_str().unwrap();
            assert!(words.contains(&code.to_string()), "{words}");
            assert!(
                UNKNOWN.iter().all(|no| !words.contains(no)),
                "{code}: {words}"
            );
            assert_eq!(house.answers("inbox", row.call), [*code], "once");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_not_good_is_renewed_for_operators_too() {
    for code in [40001, 40014, 42001, 41001] {
        let house = House::open("operator-token").await;
        let ask = async || house.api("GET", "/api/channels/inbox/quota", None).await;
        house.order(ApiPath::QuotaGet, code, Some(1));
        let (status, told) = ask().await;
        assert_eq!(status, 200, "{told}");
        assert_eq!(house.answers("inbox", ApiPath::QuotaGet), [code, 0]);
        // A token can be forced once in half a minute.
        house.pass(Duration::from_secs(31)).await;
        house.order(ApiPath::QuotaGet, code, None);
        let (status, told) = ask().await;
        assert_eq!((status, &told["wechat"]["code"]), (424, &json!(code)));
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_that_is_not_allowed_is_told_by_the_check() {
    let house = House::open("operator-address").await;
    house.order(ApiPath::StableToken, 40164, None);
    let (status, told) = house.api("GET", "/api/channels/inbox/quota", None).await;
    assert_eq!((status, &told["code"]), (424, &json!("no_token")));
    let path = "/api/channels/inbox/check";
    let (status, told) = house.api("POST", path, Some(&json!({}))).await;
    assert_eq!(status, 200);
    assert!(told.to_string().contains("198.51.100.7"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn typing_that_is_refused_disturbs_nobody() {
    for code in TYPING {
        for channel in CHANNELS {
            let house = House::open("typing").await;
            house.order(ApiPath::Typing, code, None);
            house.types(channel, true).await;
            house.types(channel, false).await;
            assert_eq!(house.answers(channel, ApiPath::Typing), [code; 2]);
            // What is said afterwards arrives.
            house
                .sends(channel, "a", &json!({ "kind": "text", "text": "您好" }))
                .await;
            let seen = house.sees(channel, "a").await.unwrap();
            assert_eq!(
                (seen.state.as_str(), seen.reason),
                ("delivered", None),
                "{code}"
            );
            let (_, dead) = house.api("GET", "/api/dead", None).await;
            assert_eq!(dead["dead"], Value::Array(Vec::new()), "{code}");
        }
    }
}
