//! What an account cannot do: the kinds of messages that WeChat refused for it, which go
//! in words meanwhile.

use http::StatusCode;
use serde::Serialize;

use super::problem::{Answered, empty, json};
use super::{Call, channels};
use crate::message::ChannelId;

/// `GET /api/channels/{id}/capabilities`.
pub(super) async fn get(call: &Call<'_>, id: &ChannelId) -> Answered {
    #[derive(Serialize)]
    struct Shown {
        in_words: Vec<InWords>,
    }
    #[derive(Serialize)]
    struct InWords {
        /// What answers of agents call it.
        kind: &'static str,
        /// What WeChat calls it.
        msgtype: String,
        until: String,
    }
    channels::there(call.bridge, id).await?;
    let now = call.bridge.now();
    let refused = call.bridge.store.refused_kinds(id, now).await?;
    let in_words = refused.into_iter().filter_map(|(msgtype, until)| {
        Some(InWords {
            kind: kind(&msgtype)?,
            msgtype,
            until: until.to_string(),
        })
    });
    let shown = Shown {
        in_words: in_words.collect(),
    };
    json(StatusCode::OK, &shown)
}

/// `DELETE /api/channels/{id}/capabilities`: WeChat is asked again with the next message of
/// each kind.
pub(super) async fn forget(call: &Call<'_>, id: &ChannelId) -> Answered {
    channels::there(call.bridge, id).await?;
    call.bridge.store.forget_refused_kinds(id).await?;
    tracing::info!(channel = %id, "what WeChat refused for the account is tried again");
    Ok(empty())
}

/// The kind of an answer that WeChat calls so.
fn kind(msgtype: &str) -> Option<&'static str> {
    Some(match msgtype {
        "image" => "image",
        "voice" => "voice",
        "video" => "video",
        "music" => "music",
        "news" => "link",
        "mpnewsarticle" => "article",
        "msgmenu" => "choice",
        "miniprogrampage" => "card",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::kind;
    use crate::rich::Draft;

    #[test]
    fn every_kind_that_wechat_has_a_message_for_is_named() {
        for msgtype in [
            "image",
            "voice",
            "video",
            "music",
            "news",
            "mpnewsarticle",
            "msgmenu",
            "miniprogrampage",
        ] {
            let named = kind(msgtype).unwrap();
            assert!(Draft::KINDS.iter().any(|(known, _)| *known == named));
        }
        assert_eq!(kind("text"), None);
    }
}
