//! Files over the listener.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::request::Builder;
use axum::http::response::Parts;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;

use super::*;

const HOST: &str = "wechat.test";
const BYTES: &str = "application/octet-stream";

fn listener() -> (Simulator, Router, String, String) {
    let (wechat, ming, token) = start();
    let (simulator, _courier) = Simulator::new(wechat, || NOW).unwrap();
    let app = router(simulator.clone(), vec![HOST.to_owned()]);
    (simulator, app, ming, token)
}

async fn ask(app: &Router, request: Builder, body: impl Into<Body>) -> (Parts, Vec<u8>) {
    let request: Request = request.header("host", HOST).body(body.into()).unwrap();
    let service = TowerToHyperService::new(app.clone());
    let (head, body) = service.call(request).await.unwrap().into_parts();
    let body = to_bytes(body, 30_000_000).await.unwrap();
    (head, body.to_vec())
}

/// The status and the answer to a phone that uploads.
async fn put(app: &Router, of: &str, kind: &str, bytes: impl Into<Body>) -> (u16, Value) {
    let path = format!("/sim/media?account={APP}&customer={of}&kind={kind}&name=a%20b.png");
    let request = Request::post(path)
        .header("content-type", BYTES)
        .header("x-magpie-phone", "1");
    let (head, body) = ask(app, request, bytes).await;
    let said = serde_json::from_slice(&body).unwrap_or_default();
    (head.status.as_u16(), said)
}

#[tokio::test]
async fn a_phone_uploads_and_sends() {
    let (simulator, app, ming, token) = listener();
    let (status, put) = put(&app, &ming, "image", PNG).await;
    assert_eq!(status, 200);
    let act =
        json!({"account": APP, "customer": ming, "act": "image", "media_id": put["media_id"]});
    let request = Request::post("/sim/act")
        .header("content-type", "application/json")
        .header("x-magpie-phone", "1");
    let (head, _) = ask(&app, request, act.to_string()).await;
    assert_eq!(head.status, 204);
    // The page's own state says where the picture lies.
    let (_, state) = ask(&app, Request::get("/sim/state"), "").await;
    let state: Value = serde_json::from_slice(&state).unwrap();
    let bubbles = &state["accounts"][0]["customers"][0]["bubbles"];
    let path = bubbles[1]["attachment"]["media"]["path"].as_str().unwrap();
    let (head, body) = ask(&app, Request::get(path), "").await;
    assert_eq!((head.status.as_u16(), &*body), (200, PNG));
    assert_eq!(head.headers["content-type"], "image/png");
    assert_eq!(head.headers["x-content-type-options"], "nosniff");
    let id = put["media_id"].as_str().unwrap();
    let name = simulator.look(|wechat| wechat.media(NOW, APP, id).unwrap().file_name.clone());
    assert_eq!(name, "a b.png");
    for path in ["/media/x", "/media/", "/media", &format!("/media/{id}")] {
        let (head, _) = ask(&app, Request::get(path), "").await;
        assert_eq!(head.status, 404, "{path}");
    }
    // WeChat's API gives the same, to whoever has a token.
    let path = format!("{GET}?access_token={token}&media_id={id}");
    let (head, body) = ask(&app, Request::get(path), "").await;
    assert_eq!(body, PNG);
    assert_eq!(head.headers["content-type"], "image/png");
    let name = format!("attachment; filename=\"{id}.png\"");
    assert_eq!(head.headers["content-disposition"], name);
}

#[tokio::test]
async fn what_a_phone_may_not_upload() {
    let (simulator, app, ming, _) = listener();
    let large = |size: usize| vec![0; size * 1024 * 1024 + 1];
    for (of, kind, bytes, expected, words) in [
        (&*ming, "image", b"%PDF".to_vec(), 409, "a picture is a PNG"),
        (&ming, "image", Vec::new(), 409, "nothing to send"),
        (&ming, "image", large(10), 413, "a picture may have 10 MB"),
        (&ming, "voice", large(2), 413, "a recording 2 MB"),
        (&ming, "video", large(20), 413, "a film 20 MB"),
        ("nobody", "image", PNG.to_vec(), 404, "no such customer"),
    ] {
        let (status, said) = put(&app, of, kind, bytes).await;
        assert_eq!(status, expected, "{kind}");
        let said = said["error"].as_str().unwrap();
        assert!(said.contains(words), "{said}");
    }
    assert_eq!(put(&app, &ming, "file", PNG).await.0, 400);
    // Another origin's page cannot send either header.
    let path = format!("/sim/media?account={APP}&customer={ming}&kind=image&name=a");
    for (kind, phone) in [("text/plain", "1"), ("image/png", "1"), (BYTES, "0")] {
        let request = Request::post(&path)
            .header("content-type", kind)
            .header("x-magpie-phone", phone);
        let (head, _) = ask(&app, request, PNG).await;
        assert_eq!(head.status, 403, "{kind} {phone}");
    }
    let nothing = simulator.look(|wechat| wechat.accounts()[0].media.is_empty());
    assert!(nothing);
}

#[tokio::test]
async fn an_upload_of_the_api_may_be_long() {
    let (_, app, _, token) = listener();
    for (size, status, expected) in [
        (10 * 1024 * 1024, 200, 0),
        (10 * 1024 * 1024 + 1, 200, 45001),
        (12 * 1024 * 1024, 413, 0),
    ] {
        let mut picture = PNG.to_vec();
        picture.resize(size, 0);
        let path = format!("{UPLOAD}?access_token={token}&type=image");
        let request = Request::post(path).header("content-type", FORM);
        let (head, body) = ask(&app, request, form("media", "a.png", &picture)).await;
        assert_eq!(head.status.as_u16(), status);
        let said: Value = serde_json::from_slice(&body).unwrap_or_default();
        assert_eq!(said["errcode"].as_i64().unwrap_or_default(), expected);
        assert_eq!(said["media_id"].is_string(), status == 200 && expected == 0);
    }
    // All other calls stay short.
    let request = Request::post(format!("{SEND}?access_token={token}"));
    let (head, _) = ask(&app, request, vec![b' '; 65_537]).await;
    assert_eq!(head.status, 413);
}
