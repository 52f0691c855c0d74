//! Who comes in, and what everybody is told.

use std::time::Duration;

use http::{Request, StatusCode};
use serde_json::json;

use super::{House, KEY};

async fn cookie(house: &House) -> String {
    let body = json!({ "key": KEY });
    let reply = house.call("POST", "/api/session", &[], Some(&body)).await;
    assert_eq!(reply.status, StatusCode::NO_CONTENT);
    let cookie = reply.headers["set-cookie"].to_str().unwrap().to_owned();
    let attributes = "; HttpOnly; SameSite=Strict; Path=/; Max-Age=43200; Secure";
    assert!(cookie.ends_with(attributes), "{cookie}");
    cookie.split(';').next().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_cookie_is_for_https_alone_unless_our_address_is_http() {
    for (public, secure) in [
        (None, true),
        (Some("https://desk.example/"), true),
        (Some("http://127.0.0.1:8080/"), false),
    ] {
        let mut house = House::new().await;
        let key = super::AdminKey::Given(KEY.to_owned());
        let public = public.map(|url| url::Url::parse(url).unwrap());
        house.console = super::Console::new(key, public);
        let body = json!({ "key": KEY });
        let reply = house.call("POST", "/api/session", &[], Some(&body)).await;
        let cookie = reply.headers["set-cookie"].to_str().unwrap();
        assert_eq!(cookie.ends_with("; Secure"), secure, "{cookie}");
        let common = "; HttpOnly; SameSite=Strict; Path=/; Max-Age=43200";
        assert!(cookie.contains(common), "{cookie}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_key_or_a_session_everything_is_refused() {
    let house = House::new().await;
    for (method, path) in [
        ("GET", "/api/channels"),
        ("PUT", "/api/channels/demo"),
        ("POST", "/api/channels/demo/check"),
        ("GET", "/api/conversations"),
        ("GET", "/api/changes"),
        ("GET", "/api/status"),
        ("GET", "/api/dead"),
        ("DELETE", "/api/session"),
        ("GET", "/api/no/such/thing"),
    ] {
        for headers in [
            &[][..],
            &[("authorization", "Bearer wrong")],
            &[("authorization", "Basic wrong")],
            &[("cookie", "magpie_session=9999999999.AAAA")],
        ] {
            let reply = house.call(method, path, headers, None).await;
            assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{method} {path}");
            assert_eq!(reply.headers["content-type"], "application/problem+json");
            assert_eq!(reply.json()["code"], "signed_out");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_cookie_lets_people_in_from_our_own_page_alone() {
    let house = House::new().await;
    let cookie = cookie(&house).await;
    let ours = ("x-magpie-console", "1");
    let host = ("host", "desk.example");
    let check = async |method: &str, more: &[(&str, &str)], expected: u16| {
        let mut headers = vec![("cookie", cookie.as_str()), host];
        headers.extend(more);
        let path = if method == "GET" {
            "/api/channels"
        } else {
            "/api/session"
        };
        let reply = house.call(method, path, &headers, None).await;
        assert_eq!(reply.status.as_u16(), expected, "{method} {more:?}");
    };
    check("GET", &[], 200).await;
    check("DELETE", &[], 403).await;
    check("DELETE", &[ours], 204).await;
    check("DELETE", &[ours, ("origin", "https://desk.example")], 204).await;
    // A proxy that ends TLS: the page is https, we are http.
    check("DELETE", &[ours, ("origin", "http://desk.example")], 204).await;
    check("DELETE", &[ours, ("origin", "https://evil.example")], 403).await;
    check(
        "DELETE",
        &[ours, ("origin", "https://desk.example:444")],
        403,
    )
    .await;
    check("DELETE", &[ours, ("origin", "null")], 403).await;
    check("DELETE", &[ours, ("sec-fetch-site", "same-origin")], 204).await;
    check("DELETE", &[ours, ("sec-fetch-site", "same-site")], 403).await;
    check("DELETE", &[ours, ("sec-fetch-site", "cross-site")], 403).await;
}

#[tokio::test(start_paused = true)]
async fn a_cookie_expires_and_cannot_be_stretched() {
    let house = House::new().await;
    let cookie = cookie(&house).await;
    let status = async |cookie: &str| {
        let reply = house
            .call("GET", "/api/channels", &[("cookie", cookie)], None)
            .await;
        let headers = http::HeaderMap::from_iter([(
            http::header::COOKIE,
            http::HeaderValue::from_str(cookie).unwrap(),
        )]);
        let reader = house.console.admit_reader(&house.stage.bridge, &headers);
        let refused = reader.await.err().map(|refused| refused.status());
        assert_eq!(refused.unwrap_or(StatusCode::OK), reply.status);
        reply.status
    };
    assert_eq!(status(&cookie).await, StatusCode::OK);
    let among_others = format!("theme=dark; {cookie}; x=y");
    assert_eq!(status(&among_others).await, StatusCode::OK);
    let (_, signature) = cookie.split_once('.').unwrap();
    let stretched = format!("magpie_session=9999999999.{signature}");
    assert_eq!(status(&stretched).await, StatusCode::UNAUTHORIZED);
    tokio::time::advance(Duration::from_secs(12 * 3600 - 1)).await;
    assert_eq!(status(&cookie).await, StatusCode::OK);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(status(&cookie).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test(start_paused = true)]
async fn a_link_opens_once_within_a_quarter_of_an_hour() {
    let house = House::new().await;
    let open = async |link: &str| {
        let (_, token) = link
            .split_once("https://desk.example/console/#link=")
            .unwrap();
        let body = json!({ "link": token });
        let reply = house.call("POST", "/api/session", &[], Some(&body)).await;
        reply.status.as_u16()
    };
    let link = house.console.sign_in_link(&house.stage.bridge);
    let other = house.console.sign_in_link(&house.stage.bridge);
    assert_eq!(open(&link).await, 204);
    assert_eq!(open(&link).await, 401);
    tokio::time::advance(Duration::from_mins(15)).await;
    assert_eq!(open(&other).await, 401);
}

#[tokio::test(start_paused = true)]
async fn who_guesses_keys_has_to_wait_and_who_has_one_has_not() {
    let house = House::new().await;
    let key = async |key: &str| {
        let body = json!({ "key": key });
        house.call("POST", "/api/session", &[], Some(&body)).await
    };
    for _ in 0..10 {
        assert_eq!(key("wrong").await.status.as_u16(), 401);
    }
    let reply = key("wrong").await;
    assert_eq!(reply.status.as_u16(), 429);
    assert_eq!(reply.headers["retry-after"], "60");
    assert_eq!(key(KEY).await.status.as_u16(), 204);
    let link = house.console.sign_in_link(&house.stage.bridge);
    let body = json!({ "link": link.rsplit('=').next().unwrap() });
    let reply = house.call("POST", "/api/session", &[], Some(&body)).await;
    assert_eq!(reply.status.as_u16(), 204);
    tokio::time::advance(Duration::from_mins(1)).await;
    assert_eq!(key("wrong").await.status.as_u16(), 401);
}

#[tokio::test(start_paused = true)]
async fn a_strange_origin_cannot_sign_anybody_in() {
    let house = House::new().await;
    let body = json!({ "key": KEY });
    let headers = [("origin", "https://evil.example"), ("host", "desk.example")];
    let reply = house
        .call("POST", "/api/session", &headers, Some(&body))
        .await;
    assert_eq!(reply.status.as_u16(), 403);
    for wrong in [
        json!({}),
        json!({ "key": "a", "link": "b" }),
        json!({ "key": 7 }),
    ] {
        let reply = house.call("POST", "/api/session", &[], Some(&wrong)).await;
        assert_eq!(reply.status.as_u16(), 400, "{wrong}");
    }
}

#[tokio::test(start_paused = true)]
async fn wrong_addresses_methods_and_bodies_are_told_apart() {
    let house = House::new().await;
    let check = async |method: &str, path: &str, status: u16| {
        let reply = house.program(method, path, None).await;
        assert_eq!(reply.status.as_u16(), status, "{method} {path}");
        reply
    };
    check("GET", "/api/nothing", 404).await;
    check("GET", "/api/channels/Not_An_Id", 404).await;
    check("GET", "/api/conversations/not-a-customer", 404).await;
    let reply = check("DELETE", "/api/channels", 405).await;
    assert_eq!(reply.headers["allow"], "GET");
    let reply = check("PATCH", "/api/channels/demo", 405).await;
    assert_eq!(reply.headers["allow"], "GET, PUT, DELETE");
    check("PUT", "/api/channels/demo", 415).await;
    check("GET", "/api/conversations?limit=0", 400).await;
    check("GET", "/api/conversations?limit=101", 400).await;
    check("GET", "/api/conversations?cursor=%00", 400).await;
    check("GET", "/api/conversations?channel=nowhere", 404).await;
    let bearer = format!("Bearer {KEY}");
    let body = |kind: &str, body: Vec<u8>| {
        Request::put("/api/channels/demo")
            .header("authorization", &bearer)
            .header("content-type", kind)
            .body(body.into())
            .unwrap()
    };
    let check = async |request, status: u16| {
        assert_eq!(house.send(request).await.status.as_u16(), status);
    };
    check(body("text/plain", b"{}".to_vec()), 415).await;
    check(body("application/json", b"[]".to_vec()), 400).await;
    check(body("application/json", b"{".to_vec()), 400).await;
    check(body("application/json", vec![b' '; 64 * 1024 + 1]), 413).await;
    check(body("Application/JSON; charset=utf-8", b"{}".to_vec()), 400).await;
}

#[tokio::test(start_paused = true)]
async fn the_page_and_its_assets_are_for_everybody() {
    let house = House::new().await;
    let page = house
        .call(
            "GET",
            "/console/",
            &[("accept-language", "fr, zh-CN;q=0.8")],
            None,
        )
        .await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"));
    assert!(policy.ends_with("frame-ancestors 'none'"));
    assert!(page.text.contains(r#"<html lang="zh-CN">"#));
    for (name, kind) in [
        ("console.js", "text/javascript; charset=utf-8"),
        ("console.css", "text/css; charset=utf-8"),
    ] {
        let (_, rest) = page
            .text
            .split_once(&format!("/console/{name}?v="))
            .unwrap();
        let version = rest.split('"').next().unwrap();
        assert_eq!(version.len(), 12);
        let path = format!("/console/{name}?v={version}");
        let asset = house.call("GET", &path, &[], None).await;
        assert_eq!(asset.headers["content-type"], kind);
        let kept = asset.headers["cache-control"].to_str().unwrap();
        assert!(kept.contains("immutable"));
        let other = house
            .call("GET", &format!("/console/{name}"), &[], None)
            .await;
        assert_eq!(other.headers["cache-control"], "no-store");
    }
    let mut size = 0;
    for name in ["console.js", "console.css"] {
        let path = format!("/console/{name}");
        size += house.call("GET", &path, &[], None).await.text.len();
    }
    assert!(size <= 40_000, "{size} bytes of script and style");
    // They come beside them once there is a file, or somebody, to show.
    for (name, most) in [
        ("files.js", 4_000),
        ("people.js", 9_000),
        ("erase.js", 4_000),
        ("compose.js", 10_000),
        ("notices.js", 5_000),
    ] {
        let script = format!("/console/{name}");
        let script = house.call("GET", &script, &[], None).await;
        let kind = "text/javascript; charset=utf-8";
        assert_eq!(script.headers["content-type"], kind);
        assert!(script.text.len() <= most, "{} bytes", script.text.len());
        for markup in ["innerHTML", "insertAdjacentHTML", "document.write", "eval("] {
            assert!(!script.text.contains(markup), "{markup} in {name}");
        }
    }
    let to = house.call("GET", "/console", &[], None).await;
    assert_eq!(to.headers["location"], "/console/");
    let reply = house.call("POST", "/console/", &[], None).await;
    assert_eq!(reply.status, StatusCode::METHOD_NOT_ALLOWED);
    let reply = house.call("GET", "/console/secrets", &[], None).await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND);
}

#[tokio::test(start_paused = true)]
async fn a_stored_key_is_made_once() {
    let mut house = House::new().await;
    house.console = super::Console::new(super::AdminKey::Stored, None);
    let reply = house.program("GET", "/api/channels", None).await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
    let key = house
        .stage
        .bridge
        .secrets
        .get("admin")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(key.len(), 43);
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str())];
    let reply = house.call("GET", "/api/channels", &headers, None).await;
    assert_eq!(reply.status, StatusCode::OK);
}
