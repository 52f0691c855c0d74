//! The templates by which an account may send notices.
//!
//! Invariant: WeChat has them and is asked; what an account may not have at all is no
//! failure, but no list.

use http::StatusCode;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::problem::{Answered, Refusal, json};
use super::{Call, channels};
use crate::bridge::account::Unanswered;
use crate::channel::Channel;
use crate::message::ChannelId;
use crate::notice::fields_of;
use crate::wechat::account::{Ask, Denied};
use crate::wechat::notices::{Subscriptions, Template, Templates};

/// WeChat's code for a call that an account of this kind may not make.
const NOT_FOR_THIS_ACCOUNT: i64 = 48001;
/// WeChat's number for a subscription that is not used up.
const LASTS: u8 = 3;

#[derive(Serialize)]
struct Shown<'a> {
    template_id: &'a str,
    title: &'a str,
    content: &'a str,
    example: &'a str,
    fields: Vec<&'a str>,
    /// Whether a subscription to it serves for more than one notification.
    lasts: bool,
}

impl<'a> From<&'a Template> for Shown<'a> {
    fn from(template: &'a Template) -> Self {
        Self {
            template_id: &template.template_id,
            title: &template.title,
            content: &template.content,
            example: &template.example,
            fields: fields_of(&template.content),
            lasts: template.life == Some(LASTS),
        }
    }
}

/// `GET /api/channels/{id}/templates`.
pub(super) async fn list(call: &Call<'_>, id: &ChannelId) -> Answered {
    #[derive(Serialize)]
    struct Both<'a> {
        template: Option<Vec<Shown<'a>>>,
        subscribe: Option<Vec<Shown<'a>>>,
    }
    let channel = channels::there(call.bridge, id).await?;
    let template: Option<Templates> = ask(call, &channel, &Ask::templates()).await?;
    let subscribe: Option<Subscriptions> = ask(call, &channel, &Ask::subscriptions()).await?;
    let both = Both {
        template: template.as_ref().map(|list| shown(&list.template_list)),
        subscribe: subscribe.as_ref().map(|list| shown(&list.data)),
    };
    json(StatusCode::OK, &both)
}

fn shown(list: &[Template]) -> Vec<Shown<'_>> {
    list.iter().map(Shown::from).collect()
}

/// Asks for one of the lists; `None` if accounts of this kind have none.
async fn ask<T: DeserializeOwned>(
    call: &Call<'_>,
    channel: &Channel,
    ask: &Ask,
) -> Result<Option<T>, Refusal> {
    match call.bridge.ask_of_account(channel, ask).await {
        Ok(list) => Ok(Some(list)),
        Err(Unanswered::Denied(Denied::Refused {
            code: NOT_FOR_THIS_ACCOUNT,
            ..
        })) => Ok(None),
        Err(unanswered) => Err(unanswered.into()),
    }
}
