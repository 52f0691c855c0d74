//! Dead entries and their second try.

use serde_json::json;

use super::House;
use crate::channel::DeskSettings;

#[tokio::test(start_paused = true)]
async fn a_dead_answer_is_listed_and_redriven_with_its_later_parts() {
    let mut house = House::new().await;
    let channel = house.stage.connect("demo", DeskSettings::Inbox).await;
    house.stage.connect("aaa", DeskSettings::Inbox).await;
    house.stage.says(&channel.id, "openid-1", "hello").await;
    house.stage.settle().await;
    let list = house.get("/api/conversations").await;
    let customer = list["conversations"][0]["customer_id"].as_str().unwrap();
    let path = format!("/api/conversations/{customer}/messages");
    // The token, the first part, then a refusal of the second.
    house
        .stage
        .outside
        .codes
        .lock()
        .unwrap()
        .extend([0, 0, 45002]);
    let said = json!({ "id": "long", "kind": "text", "text": "长".repeat(2000),
        "time": house.stage.bridge.now().to_string() });
    let reply = house.post(&path, &said).await;
    assert_eq!(reply.json()["entries"].as_array().unwrap().len(), 3);
    house.stage.settle().await;

    assert_eq!(house.get("/api/status").await["total"]["dead"], 2);
    let mut ids = Vec::new();
    for page in house.pages("/api/dead?limit=1").await {
        for dead in page["dead"].as_array().unwrap() {
            assert_eq!(
                (&dead["customer_id"], &dead["direction"]),
                (&json!(customer), &json!("out"))
            );
            let reason = dead["reason"]["code"].as_str().unwrap().to_owned();
            ids.push((reason, dead["id"].as_str().unwrap().to_owned()));
        }
    }
    ids.sort();
    let [(earlier, third), (refused, second)] = ids.as_slice() else {
        panic!("{ids:?}");
    };
    assert_eq!(
        (refused.as_str(), earlier.as_str()),
        ("over_limit", "earlier_part_failed")
    );
    let redrive = async |id: &str| {
        house
            .post(&format!("/api/dead/{id}/redrive"), &json!({}))
            .await
    };
    let reply = redrive(third).await;
    assert_eq!(reply.json()["code"], "earlier_part_failed");
    let reply = redrive(second).await;
    assert_eq!(
        (reply.status.as_u16(), reply.json()),
        (202, json!({ "redriven": 2 }))
    );
    assert_eq!(redrive(second).await.json()["code"], "not_dead");
    assert_eq!(redrive("bm9uc2Vuc2U").await.status.as_u16(), 404);
    house.stage.settle().await;
    let talk = house.get(&format!("/api/conversations/{customer}")).await;
    for part in 1..=3 {
        assert_eq!(talk["messages"][part]["state"], "delivered", "{part}");
    }
    assert_eq!(house.get("/api/dead").await["dead"], json!([]));
    assert_eq!(house.get("/api/status").await["total"]["parked_lanes"], 0);
}

#[tokio::test(start_paused = true)]
async fn a_dead_message_of_a_customer_reaches_its_desk_by_hand() {
    let mut house = House::new().await;
    let url = "https://desk.example.com/in".to_owned();
    let channel = house
        .stage
        .connect("far", DeskSettings::Webhook { url })
        .await;
    *house.stage.outside.desk.lock().unwrap() = Some(400);
    house.stage.says(&channel.id, "openid-1", "hello").await;
    house.stage.settle().await;
    let dead = house.get("/api/dead?channel=far").await["dead"].clone();
    assert_eq!(dead[0]["direction"], "in");
    assert_eq!(dead[0]["reason"]["code"], "desk_refused");
    *house.stage.outside.desk.lock().unwrap() = None;
    let path = format!("/api/dead/{}/redrive", dead[0]["id"].as_str().unwrap());
    assert_eq!(house.post(&path, &json!({})).await.status.as_u16(), 202);
    house.stage.settle().await;
    assert_eq!(house.get("/api/dead").await["dead"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn everything_of_one_reason_is_tried_once_more() {
    let mut house = House::new().await;
    let url = "https://desk.example.com/in".to_owned();
    let far = house
        .stage
        .connect("far", DeskSettings::Webhook { url })
        .await;
    *house.stage.outside.desk.lock().unwrap() = Some(400);
    for number in 0..130 {
        let who = format!("openid-{number}");
        house.stage.says(&far.id, &who, "hello").await;
        house.stage.settle().await;
    }
    assert_eq!(house.get("/api/status").await["total"]["dead"], 130);
    *house.stage.outside.desk.lock().unwrap() = None;
    let redrive = async |body: serde_json::Value| {
        let reply = house.post("/api/dead/redrive", &body).await;
        (reply.status.as_u16(), reply.json())
    };
    let other = json!({ "channel": "far", "reason": "gave_up" });
    assert_eq!(
        redrive(other).await,
        (202, json!({ "redriven": 0, "cursor": null }))
    );
    let (status, first) = redrive(json!({ "channel": "far", "reason": "desk_refused" })).await;
    assert_eq!((status, &first["redriven"]), (202, &json!(100)));
    let rest = json!({ "channel": "far", "reason": "desk_refused", "cursor": first["cursor"] });
    assert_eq!(
        redrive(rest).await,
        (202, json!({ "redriven": 30, "cursor": null }))
    );
    for (body, code) in [
        (json!({ "channel": "far" }), 400),
        (json!({ "channel": "far", "reason": "no such reason" }), 400),
        (json!({ "channel": "nobody", "reason": "gave_up" }), 404),
        (
            json!({ "channel": "far", "reason": "gave_up", "cursor": "x" }),
            400,
        ),
    ] {
        let (status, answer) = redrive(body).await;
        assert_eq!(status, code, "{answer}");
    }
    house.stage.settle().await;
    assert_eq!(house.get("/api/dead").await["dead"], json!([]));
}
