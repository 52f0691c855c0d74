//! What WeChat tells of a customer, and what an agent notes there: a remark, tags.
//!
//! Invariant: nothing of it is kept here. WeChat has it and is asked each time, so that it
//! is gone with WeChat's own, and an erasure finds nothing more to erase.

use std::sync::Arc;

use http::StatusCode;
use serde::Serialize;

use super::Call;
use super::conversations::find;
use super::problem::{Answered, Problem, empty, json};
use crate::message::CustomerId;
use crate::moment::Moment;
use crate::people::{self, TAGS_OF_ONE, TagId};
use crate::wechat::account::{Ask, Done};
use crate::wechat::people::{Tag, UserInfo};

#[derive(Serialize)]
struct Profile {
    subscribed: bool,
    subscribe_time: Option<String>,
    subscribe_scene: Option<Scene>,
    qr_scene: Option<String>,
    language: Option<String>,
    union_id: Option<String>,
    name: Option<String>,
    remark: String,
    tags: Vec<ShownTag>,
}

#[derive(Serialize)]
struct Scene {
    code: String,
    zh: &'static str,
    en: &'static str,
}

#[derive(Serialize)]
struct ShownTag {
    id: u32,
    /// Unknown while WeChat does not tell the account's tags.
    name: Option<String>,
}

/// A text that is there.
fn some(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

impl Profile {
    fn new(info: UserInfo, known: &[Tag]) -> Self {
        let number = Some(info.qr_scene).filter(|number| *number != 0);
        let name = |id| {
            let tag = known.iter().find(|tag| tag.id == id);
            tag.map(|tag| tag.name.clone())
        };
        let tag = |id: &u32| ShownTag {
            id: *id,
            name: name(*id),
        };
        Self {
            subscribed: info.subscribe != 0,
            subscribe_time: Some(info.subscribe_time)
                .filter(|seconds| *seconds > 0)
                .map(|seconds| Moment::from_seconds(seconds).to_string()),
            subscribe_scene: some(info.subscribe_scene).map(|code| {
                let (zh, en) = people::subscribe_scene(&code);
                Scene { code, zh, en }
            }),
            qr_scene: some(info.qr_scene_str).or(number.map(|number| number.to_string())),
            language: some(info.language),
            union_id: some(info.unionid),
            name: some(info.nickname),
            remark: info.remark,
            tags: info.tagid_list.iter().map(tag).collect(),
        }
    }
}

/// `GET /api/conversations/{customer_id}/profile`.
pub(super) async fn profile(call: &Call<'_>, customer: &CustomerId) -> Answered {
    let known = find(call.bridge, customer).await?;
    let ask = Ask::user_info(&known.conversation.open_id, call.lang.pick("zh_CN", "en"));
    let info: UserInfo = call.bridge.ask_of_account(&known.channel, &ask).await?;
    let tags = if info.tagid_list.is_empty() {
        Arc::default()
    } else {
        // Without their names the rest is worth showing.
        let known = call.bridge.known_tags(&known.channel).await;
        known.unwrap_or_default()
    };
    json(StatusCode::OK, &Profile::new(info, &tags))
}

/// `PUT /api/conversations/{customer_id}/remark`.
pub(super) async fn remark(call: &Call<'_>, customer: &CustomerId) -> Answered {
    let mut fields = call.fields()?;
    let remark = fields.parsed(
        "remark",
        people::remark,
        "应少于 30 个字符，且没有控制字符",
        "it has fewer than 30 characters, none of them a control character",
    );
    fields.done()?;
    let Some(remark) = remark else {
        return Err(Problem::fields(Vec::new()).into());
    };
    let known = find(call.bridge, customer).await?;
    let ask = Ask::remark(&known.conversation.open_id, &remark);
    let Done {} = call.bridge.ask_of_account(&known.channel, &ask).await?;
    tracing::info!(channel = %known.channel.id, "a customer's remark was set");
    Ok(empty())
}

/// `POST /api/conversations/{customer_id}/tags`: what is to go goes first, so that a customer
/// who has as many tags as there may be can change one. Two agents who change different
/// tags do not undo each other's, as they would with a list of all that are to be there.
pub(super) async fn tag(call: &Call<'_>, customer: &CustomerId) -> Answered {
    let mut fields = call.fields()?;
    let ids = TagId::GIVEN_MIN..=TagId::MAX;
    let mut add = fields.numbers("add", ids.clone(), TAGS_OF_ONE);
    let mut remove = fields.numbers("remove", ids, TAGS_OF_ONE);
    fields.done()?;
    for list in [&mut add, &mut remove] {
        list.sort_unstable();
        list.dedup();
    }
    remove.retain(|id| !add.contains(id));
    let known = find(call.bridge, customer).await?;
    let removed = remove.into_iter().map(|id| (id, false));
    for (id, on) in removed.chain(add.into_iter().map(|id| (id, true))) {
        let ask = Ask::tagged(&known.conversation.open_id, TagId::new(id), on);
        let Done {} = call.bridge.ask_of_account(&known.channel, &ask).await?;
        tracing::info!(channel = %known.channel.id, tag = id, on, "a customer's tags were changed");
    }
    Ok(empty())
}
