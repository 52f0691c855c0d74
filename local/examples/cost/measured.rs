//! What a message takes, measured: conversations are played through the real
//! verbs on the engine in memory, and its counters, its rows and what goes out
//! are read. `functions.json` has what the binaries take of a processor and what
//! they print, as the program `startup` measured it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::StatusCode;
use magpie::bridge::{sweep, token_refresh};
use magpie::channel::{CallbackMode, DeskSettings};
use magpie::console::{self, AdminKey, Console};
use magpie::http::Outgoing;
use magpie::moment::Moment;
use magpie::store::embedded::{Engine, Fate};
use magpie::store::{Store, Units};
use serde::Deserialize;
use serde_json::{Value, from_value, json, to_value};

use crate::shop::{Shop, webhook_desk};
use crate::{Desk, Outcome};

/// What people write.
const CHAT: [&str; 4] = [
    "好的，我明天下午三点到店里取，可以吗？",
    "Is the blue one still in stock? I would like two of them, size 42.",
    "谢谢！",
    "订单号是 20261122-0093，昨天付的款，一直没有发货，麻烦帮我查一下，急用。",
];
/// The first rounds open the session and fill the caches.
const BEGINNING: u32 = 3;
/// How many rounds are counted.
const ROUNDS: u32 = 40;
/// What DynamoDB adds to an item's bytes.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>
const ITEM: f64 = 100.0;

/// What a message in one direction takes, on average.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Message {
    /// Capacity units until it is acknowledged.
    pub(crate) taken: Units,
    /// Calls of the store until then.
    pub(crate) taken_calls: f64,
    /// Capacity units of its delivery.
    pub(crate) delivered: Units,
    /// Calls of the store for that.
    pub(crate) delivered_calls: f64,
    /// Calls of the desk.
    pub(crate) desk_calls: f64,
    /// Calls of WeChat.
    pub(crate) wechat_calls: f64,
    /// Bytes of all these calls, their TLS not counted.
    pub(crate) out: f64,
    /// Bytes of its row.
    pub(crate) row: f64,
    /// The most that one took, delivery included.
    pub(crate) most: Units,
}

/// What is played and counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    /// A customer's message.
    pub(crate) inbound: Message,
    /// An agent's answer.
    pub(crate) outbound: Message,
    /// A sweep and a look at the tokens, when there is nothing to do.
    pub(crate) idle: Units,
    /// The calls of the store in these.
    pub(crate) idle_calls: f64,
}

/// What an invocation takes of a processor, and prints.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Function {
    /// Milliseconds of a processor.
    pub(crate) cpu_ms: f64,
    /// Bytes of our own lines.
    pub(crate) log_bytes: f64,
}

/// The functions, as they were measured.
pub(crate) fn functions() -> Outcome<BTreeMap<String, Function>> {
    Ok(serde_json::from_str(include_str!("functions.json"))?)
}

/// A shop, and a count of the calls of its store.
struct Play {
    shop: Shop,
    console: Console,
    engine: Engine,
    calls: Arc<AtomicU32>,
    desk: Desk,
}

/// What is read before and after.
struct Counter(Units, u32);

impl Play {
    async fn open(desk: Desk) -> Outcome<Self> {
        let calls = Arc::<AtomicU32>::default();
        let count = Arc::clone(&calls);
        let engine = Engine::in_memory()?;
        let counted = engine.meddled(Arc::new(move |_, _| {
            count.fetch_add(1, Ordering::Relaxed);
            async { Fate::Answered }.boxed()
        }));
        let store = Store::new(counted.client(), "messages", "control");
        store.create_tables(true).await?;
        let settings = match desk {
            Desk::Webhook => webhook_desk(),
            Desk::Inbox => DeskSettings::Inbox,
        };
        Ok(Self {
            shop: Shop::open(store, settings, CallbackMode::Plain).await,
            console: Console::new(AdminKey::Given("a".repeat(32)), None),
            engine,
            calls,
            desk,
        })
    }

    fn counter(&self) -> Counter {
        let spent = self.shop.bridge.store.spent();
        Counter(spent, self.calls.load(Ordering::Relaxed))
    }

    /// What was spent since.
    fn since(&self, before: &Counter) -> (Units, f64) {
        let now = self.counter();
        (now.0 - before.0, f64::from(now.1 - before.1))
    }

    async fn answer(&self, round: u32, customer: &str, words: &str) -> StatusCode {
        let id = format!("msg_{round}");
        match self.desk {
            Desk::Webhook => self.shop.answer(&id, customer, words).await.status(),
            Desk::Inbox => {
                let time = self.shop.bridge.now().to_string();
                let body = json!({ "id": id, "time": time, "kind": "text", "text": words });
                let path = format!("/api/conversations/{customer}/messages");
                let request = http::Request::post(path)
                    .header("authorization", format!("Bearer {}", "a".repeat(32)))
                    .header("content-type", "application/json")
                    .body(Bytes::from(body.to_string()));
                match request {
                    Ok(request) => console::answer(&self.shop.bridge, &self.console, request)
                        .await
                        .status(),
                    Err(_) => StatusCode::BAD_REQUEST,
                }
            }
        }
    }

    /// Works on what has rung, and adds what that took.
    async fn deliver(&self, message: &mut Message) {
        let before = self.counter();
        self.shop.deliver().await;
        let (units, calls) = self.since(&before);
        message.delivered = plus(message.delivered, units);
        message.delivered_calls += calls;
        for (host, count) in [
            ("desk.example", &mut message.desk_calls),
            ("api.weixin.qq.com", &mut message.wechat_calls),
        ] {
            let sent = self.shop.sent_to(host);
            let sent = sent
                .iter()
                .filter(|call| !call.url.path().ends_with("token"));
            for call in sent {
                *count += 1.0;
                message.out += size(call);
            }
        }
    }
}

fn plus(one: Units, other: Units) -> Units {
    Units {
        write: one.write + other.write,
        read: one.read + other.read,
    }
}

fn most(one: Units, other: Units) -> Units {
    Units {
        write: one.write.max(other.write),
        read: one.read.max(other.read),
    }
}

fn float(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// The bytes of a call as HTTP writes it.
fn size(call: &Outgoing) -> f64 {
    let headers = call.headers.iter();
    let headers = headers.map(|(name, value)| name.as_str().len() + value.len() + 4);
    float(call.url.as_str().len() + call.body.len() + headers.sum::<usize>() + 16)
}

/// Plays a conversation with this desk.
pub(crate) async fn measure(desk: Desk) -> Outcome<Measured> {
    let play = Play::open(desk).await?;
    let mut both = [Message::default(); 2];
    for (round, words) in (0..BEGINNING + ROUNDS).zip(CHAT.into_iter().cycle()) {
        if round == BEGINNING {
            both = [Message::default(); 2];
        }
        let [inbound, outbound] = &mut both;
        let before = play.counter();
        let said = play.shop.say("oAnn", round.into(), words).await;
        accepted(said.status())?;
        take(inbound, play.since(&before));
        play.deliver(inbound).await;
        inbound.most = most(inbound.most, play.since(&before).0);

        let customer = play.shop.customer("oAnn").await;
        let before = play.counter();
        accepted(play.answer(round, &customer, words).await)?;
        take(outbound, play.since(&before));
        play.deliver(outbound).await;
        outbound.most = most(outbound.most, play.since(&before).0);
    }
    let rows = rows(&play.engine)?;
    let [inbound, outbound] = both;
    let (idle, idle_calls) = idle(&play).await?;
    Ok(Measured {
        inbound: inbound.each(rows.0),
        outbound: outbound.each(rows.1),
        idle,
        idle_calls,
    })
}

fn accepted(status: StatusCode) -> Outcome<()> {
    if status.is_success() {
        return Ok(());
    }
    Err(format!("a message was answered {status}").into())
}

fn take(message: &mut Message, (units, calls): (Units, f64)) {
    message.taken = plus(message.taken, units);
    message.taken_calls += calls;
}

impl Message {
    /// The average of all rounds.
    fn each(self, row: f64) -> Self {
        let rounds = f64::from(ROUNDS);
        let units = |units: Units| Units {
            write: units.write / rounds,
            read: units.read / rounds,
        };
        Self {
            taken: units(self.taken),
            taken_calls: self.taken_calls / rounds,
            delivered: units(self.delivered),
            delivered_calls: self.delivered_calls / rounds,
            desk_calls: self.desk_calls / rounds,
            wechat_calls: self.wechat_calls / rounds,
            out: self.out / rounds,
            row,
            most: self.most,
        }
    }
}

/// What a minute costs in which nothing happens, the second time.
async fn idle(play: &Play) -> Outcome<(Units, f64)> {
    let mut spent = (Units::default(), 0.0);
    for _ in 0..2 {
        let before = play.counter();
        let bridge = &play.shop.bridge;
        sweep::sweep(bridge, bridge.now().plus(Duration::from_secs(30))).await?;
        token_refresh::token_refresh(bridge, Moment::MAX).await?;
        spent = play.since(&before);
    }
    Ok(spent)
}

/// The bytes of an inbound and of an outbound row as they are stored, on average.
fn rows(engine: &Engine) -> Outcome<(f64, f64)> {
    let scan = from_value(json!({ "TableName": "messages" }))?;
    let scanned = to_value(engine.database().scan(scan)?)?;
    let items = scanned.get("Items").and_then(Value::as_array);
    let items = items.ok_or("the table cannot be read")?;
    let average = |lane: &str| {
        let of_lane = items.iter().filter(|item| {
            let sk = item.pointer("/sk/S").and_then(Value::as_str);
            sk.is_some_and(|sk| sk.starts_with(lane))
        });
        let sizes: Vec<f64> = of_lane.map(item_size).collect();
        sizes.iter().sum::<f64>() / float(sizes.len().max(1)) + ITEM
    };
    Ok((average("I#"), average("O#")))
}

fn item_size(item: &Value) -> f64 {
    let attributes = item.as_object().into_iter().flatten();
    attributes
        .map(|(name, typed)| {
            let typed = typed.as_object().into_iter().flatten();
            let value = typed.map(|(kind, value)| value_size(kind, value));
            float(name.len()) + value.sum::<f64>()
        })
        .sum()
}

fn value_size(kind: &str, value: &Value) -> f64 {
    let length = value
        .as_str()
        .map_or_else(|| value.to_string().len(), str::len);
    let length = float(length);
    match kind {
        // Two digits a byte and one more; three bytes of four characters.
        "N" => (length / 2.0).ceil() + 1.0,
        "B" => (length * 3.0 / 4.0).floor(),
        _ => length,
    }
}
