//! What must hold when a story has ended.

use std::collections::{BTreeMap, BTreeSet};

use magpie::desk::public_id;
use magpie::journal::{ConversationKey, Entry, Lane, State};
use magpie::lane::is_call;
use magpie::message::Body;
use magpie::moment::Moment;
use magpie::store::Store;

use crate::far::{DUMB, INBOX, SMART};
use crate::ledger::{Acknowledged, Totals};
use crate::rows::{self, Row};
use crate::story::Ended;
use crate::{answers, board, order, redrives, scans, table};

/// What a check finds.
pub(crate) type Found = Result<(), String>;

/// Everything that is journalled, by place.
pub(crate) struct Journal(Vec<(ConversationKey, Lane, Entry)>);

impl Journal {
    async fn read(store: &Store, rows: &[Row]) -> Self {
        let places: BTreeSet<_> = rows
            .iter()
            .filter_map(|row| ConversationKey::parse(row.text("pk")))
            .collect();
        let mut all = Vec::new();
        for at in places {
            for lane in [Lane::In, Lane::Out] {
                let read = store.history(&at, lane, None, 1000, Moment::default());
                let (mut entries, _) = read.await.unwrap();
                entries.reverse();
                all.extend(entries.into_iter().map(|entry| (at.clone(), lane, entry)));
            }
        }
        Self(all)
    }

    /// The entries of one lane of all conversations.
    pub(crate) fn lane(&self, lane: Lane) -> impl Iterator<Item = (&ConversationKey, &Entry)> {
        self.0
            .iter()
            .filter(move |(_, of, _)| *of == lane)
            .map(|(at, _, entry)| (at, entry))
    }

    /// The entries of a lane that say this.
    pub(crate) fn saying(&self, lane: Lane, text: &str) -> Vec<(&ConversationKey, &Entry)> {
        self.lane(lane)
            .filter(|(_, entry)| words(entry) == Some(text))
            .collect()
    }
}

/// What an entry says, if it is a text.
pub(crate) fn words(entry: &Entry) -> Option<&str> {
    match &entry.body {
        Body::Text { text, .. } => Some(text),
        _ => None,
    }
}

/// Says what does not hold; otherwise counts what became of everything.
pub(crate) async fn check(ended: &Ended) -> Result<Totals, String> {
    let world = &ended.world;
    let store = Store::new(world.engine.client(), "messages", "control");
    if let Some(wrong) = ended.said.wrongs.first() {
        return Err(wrong.clone());
    }
    let rows = rows::all(&world.engine, "messages");
    table::check(&rows, ended.said.deleted)?;
    let journal = Journal::read(&store, &rows).await;
    pushes(ended, &journal)?;
    desks(ended)?;
    sessions(ended, &journal)?;
    answers::check(ended, &journal)?;
    order::check(ended, &journal)?;
    redrives::check(ended, &journal)?;
    board::check(ended, &journal, &rows).await?;
    scans::check(ended, &journal, &store).await?;
    let count = |state| {
        let texts = journal.0.iter().filter(|(.., entry)| entry.state == state);
        texts.filter(|(.., entry)| words(entry).is_some()).count() as u64
    };
    let desks = world.far.desks.lock().unwrap();
    Ok(Totals {
        called: journal.lane(Lane::Out).filter(|(_, e)| is_call(e)).count() as u64,
        delivered: count(State::Delivered),
        dead: count(State::Dead),
        shown_again: desks[DUMB].shown_again.values().sum(),
        ..ended.totals.clone()
    })
}

/// Every push is journalled once and is on its desk, or dead with a reason.
fn pushes(ended: &Ended, journal: &Journal) -> Found {
    let desks = ended.world.far.desks.lock().unwrap();
    let tried = ended.world.tried.lock().unwrap();
    for Acknowledged { channel, text, .. } in &ended.said.pushes {
        let entries = journal.saying(Lane::In, text);
        if entries.is_empty() && ended.said.deleted == Some(channel) {
            continue;
        }
        let [(_, entry)] = entries.as_slice() else {
            return Err(format!("{text} is journalled {} times", entries.len()));
        };
        let shown = match *channel {
            INBOX => tried.get(text).is_some_and(|tried| !tried.taken.is_empty()),
            desk => desks[desk]
                .shown
                .values()
                .flatten()
                .any(|said| said == text),
        };
        match entry.state {
            State::Delivered if !shown => {
                return Err(format!("{text} is delivered and not on the desk"));
            }
            State::Dead if *channel == INBOX && ended.said.deleted != Some(INBOX) => {
                return Err(format!("{text} died on its way to our own inbox"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// A desk that knows repeats shows nothing twice, and every session that opened
/// there has ended. One that does not shows at most one more for each worker
/// that was lost at work there, each call or answer that was lost, and each
/// second try by a person.
fn desks(ended: &Ended) -> Found {
    let desks = ended.world.far.desks.lock().unwrap();
    for (channel, desk) in desks.iter() {
        if let Some(wrong) = desk.wrongs.first() {
            return Err(format!("{channel}: {wrong}"));
        }
        let open = desk.sessions.iter().find(|(_, ended)| !**ended);
        if let (Some((session, _)), true) = (open, ended.said.deleted != Some(channel)) {
            return Err(format!("{channel} was never told that {session} ended"));
        }
    }
    if let Some((conversation, _)) = desks[SMART].shown_again.first_key_value() {
        return Err(format!("something is shown twice in {conversation}"));
    }
    let excuses = ended.world.excuses.lock().unwrap();
    for (conversation, again) in &desks[DUMB].shown_again {
        let open_id = ended.world.open_id(conversation).unwrap_or_default();
        let pk = ended.world.place(&open_id).unwrap_or_default();
        let redriven = ended.said.redriven.iter();
        let redriven = redriven.filter(|redriven| redriven.entry.0 == pk).count() as u64;
        let excuses = redriven + excuses.get(&pk).copied().unwrap_or_default();
        if *again > excuses {
            return Err(format!("{again} shown again in {pk}, {excuses} excuses"));
        }
    }
    Ok(())
}

/// An entry is repeated in its session, unless a person has it tried once more
/// when that is over.
fn sessions(ended: &Ended, journal: &Journal) -> Found {
    let desks = ended.world.far.desks.lock().unwrap();
    for (id, wrong) in desks.values().flat_map(|desk| &desk.moved) {
        let mut redriven = journal.lane(Lane::In).filter(|(_, e)| e.redriven.is_some());
        if !redriven.any(|(at, entry)| public_id(at, entry.key.as_str()) == *id) {
            return Err(wrong.clone());
        }
    }
    Ok(())
}

/// How many entries name each key, for those who count.
pub(crate) fn count<K: Ord>(keys: impl Iterator<Item = K>) -> BTreeMap<K, usize> {
    let mut counted = BTreeMap::new();
    for key in keys {
        *counted.entry(key).or_default() += 1;
    }
    counted
}
