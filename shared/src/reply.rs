//! Passive replies: what an account says in the answer to a push itself. They need no
//! token and use nothing of the window.
//!
//! Invariant: which reply a push gets is decided once and kept with its entry, so that a
//! repeat of the push is answered in the same way. Rules:
//! <https://developers.weixin.qq.com/doc/offiaccount/Message_Management/Passive_user_reply_message.html>

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::journal::EntryKey;
use crate::lines::Line;
use crate::message::Kind;

/// How many articles WeChat shows in answer to an event. Of those in answer to a
/// message it shows one.
pub const ARTICLES: usize = 8;

/// One passive reply. Ids of media are temporary (three days) or permanent ones.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Reply {
    /// Words, at most 2,048 bytes.
    Text {
        /// The words.
        text: String,
    },
    /// A picture, no GIF.
    Image {
        /// WeChat's id of it.
        media_id: String,
    },
    /// A spoken message.
    Voice {
        /// WeChat's id of it.
        media_id: String,
    },
    /// A film.
    Video {
        /// WeChat's id of it.
        media_id: String,
        /// Its heading.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<String>,
        /// What it is about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        description: Option<String>,
    },
    /// Music of a web address.
    Music {
        /// WeChat's id of its picture.
        thumb_media_id: String,
        /// Its heading.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<String>,
        /// What it is about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        description: Option<String>,
        /// Where it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        url: Option<String>,
        /// Where it is for a good network.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hq_url: Option<String>,
    },
    /// Articles with pictures.
    News {
        /// 1 to [`ARTICLES`] of them.
        articles: Vec<Article>,
    },
    /// The customer is handed over to WeChat's own agents: until they close, nothing
    /// that the customer writes is pushed to us.
    TransferCustomerService {
        /// Who is to take over, whether they can or not; absent, whoever is free.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kf_account: Option<String>,
    },
}

/// One article of a reply.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Article {
    /// Its heading.
    pub title: String,
    /// Its summary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where its picture is; 360 × 200 looks best.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
    /// Where it is.
    pub url: String,
}

/// Shows the kind alone: what people are told is in nobody's log.
impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reply({})", self.word())
    }
}

impl Reply {
    /// Words.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into() }
    }

    /// WeChat's word for it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Text { .. } => "text",
            Self::Image { .. } => "image",
            Self::Voice { .. } => "voice",
            Self::Video { .. } => "video",
            Self::Music { .. } => "music",
            Self::News { .. } => "news",
            Self::TransferCustomerService { .. } => "transfer_customer_service",
        }
    }

    /// The neutral kind of what the customer sees.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Text { .. } => Kind::Text,
            Self::Image { .. } => Kind::Image,
            Self::Voice { .. } => Kind::Voice,
            Self::Video { .. } => Kind::Video,
            Self::Music { .. } | Self::News { .. } => Kind::Link,
            Self::TransferCustomerService { .. } => Kind::Event,
        }
    }

    /// What agents read for it. Words are their own line.
    #[must_use]
    pub fn line(&self) -> Line {
        match self {
            Self::Text { text } => Line::same(text),
            Self::Image { .. } => Line::titled("图片", "image", None),
            Self::Voice { .. } => Line::titled("语音", "voice", None),
            Self::Video { title, .. } => Line::titled("视频", "video", title.as_deref()),
            Self::Music { title, .. } => Line::titled("音乐", "music", title.as_deref()),
            Self::News { articles } => {
                let first = articles.first().map(|article| article.title.as_str());
                Line::titled("图文", "article", first)
            }
            Self::TransferCustomerService { .. } => Line {
                zh: "已转接微信客服".to_owned(),
                en: "handed over to WeChat's own agents".to_owned(),
            },
        }
    }
}

/// The reply that a push got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replied {
    /// What was said.
    pub reply: Reply,
    /// The answer of an agent that went out by it.
    pub answer: Option<EntryKey>,
}

/// What a channel says in the answers to pushes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replies {
    /// To a customer who begins to follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub welcome: Option<Reply>,
    /// To a customer who follows or comes back through a QR code, by the code's scene.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub scenes: BTreeMap<String, Reply>,
    /// To the first message that a customer ever sends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_message: Option<Reply>,
    /// To the message that begins a session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledge: Option<Reply>,
    /// Whether an answer that waits for the window goes out by the next push's reply.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub held_answers: bool,
}

impl Replies {
    /// Whether a push may get a reply at all.
    #[must_use]
    pub fn any(&self) -> bool {
        *self != Self::default()
    }

    /// The reply to an event, which depends on nothing else: to a follow, and to a
    /// code that was scanned.
    #[must_use]
    pub fn to_event(&self, event: &Event) -> Option<&Reply> {
        let of_scene = |scene: &Option<String>| self.scenes.get(scene.as_ref()?);
        match event {
            Event::Followed { scene, .. } => of_scene(scene).or(self.welcome.as_ref()),
            Event::Scanned { scene, .. } => of_scene(scene),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn followed(scene: Option<&str>) -> Event {
        Event::Followed {
            scene: scene.map(str::to_owned),
            ticket: None,
        }
    }

    #[test]
    fn a_scene_has_its_own_welcome() {
        let (welcome, counter) = (Reply::text("欢迎"), Reply::text("柜台三"));
        let replies = Replies {
            welcome: Some(welcome.clone()),
            scenes: [("counter_3".to_owned(), counter.clone())].into(),
            ..Replies::default()
        };
        let scanned = |scene: &str| Event::Scanned {
            scene: Some(scene.to_owned()),
            ticket: None,
        };
        let check = |event: &Event, expected| assert_eq!(replies.to_event(event), expected);
        check(&followed(None), Some(&welcome));
        check(&followed(Some("elsewhere")), Some(&welcome));
        check(&followed(Some("counter_3")), Some(&counter));
        check(&scanned("counter_3"), Some(&counter));
        check(&scanned("elsewhere"), None);
        check(&Event::Unfollowed, None);
    }

    #[test]
    fn replies_are_kept_in_one_form() {
        let kept = r#"{"welcome":{"kind":"news","articles":[{"title":"新品","url":"https://a.example"}]},
            "scenes":{"1":{"kind":"image","media_id":"m"}},
            "acknowledge":{"kind":"transfer_customer_service"},"held_answers":true}"#;
        let replies: Replies = serde_json::from_str(kept).unwrap();
        assert!(replies.any() && !Replies::default().any());
        let again = serde_json::to_value(&replies).unwrap();
        let kept: serde_json::Value = serde_json::from_str(kept).unwrap();
        assert_eq!(again, kept);
        assert_eq!(serde_json::to_string(&Replies::default()).unwrap(), "{}");
    }

    #[test]
    fn nothing_of_a_reply_shows_in_debug() {
        assert_eq!(format!("{:?}", Reply::text("秘密")), "Reply(text)");
    }
}
