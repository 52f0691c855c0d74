//! Answers: on the phone once, in parts that follow one another, or dead with
//! a reason that the desk was told.

use std::collections::BTreeMap;

use magpie::journal::{Class, ConversationKey, Entry, Lane, State};
use magpie::lane::{RUN, is_call};
use magpie::message::{Body, ChannelId};
use magpie::reason::Reason;
use magpie::wechat::split::split;

use crate::checks::{Found, Journal, count, words};
use crate::far::{INBOX, SHOWN};
use crate::story::{Ended, GREETING};

/// Says what does not hold.
pub(crate) fn check(ended: &Ended, journal: &Journal) -> Found {
    for answer in &ended.said.answers {
        for part in split(&answer.text).unwrap() {
            match journal.saying(Lane::Out, &part).len() {
                1 => {}
                0 if ended.said.deleted == Some(answer.channel) => {}
                times => return Err(format!("{part:.20} is journalled {times} times")),
            }
        }
    }
    phones(ended, journal)?;
    windows(journal)?;
    calls(ended, journal)?;
    for (at, parts) in by_answer(journal).values() {
        let id = parts[0].answer.as_ref().unwrap().message.as_str();
        whole(ended, journal, at, id, parts)?;
        if parts[0].origin.channel.as_str() != INBOX {
            told(ended, journal, at, id, parts)?;
        }
    }
    foreign(ended, journal)
}

type Answers<'a> = BTreeMap<String, (&'a ConversationKey, Vec<&'a Entry>)>;

fn by_answer(journal: &Journal) -> Answers<'_> {
    let mut answers = Answers::new();
    for (at, entry) in journal.lane(Lane::Out).filter(|(_, entry)| !is_call(entry)) {
        let name = format!("{at} {}", entry.key.with_part(0));
        let parts = answers.entry(name).or_insert_with(|| (at, Vec::new()));
        parts.1.push(entry);
    }
    answers
}

/// No phone shows anything twice, unless a person wished it.
fn phones(ended: &Ended, journal: &Journal) -> Found {
    for (channel, open_ids) in &ended.customers {
        for open_id in open_ids {
            let phone = ended.world.far.phone(channel, open_id);
            let by_itself = |text: &str| text.starts_with(GREETING) || text == SHOWN;
            let agents = phone.iter().filter(|text| !by_itself(text));
            for (text, shown) in count(agents) {
                let wished = journal.saying(Lane::Out, text).into_iter();
                let wished = wished.map(|(at, entry)| {
                    let place = (at.to_string(), entry.key.to_string());
                    let redriven = ended.said.redriven.iter();
                    redriven
                        .filter(|redriven| redriven.uncertain && redriven.entry == place)
                        .count()
                });
                // What a deleted channel journalled is erased.
                let gone = ended.said.deleted == Some(*channel);
                let erased = ended.said.redriven.iter().filter(|redriven| {
                    let theirs = format!("#{channel}-");
                    gone && redriven.uncertain && redriven.entry.1.contains(&theirs)
                });
                if shown > 1 + wished.sum::<usize>() + erased.count() {
                    return Err(format!("a phone shows {text:.20} {shown} times"));
                }
            }
        }
    }
    Ok(())
}

/// No window gave more than it has. What a person tried once more lies among
/// older answers, where the count may not see it: it is WeChat that refuses then.
fn windows(journal: &Journal) -> Found {
    let used = journal.lane(Lane::Out).filter_map(|(at, entry)| {
        let used = entry.state == State::Delivered || entry.reason == Some(Reason::Uncertain);
        let counts = used && entry.redriven.is_none();
        entry.window.clone().filter(|_| counts).map(|win| (at, win))
    });
    for ((at, window), used) in count(used) {
        let room = if window.class() == Some(Class::Message) {
            5
        } else {
            3
        };
        if used > room {
            return Err(format!("the window {window} of {at} gave {used}"));
        }
    }
    Ok(())
}

/// A customer is asked back once, until they do something. What a person sends again is
/// theirs.
fn calls(ended: &Ended, journal: &Journal) -> Found {
    let mut by_place: BTreeMap<&ConversationKey, Vec<&Entry>> = BTreeMap::new();
    for (at, entry) in journal.lane(Lane::Out).filter(|(_, entry)| is_call(entry)) {
        by_place.entry(at).or_default().push(entry);
    }
    for (at, calls) in &mut by_place {
        calls.sort_by_key(|call| call.at);
        let back = |one: &Entry, other: &Entry| {
            let mut heard = journal.lane(Lane::In).filter(|(of, _)| of == at);
            heard.any(|(_, entry)| {
                let since = one.at.minus(RUN) <= entry.at && entry.at <= other.at;
                since && entry.opens().is_some()
            })
        };
        if let Some(pair) = calls.windows(2).find(|pair| !back(pair[0], pair[1])) {
            return Err(format!("{at} was asked back again by {}", pair[1].key));
        }
    }
    let sent = by_place.values().flatten();
    let redriven = sent.clone().filter(|call| call.redriven.is_some()).count();
    let phones = ended.customers.iter().flat_map(|(channel, open_ids)| {
        let world = &ended.world;
        open_ids.iter().flat_map(|id| world.far.phone(channel, id))
    });
    let shown = phones.filter(|text| text == SHOWN).count();
    let most = sent.count() + redriven;
    if ended.said.deleted.is_none() && shown > most {
        return Err(format!("phones show {shown} notices, there are {most}"));
    }
    Ok(())
}

/// A part arrives after the one before it, or not at all.
fn whole(
    ended: &Ended,
    journal: &Journal,
    at: &ConversationKey,
    id: &str,
    parts: &[&Entry],
) -> Found {
    let tried = ended.world.tried.lock().unwrap();
    let taken = |part: &Entry| {
        let tried = words(part).and_then(|text| tried.get(text));
        tried.and_then(|tried| tried.taken.first().copied())
    };
    let of = parts[0].answer.as_ref().unwrap().parts;
    let numbers = parts.iter().map(|part| part.key.part());
    if !numbers.eq(1..=of) {
        return Err(format!("{id} has not all of its {of} parts"));
    }
    for pair in parts.windows(2) {
        let (one, two) = (pair[0], pair[1]);
        let number = two.key.part();
        if two.state == State::Delivered && one.state != State::Delivered {
            return Err(format!("part {number} of {id} went without the one before"));
        }
        match (taken(one), taken(two)) {
            (None, Some(_)) => return Err(format!("part {number} of {id} is the first to arrive")),
            (Some(a), Some(b)) if a > b => {
                return Err(format!("part {number} of {id} overtook the one before"));
            }
            _ => {}
        }
    }
    let missing = |part: &&&Entry| {
        part.state == State::Delivered && taken(part).is_none() && !lost(ended, journal, at, part)
    };
    match parts.iter().find(missing) {
        Some(part) => Err(format!("{id} {} never reached the phone", part.key)),
        None => Ok(()),
    }
}

/// The push by the reply to which an answer went out.
fn carrier<'a>(journal: &'a Journal, at: &ConversationKey, part: &Entry) -> Option<&'a Entry> {
    let mut pushes = journal.lane(Lane::In).filter(|(of, _)| *of == at);
    let carries = |entry: &Entry| {
        let replied = entry.reply.as_ref();
        replied.and_then(|replied| replied.answer.as_ref()) == Some(&part.key)
    };
    pushes
        .find(|(_, entry)| carries(entry))
        .map(|(_, push)| push)
}

/// Whether a part went out by the reply to a push that WeChat gave up.
fn lost(ended: &Ended, journal: &Journal, at: &ConversationKey, part: &Entry) -> bool {
    let Some(push) = carrier(journal, at, part) else {
        return false;
    };
    if let Some(text) = words(push) {
        return ended.said.pushes.iter().all(|known| known.text != text);
    }
    let given_up = ended.world.given_up.lock().unwrap();
    let mut places = given_up.iter().filter_map(|who| ended.world.place(who));
    places.any(|place| place == at.as_str())
}

/// Whether the desk refused a receipt for this message for good.
fn refused(journal: &Journal, at: &ConversationKey, id: &str) -> bool {
    journal.lane(Lane::In).any(|(of, entry)| {
        let of_this = match &entry.body {
            Body::Receipt(receipt) => receipt.message.as_str() == id,
            _ => false,
        };
        of == at && of_this && entry.state == State::Dead
    })
}

/// The desk was told of what died, once for each time, and of nothing else.
fn told(
    ended: &Ended,
    journal: &Journal,
    at: &ConversationKey,
    id: &str,
    parts: &[&Entry],
) -> Found {
    let channel = parts[0].origin.channel.as_str();
    if ended.said.deleted == Some(channel) {
        return Ok(());
    }
    let desks = ended.world.far.desks.lock().unwrap();
    let words = desks[channel].status.get(id);
    let failed: Vec<_> = words
        .into_iter()
        .flatten()
        .filter(|(state, _)| state == "failed")
        .filter_map(|(_, reason)| reason.as_deref())
        .collect();
    let refused = refused(journal, at, id);
    let rode = parts
        .iter()
        .any(|part| carrier(journal, at, part).is_some());
    let delivered = words
        .into_iter()
        .flatten()
        .filter(|(state, _)| state == "delivered");
    if rode && !refused && delivered.count() != 1 {
        return Err(format!("{id} rode, and the desk was not told once"));
    }
    let redriven = parts.iter().any(|part| part.redriven.is_some());
    let Some(first) = parts.iter().find(|part| part.state == State::Dead) else {
        return if failed.is_empty() || redriven {
            Ok(())
        } else {
            Err(format!("{id} arrived and the desk was told {failed:?}"))
        };
    };
    let reason = first.reason.map(Reason::code).unwrap_or_default();
    let times = 1 + usize::from(first.redriven.is_some());
    if refused || (failed.len() >= times && failed.contains(&reason)) {
        Ok(())
    } else {
        Err(format!(
            "{id} died of {reason}, the desk was told {failed:?}"
        ))
    }
}

/// Who writes to a conversation that is none of theirs is told so.
fn foreign(ended: &Ended, journal: &Journal) -> Found {
    let desks = ended.world.far.desks.lock().unwrap();
    let word = ("failed".to_owned(), Some("unknown_conversation".to_owned()));
    for answer in &ended.said.foreign {
        let words = desks[answer.channel].status.get(&answer.who);
        let told = words.is_some_and(|words| words.contains(&word));
        let channel = ChannelId::parse(answer.channel).unwrap();
        let own = ConversationKey::of_channel(&channel);
        let excused =
            ended.said.deleted == Some(answer.channel) || refused(journal, &own, &answer.who);
        if !told && !excused {
            return Err(format!("{} was not told that it is foreign", answer.who));
        }
    }
    Ok(())
}
