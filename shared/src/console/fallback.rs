//! What a channel does where no window is open, as an operator writes it: `fallback` of `PUT
//! /api/channels/{id}`.
//!
//! Invariant: what is taken is a notice that WeChat takes, whatever its placeholders stand for.

use std::collections::BTreeMap;

use serde::Serialize;

use super::draft::page;
use super::fields::Fields;
use crate::fallback::{Fallback, PLACEHOLDERS, Told, WAIT, WAIT_HOURS};
use crate::moment::Moment;
use crate::notice::{MiniProgram, Notice, Way};
use crate::rich::{Draft, Rich};

/// An answer of which a notice tells, with all that answers may have in them.
const SAMPLE: Told<'_> = Told {
    words: "您好，OK 1",
    agent: Some("小王"),
    said: Moment::from_seconds(1_795_000_000),
    account: "客服",
    zone: crate::channel::TIME_ZONE,
};

/// A fallback as it is shown, and as it is written.
#[derive(Serialize)]
pub(super) struct Shown<'a> {
    kind: &'static str,
    template_id: &'a str,
    title: Option<&'a str>,
    data: &'a BTreeMap<String, String>,
    url: Option<&'a str>,
    mini_program: Option<&'a MiniProgram>,
    wait_hours: u32,
}

impl<'a> From<&'a Fallback> for Shown<'a> {
    fn from(fallback: &'a Fallback) -> Self {
        let notice = &fallback.notice;
        Self {
            kind: notice.way.word(),
            template_id: &notice.template_id,
            title: notice.title.as_deref(),
            data: &notice.data,
            url: notice.url.as_deref(),
            mini_program: notice.mini_program.as_ref(),
            wait_hours: fallback.wait_hours,
        }
    }
}

/// Reads the fallback of a channel of this name; none if it is absent.
pub(super) fn read(fields: &mut Fields, name: Option<&str>) -> Option<Fallback> {
    let mut from = fields.maybe_object("fallback")?;
    let way = from.parsed(
        "kind",
        Way::parse,
        "应为 template 或 subscribe",
        "it is template or subscribe",
    );
    let draft = Draft {
        kind: way.map(Way::word).unwrap_or_default().to_owned(),
        template_id: from.maybe_text("template_id"),
        title: from.maybe_text("title"),
        data: from.texts("data"),
        url: from.maybe_text("url"),
        mini_program: page(&mut from),
        ..Draft::default()
    };
    let wait_hours = from.number("wait_hours", WAIT, WAIT_HOURS);
    let notice = way.and_then(|way| notice(&mut from, way, draft, name));
    fields.close(from);
    Some(Fallback {
        notice: notice?,
        wait_hours,
    })
}

/// The notice, if it is one with what its placeholders may stand for in their place.
fn notice(from: &mut Fields, way: Way, draft: Draft, name: Option<&str>) -> Option<Notice> {
    if draft.data.values().any(|value| has_other_braces(value)) {
        from.fault(
            "data",
            "占位符只有 {words}、{agent}、{time}、{account}",
            "the placeholders are {words}, {agent}, {time} and {account}",
        );
    }
    let raw = Fallback {
        notice: Notice {
            way,
            template_id: String::new(),
            title: None,
            data: draft.data.clone(),
            url: None,
            mini_program: None,
        },
        wait_hours: WAIT_HOURS,
    };
    let told = Told {
        account: name.unwrap_or(SAMPLE.account),
        ..SAMPLE
    };
    let filled = Draft {
        data: raw.notice(&told).data,
        ..draft
    };
    let wrongs = match filled.read() {
        Some(Ok(Rich::Notice(read))) => {
            return Some(Notice {
                data: raw.notice.data,
                ..read
            });
        }
        Some(Err(wrongs)) => wrongs,
        _ => Vec::new(),
    };
    for wrong in wrongs {
        from.fault(wrong.field, wrong.zh, wrong.en);
    }
    None
}

/// Whether something in braces is none of the placeholders.
fn has_other_braces(value: &str) -> bool {
    let known = PLACEHOLDERS.iter();
    let left = known.fold(value.to_owned(), |left, known| left.replace(known, ""));
    left.contains(['{', '}'])
}
