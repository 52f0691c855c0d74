//! What must hold when a story has ended.

use std::collections::BTreeMap;

use magpie::journal::{Entry, Lane, SHARDS, State};
use magpie::message::{Body, ChannelId};
use magpie::moment::Moment;
use magpie::store::Store;

use crate::far::{CHANNELS, DUMB, SMART};
use crate::story::{Acknowledged, Ended, Totals};

/// Says what does not hold; otherwise counts what became of everything.
pub(crate) async fn check(ended: &Ended) -> Result<Totals, String> {
    let world = &ended.world;
    let store = Store::new(world.engine.client(), "messages", "control");
    let (waiting, _) = store.walk(None).await.unwrap();
    if !waiting.is_empty() {
        return Err(format!("something waits still: {waiting:?}"));
    }
    let mut journal: BTreeMap<String, (Lane, Entry)> = BTreeMap::new();
    for channel in CHANNELS {
        let id = ChannelId::parse(channel).unwrap();
        for shard in 0..SHARDS {
            let due = store
                .due(&id, shard, Moment::MAX, false, 100)
                .await
                .unwrap();
            if !due.is_empty() {
                return Err(format!("something is parked still: {due:?}"));
            }
            for open in [true, false] {
                let page = store
                    .board(&id, open, shard, None, None, 100)
                    .await
                    .unwrap();
                if open && !page.rows.is_empty() {
                    return Err("a session is open still".into());
                }
                for (at, ..) in page.rows {
                    for lane in [Lane::In, Lane::Out] {
                        let (entries, _) = store
                            .history(&at, lane, None, 1000, Moment::default())
                            .await
                            .unwrap();
                        for entry in entries {
                            if let Body::Text { text, .. } = &entry.body {
                                let key = format!("{lane:?} {at} {text}");
                                journal.insert(key, (lane, entry));
                            }
                        }
                    }
                }
            }
        }
    }
    pushes(ended, &journal)?;
    answers(ended, &journal)?;
    order(ended, &journal)?;
    let count = |state| {
        journal
            .values()
            .filter(|(_, entry)| entry.state == state)
            .count() as u64
    };
    Ok(Totals {
        delivered: count(State::Delivered),
        dead: count(State::Dead),
        shown_again: world.far.desks.lock().unwrap()[DUMB].shown_again,
        ..ended.totals.clone()
    })
}

fn found<'a>(
    journal: &'a BTreeMap<String, (Lane, Entry)>,
    lane: Lane,
    text: &str,
) -> Vec<&'a Entry> {
    journal
        .values()
        .filter(|(of, entry)| {
            *of == lane && matches!(&entry.body, Body::Text { text: said, .. } if said == text)
        })
        .map(|(_, entry)| entry)
        .collect()
}

/// Every push is on its desk or dead with a reason; none is there twice that
/// need not be.
fn pushes(ended: &Ended, journal: &BTreeMap<String, (Lane, Entry)>) -> Result<(), String> {
    let desks = ended.world.far.desks.lock().unwrap();
    for push in &ended.pushes {
        let Acknowledged { channel, text, .. } = push;
        let entries = found(journal, Lane::In, text);
        let [entry] = entries.as_slice() else {
            return Err(format!("{text} is journalled {} times", entries.len()));
        };
        let shown = desks[channel]
            .shown
            .values()
            .flatten()
            .filter(|said| *said == text)
            .count();
        match entry.state {
            State::Delivered if shown == 0 => {
                return Err(format!("{text} is delivered and not on the desk"));
            }
            State::Dead if entry.reason.is_none() => {
                return Err(format!("{text} died without a reason"));
            }
            State::Delivered | State::Dead => {}
            other => return Err(format!("{text} is {other:?}")),
        }
        if *channel == SMART && shown > 1 {
            return Err(format!("{text} is shown {shown} times"));
        }
    }
    let totals = &ended.totals;
    let excuses =
        totals.deaths + totals.answers_lost + totals.store_answers_lost + totals.throttled;
    if desks[DUMB].shown_again > excuses {
        return Err(format!(
            "{} shown again, {excuses} excuses",
            desks[DUMB].shown_again
        ));
    }
    Ok(())
}

/// Every answer is on the phone once, in parts that follow one another, or
/// dead with a reason that the desk was told.
fn answers(ended: &Ended, journal: &BTreeMap<String, (Lane, Entry)>) -> Result<(), String> {
    let world = &ended.world;
    for (channel, open_ids) in &ended.customers {
        for open_id in open_ids {
            let phone = world.far.phone(channel, open_id);
            let mut seen = std::collections::BTreeSet::new();
            for text in &phone {
                if !seen.insert(text) {
                    return Err(format!("a phone shows {text:.20} twice"));
                }
            }
        }
    }
    let desks = world.far.desks.lock().unwrap();
    for answer in &ended.answers {
        let parts = magpie::wechat::split::split(&answer.text).unwrap();
        let mut failed = None;
        for (number, part) in parts.iter().enumerate() {
            let entries = found(journal, Lane::Out, part);
            let [entry] = entries.as_slice() else {
                return Err(format!("{part:.20} is journalled {} times", entries.len()));
            };
            let taken = world
                .tried
                .lock()
                .unwrap()
                .get(part)
                .and_then(|tried| tried.taken);
            match entry.state {
                State::Delivered if failed.is_some() => {
                    return Err(format!(
                        "part {} of {} went without the one before",
                        number + 1,
                        answer.who
                    ));
                }
                State::Delivered if taken.is_none() => {
                    return Err(format!("{part:.20} is delivered and not on the phone"));
                }
                State::Delivered => {}
                State::Dead => {
                    let reason = entry
                        .reason
                        .ok_or_else(|| format!("{part:.20} died without a reason"))?;
                    failed.get_or_insert(reason);
                }
                other => return Err(format!("{part:.20} is {other:?}")),
            }
        }
        if let Some(reason) = failed {
            let told = desks[answer.channel].status.get(&answer.who);
            if !told.is_some_and(|states| states.iter().any(|state| state == "failed")) {
                return Err(format!(
                    "{} died of {} and the desk was not told",
                    answer.who,
                    reason.code()
                ));
            }
        }
    }
    Ok(())
}

/// An entry, when it was acknowledged, and its words.
type Spoken<'a> = (&'a Entry, u64, String);

/// Of two entries of a lane that were both journalled before either was
/// attempted, the far side took them in the order of their keys.
fn order(ended: &Ended, journal: &BTreeMap<String, (Lane, Entry)>) -> Result<(), String> {
    let world = &ended.world;
    let tried = world.tried.lock().unwrap();
    let mut lanes: BTreeMap<(String, Lane), Vec<Spoken<'_>>> = BTreeMap::new();
    let acknowledged = ended
        .pushes
        .iter()
        .map(|push| (push, vec![push.text.clone()]));
    let answered = ended
        .answers
        .iter()
        .map(|answer| (answer, magpie::wechat::split::split(&answer.text).unwrap()));
    for (said, parts) in acknowledged.chain(answered) {
        for part in parts {
            for (name, (lane, entry)) in journal {
                let Body::Text { text, .. } = &entry.body else {
                    continue;
                };
                if *text == part {
                    let at = name.split(' ').nth(1).unwrap_or_default().to_owned();
                    lanes
                        .entry((at, *lane))
                        .or_default()
                        .push((entry, said.at, part.clone()));
                }
            }
        }
    }
    for entries in lanes.values_mut() {
        entries.sort_by(|a, b| a.0.key.cmp(&b.0.key));
        for (n, (first, first_at, first_text)) in entries.iter().enumerate() {
            for (second, second_at, second_text) in &entries[n + 1..] {
                let (Some(one), Some(two)) = (tried.get(first_text), tried.get(second_text)) else {
                    continue;
                };
                let both_before = first_at.max(second_at) < &one.looked.min(two.looked);
                if let (true, Some(a), Some(b)) = (both_before, one.taken, two.taken)
                    && a > b
                {
                    return Err(format!("{} was taken after {}", first.key, second.key));
                }
            }
        }
    }
    Ok(())
}
