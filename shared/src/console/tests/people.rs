//! What WeChat tells of customers and what is noted of them there: remarks, tags.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use super::House;
use super::account::told;
use super::described::nowhere;

const TAGS: &str = "/api/channels/demo/tags";

impl House {
    /// A house with an account and a customer who has written, by their address.
    async fn of_people() -> (Self, String) {
        let (mut house, channel) = Self::of_account().await;
        house.stage.says(&channel.id, "openid-1", "hello").await;
        house.stage.settle().await;
        let list = house.get("/api/conversations").await;
        let customer = list["conversations"][0]["customer_id"].as_str().unwrap();
        (house, format!("/api/conversations/{customer}"))
    }

    fn refuses(&self, code: i64) {
        self.stage.outside.codes.lock().unwrap().push_back(code);
    }

    /// The parameters of the last call to `WeChat`, without the token.
    fn last_query(&self) -> Vec<(String, String)> {
        let calls = self.stage.outside.calls.lock().unwrap();
        let query = calls.last().unwrap().url.query_pairs().into_owned();
        query.filter(|(name, _)| name != "access_token").collect()
    }
}

fn info() -> Value {
    json!({
        "subscribe": 1, "openid": "openid-1", "language": "zh_CN",
        "subscribe_time": 1_434_093_047, "unionid": "o6_bmasdasdsad6_2sgVt7hMZOPfL",
        "remark": "老客户", "groupid": 0, "tagid_list": [134, 2],
        "subscribe_scene": "ADD_SCENE_QR_CODE", "qr_scene": 98_765, "qr_scene_str": "",
    })
}

fn tags() -> Value {
    json!({ "tags": [
        { "id": 2, "name": "星标组", "count": 0 }, { "id": 134, "name": "VIP", "count": 5 },
    ] })
}

#[tokio::test(start_paused = true)]
async fn a_profile_is_what_wechat_tells_without_the_open_id() {
    let (house, customer) = House::of_people().await;
    let path = format!("{customer}/profile");
    house.wechat_says(&info());
    house.wechat_says(&tags());
    assert_eq!(
        house.get(&path).await,
        json!({
            "subscribed": true, "subscribe_time": "2015-06-12T07:10:47.000Z",
            "subscribe_scene": {
                "code": "ADD_SCENE_QR_CODE", "zh": "扫描二维码", "en": "scanned a QR code",
            },
            "qr_scene": "98765", "language": "zh_CN",
            "union_id": "o6_bmasdasdsad6_2sgVt7hMZOPfL", "name": null, "remark": "老客户",
            "tags": [{ "id": 134, "name": "VIP" }, { "id": 2, "name": "星标组" }],
        })
    );
    // In the caller's language, and the names of tags are known for a minute.
    let before = house.asked().len();
    house.wechat_says(&info());
    let bearer = format!("Bearer {}", super::KEY);
    let zh = [("authorization", &*bearer), ("accept-language", "zh-CN")];
    let reply = house.call("GET", &path, &zh, None).await;
    assert_eq!(reply.json()["tags"][0]["name"], "VIP");
    assert_eq!(house.asked().len(), before + 1);
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        house.last_query(),
        [pair("openid", "openid-1"), pair("lang", "zh_CN")]
    );
    tokio::time::advance(Duration::from_mins(1)).await;
    house.wechat_says(&info());
    house.wechat_says(&json!({ "tags": [] }));
    assert_eq!(house.get(&path).await["tags"][0]["name"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn what_wechat_does_not_tell_is_null() {
    let (house, customer) = House::of_people().await;
    let path = format!("{customer}/profile");
    house.wechat_says(&json!({ "subscribe": 0, "openid": "openid-1" }));
    assert_eq!(
        house.get(&path).await,
        json!({
            "subscribed": false, "subscribe_time": null, "subscribe_scene": null,
            "qr_scene": null, "language": null, "union_id": null, "name": null,
            "remark": "", "tags": [],
        })
    );
    let mut more = info();
    more["subscribe_scene"] = "ADD_SCENE_TOMORROW".into();
    more["qr_scene_str"] = "counter_3".into();
    more["nickname"] = "小明".into();
    house.wechat_says(&more);
    // The names of tags are worth no failure.
    house.stage.outside.codes.lock().unwrap().extend([0, 45009]);
    let shown = house.get(&path).await;
    assert_eq!(
        shown["subscribe_scene"]["en"],
        "a way that is not known yet"
    );
    assert_eq!(
        (&shown["qr_scene"], &shown["name"]),
        (&json!("counter_3"), &json!("小明"))
    );
    assert_eq!(
        shown["tags"],
        json!([{ "id": 134, "name": null }, { "id": 2, "name": null }])
    );
}

#[tokio::test(start_paused = true)]
async fn a_profile_that_cannot_be_had_says_why() {
    let (house, customer) = House::of_people().await;
    let path = format!("{customer}/profile");
    for (code, detail) in [
        (
            45009,
            "WeChat says: today's calls of this kind are used up (45009).",
        ),
        (
            40003,
            "WeChat says: the customer is not one of this account's (40003).",
        ),
        (
            48001,
            "WeChat says: the account may not call this: one that is not verified may not (48001).",
        ),
    ] {
        house.refuses(code);
        let reply = house.program("GET", &path, None).await;
        assert_eq!(told(&reply), (424, json!("wechat_refused")));
        assert_eq!(reply.json()["detail"], detail);
    }
    house.wechat_says(&json!([]));
    let reply = house.program("GET", &path, None).await;
    assert_eq!(told(&reply), (424, json!("wechat_unreachable")));
    // An account without a secret has no token.
    let (house, channel) = (&house, super::super::ChannelId::parse("demo").unwrap());
    house
        .stage
        .bridge
        .secrets
        .remove_channel(&channel)
        .await
        .unwrap();
    house.stage.bridge.forget(&channel);
    tokio::time::advance(Duration::from_hours(3)).await;
    let reply = house.program("GET", &path, None).await;
    assert_eq!(told(&reply), (424, json!("no_token")));
    let nobody = nowhere("/api/conversations/{customer_id}/profile");
    assert_eq!(
        told(&house.program("GET", &nobody, None).await),
        (404, json!("not_found"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_remark_is_noted_at_wechat() {
    let (house, customer) = House::of_people().await;
    let path = format!("{customer}/remark");
    for remark in ["老客户", &"字".repeat(29), "", "a \"b\" \\ <i>"] {
        let reply = house
            .program("PUT", &path, Some(&json!({ "remark": remark })))
            .await;
        assert_eq!(reply.status, StatusCode::NO_CONTENT, "{}", reply.text);
        let (path, body) = house.asked().pop().unwrap();
        assert_eq!(path, "/cgi-bin/user/info/updateremark");
        assert_eq!(body, json!({ "openid": "openid-1", "remark": remark }));
    }
    let before = house.asked().len();
    for body in [
        json!({}),
        json!({ "remark": null }),
        json!({ "remark": 7 }),
        json!({ "remark": "字".repeat(30) }),
        json!({ "remark": "a\nb" }),
    ] {
        let reply = house.program("PUT", &path, Some(&body)).await;
        assert_eq!(told(&reply), (400, json!("invalid")), "{body}");
        assert_eq!(reply.json()["errors"][0]["field"], "remark");
    }
    assert_eq!(house.asked().len(), before);
}

#[tokio::test(start_paused = true)]
async fn an_accounts_tags_are_listed_made_renamed_and_deleted() {
    let (house, _) = House::of_people().await;
    house.wechat_says(&tags());
    assert_eq!(
        house.get(TAGS).await,
        json!({ "tags": [
            { "id": 2, "name": "星标组", "count": 0, "system": true },
            { "id": 134, "name": "VIP", "count": 5, "system": false },
        ] })
    );
    house.wechat_says(&json!({ "tag": { "id": 135, "name": "熟客" } }));
    let made = house.post(TAGS, &json!({ "name": " 熟客 " })).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    assert_eq!(
        made.json(),
        json!({ "id": 135, "name": "熟客", "count": 0, "system": false })
    );
    let one = format!("{TAGS}/135");
    let name = json!({ "name": "老客户" });
    for (method, body) in [("PUT", Some(&name)), ("DELETE", None)] {
        let reply = house.program(method, &one, body).await;
        assert_eq!(reply.status, StatusCode::NO_CONTENT, "{}", reply.text);
    }
    let asked = house.asked();
    let asked: Vec<_> = asked
        .iter()
        .rev()
        .take(3)
        .rev()
        .map(|(path, body)| (&**path, body))
        .collect();
    assert_eq!(
        asked,
        [
            (
                "/cgi-bin/tags/create",
                &json!({ "tag": { "name": "熟客" } })
            ),
            (
                "/cgi-bin/tags/update",
                &json!({ "tag": { "id": 135, "name": "老客户" } })
            ),
            ("/cgi-bin/tags/delete", &json!({ "tag": { "id": 135 } })),
        ]
    );
    let before = house.asked().len();
    for id in [0, 1, 2] {
        let path = format!("{TAGS}/{id}");
        for (method, body) in [("PUT", Some(&name)), ("DELETE", None)] {
            let reply = house.program(method, &path, body).await;
            assert_eq!(told(&reply), (409, json!("system_tag")), "{method} {id}");
        }
    }
    for wrong in ["", " ", &"字".repeat(31), "a\tb"] {
        let reply = house.post(TAGS, &json!({ "name": wrong })).await;
        assert_eq!(told(&reply), (400, json!("invalid")), "{wrong:?}");
    }
    assert_eq!(house.asked().len(), before);
}

#[tokio::test(start_paused = true)]
async fn what_wechat_says_against_tags_is_told_in_words() {
    let (house, customer) = House::of_people().await;
    let name = json!({ "name": "VIP" });
    let add = json!({ "add": [134] });
    let (one, of_one) = (format!("{TAGS}/134"), format!("{customer}/tags"));
    for (method, path, body, code, words) in [
        ("POST", TAGS, Some(&name), 45056, "100 tags"),
        ("POST", TAGS, Some(&name), 45157, "another tag has it"),
        ("POST", TAGS, Some(&name), 45158, "30 bytes"),
        ("PUT", &one, Some(&name), 45058, "WeChat's own"),
        ("DELETE", &one, None, 45057, "100,000"),
        ("POST", &of_one, Some(&add), 45059, "20 tags"),
        ("POST", &of_one, Some(&add), 45159, "may have been deleted"),
        ("POST", &of_one, Some(&add), 40032, "at once"),
        (
            "POST",
            &of_one,
            Some(&add),
            40003,
            "not one of this account's",
        ),
        (
            "POST",
            &of_one,
            Some(&add),
            49003,
            "not one of this account's",
        ),
    ] {
        house.refuses(code);
        let reply = house.program(method, path, body).await;
        assert_eq!(told(&reply), (424, json!("wechat_refused")), "{code}");
        let detail = reply.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(words), "{detail}");
        assert_eq!(reply.json()["wechat"]["code"], code);
    }
}

#[tokio::test(start_paused = true)]
async fn a_customers_tags_change_one_by_one() {
    let (house, customer) = House::of_people().await;
    let path = format!("{customer}/tags");
    let change = json!({ "add": [135, 134, 135.0], "remove": [136, 134] });
    let reply = house.post(&path, &change).await;
    assert_eq!(reply.status, StatusCode::NO_CONTENT, "{}", reply.text);
    let call = |on: bool, id: u32| {
        let path = if on { "batchtagging" } else { "batchuntagging" };
        let body = json!({ "openid_list": ["openid-1"], "tagid": id });
        (format!("/cgi-bin/tags/members/{path}"), body)
    };
    // Of a tag that is on both lists the customer has it in the end.
    assert_eq!(
        house.asked(),
        [call(false, 136), call(true, 134), call(true, 135)]
    );
    let nothing = house.post(&path, &json!({ "add": null })).await;
    assert_eq!(nothing.status, StatusCode::NO_CONTENT);
    // What was done before a refusal stays done.
    house.stage.outside.codes.lock().unwrap().extend([0, 45159]);
    let reply = house.post(&path, &json!({ "add": [140, 141, 142] })).await;
    assert_eq!(told(&reply), (424, json!("wechat_refused")));
    assert_eq!(house.asked().len(), 5);
    let many: Vec<u32> = (2..23).collect();
    for (field, list) in [
        ("add", json!(many)),
        ("remove", json!([1])),
        ("add", json!([2_147_483_648_u32])),
        ("add", json!(["134"])),
        ("remove", json!([134.5])),
        ("add", json!(134)),
    ] {
        let reply = house.post(&path, &json!({ field: list })).await;
        assert_eq!(told(&reply), (400, json!("invalid")), "{list}");
        assert_eq!(reply.json()["errors"][0]["field"], field);
    }
    assert_eq!(house.asked().len(), 5);
}
