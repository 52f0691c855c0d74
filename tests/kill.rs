//! `kill -9` during load, again and again: after a restart every push that was
//! answered 200 is on the desk, once and in order, though nobody writes again.
//!
//! `MAGPIE_KILLS` sets another number of kills.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop where it stands"
)]

#[path = "harness/process.rs"]
#[allow(dead_code, reason = "every target uses its own part of the harness")]
mod process;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use magpie::channel::{CallbackMode, Channel, DeskSettings, TIME_ZONE, TokenCall};
use magpie::clock::Clock;
use magpie::desk::webhook;
use magpie::http::{Allowed, Http, Outgoing};
use magpie::message::ChannelId;
use magpie::secrets::{ChannelSecrets, SecretFile, Secrets};
use magpie::store::Store;
use magpie::store::control::Created;
use magpie::store::embedded::Engine;
use magpie_local::simulator::{AccountSettings, Act, Callback, Mode, WeChat};
use process::{Outputs, Process};
use tokio::sync::watch;
use tokio::task::JoinSet;
use url::Url;

/// How many times it is killed.
const KILLS: usize = 50;
/// Who writes.
const CUSTOMERS: usize = 8;
/// How long one push may take; it is given up when the process dies.
const PUSH: Duration = Duration::from_secs(5);
/// How long a start, or the desk's reading, may take before the test gives up.
const PATIENCE: Duration = Duration::from_secs(150);
const APP_ID: &str = "wx0123456789abcdef";
const TOKEN: &str = "tokenOfTheCallback";
const AES_KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";

/// What the desk was told: who (by the words) said what, in the order in which
/// it was first told.
#[derive(Default)]
struct Told {
    by_id: BTreeMap<String, String>,
    in_order: BTreeMap<usize, Vec<usize>>,
    repeats: usize,
}

#[derive(Clone)]
struct Desk {
    told: Arc<watch::Sender<Told>>,
    secret: Arc<Vec<u8>>,
}

/// The desk's side: it checks the signature, knows a repeat by its id, and
/// shows each message once.
async fn hear(State(desk): State<Desk>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let header = |name: &str| headers.get(name).unwrap().to_str().unwrap().to_owned();
    let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
    let signed = webhook::sign(&desk.secret, &id, &timestamp, &body);
    let signed = format!("v1,{}", {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(signed)
    });
    assert!(
        header("webhook-signature")
            .split(' ')
            .any(|one| one == signed)
    );
    let call: serde_json::Value = serde_json::from_slice(&body).unwrap();
    if call["type"] != "message.created" {
        return StatusCode::NO_CONTENT;
    }
    let text = call["message"]["text"].as_str().unwrap().to_owned();
    let (customer, number) = text.split_once(" says ").unwrap();
    let (customer, number) = (customer.parse().unwrap(), number.parse().unwrap());
    desk.told.send_modify(|told| {
        if let Some(before) = told.by_id.insert(id, text.clone()) {
            assert_eq!(before, text, "one id, one message");
            told.repeats += 1;
        } else {
            told.in_order.entry(customer).or_default().push(number);
        }
    });
    StatusCode::NO_CONTENT
}

/// What the test knows of the customers.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<BTreeMap<usize, Vec<usize>>>>);

struct Street {
    wechat: Mutex<WeChat>,
    people: Vec<String>,
    http: Http,
    said: Said,
    /// How many pushes were answered 200.
    taken: watch::Sender<usize>,
    next: Mutex<usize>,
}

impl Street {
    fn new() -> Self {
        let mut wechat = WeChat::new("kill");
        wechat
            .add_account(AccountSettings {
                app_id: APP_ID.to_owned(),
                original_id: "gh_0123456789ab".to_owned(),
                secret: "0123456789abcdef0123456789abcdef".to_owned(),
                token: TOKEN.to_owned(),
                aes_key: AES_KEY.to_owned(),
                mode: Mode::Secure,
                callback_url: "http://127.0.0.1/wechat/shop".to_owned(),
                name: "Shop".to_owned(),
            })
            .unwrap();
        let people = (0..CUSTOMERS)
            .map(|number| wechat.add_follower(APP_ID, &number.to_string()).unwrap())
            .collect();
        Self {
            wechat: Mutex::new(wechat),
            people,
            http: Http::network(Allowed::parse("http://127.0.0.1").unwrap()),
            said: Said::default(),
            taken: watch::Sender::new(0),
            next: Mutex::new(0),
        }
    }

    fn push(&self, customer: usize, number: usize) -> Callback {
        let say = Act::Say {
            text: format!("{customer} says {number}"),
        };
        let now = Clock::System.now().millis();
        let mut wechat = self.wechat.lock().unwrap();
        let person = self.people.get(customer).unwrap();
        wechat.act(now, APP_ID, person, &say).unwrap()
    }

    /// A customer writes one message after the other until one is not taken:
    /// the process is dead.
    async fn write(&self, customer: usize, base: &Url) {
        loop {
            let number = {
                let mut next = self.next.lock().unwrap();
                *next += 1;
                *next
            };
            let push = self.push(customer, number);
            let url = base.join(&format!("/wechat/shop?{}", push.query)).unwrap();
            let call = Outgoing::json(url, push.body, PUSH);
            match self.http.send(call).await {
                Ok(answer) => {
                    assert_eq!(
                        (answer.status, answer.body.as_slice()),
                        (200, &b"success"[..])
                    );
                    let mut said = self.said.0.lock().unwrap();
                    said.entry(customer).or_default().push(number);
                    self.taken.send_modify(|taken| *taken += 1);
                }
                Err(_) => return,
            }
        }
    }
}

/// Waits for what the test needs, and not for ever.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.unwrap()
}

async fn start(outputs: &Outputs, data: &Path, desk: &str) -> (Process, Url) {
    let environment = [
        ("MAGPIE_LISTEN", "127.0.0.1:0"),
        ("MAGPIE_DATA", data.to_str().unwrap()),
        ("MAGPIE_DEMO", "0"),
        ("MAGPIE_ALLOW_ENDPOINTS", desk),
    ];
    let program = Path::new(env!("CARGO_BIN_EXE_magpie"));
    let magpie = Process::start(outputs, "magpie", program, [""; 0], environment).unwrap();
    let line = soon(magpie.printed("Magpie 0")).await.unwrap();
    let url = line.split_whitespace().last().unwrap();
    (magpie, Url::parse(url).unwrap())
}

/// Writes the channel into a new data folder, as the console does.
async fn connect(data: &Path, desk: &str, secret: &str) {
    let mut make = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut make, 0o700);
    make.recursive(true).create(data).unwrap();
    let engine = Engine::open(&data.join("store.db")).unwrap();
    let store = Store::new(engine.client(), "magpie-messages", "magpie-control");
    store.create_tables(false).await.unwrap();
    let id = ChannelId::parse("shop").unwrap();
    let channel = Channel {
        id: id.clone(),
        name: "Shop".to_owned(),
        app_id: APP_ID.to_owned(),
        original_id: "gh_0123456789ab".to_owned(),
        mode: CallbackMode::Secure,
        suspended: false,
        resumed: None,
        only_wechat_addresses: false,
        replies: magpie::reply::Replies::default(),
        deleted: false,
        api_base: "https://api.weixin.qq.com".to_owned(),
        token_call: TokenCall::Stable,
        part_pause_ms: 0,
        retention_days: 3,
        erase_after_days: 15,
        time_zone: TIME_ZONE.to_owned(),
        fallback: None,
        agent_name: magpie::channel::AgentName::None,
        kf_account: None,
        desk: DeskSettings::Webhook {
            url: format!("{desk}/hook"),
        },
        revision: 1,
    };
    assert_eq!(store.create_channel(&channel).await.unwrap(), Created::New);
    let secrets = ChannelSecrets {
        only_wechat_addresses: false,
        replies: false,
        mode: CallbackMode::Secure,
        app_id: channel.app_id,
        original_id: channel.original_id,
        token: TOKEN.to_owned(),
        aes_key: Some(AES_KEY.to_owned()),
        previous_aes_key: None,
        // Nothing is sent to WeChat, so no token is needed.
        app_secret: None,
        desk: vec![secret.to_owned()],
    };
    let file = SecretFile::open(&data.join("secrets.json")).unwrap();
    Secrets::File(file)
        .put_channel(&id, &secrets)
        .await
        .unwrap();
}

/// Whether everything that was taken is on the desk.
fn has_all(told: &Told, said: &BTreeMap<usize, Vec<usize>>) -> bool {
    said.iter().all(|(customer, numbers)| {
        let heard = told.in_order.get(customer);
        numbers
            .iter()
            .all(|number| heard.is_some_and(|heard| heard.contains(number)))
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_every_kill() {
    let kills =
        magpie::config::variable("MAGPIE_KILLS").map_or(KILLS, |text| text.parse().unwrap());
    let secret = webhook::new_secret([7; 32]);
    let desk = Desk {
        told: Arc::default(),
        secret: Arc::new(webhook::secret(&secret).unwrap()),
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let desk_url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new()
        .route("/hook", post(hear))
        .with_state(desk.clone());
    let mut servers = JoinSet::new();
    servers.spawn(async move { axum::serve(listener, router).await.unwrap() });

    let data = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("kill");
    if data.exists() {
        std::fs::remove_dir_all(&data).unwrap();
    }
    connect(&data, &desk_url, &secret).await;
    let outputs = Outputs::default();
    let street = Arc::new(Street::new());
    let (mut magpie, mut base) = start(&outputs, &data, &desk_url).await;
    for kill in 0..kills {
        let mut taken = street.taken.subscribe();
        let enough = *taken.borrow() + 1 + kill * 7 % 40;
        let mut writers = JoinSet::new();
        for customer in 0..CUSTOMERS {
            let (street, base) = (Arc::clone(&street), base.clone());
            writers.spawn(async move { street.write(customer, &base).await });
        }
        soon(taken.wait_for(|taken| *taken >= enough))
            .await
            .unwrap();
        magpie.kill();
        soon(async { while writers.join_next().await.transpose().unwrap().is_some() {} }).await;

        (magpie, base) = start(&outputs, &data, &desk_url).await;
        let said = street.said.0.lock().unwrap().clone();
        let mut told = desk.told.subscribe();
        let told = tokio::time::timeout(PATIENCE, told.wait_for(|told| has_all(told, &said))).await;
        assert!(told.is_ok(), "something is missing after kill {kill}");
    }
    let told = desk.told.borrow();
    for (customer, numbers) in &told.in_order {
        let rise = numbers.is_sorted_by(|one, next| one < next);
        assert!(rise, "customer {customer}: {numbers:?}");
    }
    let taken = *street.taken.borrow();
    println!(
        "{kills} kills, {taken} pushes taken, {} messages on the desk, {} repeats",
        told.by_id.len(),
        told.repeats
    );
    assert!(told.by_id.len() >= taken);
    assert_eq!(magpie.terminate().await.code(), Some(0));
    for (_, output) in outputs.snapshot() {
        let said = String::from_utf8_lossy(&output).into_owned();
        for hidden in [TOKEN, AES_KEY, secret.as_str()] {
            assert!(!said.contains(hidden), "a secret was printed");
        }
    }
}
