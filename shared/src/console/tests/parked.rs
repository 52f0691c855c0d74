//! Lanes that wait.

use std::time::Duration;

use serde_json::json;

use super::House;
use crate::channel::DeskSettings;

#[tokio::test(start_paused = true)]
async fn parked_lanes_are_listed_with_their_cause_and_their_next_try() {
    let mut house = House::new().await;
    let url = "https://desk.example.com/in".to_owned();
    let far = house
        .stage
        .connect("far", DeskSettings::Webhook { url })
        .await;
    house.stage.connect("near", DeskSettings::Inbox).await;
    assert_eq!(
        house.get("/api/parked").await,
        json!({ "parked": [], "cursor": null })
    );
    *house.stage.outside.desk.lock().unwrap() = Some(503);
    for number in 0..5 {
        let who = format!("openid-{number}");
        house.stage.says(&far.id, &who, "hello").await;
        house.stage.settle().await;
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    house
        .stage
        .says(&far.id, "openid-0", "are you there?")
        .await;
    house.stage.settle().await;
    let mut rows = Vec::new();
    for page in house.pages("/api/parked?channel=far&limit=2").await {
        let page_rows = page["parked"].as_array().unwrap();
        assert!(page_rows.len() <= 2);
        rows.extend(page_rows.clone());
    }
    assert_eq!(rows.len(), 5);
    let now = house.stage.bridge.now().to_string();
    let tries: Vec<_> = rows
        .iter()
        .map(|row| row["next_try"].as_str().unwrap())
        .collect();
    assert!(tries.is_sorted() && tries[0] > now.as_str(), "{tries:?}");
    let mut waiting = 0;
    for row in &rows {
        assert_eq!(
            (&row["channel"], &row["direction"]),
            (&json!("far"), &json!("in"))
        );
        assert_eq!(row["reason"]["code"], "desk_unreachable");
        assert_ne!(row["reason"]["zh"], row["reason"]["en"]);
        assert!(row["customer_id"].is_string() && row["since"].is_string());
        waiting += row["waiting"].as_u64().unwrap();
    }
    assert_eq!(waiting, 6);
    assert_eq!(
        house.get("/api/parked?channel=near").await["parked"],
        json!([])
    );
    // What is due is looked at as soon as there is time.
    tokio::time::advance(Duration::from_hours(1)).await;
    let due = house.get("/api/parked").await;
    assert!(due["parked"][0]["next_try"].is_null());
}
