//! What is sent to a customer, in the form in which WeChat takes it.
//!
//! Bodies: <https://developers.weixin.qq.com/doc/offiaccount/Customer_Service/Customer_Service_Messages.html>

use serde_json::{Map, Value, json};

use super::api::{Api, Sent, Token};
use super::split::plain;
use crate::message::OpenId;
use crate::notice::{Notice, Way};
use crate::rich::{Link, Manner, Question, choice_id};

/// What one message holds. Ids of media are this account's.
#[derive(Clone, PartialEq, Eq)]
pub enum Content {
    /// Words, at most 2,048 bytes.
    Text(String),
    /// A picture.
    Image(String),
    /// A spoken message.
    Voice(String),
    /// A film.
    Video {
        /// Its id.
        media: String,
        /// That of the picture which stands for it.
        thumb: Option<String>,
        /// Its heading.
        title: Option<String>,
        /// What it is about.
        description: Option<String>,
    },
    /// Music of the web.
    Music {
        /// Its heading.
        title: String,
        /// What it is about.
        description: Option<String>,
        /// Where it is.
        url: String,
        /// Where it is for a good network.
        hq_url: Option<String>,
        /// The id of its picture.
        thumb: String,
    },
    /// An address of the web with a picture. WeChat takes one at a time.
    News(Link),
    /// An article that the account has published.
    Article(String),
    /// A question with choices, by the mark that tells it from others.
    Menu(Question, String),
    /// A page of a mini-program.
    Card {
        /// Its heading.
        title: String,
        /// The mini-program.
        app_id: String,
        /// The page.
        path: String,
        /// The id of its picture.
        thumb: String,
    },
    /// A notice, and our id by which a template message is known again.
    Notice(Notice, String),
}

/// Shows WeChat's word for it alone.
impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Content({})", self.word())
    }
}

impl Content {
    /// WeChat's word for it (`msgtype`).
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Image(_) => "image",
            Self::Voice(_) => "voice",
            Self::Video { .. } => "video",
            Self::Music { .. } => "music",
            Self::News(_) => "news",
            Self::Article(_) => "mpnewsarticle",
            Self::Menu(..) => "msgmenu",
            Self::Card { .. } => "miniprogrampage",
            Self::Notice(notice, _) => notice.way.word(),
        }
    }

    /// Whether WeChat shows it once though it is sent twice.
    #[must_use]
    pub fn is_known_again(&self) -> bool {
        matches!(self, Self::Notice(notice, _) if notice.way == Way::Template)
    }

    fn value(&self) -> Value {
        let words = |text: &Option<String>| text.as_deref().map(plain).unwrap_or_default();
        match self {
            Self::Text(text) => json!({ "content": text }),
            Self::Image(media) | Self::Voice(media) => json!({ "media_id": media }),
            Self::Video {
                media,
                thumb,
                title,
                description,
            } => json!({
                "media_id": media,
                "thumb_media_id": thumb.as_deref().unwrap_or_default(),
                "title": words(title),
                "description": words(description),
            }),
            Self::Music {
                title,
                description,
                url,
                hq_url,
                thumb,
            } => json!({
                "title": plain(title),
                "description": words(description),
                "musicurl": url,
                "hqmusicurl": hq_url.as_ref().unwrap_or(url),
                "thumb_media_id": thumb,
            }),
            Self::News(link) => json!({
                "articles": [{
                    "title": plain(&link.title),
                    "description": words(&link.description),
                    "url": link.url,
                    "picurl": link.picture.as_deref().unwrap_or_default(),
                }],
            }),
            Self::Article(id) => json!({ "article_id": id }),
            Self::Menu(question, mark) => {
                let choices = question.choices.iter().enumerate();
                let choices = choices.map(|(index, choice)| {
                    json!({ "id": choice_id(mark, index), "content": plain(&choice.text) })
                });
                json!({
                    "head_content": plain(&question.text),
                    "list": choices.collect::<Vec<_>>(),
                    "tail_content": words(&question.closing),
                })
            }
            Self::Card {
                title,
                app_id,
                path,
                thumb,
            } => json!({
                "title": plain(title),
                "appid": app_id,
                "pagepath": path,
                "thumb_media_id": thumb,
            }),
            Self::Notice(notice, id) => super::notices::value(notice, id),
        }
    }
}

impl Api<'_> {
    /// Sends a message to a customer.
    pub async fn send(
        &self,
        token: &Token,
        to: &OpenId,
        content: &Content,
        manner: &Manner,
    ) -> Sent {
        if let Content::Notice(notice, id) = content {
            return self.notify(token, to, notice, id).await;
        }
        let mut message = Map::new();
        let word = content.word();
        message.insert("touser".to_owned(), to.expose().into());
        message.insert("msgtype".to_owned(), word.into());
        message.insert(word.to_owned(), content.value());
        if let Some(account) = &manner.kf_account {
            let service = json!({ "kf_account": account });
            message.insert("customservice".to_owned(), service);
        }
        if manner.ai {
            let label = json!({ "is_ai_msg": 1 });
            message.insert("aimsgcontext".to_owned(), label);
        }
        self.post("/cgi-bin/message/custom/send", token, &message)
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rich::Choice;

    #[test]
    fn every_message_has_the_fields_that_wechat_names() {
        let check = |content: Content, word: &str, expected: Value| {
            assert_eq!(content.word(), word);
            assert_eq!(content.value(), expected, "{word}");
        };
        let some = |text: &str| Some(text.to_owned());
        check(
            Content::Text("你好".into()),
            "text",
            json!({"content": "你好"}),
        );
        check(
            Content::Image("m".into()),
            "image",
            json!({"media_id": "m"}),
        );
        check(
            Content::Video {
                media: "m".into(),
                thumb: None,
                title: some("新\u{7}品"),
                description: None,
            },
            "video",
            json!({"media_id": "m", "thumb_media_id": "", "title": "新品", "description": ""}),
        );
        check(
            Content::Music {
                title: "歌".into(),
                description: None,
                url: "https://a".into(),
                hq_url: None,
                thumb: "t".into(),
            },
            "music",
            json!({"title": "歌", "description": "", "musicurl": "https://a",
                "hqmusicurl": "https://a", "thumb_media_id": "t"}),
        );
        let link = Link {
            title: "题".into(),
            description: some("述"),
            url: "https://a".into(),
            picture: some("https://p"),
        };
        let article =
            json!({"title": "题", "description": "述", "url": "https://a", "picurl": "https://p"});
        check(Content::News(link), "news", json!({"articles": [article]}));
        check(
            Content::Article("a1".into()),
            "mpnewsarticle",
            json!({"article_id": "a1"}),
        );
        let question = Question {
            text: "<a href='x'>满意？".into(),
            choices: vec![Choice {
                id: "yes".into(),
                text: "满意".into(),
            }],
            closing: some("谢谢"),
        };
        check(
            Content::Menu(question, "abcd1234".into()),
            "msgmenu",
            json!({"head_content": "<\u{200b}a href='x'>满意？",
                "list": [{"id": "abcd1234.1", "content": "满意"}], "tail_content": "谢谢"}),
        );
        check(
            Content::Card {
                title: "店".into(),
                app_id: "wx1".into(),
                path: "pages/a".into(),
                thumb: "t".into(),
            },
            "miniprogrampage",
            json!({"title": "店", "appid": "wx1", "pagepath": "pages/a", "thumb_media_id": "t"}),
        );
    }
}
