//! The token that servers of the owner's are given.

use http::StatusCode;

use super::super::{AdminKey, Console, TokenKey};
use super::{House, KEY, Reply};
use crate::channel::DeskSettings;

const TOKEN_KEY: &str = "a key for tokens alone";
const PATH: &str = "/api/channels/demo/token";

async fn asked(house: &House, path: &str, headers: &[(&str, &str)]) -> Reply {
    house.call("GET", path, headers, None).await
}

async fn house(key: Option<TokenKey>) -> House {
    let mut house = House::new().await;
    house.stage.connect("demo", DeskSettings::Inbox).await;
    let console = Console::new(AdminKey::Given(KEY.to_owned()), None);
    house.console = match key {
        Some(key) => console.with_token_key(key),
        None => console,
    };
    house
}

#[tokio::test(start_paused = true)]
async fn a_token_is_given_for_its_own_key_alone() {
    let house = house(Some(TokenKey::Given(TOKEN_KEY.to_owned()))).await;
    let right = format!("Bearer {TOKEN_KEY}");
    let reply = asked(&house, PATH, &[("authorization", &right)]).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
    assert_eq!(reply.json()["access_token"], "TOKEN-MARKER");
    assert_eq!(reply.json()["expires_in"], 7200);
    assert_eq!(reply.headers["cache-control"], "no-store");
    // Asked again it is the same, and WeChat is not asked again.
    let calls = house.stage.outside.calls.lock().unwrap().len();
    let again = asked(&house, PATH, &[("authorization", &right)]).await;
    assert_eq!(again.text, reply.text);
    assert_eq!(house.stage.outside.calls.lock().unwrap().len(), calls);

    let key = serde_json::json!({ "key": KEY });
    let signed_in = house.call("POST", "/api/session", &[], Some(&key)).await;
    let cookie = signed_in.headers["set-cookie"].to_str().unwrap();
    let admin = format!("Bearer {KEY}");
    for headers in [
        &[][..],
        &[("authorization", admin.as_str())],
        &[("authorization", "Bearer wrong")],
        &[("cookie", cookie), ("x-magpie-console", "1")],
    ] {
        let reply = asked(&house, PATH, headers).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
        assert!(!reply.text.contains("TOKEN-MARKER"));
    }
    let reply = asked(&house, "/api/channels", &[("authorization", &right)]).await;
    assert_eq!(
        reply.status,
        StatusCode::UNAUTHORIZED,
        "it opens nothing else"
    );
    let nobody = "/api/channels/nowhere/token";
    let reply = asked(&house, nobody, &[("authorization", &right)]).await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND);
}

#[tokio::test(start_paused = true)]
async fn what_keeps_wechat_from_giving_one_is_told() {
    let house = house(Some(TokenKey::Stored)).await;
    let right = [("authorization", "Bearer a key for tokens alone")];
    for weak in ["", "short"] {
        house
            .stage
            .bridge
            .secrets
            .put("token-key", weak)
            .await
            .unwrap();
        let authorization = format!("Bearer {weak}");
        let reply = asked(&house, PATH, &[("authorization", &authorization)]).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{weak}");
    }
    house
        .stage
        .bridge
        .secrets
        .put("token-key", TOKEN_KEY)
        .await
        .unwrap();
    house.stage.outside.codes.lock().unwrap().push_back(40164);
    let reply = asked(&house, PATH, &right).await;
    assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(reply.json()["code"], "no_token");
    // Without a key nobody is given one.
    let none = self::house(None).await;
    let reply = asked(&none, PATH, &right).await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
}
