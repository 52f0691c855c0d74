//! Of two entries of a lane that were both journalled before either was
//! attempted, the far side took them in the order of their keys.

use std::collections::BTreeMap;

use magpie::journal::{ConversationKey, Entry, Lane};
use magpie::reason::Reason;
use magpie::wechat::split::split;

use crate::checks::{Found, Journal};
use crate::near::Tried;
use crate::story::Ended;

/// An entry, when it was acknowledged, and what became of it.
type Spoken<'a> = (&'a Entry, u64, &'a Tried);

/// Says what does not hold. What a person tried once more is free of the order,
/// and so is what WeChat took when nobody waited for its answer any more.
pub(crate) fn check(ended: &Ended, journal: &Journal) -> Found {
    let tried = ended.world.tried.lock().unwrap();
    let mut lanes: BTreeMap<(&ConversationKey, Lane), Vec<Spoken<'_>>> = BTreeMap::new();
    let pushes = ended.said.pushes.iter();
    let pushes = pushes.map(|push| (Lane::In, push.at, vec![push.text.clone()]));
    let answers = ended.said.answers.iter();
    let answers = answers.map(|answer| (Lane::Out, answer.at, split(&answer.text).unwrap()));
    for (lane, acknowledged, parts) in pushes.chain(answers) {
        for part in parts {
            for (at, entry) in journal.saying(lane, &part) {
                let ordered = tried.get(&part).filter(|tried| {
                    let late = tried.late && lane == Lane::Out;
                    // One worker was refused, another one was not.
                    let refused = entry.reason == Some(Reason::DeskRefused);
                    entry.redriven.is_none() && !late && !refused
                });
                if let Some(tried) = ordered {
                    let lane = lanes.entry((at, lane)).or_default();
                    lane.push((entry, acknowledged, tried));
                }
            }
        }
    }
    for entries in lanes.values_mut() {
        entries.sort_by(|a, b| a.0.key.cmp(&b.0.key));
        for (n, (first, first_at, one)) in entries.iter().enumerate() {
            for (second, second_at, two) in &entries[n + 1..] {
                let both_before = *first_at.max(second_at) < one.looked.min(two.looked);
                if let (true, Some(a), Some(b)) =
                    (both_before, one.taken.first(), two.taken.first())
                    && a > b
                {
                    return Err(format!("{} was taken after {}", first.key, second.key));
                }
            }
        }
    }
    Ok(())
}
