//! Deliveries over a socket, and the page.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::super::delivery::client;
use super::*;

/// An account's server that answers pushes by a list, and remembers them.
#[derive(Clone, Default)]
struct Server {
    answers: Arc<Vec<(u16, String)>>,
    pushes: Arc<Mutex<Vec<(String, String)>>>,
    checks: Arc<AtomicUsize>,
    hangs: bool,
    mute: bool,
}

async fn verify(State(server): State<Server>, RawQuery(query): RawQuery) -> String {
    server.checks.fetch_add(1, Ordering::SeqCst);
    let query = query.unwrap_or_default();
    let echo = query.split("echostr=").nth(1).unwrap_or_default();
    if server.mute {
        String::new()
    } else {
        echo.to_owned()
    }
}

async fn receive(
    State(server): State<Server>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, String) {
    assert_eq!(headers["content-type"], "text/xml");
    let attempt = {
        let mut pushes = server.pushes.lock().unwrap();
        pushes.push((query.unwrap_or_default(), body));
        pushes.len() - 1
    };
    if server.hangs {
        std::future::pending::<()>().await;
    }
    let (status, body) = server.answers[attempt.min(server.answers.len() - 1)].clone();
    (StatusCode::from_u16(status).unwrap(), body)
}

/// Serves an account's server on a port of its own and a simulator that knows it.
async fn connected(server: &Server, mode: Mode) -> (Simulator, Courier, String) {
    let app = Router::new()
        .route("/wechat/demo", get(verify).post(receive))
        .with_state(server.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    serve(listener, app);
    let mut wechat = WeChat::new("seed");
    wechat
        .add_account(AccountSettings {
            callback_url: format!("http://{address}/wechat/demo"),
            mode,
            ..settings()
        })
        .unwrap();
    let ming = wechat.add_follower(APP, "小明").unwrap();
    let (simulator, courier) = Simulator::new(wechat, || NOW).unwrap();
    (simulator, courier, ming)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the server lasts as long as its test"
)]
fn serve(listener: TcpListener, app: Router) {
    tokio::spawn(async move { axum::serve(listener, app).await });
}

fn last_note(simulator: &Simulator, open_id: &str) -> Option<Note> {
    simulator.look(|wechat| {
        let customer = wechat.customer(APP, open_id).unwrap();
        match customer.bubbles.back().unwrap().content {
            Content::Note { note, .. } => Some(note),
            Content::Mine { .. } | Content::Theirs { .. } => None,
        }
    })
}

#[tokio::test]
async fn a_push_is_tried_four_times_with_the_same_bytes() {
    let ok = (200, "success".to_owned());
    let bad = (500, String::new());
    let odd = (200, "thanks".to_owned());
    for (answers, attempts, stage) in [
        (vec![ok.clone()], 1, Stage::Taken),
        (vec![bad.clone(), ok.clone()], 2, Stage::Taken),
        (
            vec![bad.clone(), odd.clone(), bad.clone(), ok.clone()],
            4,
            Stage::Taken,
        ),
        (
            vec![bad.clone(), odd, bad.clone(), bad, ok],
            4,
            Stage::Failed,
        ),
    ] {
        let server = Server {
            answers: Arc::new(answers),
            ..Server::default()
        };
        let (simulator, _courier, ming) = connected(&server, Mode::Secure).await;
        let state = simulator.act(APP, &ming, &say("你好")).await.unwrap();
        assert_eq!((state.attempts, state.stage), (attempts, stage));
        let pushes = server.pushes.lock().unwrap().clone();
        assert_eq!(pushes.len(), usize::try_from(attempts).unwrap());
        assert!(pushes.iter().all(|push| *push == pushes[0]));
        assert_eq!(server.checks.load(Ordering::SeqCst), 1);
        let grey = (stage == Stage::Failed).then_some(Note::Unavailable);
        assert_eq!(last_note(&simulator, &ming), grey);
        let seen = simulator.look(|wechat| wechat.customer(APP, &ming).unwrap().last_push.clone());
        assert_eq!(seen, Some(state));
        let seen: Vec<_> = simulator.look(|wechat| wechat.sights().cloned().collect());
        let [push, check] = &*seen else {
            panic!("{seen:?}");
        };
        let expected = Event::Check {
            connection: Connection::Connected,
            took_ms: Some(0),
        };
        assert_eq!(check.event, expected);
        assert!(
            matches!(&push.event, Event::Push { stage: how, tries, .. }
                if *how == stage && tries.len() == pushes.len()),
            "{push:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
#[expect(
    clippy::disallowed_methods,
    reason = "it measures the runtime's paused time"
)]
async fn a_server_that_hangs_costs_five_seconds_an_attempt() {
    let server = Server {
        hangs: true,
        ..Server::default()
    };
    let (simulator, _courier, ming) = connected(&server, Mode::Plain).await;
    // The paused clock would run on while the check is under way on a socket.
    simulator.with(|wechat| {
        let check = wechat.handshake(NOW, APP).unwrap();
        wechat.conclude(&check, Some((200, check.echostr.as_bytes())));
    });
    let began = tokio::time::Instant::now();
    let state = simulator.act(APP, &ming, &say("你好")).await.unwrap();
    assert_eq!((state.attempts, state.stage), (4, Stage::Failed));
    assert_eq!((state.status, began.elapsed().as_secs()), (None, 20));
    assert_eq!(last_note(&simulator, &ming), Some(Note::Unavailable));
}

#[tokio::test]
async fn nothing_is_pushed_before_the_check_holds() {
    let server = Server {
        answers: Arc::new(vec![(200, "success".to_owned())]),
        mute: true,
        ..Server::default()
    };
    let (simulator, _courier, ming) = connected(&server, Mode::Plain).await;
    let state = simulator.act(APP, &ming, &say("你好")).await.unwrap();
    assert_eq!((state.stage, state.attempts), (Stage::NotConnected, 0));
    assert!(server.pushes.lock().unwrap().is_empty());
    let failed = Connection::Failed { status: Some(200) };
    assert_eq!(
        simulator.change_mode(APP, Mode::Secure).await.unwrap(),
        failed
    );
    let mode = simulator.look(|wechat| wechat.account(APP).unwrap().settings.mode);
    assert_eq!(mode, Mode::Plain);
}

#[tokio::test]
async fn a_passive_reply_is_shown() {
    let ming = start().1;
    let words = passive(&ming, "text", "<Content>欢迎</Content>");
    let server = Server {
        answers: Arc::new(vec![(200, sealed(&words, APP, TOKEN))]),
        ..Server::default()
    };
    let (simulator, courier, same) = connected(&server, Mode::Secure).await;
    assert_eq!(same, ming);
    // Through the courier this time, as the page does it.
    let mut changes = simulator.changes();
    simulator.post(APP, &ming, &say("你好")).unwrap();
    let shown = async {
        while !simulator.look(|wechat| {
            let ming = wechat.customer(APP, &ming).unwrap();
            ming.received().any(|text| text == "欢迎")
        }) {
            changes.changed().await.unwrap();
        }
        simulator.close();
    };
    tokio::join!(courier.run(), shown);
}

/// Asks the page's listener and gives the status and the body.
async fn ask(
    address: SocketAddr,
    request: impl FnOnce(&reqwest::Client, String) -> reqwest::RequestBuilder,
) -> (u16, String) {
    let answer = request(&client().unwrap(), format!("http://{address}"))
        .send()
        .await
        .unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn the_page_and_its_calls() {
    let server = Server {
        answers: Arc::new(vec![(200, "success".to_owned())]),
        ..Server::default()
    };
    let (simulator, _courier, ming) = connected(&server, Mode::Plain).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = router(simulator.clone(), vec![address.to_string()]);
    serve(listener, app);

    let (status, page) = ask(address, reqwest::Client::get).await;
    assert_eq!(status, 200);
    for name in ["words", "phone", "controls", "sights"] {
        let path = format!("/{name}.js");
        assert!(page.contains(&path));
        let (status, script) = ask(address, |http, base| http.get(base + &path)).await;
        assert_eq!(status, 200);
        assert!(script.starts_with("\"use strict\";"), "{path}");
    }
    let (status, _) = ask(address, |http, base| {
        http.get(base).header("host", "evil.example")
    })
    .await;
    assert_eq!(status, 403);
    let (status, _) = ask(address, |http, base| {
        http.post(base + SEND).body(vec![b' '; 65_537])
    })
    .await;
    assert_eq!(status, 413);
    let (status, body) = ask(address, |http, base| http.post(base + SEND).body("{}")).await;
    assert_eq!((status, body.contains("41001")), (200, true));

    let act = |body: Value, kind: &'static str, ours: bool| async move {
        ask(address, |http, base| {
            let request = http
                .post(base + "/sim/act")
                .header("content-type", kind)
                .body(body.to_string());
            if ours {
                request.header("x-magpie-phone", "1")
            } else {
                request
            }
        })
        .await
        .0
    };
    let body = json!({"account": APP, "customer": ming, "act": "say", "text": "你好"});
    assert_eq!(act(body.clone(), "text/plain", true).await, 403);
    assert_eq!(act(body.clone(), "application/json", false).await, 403);
    assert_eq!(act(json!({}), "application/json", true).await, 400);
    let raw = json!({"account": APP, "customer": ming, "act": "elements", "xml": "<a/>"});
    assert_eq!(act(raw, "application/json", true).await, 400);
    let nobody = json!({"account": APP, "customer": "x", "act": "follow"});
    assert_eq!(act(nobody, "application/json", true).await, 404);
    let again = json!({"account": APP, "customer": ming, "act": "follow"});
    assert_eq!(act(again, "application/json", true).await, 409);
    assert_eq!(
        act(body, "application/json; charset=utf-8", true).await,
        204
    );
    let (_, state) = ask(address, |http, base| http.get(base + "/sim/state")).await;
    assert!(state.contains("你好"));
    for secret in [SECRET, TOKEN, KEY] {
        assert!(!state.contains(secret));
    }
}

#[test]
fn pages_are_small() {
    let total = include_str!("../page/phone.html").len()
        + include_str!("../page/phone.css").len()
        + include_str!("../page/words.js").len()
        + include_str!("../page/menu.js").len()
        + include_str!("../page/phone.js").len()
        + include_str!("../page/controls.js").len()
        + include_str!("../page/sights.js").len();
    assert!(total <= 49_152, "{total} bytes");
}
