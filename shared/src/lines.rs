//! What agents read for a message that is not text and for an event: one short
//! line, in Chinese and in English.
//!
//! Invariant: this table is the only one, and a test fails when a message or an
//! event that WeChat documents is not in it. Their list:
//! <https://developers.weixin.qq.com/doc/offiaccount/Message_Management/Receiving_event_pushes.html>

use std::fmt;

use crate::content::Content;
use crate::conversation::EraseCause;
use crate::faces;
use crate::message::{Body, Erased, Fields, Outcome};

/// One thing said in two languages.
#[derive(Clone, PartialEq, Eq)]
pub struct Line {
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
}

impl Line {
    /// What says itself in both languages.
    pub(crate) fn same(text: &str) -> Self {
        both(text, text)
    }

    /// What something is, in brackets, with its title.
    pub(crate) fn titled(zh: &str, en: &str, title: Option<&str>) -> Self {
        let title = title.map(|title| format!(" {title}")).unwrap_or_default();
        both(&format!("[{zh}]{title}"), &format!("[{en}]{title}"))
    }
}

/// Details are what people wrote: they are in nobody's log.
impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Line(…)")
    }
}

/// The longest detail, in characters: a line is for reading on the way.
const MAX_DETAIL: usize = 300;

/// A row of the table.
struct Row {
    of: Of,
    /// WeChat's name; one that ends in `*` stands for a family.
    name: &'static str,
    zh: &'static str,
    en: &'static str,
    /// The fields that say more, in the order of reading.
    details: &'static [&'static str],
}

/// What a name is the name of: `location` is a message, `LOCATION` an event.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Message,
    Event,
}

/// The line for a body. Words are their own line, with WeChat's faces in them.
#[must_use]
pub fn line(body: &Body) -> Line {
    match body {
        Body::Text { text, .. } => Line::same(&faces::shown(text)),
        Body::Other { name, fields, .. } => match row(Of::Message, name) {
            Some(row) => told(row, name, fields, " ", " "),
            None => both(
                &format!("[暂不支持的消息：{}]", shortened(name)),
                &format!("[unsupported message: {}]", shortened(name)),
            ),
        },
        Body::Rich(rich) => rich.line(),
        Body::Event { name, fields } => match row(Of::Event, name) {
            Some(row) => told(row, name, fields, "：", ": "),
            None => both(
                &format!("未知事件：{}", shortened(name)),
                &format!("unknown event: {}", shortened(name)),
            ),
        },
        Body::Unknown { .. } => both("[无法识别的消息]", "[unreadable message]"),
        Body::Receipt(receipt) => match receipt.outcome {
            Outcome::Delivered => both("已送达", "delivered"),
            Outcome::Held(why) => both(
                &format!("等待发送：{}", why.zh()),
                &format!("held: {}", why.en()),
            ),
            Outcome::Failed(why) => both(
                &format!("未送达：{}", why.zh()),
                &format!("failed: {}", why.en()),
            ),
        },
        Body::SessionEnd(_) => both("会话已结束", "session ended"),
        Body::Erased(_) => erased(),
    }
}

/// What an agent is told of a customer who was erased.
#[must_use]
pub fn erased() -> Line {
    both(
        "客户资料已删除：请同时删除您系统中的记录。",
        "The customer was erased: delete your own records, too.",
    )
}

/// What the record of an erasure says to who runs the account.
#[must_use]
pub fn record(erased: &Erased) -> Line {
    let (zh, en) = match erased.cause {
        EraseCause::Asked => ("在此处要求", "asked for here"),
        EraseCause::Desk => ("客服系统要求", "asked for by the desk"),
        EraseCause::Unfollowed => ("客户已取消关注", "they unfollowed"),
        EraseCause::Consent => ("客户已撤回授权", "they withdrew a consent"),
    };
    let who: String = erased.customer.expose().chars().take(8).collect();
    both(
        &format!("客户 {who} 的资料已删除：{zh}"),
        &format!("customer {who} was erased: {en}"),
    )
}

/// Where more is to be seen than a line says: on a map. For who reads a message, not for
/// lists.
#[must_use]
pub fn link(body: &Body) -> Option<String> {
    match body.content() {
        Some(Content::Location(place)) => place.map,
        _ => None,
    }
}

fn both(zh: &str, en: &str) -> Line {
    Line {
        zh: zh.to_owned(),
        en: en.to_owned(),
    }
}

/// The row of a name, or of its family.
fn row(of: Of, name: &str) -> Option<&'static Row> {
    TABLE.iter().filter(|row| row.of == of).find(|row| {
        row.name
            .strip_suffix('*')
            .map_or(name == row.name, |family| name.starts_with(family))
    })
}

/// A row's words and what the fields add to them.
fn told(row: &Row, name: &str, fields: &Fields, zh_colon: &str, en_colon: &str) -> Line {
    // A follow by way of a QR code carries the code's scene behind a prefix.
    let said = row
        .details
        .iter()
        .filter_map(|path| fields.get(*path))
        .map(|value| crate::event::scene(value).trim())
        .filter(|value| !value.is_empty());
    let mut details: Vec<&str> = said.collect();
    if row.name.ends_with('*') {
        details.insert(0, name);
    }
    let detail = shortened(&details.join(" "));
    if detail.is_empty() {
        both(row.zh, row.en)
    } else if RESULTS.contains(&row.name) {
        let (zh, en) = became(&detail);
        both(
            &format!("{}{zh_colon}{zh}", row.zh),
            &format!("{}{en_colon}{en}", row.en),
        )
    } else {
        both(
            &format!("{}{zh_colon}{detail}", row.zh),
            &format!("{}{en_colon}{detail}", row.en),
        )
    }
}

/// The events that say what became of a notice.
const RESULTS: [&str; 2] = ["TEMPLATESENDJOBFINISH", "subscribe_msg_sent_event"];

/// What became of a notice, by WeChat's word for it: it writes them with blanks and without.
fn became(status: &str) -> (String, String) {
    let plain: String = status.split_whitespace().collect();
    let (zh, en) = match plain.to_ascii_lowercase().as_str() {
        "success" => ("已送达", "delivered"),
        "failed:userblock" | "userblock" => {
            ("未送达，客户拒收", "not delivered, the customer refuses it")
        }
        "failed:systemfailed" | "systemfailed" => {
            ("未送达，微信系统故障", "not delivered, WeChat failed")
        }
        _ => {
            return (
                format!("未送达，{status}"),
                format!("not delivered, {status}"),
            );
        }
    };
    (zh.to_owned(), en.to_owned())
}

/// The detail on one line and not too long.
fn shortened(detail: &str) -> String {
    let mut characters = detail.chars().map(|c| if c == '\n' { ' ' } else { c });
    let mut short: String = characters.by_ref().take(MAX_DETAIL).collect();
    if characters.next().is_some() {
        short.push('…');
    }
    short
}

const fn message(
    name: &'static str,
    zh: &'static str,
    en: &'static str,
    details: &'static [&'static str],
) -> Row {
    Row {
        of: Of::Message,
        name,
        zh,
        en,
        details,
    }
}

const fn event(
    name: &'static str,
    zh: &'static str,
    en: &'static str,
    details: &'static [&'static str],
) -> Row {
    Row {
        of: Of::Event,
        name,
        zh,
        en,
        details,
    }
}

const EVENT_KEY: &[&str] = &["EventKey"];
const SCANNED: &[&str] = &["ScanCodeInfo.ScanResult"];
const PLACE: &[&str] = &["SendLocationInfo.Label", "SendLocationInfo.Poiname"];
const ARTICLE: &[&str] = &["PublishEventInfo.article_id"];
const REVOKED: &[&str] = &["RevokeInfo"];
const EXPIRES: &[&str] = &["ExpiredTime"];
const FAILED: &[&str] = &["FailReason", "FailTime"];
const SWITCHED: &[&str] = &["FromKfAccount", "ToKfAccount"];
// In JSON the list stands by itself.
const POPUP: &[&str] = &[
    "SubscribeMsgPopupEvent.List.SubscribeStatusString",
    "List.SubscribeStatusString",
];
const CHANGE: &[&str] = &[
    "SubscribeMsgChangeEvent.List.SubscribeStatusString",
    "List.SubscribeStatusString",
];
const SENT: &[&str] = &["SubscribeMsgSentEvent.List.ErrorStatus", "List.ErrorStatus"];

/// Every message other than text, every event, every family of events.
#[rustfmt::skip]
const TABLE: &[Row] = &[
    message("image", "[图片]", "[image]", &[]),
    message("voice", "[语音]", "[voice]", &["Recognition"]),
    message("video", "[视频]", "[video]", &[]),
    message("shortvideo", "[小视频]", "[short video]", &[]),
    message("location", "[位置]", "[location]", &["Label"]),
    message("link", "[链接]", "[link]", &["Title", "Url"]),
    message("miniprogrampage", "[小程序卡片]", "[mini-program card]", &["Title"]),
    message("file", "[文件]", "[file]", &["Title", "FileName"]),
    event("subscribe", "关注了公众号", "followed", EVENT_KEY),
    event("unsubscribe", "取消了关注", "unfollowed", &[]),
    event("SCAN", "扫描了公众号二维码", "scanned a QR code of the account", EVENT_KEY),
    event("LOCATION", "上报了位置", "reported a location", &["Latitude", "Longitude"]),
    event("CLICK", "点击了菜单", "tapped a menu item", EVENT_KEY),
    event("VIEW", "打开了菜单链接", "opened a link of the menu", EVENT_KEY),
    event("scancode_push", "通过菜单扫码", "scanned a code from the menu", SCANNED),
    event("scancode_waitmsg", "通过菜单扫码，正在等待回复", "scanned a code from the menu and waits for an answer", SCANNED),
    event("pic_sysphoto", "通过菜单拍照", "took a photo from the menu", &[]),
    event("pic_photo_or_album", "通过菜单拍照或选择照片", "took or chose a photo from the menu", &[]),
    event("pic_weixin", "通过菜单选择照片", "chose a photo from the menu", &[]),
    event("location_select", "通过菜单选择了位置", "chose a place from the menu", PLACE),
    event("view_miniprogram", "打开了菜单中的小程序", "opened a mini-program of the menu", EVENT_KEY),
    event("TEMPLATESENDJOBFINISH", "模板消息发送结果", "the template message", &["Status"]),
    event("MASSSENDJOBFINISH", "群发结束", "a mass message was sent", &["Status"]),
    event("PUBLISHJOBFINISH", "文章发布结束", "a publication ended", ARTICLE),
    event("FREEPUBLISHJOBFINISH", "文章发布结束", "a publication ended", ARTICLE),
    event("kf_create_session", "微信客服开始接待", "WeChat's own agent took over", &["KfAccount"]),
    event("kf_close_session", "微信客服结束接待", "WeChat's own agent ended", &["KfAccount"]),
    event("kf_switch_session", "微信客服转接", "WeChat's own agents handed over", SWITCHED),
    event("user_enter_tempsession", "进入了小程序客服会话", "entered the chat of a mini-program", &["SessionFrom"]),
    event("subscribe_msg_popup_event", "回应了订阅通知弹窗", "answered a subscription request", POPUP),
    event("subscribe_msg_change_event", "更改了订阅通知", "changed a subscription", CHANGE),
    event("subscribe_msg_sent_event", "订阅通知发送结果", "the subscribe notification", SENT),
    event("user_info_modified", "更改了授权资料", "changed personal data", REVOKED),
    event("user_authorization_revoke", "撤回了资料授权", "withdrew consent to personal data", REVOKED),
    event("user_authorization_cancellation", "注销了账号，需删除其资料", "closed the WeChat account: personal data has to go", REVOKED),
    event("qualification_verify_success", "资质认证成功", "qualification verified", EXPIRES),
    event("qualification_verify_fail", "资质认证失败", "qualification not verified", FAILED),
    event("naming_verify_success", "名称认证成功", "name verified", EXPIRES),
    event("naming_verify_fail", "名称认证失败", "name not verified", FAILED),
    event("annual_renew", "需要年审", "the yearly verification is due", EXPIRES),
    event("verify_expired", "认证已过期", "the verification has expired", EXPIRES),
    event("debug_demo", "开发调试推送", "test push of WeChat's console", &["debug_str"]),
    event("guide_qrcode_scan_event", "扫描了导购二维码", "scanned a QR code of a shop guide", &[]),
    event("ShakearoundUserShake", "摇一摇周边", "shook the phone near a beacon", &[]),
    event("WifiConnected", "连接了门店 Wi-Fi", "joined a shop's Wi-Fi", &[]),
    event("card_*", "卡券事件", "coupon event", &[]),
    event("poi_*", "门店事件", "shop event", &[]),
    event("merchant_*", "小店事件", "store order event", &[]),
];

#[cfg(test)]
mod tests {
    use super::{Of, TABLE, both, line, row};
    use crate::message::{Body, EndCause, Fields, Kind, MessageId, Outcome, Receipt, SessionEnd};
    use crate::opens;
    use crate::reason::Reason;

    /// The messages that WeChat documents for an Official Account, text apart,
    /// and those that it sends without documenting them.
    const MESSAGES: &[&str] = &[
        "image",
        "voice",
        "video",
        "shortvideo",
        "location",
        "link",
        "miniprogrampage",
        "file",
    ];

    /// The families of events that are passed through.
    const FAMILIES: &[&str] = &["card_pass_check", "poi_check_notify", "merchant_order"];

    fn fields(fields: &[(&str, &str)]) -> Fields {
        let owned = |(path, value): &(&str, &str)| ((*path).to_owned(), (*value).to_owned());
        fields.iter().map(owned).collect()
    }

    fn event(name: &str, with: &[(&str, &str)]) -> Body {
        Body::Event {
            name: name.to_owned(),
            fields: fields(with),
        }
    }

    fn message(kind: Kind, name: &str, with: &[(&str, &str)]) -> Body {
        Body::Other {
            kind,
            name: name.to_owned(),
            fields: fields(with),
        }
    }

    #[test]
    fn every_documented_name_has_a_row_of_its_own() {
        for name in MESSAGES {
            assert!(row(Of::Message, name).is_some(), "message {name}");
        }
        for (name, _) in opens::EVENTS {
            assert!(
                row(Of::Event, name).is_some_and(|row| row.name == *name),
                "event {name}"
            );
        }
        for name in FAMILIES {
            assert!(row(Of::Event, name).is_some(), "family of {name}");
        }
        assert_eq!(
            TABLE.len(),
            MESSAGES.len() + opens::EVENTS.len() + FAMILIES.len()
        );
    }

    #[test]
    fn every_row_speaks_both_languages() {
        for row in TABLE {
            assert!(row.zh.chars().any(|c| c >= '\u{4e00}'), "{}", row.name);
            assert!(row.en.is_ascii() && !row.en.is_empty(), "{}", row.name);
            assert_eq!(
                row.of == Of::Message,
                row.zh.starts_with('[') && row.en.starts_with('['),
                "{}",
                row.name
            );
        }
    }

    #[test]
    fn a_line_says_what_the_fields_add() {
        let check = |body: &Body, zh, en| {
            let line = line(body);
            assert_eq!((line.zh.as_str(), line.en.as_str()), (zh, en));
        };
        check(&Body::text("你好/::)"), "你好🙂", "你好🙂");
        check(&message(Kind::Image, "image", &[]), "[图片]", "[image]");
        check(
            &message(Kind::Voice, "voice", &[("Recognition", "什么时候发货")]),
            "[语音] 什么时候发货",
            "[voice] 什么时候发货",
        );
        check(
            &message(Kind::Voice, "voice", &[("Recognition", "")]),
            "[语音]",
            "[voice]",
        );
        check(
            &message(
                Kind::Location,
                "location",
                &[
                    ("Location_X", "31.2"),
                    ("Location_Y", "121.5"),
                    ("Label", "世纪大道1号"),
                ],
            ),
            "[位置] 世纪大道1号",
            "[location] 世纪大道1号",
        );
        check(
            &message(
                Kind::Link,
                "link",
                &[("Title", "洗护指南"), ("Url", "https://a.example")],
            ),
            "[链接] 洗护指南 https://a.example",
            "[link] 洗护指南 https://a.example",
        );
        check(
            &message(Kind::Unknown, "hologram", &[]),
            "[暂不支持的消息：hologram]",
            "[unsupported message: hologram]",
        );
        check(&event("subscribe", &[]), "关注了公众号", "followed");
        check(
            &event("subscribe", &[("EventKey", "qrscene_counter_3")]),
            "关注了公众号：counter_3",
            "followed: counter_3",
        );
        check(
            &event("CLICK", &[("EventKey", "HOURS")]),
            "点击了菜单：HOURS",
            "tapped a menu item: HOURS",
        );
        check(
            &event("location_select", &[("SendLocationInfo.Label", "a\nb")]),
            "通过菜单选择了位置：a b",
            "chose a place from the menu: a b",
        );
        check(
            &event("card_pass_check", &[]),
            "卡券事件：card_pass_check",
            "coupon event: card_pass_check",
        );
        check(
            &event("TEMPLATESENDJOBFINISH", &[("Status", "success")]),
            "模板消息发送结果：已送达",
            "the template message: delivered",
        );
        check(
            &event(
                "TEMPLATESENDJOBFINISH",
                &[("Status", "failed: system failed")],
            ),
            "模板消息发送结果：未送达，微信系统故障",
            "the template message: not delivered, WeChat failed",
        );
        let status = "SubscribeMsgSentEvent.List.ErrorStatus";
        check(
            &event("subscribe_msg_sent_event", &[(status, "user block")]),
            "订阅通知发送结果：未送达，客户拒收",
            "the subscribe notification: not delivered, the customer refuses it",
        );
        check(
            &event("subscribe_msg_sent_event", &[(status, "limit")]),
            "订阅通知发送结果：未送达，limit",
            "the subscribe notification: not delivered, limit",
        );
        check(
            &event("no_such_event", &[]),
            "未知事件：no_such_event",
            "unknown event: no_such_event",
        );
        check(
            &Body::Unknown { bytes: vec![0xff] },
            "[无法识别的消息]",
            "[unreadable message]",
        );
    }

    #[test]
    fn our_own_entries_have_lines_too() {
        let receipt = |outcome| {
            line(&Body::Receipt(Receipt {
                message: MessageId::parse("m1").unwrap_or_else(|| unreachable!()),
                outcome,
                conversation: None,
            }))
        };
        assert_eq!(receipt(Outcome::Delivered).en, "delivered");
        let why = Reason::WindowClosed;
        assert!(receipt(Outcome::Failed(why)).zh.ends_with(why.zh()));
        assert!(receipt(Outcome::Held(why)).en.ends_with(why.en()));
        let end = SessionEnd {
            session: "s1".to_owned(),
            cause: EndCause::Agent,
        };
        assert_eq!(
            line(&Body::SessionEnd(end)),
            both("会话已结束", "session ended")
        );
    }

    #[test]
    fn a_line_is_short() {
        let long = "长".repeat(5_000);
        let line = line(&event("VIEW", &[("EventKey", &long)]));
        assert!(line.zh.chars().count() < 320 && line.zh.ends_with('…'));
        for body in [event(&long, &[]), message(Kind::Unknown, &long, &[])] {
            let line = super::line(&body);
            assert!(line.zh.chars().count() < 320 && line.en.chars().count() < 330);
        }
    }
}
