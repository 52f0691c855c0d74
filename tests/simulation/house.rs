//! The people of the house, in the console: agents at our own inbox, and the
//! operator, who suspends, deletes and tries once more what died.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use magpie::store::Store;
use serde_json::{Value, json};

use crate::draw::Draw;
use crate::driver::Task;
use crate::far::{CHANNELS, INBOX};
use crate::ledger::{Redriven, Told};
use crate::people::words;
use crate::story::{TROUBLE, channel};

/// How often a person tries before they go for a coffee.
const TRIES: usize = 6;

/// The agents at the inbox: they read, answer, and end sessions.
pub(crate) async fn inbox(told: Arc<Told>, draw: Draw) {
    let mut known = BTreeSet::new();
    for n in 0..(5 + draw.below(8)) {
        tokio::time::sleep(draw.span(TROUBLE / 10)).await;
        // Lists are dear: they are not asked for every time.
        if known.is_empty() || n % 4 == 0 {
            let path = format!("/api/conversations?channel={INBOX}&state=all");
            let list = get(&told, &path).await.unwrap_or_default();
            let list = list["conversations"].as_array().into_iter().flatten();
            known.extend(list.filter_map(|one| one["customer_id"].as_str().map(str::to_owned)));
        }
        let at = draw.below(known.len() as u64) as usize;
        let Some(customer) = known.iter().nth(at).cloned() else {
            continue;
        };
        let path = format!("/api/conversations/{customer}");
        match draw.below(10) {
            0 => {
                post(&told, &format!("{path}/end"), &json!({})).await;
            }
            1..4 => read(&told, &path, &customer).await,
            _ => answer(&told, &path, &draw, n).await,
        }
    }
}

async fn get(told: &Told, path: &str) -> Option<Value> {
    let (status, body) = told.call("GET", path, None).await?;
    told.went_well(path, Some(status), INBOX).then_some(body)
}

/// Repeats a call until it is heard; says whether it was.
async fn post(told: &Told, path: &str, body: &Value) -> bool {
    for _ in 0..TRIES {
        let answer = told.call("POST", path, Some(body)).await;
        if told.went_well(path, answer.map(|(status, _)| status), INBOX) {
            return true;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    false
}

/// Reads a conversation to its end.
async fn read(told: &Told, path: &str, customer: &str) {
    let Some(talk) = get(told, path).await else {
        return;
    };
    let messages = talk["messages"].as_array().unwrap();
    let ids: BTreeSet<_> = messages.iter().map(|one| one["id"].as_str()).collect();
    if ids.len() != messages.len() {
        let mut said = told.said.lock().unwrap();
        said.wrongs.push(format!("{path} has a message twice"));
    }
    let last = messages.iter().rev().find(|one| one["direction"] == "in");
    let Some(up_to) = last.and_then(|one| one["id"].as_str()) else {
        return;
    };
    if post(told, &format!("{path}/read"), &json!({"up_to": up_to})).await {
        let key = String::from_utf8(URL_SAFE_NO_PAD.decode(up_to).unwrap()).unwrap();
        let mut said = told.said.lock().unwrap();
        let before = said.read.entry(customer.to_owned()).or_default();
        *before = before.clone().max(key);
    }
}

/// Answers; says the same once more when nobody hears it, or by a double click.
async fn answer(told: &Told, path: &str, draw: &Draw, n: u64) {
    let id = format!("{INBOX}-{n}");
    let text = words(draw, &id);
    let time = told.world.clock.now().to_string();
    let body = json!({"id": id, "time": time, "kind": "text", "text": text});
    let path = format!("{path}/messages");
    let twice = draw.often(150);
    let heard = post(told, &path, &body).await;
    if heard {
        let answer = told.acknowledge(INBOX, &text, &id);
        told.world.totals.lock().unwrap().answers += 1;
        told.said.lock().unwrap().answers.push(answer);
    }
    if twice {
        post(told, &path, &body).await;
    }
}

/// Suspends a channel for a while, in some stories; deletes one, in others.
pub(crate) async fn operator(told: Arc<Told>, draw: Draw) {
    let at = draw.below(CHANNELS.len() as u64) as usize;
    match draw.below(100) {
        0..25 => suspend(&told, CHANNELS[at], &draw).await,
        25..37 => delete(&told, CHANNELS[at], &draw).await,
        _ => {}
    }
}

async fn suspend(told: &Told, id: &str, draw: &Draw) {
    let store = Store::new(told.world.engine.client(), "messages", "control");
    let mut channel = channel(id);
    tokio::time::sleep(draw.span(TROUBLE / 2)).await;
    channel.suspended = true;
    channel.revision += 1;
    assert!(store.update_channel(&channel).await.unwrap());
    tokio::time::sleep(draw.span(TROUBLE / 2)).await;
    channel.suspended = false;
    channel.resumed = Some(told.world.clock.now());
    channel.revision += 1;
    assert!(store.update_channel(&channel).await.unwrap());
}

async fn delete(told: &Told, id: &'static str, draw: &Draw) {
    tokio::time::sleep(TROUBLE / 4 + draw.span(TROUBLE / 2)).await;
    told.said.lock().unwrap().deleted = Some(id);
    told.world.totals.lock().unwrap().deleted += 1;
    let path = format!("/api/channels/{id}?force=true");
    loop {
        let answer = told.call("DELETE", &path, None).await;
        // It is gone, or gone already.
        if answer.is_some_and(|(status, _)| matches!(status, 202 | 404)) {
            break;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    told.tasks.send(Task::Forget(id)).unwrap();
}

/// Looks every few minutes for what died, and tries some of it once more.
pub(crate) async fn redriver(told: Arc<Told>, draw: Draw) {
    for _ in 0..draw.below(5) {
        tokio::time::sleep(draw.span(TROUBLE / 3)).await;
        redrive(&told, |_| draw.often(400), false).await;
    }
}

/// Tries once more what is dead and wanted.
pub(crate) async fn redrive(told: &Told, wanted: impl Fn(usize) -> bool, calm: bool) {
    let Some((200, list)) = told.call("GET", "/api/dead?limit=100", None).await else {
        return;
    };
    for (n, dead) in list["dead"].as_array().unwrap().iter().enumerate() {
        if !wanted(n) {
            continue;
        }
        let id = dead["id"].as_str().unwrap();
        let place = String::from_utf8(URL_SAFE_NO_PAD.decode(id).unwrap()).unwrap();
        let (pk, key) = place.split_once('|').unwrap();
        let mut redriven = Redriven {
            entry: (pk.to_owned(), key.to_owned()),
            asked: told.world.tick(),
            uncertain: dead["reason"]["code"] == "uncertain",
            acknowledged: false,
            calm,
        };
        let path = format!("/api/dead/{id}/redrive");
        let answer = told.call("POST", &path, Some(&json!({}))).await;
        match answer.map(|(status, _)| status) {
            // It is not dead any more, its channel is gone, or an earlier part
            // must go first.
            Some(404 | 409) => continue,
            Some(202) => redriven.acknowledged = true,
            None | Some(500 | 503) => {}
            Some(other) => {
                let mut said = told.said.lock().unwrap();
                said.wrongs.push(format!("a redrive was answered {other}"));
            }
        }
        told.world.totals.lock().unwrap().redriven += u64::from(redriven.acknowledged);
        told.said.lock().unwrap().redriven.push(redriven);
    }
}
