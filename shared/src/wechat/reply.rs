//! A passive reply as the answer to a push carries it: in XML, and in an envelope where
//! the push came in one.
//!
//! Invariant: no text ends its CDATA. A reply is sealed with the key by which the push
//! was opened, since that is the one which WeChat has now. Protocol:
//! <https://developers.weixin.qq.com/doc/oplatform/developers/dev/push/encryption>

use std::fmt::{self, Write as _};

use super::crypto::{self, AesKey, RANDOM};
use crate::message::OpenId;
use crate::reply::{Article, Reply};

/// From whom a reply comes and to whom it goes.
#[derive(Clone, Copy, Debug)]
pub struct Address<'a> {
    /// The customer.
    pub to: &'a OpenId,
    /// The account's original id.
    pub from: &'a str,
}

/// How the answer to a push is protected.
#[derive(Clone, PartialEq, Eq)]
pub struct Seal {
    /// The token that signatures are made with.
    pub token: String,
    /// The account's app id.
    pub app_id: String,
    /// The key that opened the push; `None` if it came without an envelope.
    pub key: Option<AesKey>,
}

/// Shows no secret.
impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal(…)")
    }
}

impl Seal {
    /// The body of the answer: the document itself, or its envelope, made at `now`
    /// (seconds since 1970).
    #[must_use]
    pub fn close(&self, document: String, now: i64, nonce: &str, random: [u8; RANDOM]) -> String {
        let Some(key) = &self.key else {
            return document;
        };
        let sealed = crypto::encrypt(key, random, document.as_bytes(), &self.app_id);
        let time = now.to_string();
        let signature = crypto::signature(&[&self.token, &time, nonce, &sealed]);
        let mut xml = String::from("<xml>");
        quoted(&mut xml, "Encrypt", &sealed);
        quoted(&mut xml, "MsgSignature", &signature);
        plain(&mut xml, "TimeStamp", now);
        quoted(&mut xml, "Nonce", nonce);
        xml.push_str("</xml>");
        xml
    }
}

/// The document of a reply, said at `now` (seconds since 1970).
#[must_use]
pub fn document(reply: &Reply, address: Address<'_>, now: i64) -> String {
    let mut xml = String::from("<xml>");
    quoted(&mut xml, "ToUserName", address.to.expose());
    quoted(&mut xml, "FromUserName", address.from);
    plain(&mut xml, "CreateTime", now);
    quoted(&mut xml, "MsgType", reply.word());
    match reply {
        Reply::Text { text } => quoted(&mut xml, "Content", text),
        Reply::Image { media_id } => {
            within(&mut xml, "Image", |xml| quoted(xml, "MediaId", media_id));
        }
        Reply::Voice { media_id } => {
            within(&mut xml, "Voice", |xml| quoted(xml, "MediaId", media_id));
        }
        Reply::Video {
            media_id,
            title,
            description,
        } => within(&mut xml, "Video", |xml| {
            quoted(xml, "MediaId", media_id);
            maybe(xml, "Title", title.as_ref());
            maybe(xml, "Description", description.as_ref());
        }),
        Reply::Music {
            thumb_media_id,
            title,
            description,
            url,
            hq_url,
        } => within(&mut xml, "Music", |xml| {
            maybe(xml, "Title", title.as_ref());
            maybe(xml, "Description", description.as_ref());
            maybe(xml, "MusicUrl", url.as_ref());
            maybe(xml, "HQMusicUrl", hq_url.as_ref());
            quoted(xml, "ThumbMediaId", thumb_media_id);
        }),
        Reply::News { articles } => {
            plain(&mut xml, "ArticleCount", articles.len());
            within(&mut xml, "Articles", |xml| {
                for article in articles {
                    within(xml, "item", |xml| item(xml, article));
                }
            });
        }
        Reply::TransferCustomerService { kf_account } => {
            if let Some(account) = kf_account {
                within(&mut xml, "TransInfo", |xml| {
                    quoted(xml, "KfAccount", account);
                });
            }
        }
    }
    xml.push_str("</xml>");
    xml
}

fn item(xml: &mut String, article: &Article) {
    quoted(xml, "Title", &article.title);
    quoted(
        xml,
        "Description",
        article.description.as_deref().unwrap_or_default(),
    );
    quoted(
        xml,
        "PicUrl",
        article.picture.as_deref().unwrap_or_default(),
    );
    quoted(xml, "Url", &article.url);
}

fn within(xml: &mut String, name: &str, inside: impl FnOnce(&mut String)) {
    // Writing to a text does not fail.
    let _ = write!(xml, "<{name}>");
    inside(xml);
    let _ = write!(xml, "</{name}>");
}

fn plain(xml: &mut String, name: &str, value: impl fmt::Display) {
    within(xml, name, |xml| {
        let _ = write!(xml, "{value}");
    });
}

fn maybe(xml: &mut String, name: &str, text: Option<&String>) {
    if let Some(text) = text {
        quoted(xml, name, text);
    }
}

/// A text in CDATA, without what XML has no characters for. Where it would end the
/// CDATA it is cut in two.
fn quoted(xml: &mut String, name: &str, text: &str) {
    within(xml, name, |xml| {
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let text: String = text.chars().filter(|c| is_xml(*c)).collect();
        xml.push_str("<![CDATA[");
        xml.push_str(&text.replace("]]>", "]]]]><![CDATA[>"));
        xml.push_str("]]>");
    });
}

/// <https://www.w3.org/TR/xml/#charsets>, without the carriage return, of which readers
/// make a line feed.
fn is_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::document::leaves;
    use super::*;

    fn written(reply: &Reply) -> String {
        let to = OpenId::new("oAnn");
        document(
            reply,
            Address {
                to: &to,
                from: "gh_1",
            },
            1_748_921_600,
        )
    }

    #[test]
    fn every_kind_is_written_as_wechat_documents_it() {
        let text = |text: &str| Some(text.to_owned());
        let article = |title: &str| Article {
            title: title.to_owned(),
            description: text("d"),
            picture: text("https://a.example/p.jpg"),
            url: "https://a.example/".to_owned(),
        };
        let media_id = || "m1".to_owned();
        let replies = [
            Reply::text("你好\n]]>"),
            Reply::Image {
                media_id: media_id(),
            },
            Reply::Voice {
                media_id: media_id(),
            },
            Reply::Video {
                media_id: media_id(),
                title: text("t"),
                description: None,
            },
            Reply::Music {
                thumb_media_id: media_id(),
                title: text("t"),
                description: text("d"),
                url: text("https://a.example/1"),
                hq_url: text("https://a.example/2"),
            },
            Reply::News {
                articles: vec![article("一"), article("二")],
            },
            Reply::TransferCustomerService { kf_account: None },
            Reply::TransferCustomerService {
                kf_account: text("mei@shop_a"),
            },
        ];
        let head = "<xml><ToUserName><![CDATA[oAnn]]></ToUserName>\
                    <FromUserName><![CDATA[gh_1]]></FromUserName>\
                    <CreateTime>1748921600</CreateTime>";
        let rest: Vec<String> = replies
            .iter()
            .map(|reply| written(reply).strip_prefix(head).unwrap().to_owned())
            .collect();
        insta::assert_snapshot!(rest.join("\n"), @r"
        <MsgType><![CDATA[text]]></MsgType><Content><![CDATA[你好
        ]]]]><![CDATA[>]]></Content></xml>
        <MsgType><![CDATA[image]]></MsgType><Image><MediaId><![CDATA[m1]]></MediaId></Image></xml>
        <MsgType><![CDATA[voice]]></MsgType><Voice><MediaId><![CDATA[m1]]></MediaId></Voice></xml>
        <MsgType><![CDATA[video]]></MsgType><Video><MediaId><![CDATA[m1]]></MediaId><Title><![CDATA[t]]></Title></Video></xml>
        <MsgType><![CDATA[music]]></MsgType><Music><Title><![CDATA[t]]></Title><Description><![CDATA[d]]></Description><MusicUrl><![CDATA[https://a.example/1]]></MusicUrl><HQMusicUrl><![CDATA[https://a.example/2]]></HQMusicUrl><ThumbMediaId><![CDATA[m1]]></ThumbMediaId></Music></xml>
        <MsgType><![CDATA[news]]></MsgType><ArticleCount>2</ArticleCount><Articles><item><Title><![CDATA[一]]></Title><Description><![CDATA[d]]></Description><PicUrl><![CDATA[https://a.example/p.jpg]]></PicUrl><Url><![CDATA[https://a.example/]]></Url></item><item><Title><![CDATA[二]]></Title><Description><![CDATA[d]]></Description><PicUrl><![CDATA[https://a.example/p.jpg]]></PicUrl><Url><![CDATA[https://a.example/]]></Url></item></Articles></xml>
        <MsgType><![CDATA[transfer_customer_service]]></MsgType></xml>
        <MsgType><![CDATA[transfer_customer_service]]></MsgType><TransInfo><KfAccount><![CDATA[mei@shop_a]]></KfAccount></TransInfo></xml>
        ");
    }

    #[test]
    fn an_envelope_opens_with_the_same_key() {
        let key = AesKey::parse(&"a".repeat(43)).unwrap();
        let mut seal = Seal {
            token: "kestrel".to_owned(),
            app_id: "wx1".to_owned(),
            key: Some(key.clone()),
        };
        let inner = written(&Reply::text("hi"));
        let body = seal.close(inner.clone(), 1_748_921_600, "4157", [7; RANDOM]);
        let read: std::collections::BTreeMap<_, _> =
            leaves(body.as_bytes()).unwrap().into_iter().collect();
        let parts = [
            "kestrel",
            &read["TimeStamp"],
            &read["Nonce"],
            &read["Encrypt"],
        ];
        assert_eq!(crypto::signature(&parts), read["MsgSignature"]);
        let opened = crypto::decrypt(&key, &read["Encrypt"]).unwrap();
        assert_eq!(
            (opened.message, opened.app_id.as_str()),
            (inner.clone().into_bytes(), "wx1")
        );
        seal.key = None;
        assert_eq!(seal.close(inner.clone(), 1, "n", [0; RANDOM]), inner);
    }

    proptest! {
        #[test]
        fn any_words_come_through(words in ".{0,60}", more in "[\\]>\\[<!&]{0,20}") {
            let words = format!("{words}{more}");
            let read = leaves(written(&Reply::text(words.clone())).as_bytes()).unwrap();
            let words = words.replace("\r\n", "\n").replace('\r', "\n");
            let expected: String = words.chars().filter(|c| is_xml(*c)).collect();
            let content = read.into_iter().find(|(path, _)| path == "Content");
            prop_assert_eq!(content.map(|(_, text)| text), Some(expected));
        }
    }
}
