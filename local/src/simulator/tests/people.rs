//! What an account is told of people and notes of them, and where pushes come from.

use serde_json::{Value, json};

use super::*;

const INFO: &str = "GET /cgi-bin/user/info";
const REMARK: &str = "POST /cgi-bin/user/info/updateremark";
const MAKE: &str = "POST /cgi-bin/tags/create";
const ALL: &str = "GET /cgi-bin/tags/get";
const RENAME: &str = "POST /cgi-bin/tags/update";
const DELETE: &str = "POST /cgi-bin/tags/delete";
const TAG: &str = "POST /cgi-bin/tags/members/batchtagging";
const UNTAG: &str = "POST /cgi-bin/tags/members/batchuntagging";

/// Asks something with a token; a GET has parameters instead of a body.
fn ask(wechat: &mut WeChat, token: &str, request: &str, with: &Value) -> Value {
    let (query, body) = match with.as_str() {
        Some(query) => (query, String::new()),
        None => ("", with.to_string()),
    };
    let request = format!("{request}?access_token={token}{query}");
    let answer = call(wechat, NOW, &request, body.as_bytes());
    assert_eq!(answer.status, 200);
    serde_json::from_slice(&answer.body).unwrap()
}

fn code(answer: &Value) -> i64 {
    answer["errcode"].as_i64().unwrap_or(0)
}

fn of(open_id: &str) -> Value {
    format!("&openid={open_id}&lang=en").into()
}

fn on(people: &[&str], id: u64) -> Value {
    json!({ "openid_list": people, "tagid": id })
}

#[test]
fn what_is_told_of_somebody() {
    let (mut wechat, ming, token) = start();
    let told = ask(&mut wechat, &token, INFO, &of(&ming));
    assert_eq!(
        (&told["subscribe"], &told["nickname"]),
        (&json!(1), &json!(""))
    );
    assert_eq!(told["subscribe_scene"], "ADD_SCENE_OTHERS");
    assert!(!told.to_string().contains("小明"));

    let li = wechat.add_customer(APP, "阿丽").unwrap();
    let nothing = json!({ "subscribe": 0, "openid": li });
    assert_eq!(ask(&mut wechat, &token, INFO, &of(&li)), nothing);
    let scene = "counter_3".to_owned();
    wechat.act(NOW, APP, &li, &Act::Scan { scene }).unwrap();
    // Who follows already comes by nothing else.
    let scene = "other".to_owned();
    wechat
        .act(NOW + 9_000, APP, &li, &Act::Scan { scene })
        .unwrap();
    let told = ask(&mut wechat, &token, INFO, &of(&li));
    assert_eq!(told["subscribe_scene"], "ADD_SCENE_QR_CODE");
    assert_eq!(told["qr_scene_str"], "counter_3");
    assert_eq!(told["subscribe_time"], NOW / 1_000);
    wechat.act(NOW, APP, &li, &Act::Unfollow).unwrap();
    assert_eq!(ask(&mut wechat, &token, INFO, &of(&li)), nothing);
    wechat.act(NOW, APP, &li, &Act::Follow).unwrap();
    let told = ask(&mut wechat, &token, INFO, &of(&li));
    assert_eq!(
        (&told["subscribe_scene"], &told["qr_scene_str"]),
        (&json!("ADD_SCENE_SEARCH"), &json!(""))
    );

    let (other, _) = another(&mut wechat);
    for open_id in ["", "nobody", &other] {
        assert_eq!(code(&ask(&mut wechat, &token, INFO, &of(open_id))), 40003);
    }
    wechat.set_kind(APP, Kind::Subscription).unwrap();
    assert_eq!(code(&ask(&mut wechat, &token, INFO, &of(&ming))), 48001);
}

#[test]
fn remarks() {
    let (mut wechat, ming, token) = start();
    for (remark, expected) in [
        (json!("老客户"), 0),
        (json!("字".repeat(29)), 0),
        (json!("字".repeat(30)), 45002),
        (json!(7), 47001),
        (json!(""), 0),
    ] {
        let body = json!({ "openid": ming, "remark": remark });
        let before = wechat.customer(APP, &ming).unwrap().remark.clone();
        assert_eq!(
            code(&ask(&mut wechat, &token, REMARK, &body)),
            expected,
            "{remark}"
        );
        let told = ask(&mut wechat, &token, INFO, &of(&ming));
        let there = if expected == 0 { remark } else { json!(before) };
        assert_eq!(told["remark"], there);
    }
    let nobody = json!({ "openid": "nobody", "remark": "a" });
    assert_eq!(code(&ask(&mut wechat, &token, REMARK, &nobody)), 40003);
}

#[test]
fn tags_of_an_account() {
    let (mut wechat, _, token) = start();
    let named = |name: &str| json!({ "tag": { "name": name } });
    let made = ask(&mut wechat, &token, MAKE, &named("VIP"));
    assert_eq!(made, json!({ "tag": { "id": 100, "name": "VIP" } }));
    for (name, expected) in [
        ("VIP", 45157),
        ("星标组", 45157),
        ("", 45157),
        ("十个汉字就是三十字节", 0),
        ("十一个汉字超过了三十个", 45158),
    ] {
        assert_eq!(
            code(&ask(&mut wechat, &token, MAKE, &named(name))),
            expected,
            "{name}"
        );
    }
    assert_eq!(code(&ask(&mut wechat, &token, MAKE, &json!({}))), 45157);
    let renamed = |id: u32, name: &str| json!({ "tag": { "id": id, "name": name } });
    for (id, name, expected) in [
        (100, "VIP", 0),
        (101, "VIP", 45157),
        (101, "熟客", 0),
        (2, "a", 45058),
        (0, "a", 45058),
        (999, "a", 45159),
    ] {
        let body = renamed(id, name);
        assert_eq!(
            code(&ask(&mut wechat, &token, RENAME, &body)),
            expected,
            "{id}"
        );
    }
    let all = ask(&mut wechat, &token, ALL, &"".into());
    let shown = |id, name: &str| json!({ "id": id, "name": name, "count": 0 });
    assert_eq!(
        all["tags"],
        json!([shown(2, "星标组"), shown(100, "VIP"), shown(101, "熟客")])
    );
    for (id, expected) in [(101, 0), (101, 45159), (1, 45058)] {
        let body = json!({ "tag": { "id": id } });
        assert_eq!(code(&ask(&mut wechat, &token, DELETE, &body)), expected);
    }
    for number in 1..100 {
        let made = ask(&mut wechat, &token, MAKE, &named(&format!("t{number}")));
        assert_ne!(made["tag"]["id"], 101, "no id comes twice");
    }
    assert_eq!(code(&ask(&mut wechat, &token, MAKE, &named("more"))), 45056);
}

#[test]
fn tags_of_people() {
    let (mut wechat, ming, token) = start();
    let (other, _) = another(&mut wechat);
    for number in 0..20 {
        let body = json!({ "tag": { "name": format!("t{number}") } });
        ask(&mut wechat, &token, MAKE, &body);
    }
    let many = vec!["nobody"; 51];
    for (request, body, expected) in [
        (TAG, on(&[&ming], 100), 0),
        (TAG, on(&[&ming], 100), 0),
        (TAG, on(&[&ming], 2), 0),
        (UNTAG, on(&[&ming], 100), 0),
        (TAG, on(&[], 100), 40032),
        (TAG, on(&many, 100), 40032),
        (TAG, json!({ "tagid": 100 }), 40032),
        (TAG, on(&[&ming], 999), 45159),
        (TAG, on(&[&ming], 1), 45159),
        (TAG, on(&[&ming, "nobody"], 101), 40003),
        (TAG, on(&[&ming, &other], 101), 49003),
        (UNTAG, on(&[&other], 100), 49003),
    ] {
        assert_eq!(
            code(&ask(&mut wechat, &token, request, &body)),
            expected,
            "{body}"
        );
    }
    let told = ask(&mut wechat, &token, INFO, &of(&ming));
    assert_eq!(
        (&told["tagid_list"], &told["groupid"]),
        (&json!([2]), &json!(2))
    );
    for id in 100..119 {
        assert_eq!(code(&ask(&mut wechat, &token, TAG, &on(&[&ming], id))), 0);
    }
    assert_eq!(
        code(&ask(&mut wechat, &token, TAG, &on(&[&ming], 119))),
        45059
    );
    assert_eq!(code(&ask(&mut wechat, &token, TAG, &on(&[&ming], 118))), 0);
    assert_eq!(
        ask(&mut wechat, &token, ALL, &"".into())["tags"][1]["count"],
        1
    );
    ask(
        &mut wechat,
        &token,
        DELETE,
        &json!({ "tag": { "id": 100 } }),
    );
    assert_eq!(wechat.customer(APP, &ming).unwrap().tags.len(), 19);
}

#[test]
fn where_pushes_come_from() {
    let (mut wechat, _, token) = start();
    // Every account may know.
    wechat.set_kind(APP, Kind::Subscription).unwrap();
    let told = ask(
        &mut wechat,
        &token,
        "GET /cgi-bin/getcallbackip",
        &"".into(),
    );
    assert_eq!(told, json!({ "ip_list": ["127.0.0.1"] }));
}
