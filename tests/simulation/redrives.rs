//! What a person tried once more was attempted once more, and has ended again.

use magpie::journal::{Entry, Lane, State};
use magpie::reason::Reason;

use crate::checks::{Found, Journal, words};
use crate::far::INBOX;
use crate::ledger::Redriven;
use crate::story::Ended;

/// Says what does not hold.
pub(crate) fn check(ended: &Ended, journal: &Journal) -> Found {
    for redriven in ended.said.redriven.iter().filter(|one| one.acknowledged) {
        let found = [Lane::In, Lane::Out].into_iter().find_map(|lane| {
            let mut entries = journal.lane(lane);
            entries.find(|(at, entry)| {
                at.as_str() == redriven.entry.0 && entry.key.as_str() == redriven.entry.1
            })
        });
        let (_, key) = &redriven.entry;
        let Some((_, entry)) = found else {
            if ended.said.deleted.is_some() {
                continue;
            }
            return Err(format!("{key} was redriven and is gone"));
        };
        if entry.redriven.is_none() {
            return Err(format!("{key} does not know that it was redriven"));
        }
        if !excused(entry) && !attempted(ended, redriven, entry) {
            return Err(format!("{key} was redriven and never attempted"));
        }
        let arrives = match (entry.state, entry.reason) {
            (State::Delivered, _) => true,
            _ if entry.key.lane() == Lane::In => false,
            // What keeps an answer from WeChat when everything works.
            (_, reason) => matches!(
                reason,
                Some(
                    Reason::WindowClosed
                        | Reason::Unfollowed
                        | Reason::EarlierPartFailed
                        | Reason::NotSubscribed
                )
            ),
        };
        let gone = ended.said.deleted == Some(entry.origin.channel.as_str());
        if redriven.calm && !arrives && !gone {
            let reason = entry.reason.map(Reason::code);
            return Err(format!("{key} was redriven in calm and died of {reason:?}"));
        }
    }
    Ok(())
}

/// Whether it may have ended again without an attempt.
fn excused(entry: &Entry) -> bool {
    let reason = entry.reason;
    let gone = reason == Some(Reason::ChannelDeleted);
    let out = matches!(
        reason,
        Some(
            Reason::WindowClosed
                | Reason::Unfollowed
                | Reason::NoToken
                | Reason::EarlierPartFailed
                // Whoever claimed it died.
                | Reason::Uncertain
        )
    );
    entry.state == State::Dead && (gone || (out && entry.key.lane() == Lane::Out))
}

fn attempted(ended: &Ended, redriven: &Redriven, entry: &Entry) -> bool {
    // Nobody sees events, receipts and ends on their way by their words.
    let Some(text) = words(entry) else {
        return true;
    };
    let inbox = entry.origin.channel.as_str() == INBOX && entry.key.lane() == Lane::In;
    let all = ended.world.tried.lock().unwrap();
    let again = |at: &u64| *at > redriven.asked;
    let openings = ended.world.openings.lock().unwrap();
    let opened = openings.get(&redriven.entry.0).into_iter().flatten();
    let opened = entry.state == State::Dead && opened.clone().any(again);
    inbox
        || opened
        || all
            .get(text)
            .is_some_and(|tried| tried.tries.iter().any(again))
}
