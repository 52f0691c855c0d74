//! `DELETE /api/customers/{customer_id}`: everything that we hold of a customer is
//! erased, and what remains elsewhere is named.

use std::time::Duration;

use http::StatusCode;
use serde::Serialize;

use super::Call;
use super::problem::{Answered, Problem, json};
use crate::bridge::Bell;
use crate::bridge::erasure::{Erasure, erase};
use crate::channel::DeskSettings;
use crate::message::CustomerId;
use crate::moment::Moment;

/// How long one call erases: below what its function has.
const TIME: Duration = Duration::from_secs(20);
/// How long a table can be restored to a moment of the past.
const RECOVERY: Duration = Duration::from_hours(7 * 24);

/// What remains somewhere, and until when if that is known.
#[derive(Serialize)]
struct Remains {
    place: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    zh: &'static str,
    en: &'static str,
}

/// Answers the call.
pub(super) async fn delete(call: &Call<'_>, customer: &CustomerId) -> Answered {
    #[derive(Serialize)]
    struct Erased {
        /// Whether nothing is left; else the same call goes on.
        finished: bool,
        remains: Vec<Remains>,
    }
    let bridge = call.bridge;
    let now = bridge.now();
    let erased = erase(bridge, customer, None, now.plus(TIME)).await?;
    let Erasure { channel, all } = erased.ok_or_else(Problem::missing)?;
    let channel = bridge.channel(&channel).await?;
    let elsewhere = channel.is_some_and(|channel| channel.desk != DeskSettings::Inbox);
    let status = if all {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    let erased = Erased {
        finished: all,
        remains: remains(bridge.bell(), elsewhere, now),
    };
    json(status, &erased)
}

fn remains(bell: &Bell, desk: bool, now: Moment) -> Vec<Remains> {
    let backups = match bell {
        Bell::Stream => Remains {
            place: "backups",
            until: Some(now.plus(RECOVERY).to_string()),
            zh: "表的时间点恢复数据（如已启用），以及您另行制作的备份。",
            en: "The tables' point-in-time recovery, if it is on, and backups of your own.",
        },
        Bell::Process(_) => Remains {
            place: "backups",
            until: None,
            zh: "此前用 magpie backup 制作的备份：请按您的保存期限删除。",
            en: "Backups that were made before: delete them when their time is over.",
        },
    };
    let wechat = Remains {
        place: "wechat",
        until: None,
        zh: "顾客手机上的聊天记录，以及微信自身保存的数据。",
        en: "The chat on the customer's phone, and what WeChat keeps itself.",
    };
    let desk = desk.then_some(Remains {
        place: "desk",
        until: None,
        zh: "客服系统中已收到的内容：请在客服系统中删除。",
        en: "What the desk was told: delete it there.",
    });
    desk.into_iter().chain([backups, wechat]).collect()
}
