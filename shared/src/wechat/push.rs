//! A push: what its elements say.
//!
//! Invariant: nothing is guessed; everything that is well-formed is kept.
//! Protocol:
//! <https://developers.weixin.qq.com/doc/offiaccount/Message_Management/Receiving_standard_messages.html>

use super::document::{Leaves, Unreadable, leaves, take};
use crate::message::{Body, Fields, Kind, OpenId};
use crate::opens;

/// What WeChat told us, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// The original id of the account that it is meant for.
    pub to: Option<String>,
    /// The customer; for some events of the account, a name of WeChat's own.
    pub from: Option<OpenId>,
    /// When it was said, in seconds since 1970, at most ten digits.
    pub create_time: Option<u64>,
    /// WeChat's id of a message: a 64-bit number in practice. Events have none.
    pub msg_id: Option<String>,
    /// What was said. [`Body::Unknown`] if the document tells no kind.
    pub body: Body,
}

/// Where a push is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// In the conversation, as a customer's message.
    Message,
    /// In the conversation, as an event.
    Event,
    /// In the conversation, as its end: the customer unfollowed.
    Unfollow,
    /// In the conversation's last known location.
    Location,
    /// In the conversation of whom it is about, who is not its sender: consent that was
    /// withdrawn or changed.
    Consent,
    /// In the channel's own journal: jobs, verification.
    Account,
}

/// Reads a push, XML or JSON, its elements in any order, with or without CDATA.
pub fn parse(document: &[u8]) -> Result<Push, Unreadable> {
    let mut leaves = leaves(document)?;
    let mut header = |name: &str| {
        let value = take(&mut leaves, name)?.trim().to_owned();
        (!value.is_empty()).then_some(value)
    };
    let to = header("ToUserName");
    let from = header("FromUserName").map(OpenId::new);
    let create_time = header("CreateTime")
        .filter(|digits| digits.len() <= 10)
        .and_then(|digits| digits.parse().ok());
    let msg_id = header("MsgId");
    let event = header("Event");
    let body = match (header("MsgType"), event) {
        (None, _) => None,
        (Some(kind), event) if kind.eq_ignore_ascii_case("event") => {
            event.map(|name| Body::Event {
                name: opens::documented(&name).map_or(name, str::to_owned),
                fields: fields(leaves),
            })
        }
        (Some(kind), _) => Some(message(&kind, leaves)),
    };
    Ok(Push {
        to,
        from,
        create_time,
        msg_id,
        body: body.unwrap_or_else(|| Body::Unknown {
            bytes: document.to_vec(),
        }),
    })
}

fn message(name: &str, mut leaves: Leaves) -> Body {
    if name.eq_ignore_ascii_case("text") {
        let choice = take(&mut leaves, "bizmsgmenuid").map(|id| id.trim().to_owned());
        return Body::Text {
            text: take(&mut leaves, "Content").unwrap_or_default(),
            choice: choice.filter(|id| !id.is_empty()),
            fields: fields(leaves),
        };
    }
    let (kind, known) = match name.to_ascii_lowercase().as_str() {
        "image" => (Kind::Image, "image"),
        "voice" => (Kind::Voice, "voice"),
        "video" => (Kind::Video, "video"),
        "shortvideo" => (Kind::Video, "shortvideo"),
        "location" => (Kind::Location, "location"),
        "link" => (Kind::Link, "link"),
        "miniprogrampage" => (Kind::Card, "miniprogrampage"),
        "file" => (Kind::File, "file"),
        _ => (Kind::Unknown, name),
    };
    Body::Other {
        kind,
        name: known.to_owned(),
        fields: fields(leaves),
    }
}

fn fields(leaves: Leaves) -> Fields {
    let mut fields = Fields::new();
    for (path, value) in leaves {
        fields
            .entry(path)
            .and_modify(|values: &mut String| {
                values.push('\n');
                values.push_str(value.trim());
            })
            .or_insert_with(|| value.trim().to_owned());
    }
    fields
}

impl Push {
    /// Where this push is kept.
    #[must_use]
    pub fn place(&self) -> Place {
        let Body::Event { name, .. } = &self.body else {
            return Place::Message;
        };
        match name.as_str() {
            "unsubscribe" => Place::Unfollow,
            "LOCATION" => Place::Location,
            "user_info_modified" => Place::Consent,
            name if name.starts_with("user_authorization_") => Place::Consent,
            "MASSSENDJOBFINISH"
            | "PUBLISHJOBFINISH"
            | "FREEPUBLISHJOBFINISH"
            | "annual_renew"
            | "verify_expired" => Place::Account,
            name if ["qualification_", "naming_"]
                .iter()
                .any(|family| name.starts_with(family)) =>
            {
                Place::Account
            }
            _ => Place::Event,
        }
    }
}

/// The bytes that identify a push without a usable `MsgId`, the same in every
/// repeat: a hash of them names its entry. Each part is preceded by its length,
/// so that no two lists of parts give the same bytes.
///
/// Customer and second alone are WeChat's own advice and too coarse: events of
/// different kinds share them. The user's id of an authorisation event and the
/// id of a subscription message stand beside the usual fields, because such
/// events come in one second and with the same sender.
#[must_use]
pub fn identity(push: &Push) -> Vec<u8> {
    let time = push.create_time.map(|t| t.to_string()).unwrap_or_default();
    let from = push.from.as_ref().map(OpenId::expose).unwrap_or_default();
    let mut parts = vec![
        push.to.as_deref().unwrap_or_default().as_bytes(),
        from.as_bytes(),
        time.as_bytes(),
    ];
    match &push.body {
        Body::Event { name, fields } => {
            parts.push(name.as_bytes());
            parts.push(push.msg_id.as_deref().unwrap_or_default().as_bytes());
            parts.extend(IDENTIFYING.iter().map(|path| {
                let value = fields
                    .iter()
                    .find(|(field, _)| field.eq_ignore_ascii_case(path));
                value.map(|(_, value)| value.as_bytes()).unwrap_or_default()
            }));
        }
        Body::Unknown { bytes } => parts.push(bytes),
        body => match (&push.msg_id, body) {
            (Some(id), _) => parts.push(id.as_bytes()),
            (None, Body::Text { text, .. }) => parts.push(text.as_bytes()),
            (None, Body::Other { name, fields, .. }) => {
                parts.push(name.as_bytes());
                for (path, value) in fields {
                    parts.extend([path.as_bytes(), value.as_bytes()]);
                }
            }
            (None, _) => {}
        },
    }
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

/// What tells two events of one name, sender and second apart. Their spelling
/// differs between pushes in case.
const IDENTIFYING: &[&str] = &[
    "EventKey",
    "MsgID",
    "Ticket",
    "OpenID",
    "RevokeInfo",
    "SubscribeMsgSentEvent.List.MsgID",
    "List.MsgID",
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::document::{MAX_DEPTH, MAX_ELEMENTS, MAX_PATHS};
    use super::*;
    use crate::lines;

    fn read(inside: &str) -> Push {
        parse(format!("<xml>{inside}</xml>").as_bytes()).unwrap()
    }

    fn text(inside: &str) -> (String, Option<String>) {
        match read(&format!("<MsgType>text</MsgType>{inside}")).body {
            Body::Text { text, choice, .. } => (text, choice),
            body => panic!("{body:?}"),
        }
    }

    fn named(body: &Body) -> (&str, &Fields) {
        match body {
            Body::Event { name, fields } | Body::Other { name, fields, .. } => (name, fields),
            body => panic!("{body:?}"),
        }
    }

    fn event(name: &str, inside: &str) -> Push {
        read(&format!(
            "<FromUserName>o1</FromUserName><CreateTime>1748921600</CreateTime>\
             <MsgType>event</MsgType><Event>{name}</Event>{inside}"
        ))
    }

    #[test]
    fn the_header_is_read_in_any_order_and_form() {
        let push = parse(
            "\u{feff}<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- hello -->\n<xml a=\"1\">\n\
             <MsgId> 24873159630481711 </MsgId><Content>hi</Content>\n\
             <MsgType>\n<![CDATA[ Text ]]>\n</MsgType><CreateTime>\n1748921600</CreateTime>\n\
             <FromUserName><![CDATA[oAbc]]></FromUserName><ToUserName>gh_1</ToUserName>\n</xml>\n"
                .as_bytes(),
        )
        .unwrap();
        assert_eq!(push.to.as_deref(), Some("gh_1"));
        assert_eq!(push.from, Some(OpenId::new("oAbc")));
        assert_eq!(push.create_time, Some(1_748_921_600));
        assert_eq!(push.msg_id.as_deref(), Some("24873159630481711"));
        assert!(push.body == Body::text("hi"));
        assert_eq!(push.place(), Place::Message);
    }

    #[test]
    fn a_missing_or_senseless_header_is_none() {
        let check = |time: &str, expected| {
            let push = read(&format!(
                "<CreateTime>{time}</CreateTime><FromUserName> </FromUserName>"
            ));
            assert_eq!((push.create_time, push.from), (expected, None));
        };
        check("", None);
        check("soon", None);
        check("-1", None);
        check("9999999999", Some(9_999_999_999));
        check("10000000000", None);
    }

    #[test]
    fn words_are_kept_as_they_were_sent() {
        let check = |inside: &str, expected: &str| {
            let (text, choice) = text(&format!("<Content>{inside}</Content>"));
            assert_eq!((text.as_str(), choice), (expected, None), "{inside}");
        };
        check("<![CDATA[ 你好\n ]]>", " 你好\n ");
        check("\n  <![CDATA[你好]]>\n", "你好");
        check("<![CDATA[a]]><![CDATA[ b]]>", "a b");
        check("<![CDATA[a]]]]><![CDATA[>b]]>", "a]]>b");
        check("<![CDATA[&lt;a href=\"#\">]]>", "&lt;a href=\"#\">");
        check(" a ", " a ");
        check("1 &lt; 2 &amp;&#65;&#x4f60;&quot;", "1 < 2 &A你\"");
        check("&lt; &gt;", "< >");
        check("", "");
        assert_eq!(text("").0, "");
        assert_eq!(
            text("<Content>满意</Content><bizmsgmenuid> s:1 </bizmsgmenuid>"),
            ("满意".to_owned(), Some("s:1".to_owned()))
        );
        assert_eq!(text("<bizmsgmenuid/>").1, None);
    }

    #[test]
    fn every_kind_has_its_neutral_kind() {
        let check = |sent: &str, kind: Kind, name: &str| {
            let body = read(&format!("<MsgType>{sent}</MsgType><MediaId>m</MediaId>")).body;
            assert_eq!((body.kind(), named(&body).0), (kind, name));
            assert_eq!(named(&body).1.get("MediaId").unwrap(), "m");
        };
        check("image", Kind::Image, "image");
        check("Voice", Kind::Voice, "voice");
        check("video", Kind::Video, "video");
        check("shortvideo", Kind::Video, "shortvideo");
        check("location", Kind::Location, "location");
        check("link", Kind::Link, "link");
        check("miniprogrampage", Kind::Card, "miniprogrampage");
        check("file", Kind::File, "file");
        check("Hologram", Kind::Unknown, "Hologram");
    }

    #[test]
    fn leaves_keep_their_paths_and_repeats() {
        let push = event(
            "pic_weixin",
            "<EventKey/><MsgId>1</MsgId><SendPicsInfo><Count>2</Count><PicList>\
             <item><PicMd5Sum>a</PicMd5Sum></item> <item><PicMd5Sum>b</PicMd5Sum></item>\
             </PicList></SendPicsInfo>",
        );
        let fields: Vec<(&str, &str)> = named(&push.body)
            .1
            .iter()
            .map(|(path, value)| (path.as_str(), value.as_str()))
            .collect();
        assert_eq!(
            fields,
            [
                ("EventKey", ""),
                ("SendPicsInfo.Count", "2"),
                ("SendPicsInfo.PicList.item.PicMd5Sum", "a\nb"),
            ]
        );
    }

    #[test]
    fn events_get_their_documented_name_and_place() {
        let check = |sent: &str, name: &str, place| {
            let push = event(sent, "");
            assert_eq!((named(&push.body).0, push.place()), (name, place));
        };
        check("click", "CLICK", Place::Event);
        check("subscribe", "subscribe", Place::Event);
        check("Unsubscribe", "unsubscribe", Place::Unfollow);
        check("location", "LOCATION", Place::Location);
        check("location_select", "location_select", Place::Event);
        check("kf_create_session", "kf_create_session", Place::Event);
        check("card_pass_check", "card_pass_check", Place::Event);
        check("No_Such", "No_Such", Place::Event);
        let template = "TEMPLATESENDJOBFINISH";
        check(template, template, Place::Event);
        for name in [
            "user_info_modified",
            "user_authorization_revoke",
            "user_authorization_cancellation",
            "user_authorization_of_later",
        ] {
            check(name, name, Place::Consent);
        }
        for name in [
            "MASSSENDJOBFINISH",
            "PUBLISHJOBFINISH",
            "FREEPUBLISHJOBFINISH",
            "qualification_verify_success",
            "naming_verify_fail",
            "annual_renew",
            "verify_expired",
        ] {
            check(name, name, Place::Account);
        }
    }

    #[test]
    fn a_document_without_a_kind_is_kept_whole() {
        for inside in ["", "<Content>a</Content>", "<MsgType>event</MsgType>"] {
            let xml = format!("<xml><FromUserName>o1</FromUserName>{inside}</xml>");
            let push = parse(xml.as_bytes()).unwrap();
            let bytes = xml.into_bytes();
            assert!(push.body == Body::Unknown { bytes });
            assert_eq!(push.from, Some(OpenId::new("o1")));
        }
    }

    #[test]
    fn what_is_no_push_is_refused() {
        let check = |xml: &[u8], expected| {
            let shown = String::from_utf8_lossy(xml);
            match (parse(xml), expected) {
                (Err(Unreadable::Syntax { .. }), None) => {}
                (Err(error), Some(expected)) => assert_eq!(error, expected, "{shown}"),
                (result, _) => panic!("{shown}: {result:?}"),
            }
        };
        for broken in [
            "",
            " ",
            "hello",
            "<xml>",
            "<xml><a></xml>",
            "<xml></a></xml>",
            "<xml><a></b></xml>",
            "<xml/><xml/>",
            "<xml/>x",
            "x<xml/>",
            "<![CDATA[x]]>",
            "<xml><a",
            "<xml><![CDATA[x",
            "<xml>a & b</xml>",
        ] {
            check(broken.as_bytes(), None);
        }
        check(b"<xml>\xff</xml>", Some(Unreadable::Encoding));
        let dtd = "<!DOCTYPE xml [<!ENTITY a SYSTEM \"file:///etc/passwd\">]><xml>&a;</xml>";
        check(dtd.as_bytes(), Some(Unreadable::Dtd));
        check(b"<!DOCTYPE xml><xml/>", Some(Unreadable::Dtd));
        check(b"<xml>&a;</xml>", Some(Unreadable::Entity));
        check(b"<xml>&nbsp;</xml>", Some(Unreadable::Entity));
        check(b"<xml>&#0;</xml>", Some(Unreadable::Entity));
        check(b"<xml>&#xd800;</xml>", Some(Unreadable::Entity));
        let nested = |levels| format!("{}{}", "<a>".repeat(levels), "</a>".repeat(levels));
        assert!(parse(nested(MAX_DEPTH).as_bytes()).is_ok());
        check(nested(MAX_DEPTH + 1).as_bytes(), Some(Unreadable::TooDeep));
        let wide = |elements| format!("<xml>{}</xml>", "<a/>".repeat(elements - 1));
        assert!(parse(wide(MAX_ELEMENTS).as_bytes()).is_ok());
        check(wide(MAX_ELEMENTS + 1).as_bytes(), Some(Unreadable::TooMany));
        // Its paths would be sixty times as long as the document.
        let name = "a".repeat(MAX_PATHS / 64);
        let long = |children| format!("<xml><{name}>{}</{name}></xml>", "<b/>".repeat(children));
        assert!(parse(long(60).as_bytes()).is_ok());
        check(long(64).as_bytes(), Some(Unreadable::TooLong));
    }

    #[test]
    fn a_repeat_has_the_same_identity_and_nothing_else_has() {
        let pushes = [
            event("CLICK", "<EventKey>a</EventKey>"),
            event("CLICK", "<EventKey>b</EventKey>"),
            event("VIEW", "<EventKey>a</EventKey>"),
            event("SCAN", "<EventKey>a</EventKey><Ticket>t</Ticket>"),
            event("SCAN", "<EventKey>at</EventKey>"),
            event("TEMPLATESENDJOBFINISH", "<MsgID>1</MsgID>"),
            event("TEMPLATESENDJOBFINISH", "<MsgID>2</MsgID>"),
            event("user_authorization_revoke", "<OpenID>a</OpenID>"),
            event("user_authorization_revoke", "<openid>b</openid>"),
            read("<MsgType>text</MsgType><Content>a</Content>"),
            read("<MsgType>text</MsgType><Content>b</Content>"),
            read("<MsgType>text</MsgType><Content>b</Content><MsgId>x</MsgId>"),
            read("<MsgType>image</MsgType><PicUrl>b</PicUrl>"),
            read("<Content>a</Content>"),
        ];
        for (index, push) in pushes.iter().enumerate() {
            assert_eq!(identity(push), identity(&push.clone()));
            for other in pushes.iter().skip(index + 1) {
                assert_ne!(identity(push), identity(other), "{push:?} {other:?}");
            }
        }
        let order = event(
            "SCAN",
            "<Ticket>t</Ticket><EventKey>a</EventKey><New>1</New>",
        );
        assert!(pushes.iter().any(|push| identity(push) == identity(&order)));
    }

    #[test]
    fn nothing_of_a_push_shows_in_debug() {
        let push = event("CLICK", "<EventKey>secret</EventKey>");
        let shown = format!("{push:?}");
        assert!(
            !shown.contains("secret") && !shown.contains("o1"),
            "{shown}"
        );
    }

    /// Pieces of documents, sense and nonsense.
    fn documents() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("<xml>".to_owned()),
            Just("</xml>".to_owned()),
            Just("<MsgType>".to_owned()),
            Just("</MsgType>".to_owned()),
            Just("<![CDATA[".to_owned()),
            Just("]]>".to_owned()),
            Just("<a/>".to_owned()),
            Just("<!DOCTYPE".to_owned()),
            Just("<!--".to_owned()),
            Just("&lt;".to_owned()),
            Just("&#".to_owned()),
            Just("<?".to_owned()),
            Just("{\"MsgType\":\"event\",".to_owned()),
            Just("{\"a\":[".to_owned()),
            Just("}".to_owned()),
            Just("]".to_owned()),
            Just("\"\\u".to_owned()),
            Just("1e9,".to_owned()),
            ".{0,4}",
        ];
        proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn hostile_documents_never_panic(
            document in documents(),
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            if let Ok(push) = parse(document.as_bytes()) {
                let _ = (identity(&push), push.place(), lines::line(&push.body));
                let _ = (push.body.content(), push.body.event());
            }
            let _ = parse(&bytes);
        }

        #[test]
        fn any_words_come_through(words in ".{0,80}") {
            let cdata = words.replace("]]>", "]]]]><![CDATA[>");
            let sent = format!("<Content><![CDATA[{cdata}]]></Content>");
            prop_assert_eq!(text(&sent).0, words);
        }
    }
}
