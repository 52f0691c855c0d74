//! What a channel does when an answer is due and no window is open: it sends a notice that
//! asks the customer back, and the answer waits for them.
//!
//! Invariant: what a placeholder stands for is cut, never what the operator wrote, as long as
//! the field has room for that.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::moment::Moment;
use crate::notice::{self, Notice};

/// How long answers may wait for the customer, in hours.
pub const WAIT: std::ops::RangeInclusive<u32> = 1..=168;
/// How long they wait if nobody says otherwise.
pub const WAIT_HOURS: u32 = 48;

/// The first characters of the answer that waits.
const WORDS: &str = "{words}";
/// Who gave it; the account where nobody is named.
const AGENT: &str = "{agent}";
/// When it was given.
const TIME: &str = "{time}";
/// What the channel is called.
const ACCOUNT: &str = "{account}";
/// Every placeholder.
pub const PLACEHOLDERS: [&str; 4] = [WORDS, AGENT, TIME, ACCOUNT];

/// A channel's notice for that case. Its values hold placeholders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fallback {
    /// The notice.
    pub notice: Notice,
    /// How long answers wait after it, in hours ([`WAIT`]).
    pub wait_hours: u32,
}

/// What is told in a notice of an answer that waits.
#[derive(Clone, Copy)]
pub struct Told<'a> {
    /// What it says.
    pub words: &'a str,
    /// Who gave it.
    pub agent: Option<&'a str>,
    /// When it was given.
    pub said: Moment,
    /// What the channel is called.
    pub account: &'a str,
    /// The zone of its times.
    pub zone: &'a str,
}

impl Fallback {
    /// How long answers wait after the notice.
    #[must_use]
    pub fn wait(&self) -> Duration {
        Duration::from_hours(self.wait_hours.into())
    }

    /// Whether the notice tells who gave the answer.
    #[must_use]
    pub fn names_agent(&self) -> bool {
        let mut values = self.notice.data.values();
        values.any(|value| value.contains(AGENT))
    }

    /// The notice that goes out.
    #[must_use]
    pub fn notice(&self, told: &Told<'_>) -> Notice {
        let data = self.notice.data.iter();
        let data = data.map(|(name, value)| (name.clone(), filled(name, value, told)));
        Notice {
            data: data.collect(),
            ..self.notice.clone()
        }
    }
}

/// The value of a field with what its placeholders stand for.
fn filled(name: &str, value: &str, told: &Told<'_>) -> String {
    let date_only = name.starts_with("date");
    let time = told.said.written(told.zone, !date_only);
    let agent = told.agent.filter(|agent| !agent.trim().is_empty());
    let value = value
        .replace(TIME, &time)
        .replace(ACCOUNT, told.account)
        .replace(AGENT, agent.unwrap_or(told.account));
    let room = notice::most(name, &format!("{value}{}", told.words));
    let others = value.replace(WORDS, "").chars().count();
    let words = cut(&one_line(told.words), room.saturating_sub(others));
    cut(&value.replace(WORDS, &words), room)
}

fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words
        .join(" ")
        .chars()
        .filter(|c| !c.is_control())
        .collect()
}

/// At most so many characters, the last one a sign that there is more.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept = text.chars().take(most.saturating_sub(1));
    kept.chain((most > 0).then_some('…')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notice::Way;

    fn fallback(fields: &[(&str, &str)]) -> Fallback {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Fallback {
            notice: Notice {
                way: Way::Subscribe,
                template_id: "t".into(),
                title: None,
                data: fields.iter().map(owned).collect(),
                url: None,
                mini_program: None,
            },
            wait_hours: 48,
        }
    }

    #[test]
    fn placeholders_are_filled_and_cut_to_what_a_field_takes() {
        let told = Told {
            words: "您好，\n您的订单已经寄出，预计后天送到您家门口",
            agent: Some("小王"),
            said: Moment::parse("2026-11-27T16:05:00Z").unwrap(),
            account: "一号店",
            zone: "Asia/Shanghai",
        };
        let check = |name: &str, value: &str, told: &Told<'_>, expected: &str| {
            let notice = fallback(&[(name, value)]).notice(told);
            assert_eq!(notice.data[name], expected, "{value}");
        };
        check(
            "thing1",
            "{words}",
            &told,
            "您好， 您的订单已经寄出，预计后天送到…",
        );
        check(
            "thing1",
            "回复：{words}【{account}】",
            &told,
            "回复：您好， 您的订单已经寄…【一号店】",
        );
        check("thing2", "{agent}", &told, "小王");
        check("time3", "{time}", &told, "2026年11月28日 00:05");
        check("date3", "{time}", &told, "2026年11月28日");
        check(
            "keyword1",
            "{words}",
            &told,
            "您好， 您的订单已经寄出，预计后天送到您家门口",
        );
        check("phrase1", "{words}", &told, "您好， …");
        let other = Told {
            agent: None,
            zone: "America/New_York",
            ..told
        };
        check("thing2", "{agent}", &other, "一号店");
        check("time3", "{time}", &other, "2026年11月27日 11:05");
        let long = "很".repeat(25);
        check("thing1", &long, &told, &format!("{}…", "很".repeat(19)));
        assert!(fallback(&[("thing1", "{agent}")]).names_agent());
        assert!(!fallback(&[("thing1", "{words}")]).names_agent());
    }

    #[test]
    fn what_was_kept_is_read() {
        let kept = r#"{"notice":{"way":"subscribe","template_id":"t","data":{"thing1":"{words}"}},"wait_hours":48}"#;
        let expected = fallback(&[("thing1", "{words}")]);
        assert_eq!(serde_json::from_str::<Fallback>(kept).unwrap(), expected);
        assert_eq!(serde_json::to_string(&expected).unwrap(), kept);
    }
}
