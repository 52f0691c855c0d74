//! What a message of an account shows on the customer's phone, by its type.
//!
//! Invariant: what is shown is whole: every field that its type needs is
//! there, and every medium is one of this account, of the right kind, that has
//! not expired.
//! <https://developers.weixin.qq.com/doc/service/api/customer/message/api_sendcustommessage>

use serde_json::Value;

use super::account::Account;
use super::answer::{self, Fault};
use super::attachment::{Attachment, Shown};
use super::customer::{Choice, Content};
use super::media::MediaKind;

/// The longest text, in bytes of UTF-8.
const LONGEST: usize = 2_048;
/// The longest name of an agent's account before its `@`, and the longest in all.
const LONGEST_AGENT: usize = 10;
const LONGEST_KF_ACCOUNT: usize = 30;
/// What may stand where a picture belongs.
const PICTURES: &[MediaKind] = &[MediaKind::Thumb, MediaKind::Image];

/// What `custom/send` is to show.
pub(crate) fn content(now_ms: i64, account: &Account, body: &Value) -> Result<Content, Fault> {
    let kind = body.get("msgtype").and_then(Value::as_str);
    let kind = kind.unwrap_or_default();
    account.kind.may_send(kind)?;
    let (text, choices, attachment) = match kind {
        "text" => (words(body.pointer("/text/content"))?, Vec::new(), None),
        "msgmenu" => {
            let (text, choices) = menu(body)?;
            (text, choices, None)
        }
        _ => {
            let fields = Fields {
                now_ms,
                account,
                object: body.get(kind),
            };
            let attachment = attachment(kind, &fields)?;
            (format!("[{kind}]"), Vec::new(), Some(attachment))
        }
    };
    Ok(Content::Theirs {
        text,
        choices,
        attachment,
        agent: agent(body.get("customservice"))?,
        by_ai: by_ai(body.get("aimsgcontext"))?,
    })
}

fn attachment(kind: &str, fields: &Fields<'_>) -> Result<Attachment, Fault> {
    Ok(match kind {
        "image" => Attachment::Image {
            media: fields.media("media_id", &[MediaKind::Image])?,
        },
        "voice" => Attachment::Voice {
            media: fields.media("media_id", &[MediaKind::Voice])?,
        },
        "video" => Attachment::Video {
            media: fields.media("media_id", &[MediaKind::Video])?,
            // The table of the documents wants it, most libraries leave it
            // empty, and the films arrive.
            thumb: match fields.word("thumb_media_id")?.as_str() {
                "" => None,
                _ => Some(fields.media("thumb_media_id", PICTURES)?),
            },
            title: fields.word("title")?,
            description: fields.word("description")?,
        },
        "music" => Attachment::Music {
            title: fields.word("title")?,
            description: fields.word("description")?,
            url: fields.needed("musicurl", answer::DATA_FORMAT)?,
            hq_url: fields.needed("hqmusicurl", answer::DATA_FORMAT)?,
            thumb: fields.media("thumb_media_id", PICTURES)?,
        },
        "news" => fields.news()?,
        "mpnews" => {
            let id = fields.needed("media_id", answer::MEDIA_ID)?;
            fields.article(&id, answer::MEDIA_ID)?
        }
        "mpnewsarticle" => {
            let id = fields.needed("article_id", answer::ARTICLE_ID)?;
            fields.article(&id, answer::ARTICLE_ID)?
        }
        "miniprogrampage" => Attachment::MiniProgram {
            title: fields.word("title")?,
            app_id: fields.needed("appid", answer::APP_ID)?,
            path: fields.needed("pagepath", answer::DATA_FORMAT)?,
            thumb: fields.media("thumb_media_id", PICTURES)?,
        },
        "wxcard" => Attachment::Coupon {
            card_id: fields.needed("card_id", answer::CARD_ID)?,
        },
        _ => return Err(answer::MESSAGE_TYPE),
    })
}

/// The object that a message's type names.
struct Fields<'a> {
    now_ms: i64,
    account: &'a Account,
    object: Option<&'a Value>,
}

impl Fields<'_> {
    /// What need not be there, but is a string if it is.
    fn word(&self, name: &str) -> Result<String, Fault> {
        word(self.object, name)
    }

    fn needed(&self, name: &str, fault: Fault) -> Result<String, Fault> {
        let word = self.word(name)?;
        if word.is_empty() {
            Err(fault)
        } else {
            Ok(word)
        }
    }

    fn media(&self, name: &str, kinds: &[MediaKind]) -> Result<Shown, Fault> {
        let id = self.needed(name, answer::MEDIA_ID)?;
        let media = self.account.media.get(self.now_ms, &id);
        media
            .filter(|media| kinds.contains(&media.kind))
            .map(Shown::new)
            .ok_or(answer::MEDIA_ID)
    }

    fn news(&self) -> Result<Attachment, Fault> {
        let articles = self.object.and_then(|fields| fields.get("articles"));
        let articles = match articles {
            Some(Value::Array(articles)) => articles.as_slice(),
            Some(_) => return Err(answer::DATA_FORMAT),
            None => &[],
        };
        let article = match articles {
            [] => return Err(answer::EMPTY_NEWS),
            [article] => Some(article),
            _ => return Err(answer::ARTICLES),
        };
        let (title, url) = (word(article, "title")?, word(article, "url")?);
        if title.is_empty() || url.is_empty() {
            return Err(answer::DATA_FORMAT);
        }
        Ok(Attachment::Page {
            title,
            description: word(article, "description")?,
            url,
            picture: word(article, "picurl")?,
        })
    }

    fn article(&self, id: &str, fault: Fault) -> Result<Attachment, Fault> {
        let by_media_id = fault == answer::MEDIA_ID;
        let article = self.account.article(|article| {
            let own = if by_media_id {
                &article.media_id
            } else {
                &article.article_id
            };
            own == id
        });
        let article = article.ok_or(fault)?;
        Ok(Attachment::Page {
            title: article.title.clone(),
            description: String::new(),
            url: article.url.clone(),
            picture: String::new(),
        })
    }
}

fn word(fields: Option<&Value>, name: &str) -> Result<String, Fault> {
    match fields.and_then(|fields| fields.get(name)) {
        Some(Value::String(word)) => Ok(word.clone()),
        Some(_) => Err(answer::DATA_FORMAT),
        None => Ok(String::new()),
    }
}

/// The agent in whose name a message comes, without the account's own name.
fn agent(service: Option<&Value>) -> Result<Option<String>, Fault> {
    if service.is_none() {
        return Ok(None);
    }
    let whole = word(service, "kf_account")?;
    let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    match whole.split_once('@') {
        Some((agent, account))
            if (1..=LONGEST_AGENT).contains(&agent.len())
                && agent.chars().all(plain)
                && !account.is_empty()
                && !account.contains('@')
                && whole.len() <= LONGEST_KF_ACCOUNT =>
        {
            Ok(Some(agent.to_owned()))
        }
        _ => Err(answer::KF_ACCOUNT),
    }
}

/// Whether the phone says that an AI wrote it.
fn by_ai(context: Option<&Value>) -> Result<bool, Fault> {
    let Some(context) = context else {
        return Ok(false);
    };
    match context.get("is_ai_msg").and_then(Value::as_u64) {
        Some(0) => Ok(false),
        Some(1) => Ok(true),
        _ => Err(answer::DATA_FORMAT),
    }
}

fn words(value: Option<&Value>) -> Result<String, Fault> {
    match value {
        Some(Value::String(words)) if words.len() > LONGEST => Err(answer::TOO_LONG),
        Some(Value::String(words)) if !words.is_empty() => Ok(words.clone()),
        Some(Value::String(_)) | None => Err(answer::EMPTY),
        Some(_) => Err(answer::DATA_FORMAT),
    }
}

fn menu(body: &Value) -> Result<(String, Vec<Choice>), Fault> {
    let part = |name| body.pointer(name).and_then(Value::as_str);
    let choices: Vec<Choice> = body
        .pointer("/msgmenu/list")
        .and_then(Value::as_array)
        .ok_or(answer::DATA_FORMAT)?
        .iter()
        .map(|entry| {
            Some(Choice {
                id: entry.get("id")?.as_str()?.to_owned(),
                text: entry.get("content")?.as_str()?.to_owned(),
            })
        })
        .collect::<Option<_>>()
        .ok_or(answer::DATA_FORMAT)?;
    if choices.is_empty() {
        return Err(answer::EMPTY);
    }
    let text = ["/msgmenu/head_content", "/msgmenu/tail_content"]
        .into_iter()
        .filter_map(part)
        .filter(|words| !words.is_empty())
        .collect::<Vec<_>>()
        .join("\n");
    Ok((text, choices))
}
