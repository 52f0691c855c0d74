//! The page's calls that change how WeChat behaves.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use magpie::wechat::codes::{Meaning, meaning};
use serde_json::{Value, json};

use super::*;

const HOST: &str = "wechat.test";

fn listener() -> (Simulator, Router) {
    let (simulator, _courier) = Simulator::new(start().0, || NOW).unwrap();
    let app = router(simulator.clone(), vec![HOST.to_owned()]);
    (simulator, app)
}

async fn answer(app: &Router, request: Request) -> (u16, Value) {
    let response = TowerToHyperService::new(app.clone())
        .call(request)
        .await
        .unwrap();
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), 1_000_000).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

async fn post(app: &Router, path: &str, body: impl ToString) -> (u16, Value) {
    let request = Request::post(path)
        .header("host", HOST)
        .header("content-type", "application/json")
        .header("x-magpie-phone", "1")
        .body(Body::from(body.to_string()));
    answer(app, request.unwrap()).await
}

async fn get(app: &Router, path: &str) -> Value {
    let request = Request::get(path).header("host", HOST).body(Body::empty());
    let (status, value) = answer(app, request.unwrap()).await;
    assert_eq!(status, 200, "{path}");
    value
}

#[tokio::test]
async fn a_person_orders_and_calls_off() {
    let (simulator, app) = listener();
    let orders = [
        json!({"call": "send", "times": 3, "delay_ms": 500, "trouble": {"code": 45009}}),
        json!({"call": "typing", "times": null, "delay_ms": 0, "trouble": {"status": 503}}),
        json!({"call": "stable_token", "times": null, "delay_ms": 0, "trouble": "silence"}),
        json!({"call": "token", "times": 1, "delay_ms": 60_000, "trouble": "late"}),
        json!({"call": "token", "times": 2, "delay_ms": 0, "trouble": "close_before"}),
        json!({"call": "token", "times": 2, "delay_ms": 0, "trouble": "close_after"}),
    ];
    let mut expected = Vec::new();
    for order in &orders {
        let (status, made) = post(&app, "/sim/order", order).await;
        assert_eq!(status, 200, "{order}: {made}");
        let mut order = order.clone();
        order["id"] = made["id"].clone();
        expected.push(order);
    }
    assert_eq!(get(&app, "/sim/state").await["mishaps"], json!(expected));
    // Without a number it is for all calls, without a delay at once.
    let (status, _) = post(
        &app,
        "/sim/order",
        json!({"call": "send", "trouble": {"code": -1}}),
    )
    .await;
    assert_eq!(status, 200);
    let last = simulator.look(|wechat| wechat.ordered().last().unwrap().mishap);
    assert_eq!(last, Mishap::always(ApiPath::Send, Trouble::Code(-1)));
    for _ in 0..2 {
        let id = &expected[0]["id"];
        let (status, _) = post(&app, "/sim/call-off", json!({"id": id})).await;
        assert_eq!(status, 204);
        assert_eq!(simulator.look(|wechat| wechat.ordered().len()), 6);
    }
    let (status, _) = post(&app, "/sim/call-off", json!({"id": null})).await;
    assert_eq!(status, 204);
    assert_eq!(get(&app, "/sim/state").await["mishaps"], json!([]));
}

#[tokio::test]
async fn every_code_is_offered_with_its_words() {
    let (_, app) = listener();
    let offered = get(&app, "/sim/codes").await;
    for (code, words) in [
        (-1, "system error"),
        (40164, "invalid ip x.x.x.x, not in whitelist"),
        (45009, "reach max api daily quota limit"),
        (48001, "api unauthorized"),
        (65400, "kf is not enabled"),
    ] {
        let row = json!({"code": code, "words": words});
        assert!(offered.as_array().unwrap().contains(&row), "{row}");
    }
    for row in offered.as_array().unwrap() {
        let code = row["code"].as_i64().unwrap();
        assert_ne!(meaning(code), Meaning::Taken);
        let order = json!({"call": "send", "times": 1, "trouble": {"code": code}});
        assert_eq!(post(&app, "/sim/order", order).await.0, 200);
        post(&app, "/sim/call-off", json!({"id": null})).await;
    }
}

#[tokio::test]
async fn a_person_sets_an_account() {
    let (simulator, app) = listener();
    for (path, more) in [
        ("/sim/kind", json!({"kind": "overseas"})),
        (
            "/sim/limits",
            json!({"call": "send", "a_day": 7, "a_minute": null}),
        ),
        (
            "/sim/addresses",
            json!({"addresses": [" 203.0.113.7", "::ffff:198.51.100.7", "2001:db8::1"]}),
        ),
    ] {
        let mut body = more.clone();
        body["account"] = json!("wx9");
        let (status, answer) = post(&app, path, &body).await;
        assert_eq!(status, 404, "{path}");
        assert_eq!(answer["error"], "there is no such account");
        body["account"] = json!(APP);
        assert_eq!(post(&app, path, &body).await.0, 204, "{path}");
    }
    let state = get(&app, "/sim/state").await;
    let account = &state["accounts"][0];
    assert_eq!(account["kind"], "overseas");
    let addresses = json!(["203.0.113.7", "198.51.100.7", "2001:db8::1"]);
    assert_eq!(account["addresses"], addresses);
    let expected = json!([
        {"call": "token", "a_day": 2_000, "a_minute": null, "today": 0},
        {"call": "stable_token", "a_day": null, "a_minute": 10_000, "today": 1},
        {"call": "send", "a_day": 7, "a_minute": null, "today": 0},
        {"call": "typing", "a_day": null, "a_minute": null, "today": 0},
        {"call": "media_upload", "a_day": 100_000, "a_minute": null, "today": 0},
        {"call": "media_get", "a_day": 200_000, "a_minute": null, "today": 0},
        {"call": "qrcode_create", "a_day": 100_000, "a_minute": null, "today": 0},
        {"call": "menu_create", "a_day": 1_000, "a_minute": null, "today": 0},
        {"call": "menu_get", "a_day": 10_000, "a_minute": null, "today": 0},
        {"call": "menu_delete", "a_day": 1_000, "a_minute": null, "today": 0},
        {"call": "menu_add_conditional", "a_day": null, "a_minute": null, "today": 0},
        {"call": "menu_del_conditional", "a_day": null, "a_minute": null, "today": 0},
        {"call": "quota_get", "a_day": null, "a_minute": null, "today": 0},
        {"call": "rid_get", "a_day": null, "a_minute": null, "today": 0},
        {"call": "clear_quota", "a_day": null, "a_minute": null, "today": 0},
        {"call": "user_info", "a_day": 5_000_000, "a_minute": null, "today": 0},
        {"call": "update_remark", "a_day": null, "a_minute": null, "today": 0},
        {"call": "tags_create", "a_day": null, "a_minute": null, "today": 0},
        {"call": "tags_get", "a_day": null, "a_minute": null, "today": 0},
        {"call": "tags_update", "a_day": null, "a_minute": null, "today": 0},
        {"call": "tags_delete", "a_day": null, "a_minute": null, "today": 0},
        {"call": "batch_tagging", "a_day": null, "a_minute": null, "today": 0},
        {"call": "batch_untagging", "a_day": null, "a_minute": null, "today": 0},
        {"call": "callback_ip", "a_day": null, "a_minute": null, "today": 0},
        {"call": "template_send", "a_day": 100_000, "a_minute": null, "today": 0},
        {"call": "subscribe_send", "a_day": null, "a_minute": null, "today": 0},
        {"call": "template_list", "a_day": null, "a_minute": null, "today": 0},
        {"call": "subscribe_list", "a_day": null, "a_minute": null, "today": 0},
    ]);
    assert_eq!(account["limits"], expected);
    let body = json!({"account": APP, "addresses": []});
    assert_eq!(post(&app, "/sim/addresses", body).await.0, 204);
    let none = simulator.look(|wechat| wechat.account(APP).unwrap().addresses.is_empty());
    assert!(none);
}

#[tokio::test]
async fn what_is_wrong_is_named_and_changes_nothing() {
    let (simulator, app) = listener();
    let before = get(&app, "/sim/state").await;
    let order = |change: Value| {
        let mut body = json!({"call": "send", "times": 1, "trouble": "close_before"});
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        ("/sim/order", body.to_string())
    };
    let of = |path, body: Value| (path, body.to_string());
    let many: Vec<_> = (0..101).map(|at| format!("192.0.2.{at}")).collect();
    for ((path, body), words) in [
        (("/sim/order", "{".to_owned()), "EOF"),
        (("/sim/order", "[]".to_owned()), "invalid"),
        (order(json!({"call": "menu"})), "unknown variant `menu`"),
        (order(json!({"trouble": "rain"})), "unknown variant `rain`"),
        (order(json!({"trouble": {"code": "x"}})), "invalid type"),
        (order(json!({"colour": 1})), "unknown field `colour`"),
        (order(json!({"times": 0})), "times: a number from 1 to"),
        (order(json!({"times": -1})), "invalid value"),
        (order(json!({"times": 1.5})), "invalid type"),
        (order(json!({"delay_ms": 60_001})), "delay_ms: at most"),
        (order(json!({"trouble": "late"})), "delay_ms: a number"),
        (order(json!({"trouble": {"code": 12_345}})), "trouble.code"),
        (
            order(json!({"trouble": {"status": 418}})),
            "500, 502 or 503",
        ),
        (of("/sim/call-off", json!({"id": "x"})), "invalid type"),
        (of("/sim/kind", json!({"account": APP})), "missing field"),
        (
            of("/sim/kind", json!({"account": APP, "kind": "rich"})),
            "unknown variant `rich`",
        ),
        (
            of(
                "/sim/limits",
                json!({"account": APP, "call": "send", "a_day": -1}),
            ),
            "invalid value",
        ),
        (
            of(
                "/sim/addresses",
                json!({"account": APP, "addresses": ["192.0.2.1", "example.com"]}),
            ),
            "addresses: number 2 is no address",
        ),
        (
            of("/sim/addresses", json!({"account": APP, "addresses": many})),
            "addresses: at most 100",
        ),
    ] {
        let (status, answer) = post(&app, path, &body).await;
        assert_eq!(status, 400, "{path} {body}");
        let said = answer["error"].as_str().unwrap();
        assert!(said.contains(words), "{path} {body}: {said}");
    }
    assert_eq!(get(&app, "/sim/state").await, before);
    assert_eq!(simulator.look(|wechat| wechat.ordered().len()), 0);
}

#[tokio::test]
async fn only_the_page_itself_may_change_anything() {
    let (simulator, app) = listener();
    let body = json!({"call": "send", "trouble": "silence"}).to_string();
    for path in [
        "/sim/order",
        "/sim/call-off",
        "/sim/kind",
        "/sim/limits",
        "/sim/addresses",
    ] {
        let call = |kind: &str, phone: &str, host: &str, body: String| {
            let request = Request::post(path)
                .header("content-type", kind)
                .header("x-magpie-phone", phone)
                .header("host", host)
                .body(Body::from(body));
            answer(&app, request.unwrap())
        };
        let json = "application/json";
        assert_eq!(call("text/plain", "1", HOST, body.clone()).await.0, 403);
        assert_eq!(call(json, "0", HOST, body.clone()).await.0, 403);
        assert_eq!(call(json, "1", "evil.example", body.clone()).await.0, 403);
        assert_eq!(call(json, "1", HOST, " ".repeat(65_537)).await.0, 413);
        let request = Request::get(path).header("host", HOST).body(Body::empty());
        assert_eq!(answer(&app, request.unwrap()).await.0, 405, "{path}");
    }
    // WeChat's own paths take no orders.
    let (status, _) = post(&app, SEND, body).await;
    assert_eq!(status, 200);
    assert_eq!(simulator.look(|wechat| wechat.ordered().len()), 0);
}

#[tokio::test]
async fn the_page_gets_the_newest_sights_and_all_of_them_on_request() {
    let (simulator, app) = listener();
    for _ in 0..40 {
        post(&app, SEND, "{}").await;
    }
    let state = get(&app, "/sim/state").await;
    assert_eq!(state["sights"].as_array().unwrap().len(), 30);
    let newest = json!({"id": 42, "at_ms": NOW, "app_id": null, "customer": null, "text": null,
        "kind": "call", "method": "POST", "path": SEND, "outcome": {"code": 41001},
        "took_ms": 0, "ordered": false});
    assert_eq!(state["sights"][0], newest);
    let all = get(&app, "/sim/sights").await;
    assert_eq!(all.as_array().unwrap().len(), 42);
    assert_eq!(all[0], newest);
    let first = simulator.look(|wechat| json!(wechat.sights().next()));
    assert_eq!(all[41], first);
    assert_eq!(
        (&first["kind"], &first["tries"]),
        (&json!("push"), &json!([]))
    );
}
