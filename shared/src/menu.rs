//! The menu of an account, as WeChat takes it.
//!
//! Invariant: what is read is strict and within WeChat's limits; every flaw is named
//! with its place, and no value is in its words. Fields and limits:
//! <https://developers.weixin.qq.com/doc/offiaccount/Custom_Menus/Creating_Custom-Defined_Menu.html>

mod reading;

use serde::Serialize;
use serde_json::{Map, Value};

use reading::Object;

/// How many buttons a menu has at the most.
pub const BUTTONS: usize = 3;
/// How many buttons open from one of them at the most.
pub const SUB_BUTTONS: usize = 5;
/// The longest name of a button, in bytes.
pub const NAME_MAX: usize = 16;
/// The longest name of a button that another one opens, in bytes.
pub const SUB_NAME_MAX: usize = 60;
/// The longest key, in bytes.
pub const KEY_MAX: usize = 128;
/// The longest address, in bytes.
pub const URL_MAX: usize = 1024;
/// The longest id, in bytes. WeChat names no bound; its own have 64 at the most.
const ID_MAX: usize = 128;
/// The languages that WeChat knows.
const LANGUAGES: [&str; 21] = [
    "zh_CN", "zh_TW", "zh_HK", "en", "id", "ms", "es", "ko", "it", "ja", "pl", "pt", "ru", "th",
    "vi", "ar", "hi", "he", "tr", "de", "fr",
];

/// What is wrong at one place of a menu, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// Where: `button[1].sub_button[0].name`.
    pub place: String,
    /// In Chinese.
    pub zh: &'static str,
    /// In English.
    pub en: &'static str,
}

/// What everybody sees below the chat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Menu {
    button: Vec<Button>,
}

/// A menu that only some see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConditionalMenu {
    button: Vec<Button>,
    matchrule: MatchRule,
}

/// Who sees a conditional menu: those to whom all of it applies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MatchRule {
    #[serde(skip_serializing_if = "Option::is_none")]
    tag_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_platform_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<String>,
}

/// One button.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Button {
    name: String,
    #[serde(flatten)]
    does: Does,
}

/// What a button is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
enum Does {
    /// It opens others.
    Opens { sub_button: Vec<Button> },
    /// It does something itself.
    Acts(Action),
}

/// What a tap does. Names and fields are WeChat's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Action {
    Click {
        key: String,
    },
    ScancodePush {
        key: String,
    },
    ScancodeWaitmsg {
        key: String,
    },
    PicSysphoto {
        key: String,
    },
    PicPhotoOrAlbum {
        key: String,
    },
    PicWeixin {
        key: String,
    },
    LocationSelect {
        key: String,
    },
    View {
        url: String,
    },
    /// The address is for clients that have no mini-programs.
    Miniprogram {
        url: String,
        appid: String,
        pagepath: String,
    },
    MediaId {
        media_id: String,
    },
    ViewLimited {
        media_id: String,
    },
    ArticleId {
        article_id: String,
    },
    ArticleViewLimited {
        article_id: String,
    },
}

impl Menu {
    /// Reads a menu; all its flaws if it has one.
    pub fn read(fields: Map<String, Value>) -> Result<Self, Vec<Flaw>> {
        let mut object = Object::new(String::new(), fields);
        let button = buttons(&mut object, Level::Top);
        match (button, object.end()) {
            (Some(button), flaws) if flaws.is_empty() => Ok(Self { button }),
            (_, flaws) => Err(flaws),
        }
    }
}

impl ConditionalMenu {
    /// Reads a menu with its rule; all its flaws if it has one.
    pub fn read(fields: Map<String, Value>) -> Result<Self, Vec<Flaw>> {
        let mut object = Object::new(String::new(), fields);
        let button = buttons(&mut object, Level::Top);
        let matchrule = rule(&mut object);
        match (button, matchrule, object.end()) {
            (Some(button), Some(matchrule), flaws) if flaws.is_empty() => {
                Ok(Self { button, matchrule })
            }
            (_, _, flaws) => Err(flaws),
        }
    }
}

/// Where a button is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Top,
    Sub,
}

/// The buttons of a menu or of a button. `None` is noted.
fn buttons(object: &mut Object, level: Level) -> Option<Vec<Button>> {
    let (name, most, zh, en) = match level {
        Level::Top => (
            "button",
            BUTTONS,
            "应有 1 到 3 个按钮",
            "it has 1 to 3 buttons",
        ),
        Level::Sub => (
            "sub_button",
            SUB_BUTTONS,
            "应有 1 到 5 个子按钮",
            "it has 1 to 5 buttons",
        ),
    };
    let objects = object.objects(name)?;
    if !(1..=most).contains(&objects.len()) {
        object.flaw(name, zh, en);
        return None;
    }
    let mut read = Vec::new();
    for mut one in objects {
        read.push(button(&mut one, level));
        object.close(one);
    }
    read.into_iter().collect()
}

fn button(object: &mut Object, level: Level) -> Option<Button> {
    let name = match level {
        Level::Top => object.text(
            "name",
            |text| is_name(text, NAME_MAX),
            "应为 1 到 16 字节（约 5 个汉字）",
            "it has 1 to 16 bytes, about 5 Chinese characters",
        ),
        Level::Sub => object.text(
            "name",
            |text| is_name(text, SUB_NAME_MAX),
            "应为 1 到 60 字节（约 20 个汉字）",
            "it has 1 to 60 bytes, about 20 Chinese characters",
        ),
    };
    let does = if level == Level::Top && object.has("sub_button") {
        buttons(object, Level::Sub).map(|sub_button| Does::Opens { sub_button })
    } else {
        action(object).map(Does::Acts)
    };
    Some(Button {
        name: name?,
        does: does?,
    })
}

const TYPES_ZH: &str = "应为 click、view、miniprogram、scancode_push、scancode_waitmsg、\
    pic_sysphoto、pic_photo_or_album、pic_weixin、location_select、media_id、view_limited、\
    article_id 或 article_view_limited；一级按钮也可以用 sub_button 代替";
const TYPES_EN: &str = "it is click, view, miniprogram, scancode_push, scancode_waitmsg, \
    pic_sysphoto, pic_photo_or_album, pic_weixin, location_select, media_id, view_limited, \
    article_id or article_view_limited; a button of the first level may have sub_button instead";

fn action(object: &mut Object) -> Option<Action> {
    let kind = object.text("type", is_type, TYPES_ZH, TYPES_EN);
    let Some(kind) = kind else {
        // Nobody can say which of the others are right.
        object.pass_over_all();
        return None;
    };
    Some(match kind.as_str() {
        "view" => Action::View { url: url(object)? },
        "miniprogram" => {
            let url = url(object);
            let appid = object.text(
                "appid",
                is_app_id,
                "应为小程序的 AppID（wx…）",
                "it is the AppID of a mini-program (wx…)",
            );
            let pagepath = object.text(
                "pagepath",
                |text| within(text, URL_MAX),
                "应为 1 到 1024 字节的页面路径",
                "it is the path of a page, of 1 to 1,024 bytes",
            );
            Action::Miniprogram {
                url: url?,
                appid: appid?,
                pagepath: pagepath?,
            }
        }
        "media_id" => Action::MediaId {
            media_id: id(object, "media_id")?,
        },
        "view_limited" => Action::ViewLimited {
            media_id: id(object, "media_id")?,
        },
        "article_id" => Action::ArticleId {
            article_id: id(object, "article_id")?,
        },
        "article_view_limited" => Action::ArticleViewLimited {
            article_id: id(object, "article_id")?,
        },
        _ => keyed(&kind, key(object)?),
    })
}

fn is_type(text: &str) -> bool {
    let others = [
        "view",
        "miniprogram",
        "media_id",
        "view_limited",
        "article_id",
        "article_view_limited",
        "click",
        "scancode_push",
        "scancode_waitmsg",
        "pic_sysphoto",
        "pic_photo_or_album",
        "pic_weixin",
        "location_select",
    ];
    others.contains(&text)
}

/// An action that is told of by a key.
fn keyed(kind: &str, key: String) -> Action {
    match kind {
        "scancode_push" => Action::ScancodePush { key },
        "scancode_waitmsg" => Action::ScancodeWaitmsg { key },
        "pic_sysphoto" => Action::PicSysphoto { key },
        "pic_photo_or_album" => Action::PicPhotoOrAlbum { key },
        "pic_weixin" => Action::PicWeixin { key },
        "location_select" => Action::LocationSelect { key },
        _ => Action::Click { key },
    }
}

fn key(object: &mut Object) -> Option<String> {
    object.text(
        "key",
        |text| within(text, KEY_MAX),
        "应为 1 到 128 字节",
        "it has 1 to 128 bytes",
    )
}

fn url(object: &mut Object) -> Option<String> {
    object.text(
        "url",
        is_web,
        "应为 http 或 https 地址，最长 1024 字节",
        "it is an address, http or https, of at most 1,024 bytes",
    )
}

fn id(object: &mut Object, name: &str) -> Option<String> {
    object.text(
        name,
        |text| (1..=ID_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()),
        "应为素材或文章的 id，最长 128 字节",
        "it is the id of material or of an article, of at most 128 bytes",
    )
}

fn rule(object: &mut Object) -> Option<MatchRule> {
    let mut from = object.object("matchrule")?;
    let tag_id = from.maybe_text(
        "tag_id",
        |text| (1..=10).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()),
        "应为标签 id（数字字符串）",
        "it is the id of a tag, digits in a string",
    );
    let client_platform_type = from.maybe_text(
        "client_platform_type",
        |text| matches!(text, "1" | "2" | "3"),
        "应为 \"1\"（iOS）、\"2\"（Android）或 \"3\"（其他）",
        "it is \"1\" (iOS), \"2\" (Android) or \"3\" (others)",
    );
    let language = from.maybe_text(
        "language",
        |text| LANGUAGES.contains(&text),
        "应为微信的语言代码，如 zh_CN",
        "it is one of WeChat's languages, such as zh_CN",
    );
    let read = MatchRule {
        tag_id,
        client_platform_type,
        language,
    };
    let says_nothing =
        read.tag_id.is_none() && read.client_platform_type.is_none() && read.language.is_none();
    let unsound = from.is_flawed();
    object.close(from);
    if says_nothing && !unsound {
        let (zh, en) = ("应至少有一个条件", "it has one condition at least");
        object.flaw("matchrule", zh, en);
        return None;
    }
    Some(read)
}

/// Whether this is a text of at most so many bytes that says something.
fn within(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len()) && !text.trim().is_empty() && !text.contains(char::is_control)
}

fn is_name(text: &str, most: usize) -> bool {
    within(text, most)
}

fn is_app_id(text: &str) -> bool {
    text.strip_prefix("wx").is_some_and(|rest| {
        (1..=30).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_alphanumeric())
    })
}

/// Whether this is an address of the web, with a host.
fn is_web(text: &str) -> bool {
    let rest = ["https://", "http://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme));
    let strange = |c: char| c.is_whitespace() || c.is_control();
    text.len() <= URL_MAX
        && rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', '?', '#', ':']))
        && !text.contains(strange)
}

#[cfg(test)]
mod tests;
