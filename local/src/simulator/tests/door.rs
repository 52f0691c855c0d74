//! What was ordered, over the listener.

use std::net::SocketAddr;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request};
use hyper::server::conn::http1;
use hyper::service::Service as _;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

const HOST: &str = "wechat.test";

/// A listener without a socket, an account that has a token, and a request
/// that sends a message to its follower.
fn listener() -> (Simulator, Router, String, impl Fn() -> Request) {
    let (wechat, ming, token) = start();
    let (simulator, _courier) = Simulator::new(wechat, || NOW).unwrap();
    let app = router(simulator.clone(), vec![HOST.to_owned()]);
    let words = text(&ming, "hi");
    let request = move || {
        Request::post(format!("{SEND}?access_token={token}"))
            .header("host", HOST)
            .body(Body::from(words.clone()))
            .unwrap()
    };
    (simulator, app, ming, request)
}

/// The status and the body; nothing if the connection would be closed.
async fn ask(app: &Router, request: Request) -> Option<(u16, String)> {
    let response = TowerToHyperService::new(app.clone())
        .call(request)
        .await
        .unwrap();
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), 65_536).await.ok()?;
    Some((status, String::from_utf8(body.to_vec()).unwrap()))
}

fn order(simulator: &Simulator, delay_ms: u32, trouble: Trouble) {
    let mishap = Mishap {
        delay_ms,
        ..Mishap::once(ApiPath::Send, trouble)
    };
    simulator.with(|wechat| wechat.order(mishap)).unwrap();
}

fn shown(simulator: &Simulator, open_id: &str) -> usize {
    simulator.look(|wechat| wechat.customer(APP, open_id).unwrap().received().count())
}

/// How long something takes on the runtime's clock, in milliseconds.
#[expect(
    clippy::disallowed_methods,
    reason = "it measures the runtime's paused time"
)]
async fn timed<T>(what: impl Future<Output = T>) -> (u128, T) {
    let began = tokio::time::Instant::now();
    let done = what.await;
    (began.elapsed().as_millis(), done)
}

#[tokio::test(start_paused = true)]
async fn each_trouble_over_the_listener() {
    for (delay_ms, trouble, took_ms, expected, arrives) in [
        (2_500, Trouble::Late, 2_500, Some((200, "\"ok\"")), true),
        (0, Trouble::Code(45047), 0, Some((200, "45047")), false),
        (
            900,
            Trouble::Code(-1),
            900,
            Some((200, "system error")),
            false,
        ),
        (0, Trouble::Status(500), 0, Some((500, "Internal")), false),
        (
            0,
            Trouble::Status(502),
            0,
            Some((502, "Bad Gateway")),
            false,
        ),
        (
            70,
            Trouble::Status(503),
            70,
            Some((503, "Unavailable")),
            false,
        ),
        (0, Trouble::CloseBefore, 0, None, false),
        (4_000, Trouble::CloseAfter, 4_000, None, true),
        (0, Trouble::Silence, 60_000, None, false),
    ] {
        let (simulator, app, ming, request) = listener();
        order(&simulator, delay_ms, trouble);
        let (took, answer) = timed(ask(&app, request())).await;
        assert_eq!(took, took_ms, "{trouble:?}");
        let status = answer.as_ref().map(|(status, _)| *status);
        assert_eq!(status, expected.map(|(status, _)| status), "{trouble:?}");
        let (body, words) = (answer.unwrap_or_default().1, expected.unwrap_or_default().1);
        assert!(body.contains(words), "{trouble:?}: {body}");
        assert_eq!(
            shown(&simulator, &ming),
            usize::from(arrives),
            "{trouble:?}"
        );
        let (took, answer) = timed(ask(&app, request())).await;
        assert_eq!((took, answer.unwrap().0), (0, 200));
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_that_waits_keeps_it_from_stopping() {
    for (delay_ms, trouble) in [(60_000, Trouble::Late), (0, Trouble::Silence)] {
        let (simulator, app, _, request) = listener();
        order(&simulator, delay_ms, trouble);
        let mut changes = simulator.changes();
        let close = async {
            // The call has come in.
            changes.changed().await.unwrap();
            simulator.close();
        };
        let (took, _) = timed(async { tokio::join!(ask(&app, request()), close) }).await;
        assert_eq!(took, 0, "{trouble:?}");
    }
}

#[tokio::test]
async fn a_closed_connection_has_not_said_a_byte() {
    for (trouble, arrives) in [(Trouble::CloseBefore, 0), (Trouble::CloseAfter, 1)] {
        let (simulator, app, ming, request) = listener();
        order(&simulator, 0, trouble);
        let (mut ours, theirs) = tokio::io::duplex(65_536);
        let service = TowerToHyperService::new(app);
        let connection = http1::Builder::new().serve_connection(TokioIo::new(theirs), service);
        let request = request();
        let address = request.uri().to_string();
        let body = to_bytes(request.into_body(), 65_536).await.unwrap();
        let head = format!(
            "POST {address} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let caller = async move {
            ours.write_all(head.as_bytes()).await.unwrap();
            ours.write_all(&body).await.unwrap();
            let mut said = Vec::new();
            ours.read_to_end(&mut said).await.unwrap();
            said
        };
        let (ended, said) = tokio::join!(connection, caller);
        assert!(ended.is_err());
        assert_eq!(said, b"", "{trouble:?}");
        assert_eq!(shown(&simulator, &ming), arrives);
    }
}

#[tokio::test]
async fn the_address_that_counts_is_the_callers() {
    let (simulator, app, ..) = listener();
    simulator
        .with(|wechat| wechat.allow_addresses(APP, vec!["198.51.100.7".to_owned()]))
        .unwrap();
    for (caller, expected) in [
        ("198.51.100.7:1", "access_token"),
        ("[::ffff:198.51.100.7]:1", "access_token"),
        ("203.0.113.9:1", "invalid ip 203.0.113.9, not in whitelist"),
        ("[::ffff:203.0.113.9]:1", "invalid ip 203.0.113.9, not"),
        ("[2001:db8::1]:1", "invalid ip 2001:db8::1, not"),
    ] {
        let body = json!({"grant_type": "client_credential", "appid": APP, "secret": SECRET});
        let mut request = Request::post("/cgi-bin/stable_token")
            .header("host", HOST)
            .body(Body::from(body.to_string()))
            .unwrap();
        let peer: SocketAddr = caller.parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        let (status, body) = ask(&app, request).await.unwrap();
        assert_eq!(status, 200);
        assert!(body.contains(expected), "{caller}: {body}");
    }
}
