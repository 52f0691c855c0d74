//! What the console shows of the inbox at the end: every conversation once, on
//! the side of the closed; in each every message, its state, the last words and
//! what is unread.

use std::collections::{BTreeMap, BTreeSet};

use magpie::console;
use magpie::journal::{Class, EntryKey, Lane};
use magpie::wechat::split::split;
use serde_json::Value;

use crate::checks::{Found, Journal, count};
use crate::far::INBOX;
use crate::ledger::request;
use crate::near::Process;
use crate::rows::Row;
use crate::story::Ended;

/// Says what does not hold.
pub(crate) async fn check(ended: &Ended, journal: &Journal, rows: &[Row]) -> Found {
    let process = ended.world.process(0, 0);
    let begun: BTreeMap<&str, &Row> = rows
        .iter()
        .filter(|row| row.text("sk") == "J" && row.text("ch") == INBOX)
        .map(|row| (row.text("cid"), row))
        .collect();
    if ended.said.deleted == Some(INBOX) {
        return Ok(());
    }
    let path = format!("/api/conversations?channel={INBOX}&state=open&limit=9");
    if !pages(&process, &path, "conversations").await?.is_empty() {
        return Err("a session is shown as open".into());
    }
    let path = format!("/api/conversations?channel={INBOX}&state=all&limit=1");
    let listed = pages(&process, &path, "conversations").await?;
    let ids: Vec<_> = listed.iter().map(|one| text(one, "customer_id")).collect();
    let known: BTreeSet<_> = begun.keys().map(|id| (*id).to_owned()).collect();
    if ids.len() != known.len() || ids.iter().cloned().collect::<BTreeSet<_>>() != known {
        return Err(format!(
            "of {} conversations, {} are listed",
            known.len(),
            ids.len()
        ));
    }
    let active: Vec<_> = listed.iter().map(|one| text(one, "active")).collect();
    if !active.is_sorted_by(|one, next| one >= next) {
        return Err("the board is not in the order of activity".into());
    }
    let mut shown = Vec::new();
    for talk in &listed {
        let row = begun[text(talk, "customer_id").as_str()];
        talk_is_right(ended, journal, talk, row)?;
        let path = format!("/api/conversations/{}?limit=12", text(talk, "customer_id"));
        shown.extend(pages(&process, &path, "messages").await?);
    }
    messages(ended, journal, &shown)
}

fn text(of: &Value, name: &str) -> String {
    of[name].as_str().unwrap_or_default().to_owned()
}

/// Everything in a list, a few at a time.
async fn pages(process: &Process, path: &str, name: &str) -> Result<Vec<Value>, String> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("{path}{cursor}");
        let call = request("GET", &path, None);
        let answer = console::answer(&process.bridge, &process.console, call).await;
        let page: Value = serde_json::from_slice(answer.body()).unwrap();
        let Some(rows) = page[name].as_array() else {
            return Err(format!("{path} was answered {}", answer.status()));
        };
        all.extend(rows.iter().cloned());
        let Some(next) = page["cursor"].as_str() else {
            return Ok(all);
        };
        cursor = format!("&cursor={next}");
    }
}

/// The last words are those that came last; what was read stays read.
fn talk_is_right(ended: &Ended, journal: &Journal, talk: &Value, row: &Row) -> Found {
    let (pk, customer) = (row.text("pk"), text(talk, "customer_id"));
    let last = ended.world.touched.lock().unwrap().get(pk).cloned();
    if last.as_deref().unwrap_or_default() != row.text("lm") {
        return Err(format!(
            "{pk} shows {:.60} last, not {last:?}",
            row.text("lm")
        ));
    }
    let read = row.text("rd");
    let acknowledged = ended.said.read.get(&customer);
    if acknowledged.is_some_and(|key| read < key.as_str()) {
        return Err(format!(
            "{pk} was read up to {acknowledged:?}, and to {read}"
        ));
    }
    let unread = |key: &EntryKey| key.class() == Some(Class::Message) && key.as_str() > read;
    let entries = journal.lane(Lane::In).filter(|(at, _)| at.as_str() == pk);
    let unread = entries.filter(|(_, entry)| unread(&entry.key)).count();
    if talk["unread"] != unread {
        return Err(format!(
            "{pk} has {unread} unread, and shows {}",
            talk["unread"]
        ));
    }
    Ok(())
}

/// Everything that was said at the inbox is shown once, in its state.
fn messages(ended: &Ended, journal: &Journal, shown: &[Value]) -> Found {
    let times = count(shown.iter().map(|one| text(one, "text")));
    let states: BTreeMap<_, _> = shown
        .iter()
        .map(|one| (text(one, "text"), text(one, "state")))
        .collect();
    let pushes = ended.said.pushes.iter().filter(|one| one.channel == INBOX);
    let pushes = pushes.map(|push| (Lane::In, vec![push.text.clone()]));
    let answers = ended.said.answers.iter().filter(|one| one.channel == INBOX);
    let answers = answers.map(|answer| (Lane::Out, split(&answer.text).unwrap()));
    for (lane, texts) in pushes.chain(answers) {
        for text in texts {
            let entry = journal.saying(lane, &text)[0].1;
            if times.get(&text) != Some(&1) {
                return Err(format!("{text:.20} is shown {:?} times", times.get(&text)));
            }
            if states[&text] != entry.state.word() {
                return Err(format!("{text:.20} is shown as {}", states[&text]));
            }
        }
    }
    Ok(())
}
