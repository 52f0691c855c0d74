//! The passive replies of a channel as an operator writes them: `replies` of `PUT
//! /api/channels/{id}`.

use std::collections::BTreeMap;

use super::fields::Fields;
use crate::reply::{ARTICLES, Article, Replies, Reply};

/// The longest text, in characters: whatever they are, they have at most the 2,048 bytes
/// that WeChat takes.
const TEXT_MAX: usize = 512;
/// How many QR codes may have a reply of their own.
const SCENES: usize = 100;
/// The longest scene, in characters: WeChat's own bound.
const SCENE_MAX: usize = 64;
/// The longest id of media, in bytes. WeChat's have 64 now.
const MEDIA_MAX: usize = 128;
/// The longest heading, in characters.
const TITLE_MAX: usize = 64;
/// The longest description, in characters.
const DESCRIPTION_MAX: usize = 512;
/// The longest address, in bytes.
const URL_MAX: usize = 1024;

/// What a reply answers: WeChat takes not every kind for each.
#[derive(Clone, Copy, PartialEq, Eq)]
enum To {
    Event,
    Message,
}

/// Reads the replies; none if they are absent.
pub(super) fn read(fields: &mut Fields) -> Replies {
    let Some(mut from) = fields.maybe_object("replies") else {
        return Replies::default();
    };
    let replies = Replies {
        welcome: reply(&mut from, "welcome", To::Event),
        scenes: scenes(&mut from),
        first_message: reply(&mut from, "first_message", To::Message),
        acknowledge: reply(&mut from, "acknowledge", To::Message),
        held_answers: from.flag("held_answers"),
    };
    fields.close(from);
    replies
}

fn scenes(fields: &mut Fields) -> BTreeMap<String, Reply> {
    let mut scenes = BTreeMap::new();
    let Some(mut from) = fields.maybe_object("scenes") else {
        return scenes;
    };
    let names = from.names();
    let fits = |name: &String| (1..=SCENE_MAX).contains(&name.chars().count());
    if names.len() > SCENES || !names.iter().all(fits) {
        fields.fault(
            "scenes",
            "最多 100 个场景，场景值应为 1 到 64 个字符",
            "there may be 100 scenes at most, and each has 1 to 64 characters",
        );
        return scenes;
    }
    for name in names {
        if let Some(reply) = reply(&mut from, &name, To::Event) {
            scenes.insert(name, reply);
        }
    }
    fields.close(from);
    scenes
}

fn reply(fields: &mut Fields, name: &str, to: To) -> Option<Reply> {
    let mut from = fields.maybe_object(name)?;
    let reply = kind(&mut from, to);
    fields.close(from);
    reply
}

fn kind(from: &mut Fields, to: To) -> Option<Reply> {
    let kind = from.parsed(
        "kind",
        |text| {
            let known = match text {
                "text" | "image" | "voice" | "video" | "music" | "news" => true,
                // Who only follows cannot be handed over.
                "transfer_customer_service" => to == To::Message,
                _ => false,
            };
            known.then(|| text.to_owned())
        },
        "应为 text、image、voice、video、music、news；回复消息时也可为 transfer_customer_service",
        "it is text, image, voice, video, music or news, or, in answer to a message, \
         transfer_customer_service",
    );
    let Some(kind) = kind else {
        from.pass_over_all();
        return None;
    };
    Some(match kind.as_str() {
        "text" => Reply::Text {
            text: from.parsed(
                "text",
                |text| within(text, TEXT_MAX),
                "应为 1 到 512 个字符",
                "it has 1 to 512 characters",
            )?,
        },
        "image" => Reply::Image {
            media_id: media(from, "media_id")?,
        },
        "voice" => Reply::Voice {
            media_id: media(from, "media_id")?,
        },
        "video" => Reply::Video {
            title: words(from, "title", TITLE_MAX),
            description: words(from, "description", DESCRIPTION_MAX),
            media_id: media(from, "media_id")?,
        },
        "music" => Reply::Music {
            title: words(from, "title", TITLE_MAX),
            description: words(from, "description", DESCRIPTION_MAX),
            url: address(from, "url"),
            hq_url: address(from, "hq_url"),
            thumb_media_id: media(from, "thumb_media_id")?,
        },
        "news" => news(from, to)?,
        _ => Reply::TransferCustomerService {
            kf_account: from.maybe_parsed(
                "kf_account",
                |text| {
                    let fits = (3..=30).contains(&text.len()) && text.contains('@');
                    let plain = text.bytes().all(|b| b.is_ascii_graphic());
                    (fits && plain).then(|| text.to_owned())
                },
                "应为客服账号，如 name@account",
                "it is an account of WeChat's customer service, name@account",
            ),
        },
    })
}

fn news(from: &mut Fields, to: To) -> Option<Reply> {
    let most = match to {
        To::Event => ARTICLES,
        To::Message => 1,
    };
    let items = from.objects("articles")?;
    if !(1..=most).contains(&items.len()) {
        from.fault(
            "articles",
            "回复消息时应有 1 篇文章，回复事件时 1 到 8 篇",
            "it has 1 article in answer to a message, 1 to 8 in answer to an event",
        );
        return None;
    }
    let mut articles = Vec::new();
    for mut item in items {
        let title = item.parsed(
            "title",
            |text| within(text, TITLE_MAX),
            "应为 1 到 64 个字符",
            "it has 1 to 64 characters",
        );
        let description = words(&mut item, "description", DESCRIPTION_MAX);
        let picture = address(&mut item, "picture");
        let url = item.parsed("url", web, WEB_ZH, WEB_EN);
        articles.extend(title.zip(url).map(|(title, url)| Article {
            title,
            description,
            picture,
            url,
        }));
        from.close(item);
    }
    Some(Reply::News { articles })
}

/// A text of at most so many characters that says something, in characters that XML has.
fn within(text: &str, most: usize) -> Option<String> {
    let strange = |c: char| {
        (c.is_control() && !matches!(c, '\n' | '\t')) || matches!(c, '\u{fffe}' | '\u{ffff}')
    };
    let fits = (1..=most).contains(&text.chars().count())
        && !text.trim().is_empty()
        && !text.contains(strange);
    fits.then(|| text.to_owned())
}

fn media(from: &mut Fields, name: &str) -> Option<String> {
    from.parsed(
        name,
        |text| {
            let fits = (1..=MEDIA_MAX).contains(&text.len());
            (fits && text.bytes().all(|b| b.is_ascii_graphic())).then(|| text.to_owned())
        },
        "应为素材的 media_id",
        "it is the media_id of material",
    )
}

fn words(from: &mut Fields, name: &str, most: usize) -> Option<String> {
    from.maybe_parsed(
        name,
        |text| within(text, most),
        "标题最多 64 个字符，描述最多 512 个字符，不能为空",
        "a title has 1 to 64 characters, a description 1 to 512",
    )
}

const WEB_ZH: &str = "应为 http 或 https 地址，最长 1024 字节";
const WEB_EN: &str = "it is an address, http or https, of at most 1,024 bytes";

/// An address of the web, as the API's document describes it.
fn web(text: &str) -> Option<String> {
    let rest = ["https://", "http://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme))?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (host, port) = authority.split_once(':').unwrap_or((authority, "443"));
    let is_host = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-');
    let fits = text.len() <= URL_MAX
        && !host.is_empty()
        && host.bytes().all(is_host)
        && (1..=5).contains(&port.len())
        && port.bytes().all(|b| b.is_ascii_digit())
        && path.bytes().all(|b| b.is_ascii_graphic());
    fits.then(|| text.to_owned())
}

fn address(from: &mut Fields, name: &str) -> Option<String> {
    from.maybe_parsed(name, web, WEB_ZH, WEB_EN)
}
