//! `DELETE /api/customers/{customer_id}`: everything that we hold of a customer is
//! erased, and what remains elsewhere is named.

use std::time::Duration;

use http::StatusCode;
use serde::Serialize;

use super::Call;
use super::problem::{Answered, Problem, json};
use crate::bridge::Bell;
use crate::channel::{Channel, DeskSettings};
use crate::conversation::EraseCause;
use crate::message::CustomerId;
use crate::moment::Moment;

/// How long one call deletes rows: below what its function has. The sweep does the rest.
const TIME: Duration = Duration::from_secs(10);
/// How long a table can be restored to a moment of the past, where that is on.
const RECOVERY: Duration = Duration::from_hours(7 * 24);

/// How long WeChat keeps what was brought to it: <https://developers.weixin.qq.com/doc/offiaccount/Asset_Management/New_temporary_materials.html>.
const UPLOADS: Duration = Duration::from_hours(3 * 24);

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
        /// Whether every row and file is gone; else the sweep goes on.
        finished: bool,
        remains: Vec<Remains>,
    }
    let bridge = call.bridge;
    let begun = bridge.erase(customer, None, EraseCause::Asked).await?;
    let begun = begun.ok_or_else(Problem::missing)?;
    bridge.changed();
    let now = bridge.now();
    // What fails here is begun all the same, and is carried out by the sweep.
    let finished = bridge.clear(&begun, now.plus(TIME)).await;
    let finished = finished.unwrap_or_else(|broken| {
        tracing::warn!(channel = %begun.channel, error = %broken, "an erasure goes on later");
        false
    });
    let channel = bridge.channel(&begun.channel).await?;
    let status = if finished {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    let erased = Erased {
        finished,
        remains: remains(bridge.bell(), channel.as_deref(), now),
    };
    json(status, &erased)
}

fn remains(bell: &Bell, channel: Option<&Channel>, now: Moment) -> Vec<Remains> {
    let until = |span: Duration| Some(now.plus(span).to_string());
    let desk = channel.filter(|channel| channel.desk != DeskSettings::Inbox);
    let desk = desk.map(|_| Remains {
        place: "desk",
        until: None,
        zh: "客服系统中已收到的内容：已通知客服系统，请在其中删除。",
        en: "What the desk was told: it is told of the erasure, and has its own records to delete.",
    });
    let backups = match bell {
        Bell::Stream => Remains {
            place: "backups",
            until: until(RECOVERY),
            zh: "数据表的时间点恢复（如已启用），以及您另行制作的备份。",
            en: "The tables' point-in-time recovery, if it is on, and backups of your own.",
        },
        Bell::Process(_) => Remains {
            place: "backups",
            until: None,
            zh: "此前用 magpie backup 制作的备份：请按您的保存期限删除。",
            en: "Backups that were made before: delete them when their time is over.",
        },
    };
    let uploads = Remains {
        place: "wechat_uploads",
        until: until(UPLOADS),
        zh: "客服发送过的文件在微信的临时素材：到期后由微信删除。",
        en: "Files that agents sent, as WeChat's temporary media: WeChat deletes them itself.",
    };
    let wechat = Remains {
        place: "wechat",
        until: None,
        zh: "顾客手机上的聊天记录，以及微信自身保存的资料、备注和标签。",
        en: "The chat on the customer's phone, and what WeChat keeps itself: profile, remark, tags.",
    };
    let note = channel.map(|channel| Remains {
        place: "record",
        until: until(channel.retention()),
        zh: "一条删除记录（匿名客户编号、时间和原因，不含内容），用作已删除的证明。",
        en: "A record that the erasure was done: the customer's random id, when and why, no content.",
    });
    [desk, Some(backups), Some(uploads), Some(wechat), note]
        .into_iter()
        .flatten()
        .collect()
}
