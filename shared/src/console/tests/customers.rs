//! A customer is erased over the API.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use super::House;
use crate::bridge::sweep::sweep;
use crate::channel::DeskSettings;

const MINUTE: Duration = Duration::from_mins(1);

async fn talk(house: &mut House, desk: DeskSettings) -> String {
    let shop = house.stage.connect("shop-a", desk).await;
    house.stage.says(&shop.id, "openid-1", "hello").await;
    house.stage.settle().await;
    let list = house.get("/api/conversations").await;
    let customer = &list["conversations"][0]["customer_id"];
    customer.as_str().unwrap().to_owned()
}

fn places(erased: &Value) -> Vec<&str> {
    let remains = erased["remains"].as_array().unwrap().iter();
    remains.map(|one| one["place"].as_str().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_customer_is_erased_and_comes_back_as_another_one() {
    let mut house = House::new().await;
    let customer = talk(&mut house, DeskSettings::Inbox).await;
    let path = format!("/api/conversations/{customer}");
    let now = house.stage.bridge.now().to_string();
    let said = json!({ "id": "a", "time": now, "kind": "text", "text": "你好" });
    let reply = house.post(&format!("{path}/messages"), &said).await;
    assert_eq!(reply.status, StatusCode::ACCEPTED);
    house.stage.settle().await;
    tokio::time::advance(Duration::from_secs(1)).await;

    let erase = format!("/api/customers/{customer}");
    let reply = house.program("DELETE", &erase, None).await;
    assert_eq!(reply.status, StatusCode::OK);
    let erased = reply.json();
    assert_eq!(erased["finished"], json!(true));
    assert_eq!(
        places(&erased),
        ["backups", "wechat_uploads", "wechat", "record"]
    );
    for gone in [&path, &format!("{path}/profile")] {
        let reply = house.program("GET", gone, None).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND);
    }
    let reply = house.post(&format!("{path}/messages"), &said).await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND);
    let reply = house.program("DELETE", &erase, None).await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND, "it is done");
    let changes = house
        .get(&format!("/api/changes?customer={customer}"))
        .await;
    assert_eq!(changes["messages"], Value::Null);
    let list = house.get("/api/conversations").await;
    assert_eq!(list["conversations"], json!([]));
    let shop = crate::message::ChannelId::parse("shop-a").unwrap();
    assert!(house.stage.bridge.store.left_of(&shop).await.unwrap().len() < 2);

    tokio::time::advance(Duration::from_secs(1)).await;
    house.stage.says(&shop, "openid-1", "again").await;
    house.stage.settle().await;
    let events = house.get("/api/channels/shop-a/events").await;
    let record = &events["events"][0];
    let expected = json!({ "customer_id": customer, "cause": "asked" });
    assert_eq!(record["erased"], expected);
    for _ in 0..2 {
        tokio::time::advance(MINUTE * 11).await;
        let bridge = &house.stage.bridge;
        sweep(bridge, bridge.now().plus(MINUTE)).await.unwrap();
    }
    let list = house.get("/api/conversations").await;
    let talk = &list["conversations"][0];
    assert_ne!(talk["customer_id"], json!(customer));
    assert_eq!(talk["last_message"]["text"], "again");
    assert_eq!(talk["leaving"], Value::Null);
    let id = talk["customer_id"].as_str().unwrap();
    let new = house.get(&format!("/api/conversations/{id}")).await;
    assert_eq!(new["messages"].as_array().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn where_another_desk_was_told_that_is_said() {
    let mut house = House::new().await;
    let desk = DeskSettings::Webhook {
        url: "https://desk.example/hook".to_owned(),
    };
    let customer = talk(&mut house, desk).await;
    let erase = format!("/api/customers/{customer}");
    let reply = house.program("DELETE", &erase, None).await;
    assert_eq!(places(&reply.json())[0], "desk");
    for wrong in ["/api/customers/7", "/api/customers/", "/api/customers"] {
        let reply = house.program("DELETE", wrong, None).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{wrong}");
    }
    let reply = house.program("GET", &erase, None).await;
    assert_eq!(reply.status, StatusCode::METHOD_NOT_ALLOWED);
}
