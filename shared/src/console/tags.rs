//! The tags of an account, which its customers can have.
//!
//! Invariant: WeChat has them and is asked; the tags that it made itself are not changed.

use http::StatusCode;
use serde::Serialize;

use super::fields::Fields;
use super::problem::{Answered, Problem, Refusal, empty, json};
use super::{Call, channels};
use crate::message::ChannelId;
use crate::people::{self, TagId};
use crate::wechat::account::{Ask, Done};
use crate::wechat::people::{Tag, TagMade};

#[derive(Serialize)]
struct Shown<'a> {
    id: u32,
    name: &'a str,
    count: u64,
    system: bool,
}

impl<'a> From<&'a Tag> for Shown<'a> {
    fn from(tag: &'a Tag) -> Self {
        Self {
            id: tag.id,
            name: &tag.name,
            count: tag.count,
            system: TagId::new(tag.id).is_systems(),
        }
    }
}

/// The name of a tag in a body.
fn name(mut fields: Fields) -> Result<String, Refusal> {
    let name = fields.parsed(
        "name",
        people::tag_name,
        "应为 1 到 30 个字符",
        "it has 1 to 30 characters",
    );
    fields.done()?;
    name.ok_or_else(|| Problem::fields(Vec::new()).into())
}

/// A tag that may be changed.
fn own(tag: TagId) -> Result<TagId, Refusal> {
    if tag.is_systems() {
        let (zh, en) = (
            "标签 0、1、2 是微信自己的，不能修改或删除。",
            "The tags 0, 1 and 2 are WeChat's own: nobody changes or deletes them.",
        );
        return Err(Problem::conflict("system_tag", zh, en).into());
    }
    Ok(tag)
}

/// `GET /api/channels/{id}/tags`.
pub(super) async fn list(call: &Call<'_>, id: &ChannelId) -> Answered {
    #[derive(Serialize)]
    struct Listed<'a> {
        tags: Vec<Shown<'a>>,
    }
    let channel = channels::there(call.bridge, id).await?;
    let tags = call.bridge.tags(&channel).await?;
    let tags = tags.iter().map(Shown::from).collect();
    json(StatusCode::OK, &Listed { tags })
}

/// `POST /api/channels/{id}/tags`.
pub(super) async fn make(call: &Call<'_>, id: &ChannelId) -> Answered {
    let name = name(call.fields()?)?;
    let channel = channels::there(call.bridge, id).await?;
    let ask = Ask::tag(&name);
    let asked: Result<TagMade, _> = call.bridge.ask_of_account(&channel, &ask).await;
    // Where the answer was lost it may have been made.
    call.bridge.forget_tags(id);
    let TagMade { tag } = asked?;
    tracing::info!(channel = %id, tag = tag.id, "a tag was made");
    json(StatusCode::CREATED, &Shown::from(&tag))
}

/// `PUT /api/channels/{id}/tags/{tag_id}`.
pub(super) async fn rename(call: &Call<'_>, id: &ChannelId, tag: TagId) -> Answered {
    let name = name(call.fields()?)?;
    change(call, id, tag, |tag| Ask::tag_named(tag, &name)).await
}

/// `DELETE /api/channels/{id}/tags/{tag_id}`: it is taken off everybody who has it.
pub(super) async fn delete(call: &Call<'_>, id: &ChannelId, tag: TagId) -> Answered {
    change(call, id, tag, Ask::no_tag).await
}

async fn change(
    call: &Call<'_>,
    id: &ChannelId,
    tag: TagId,
    ask: impl FnOnce(TagId) -> Ask,
) -> Answered {
    let channel = channels::there(call.bridge, id).await?;
    let ask = ask(own(tag)?);
    let asked: Result<Done, _> = call.bridge.ask_of_account(&channel, &ask).await;
    call.bridge.forget_tags(id);
    let Done {} = asked?;
    tracing::info!(channel = %id, tag = tag.number(), "a tag was changed");
    Ok(empty())
}
