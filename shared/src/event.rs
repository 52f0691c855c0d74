//! What happened, as typed data: the events that WeChat pushes.
//!
//! Invariant: it is read from what the push carried and never fails; an element
//! that is missing or not of its form is `None`. It serialises to what webhook desks
//! and the API show, in which no open id stands. Fields:
//! <https://developers.weixin.qq.com/doc/offiaccount/Message_Management/Receiving_event_pushes.html>

use std::fmt;

use serde::Serialize;

use crate::content::Location;
use crate::fields::{Fields, any_case, degrees, items, number, text};
use crate::message::OpenId;

/// One event with all that WeChat documents of it.
#[derive(Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// The customer follows the account.
    Followed {
        /// The scene of the QR code that led here.
        scene: Option<String>,
        /// By which WeChat shows that code.
        #[serde(skip)]
        ticket: Option<String>,
    },
    /// The customer does not follow the account any more.
    Unfollowed,
    /// A follower scanned a QR code of the account.
    Scanned {
        /// The code's scene.
        scene: Option<String>,
        /// By which WeChat shows that code.
        #[serde(skip)]
        ticket: Option<String>,
    },
    /// The customer's phone tells where it is.
    LocationReported {
        /// North of the equator, in degrees.
        latitude: Option<f64>,
        /// East of Greenwich, in degrees.
        longitude: Option<f64>,
        /// How exact that is, in metres.
        precision: Option<f64>,
    },
    /// A menu item of type `click` was tapped.
    MenuTapped {
        /// The item's key.
        key: Option<String>,
    },
    /// A menu item's link was opened.
    LinkOpened {
        /// Its address.
        url: Option<String>,
        /// The conditional menu that it is in.
        menu: Option<String>,
    },
    /// A code was scanned from the menu.
    CodeScanned {
        /// The item's key.
        key: Option<String>,
        /// `qrcode`, or the kind of a bar code.
        code: Option<String>,
        /// What the code says.
        result: Option<String>,
        /// Whether the phone shows that an answer is awaited.
        answer_awaited: bool,
    },
    /// Pictures were taken or chosen from the menu; they follow as messages.
    PicturesChosen {
        /// The item's key.
        key: Option<String>,
        /// What the item let the customer use.
        source: PictureSource,
        /// How many they are.
        count: Option<u32>,
        /// Their MD5 sums.
        md5: Vec<String>,
    },
    /// A place was chosen from the menu; it follows as a message.
    PlaceChosen {
        /// The item's key.
        key: Option<String>,
        /// The place.
        place: Location,
    },
    /// A menu item's mini-program was opened.
    MiniProgramOpened {
        /// Its page.
        page: Option<String>,
        /// The conditional menu that it is in.
        menu: Option<String>,
    },
    /// A template message was sent, or was not.
    TemplateSent {
        /// Its id.
        id: Option<String>,
        /// `success`, `failed:user block` or `failed: system failed`.
        status: Option<String>,
    },
    /// A mass message was sent, or was not.
    MassSent {
        /// Its id.
        id: Option<String>,
        /// `sendsuccess`, `sendfail`, `err(10001)`, …
        status: Option<String>,
        /// How many followers it was for.
        total: Option<u64>,
        /// How many were left by their settings and quotas.
        filtered: Option<u64>,
        /// How many got it.
        sent: Option<u64>,
        /// How many did not.
        failed: Option<u64>,
        /// What the check of originality came to: 1 sent, 2 reprinted, 3 not sent.
        check: Option<u32>,
        /// What it came to for each article.
        originality: Vec<Originality>,
        /// Where the articles are.
        articles: Vec<Article>,
    },
    /// A publication ended.
    Published {
        /// The publication.
        id: Option<String>,
        /// 0 success, 1 under way, 2 to 6 why it failed.
        status: Option<u32>,
        /// What was published.
        article_id: Option<String>,
        /// Where the articles are.
        articles: Vec<Article>,
        /// The articles that failed, from 1.
        failed: Vec<u32>,
    },
    /// WeChat's own agent took the customer over.
    KfOpened {
        /// The agent's account.
        account: Option<String>,
    },
    /// WeChat's own agent ended.
    KfClosed {
        /// The agent's account.
        account: Option<String>,
    },
    /// WeChat's own agents handed the customer over.
    KfSwitched {
        /// Whose customer it was.
        from: Option<String>,
        /// Whose it is.
        to: Option<String>,
    },
    /// The customer entered the chat of a mini-program.
    ChatEntered {
        /// Where from, as the mini-program says.
        from: Option<String>,
    },
    /// The customer was asked for subscriptions.
    SubscriptionsAsked {
        /// What was answered.
        answers: Vec<Subscription>,
    },
    /// The customer changed subscriptions.
    SubscriptionsChanged {
        /// To what.
        answers: Vec<Subscription>,
    },
    /// Subscription messages were sent, or were not.
    SubscriptionsSent {
        /// Each of them.
        messages: Vec<SubscriptionSent>,
    },
    /// A person changed, withdrew or ended what they let the account know: what the
    /// account has of it must be deleted.
    Consent {
        /// What was done.
        change: ConsentChange,
        /// Whom it concerns: not the sender of the push.
        #[serde(skip)]
        open_id: Option<OpenId>,
        /// The same person for all accounts of the owner.
        #[serde(skip)]
        union_id: Option<String>,
        /// The account.
        app_id: Option<String>,
        /// What it is about.
        about: Vec<PersonalData>,
    },
    /// WeChat looked at the account's qualification or name.
    Verified {
        /// What it looked at.
        what: VerifiedWhat,
        /// Whether it is right.
        passed: bool,
        /// Until when, in seconds since 1970.
        expires: Option<i64>,
        /// When it failed, in seconds since 1970.
        failed_at: Option<i64>,
        /// Why it failed.
        reason: Option<String>,
    },
    /// The yearly verification is due.
    RenewalDue {
        /// By when, in seconds since 1970.
        expires: Option<i64>,
    },
    /// The verification has expired.
    VerificationExpired {
        /// When, in seconds since 1970.
        expires: Option<i64>,
    },
    /// A test push of WeChat's console.
    TestPush {
        /// What was typed there.
        text: Option<String>,
    },
    /// Any other. What it carried may name people, so it is shown to nobody.
    Other,
}

/// What a menu item let the customer use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PictureSource {
    /// The camera.
    Camera,
    /// The camera or the pictures on the phone.
    CameraOrAlbum,
    /// WeChat's chooser.
    Album,
}

/// An article of a mass message or a publication.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Article {
    /// Its number, from 1.
    pub index: Option<u32>,
    /// Where it is.
    pub url: Option<String>,
}

/// What the check of originality came to for one article.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Originality {
    /// The article's number, from 1.
    pub index: Option<u32>,
    /// What its author declared.
    pub declared: Option<u32>,
    /// What WeChat found.
    pub audit: Option<u32>,
    /// Where the original is.
    pub original_url: Option<String>,
    /// What the original is.
    pub original_type: Option<u32>,
    /// Whether it may be reprinted.
    pub reprintable: Option<bool>,
    /// Whether its content must be replaced by the original's.
    pub content_replaced: Option<bool>,
    /// Whether its source must be shown.
    pub source_shown: Option<bool>,
}

/// What a customer said to one template of a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Subscription {
    /// The template.
    pub template: Option<String>,
    /// Whether the customer subscribes; `None` for a word that we do not know.
    pub accepted: Option<bool>,
    /// Where the customer was asked.
    pub scene: Option<u32>,
}

/// What became of one subscription message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SubscriptionSent {
    /// Its template.
    pub template: Option<String>,
    /// Its id.
    pub id: Option<String>,
    /// WeChat's code: 0 is success.
    pub code: Option<i64>,
    /// WeChat's words.
    pub status: Option<String>,
}

/// What was done about personal data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsentChange {
    /// The data were changed.
    Modified,
    /// Consent was withdrawn.
    Revoked,
    /// The WeChat account was closed.
    Cancelled,
}

/// The personal data of WeChat's codes 201 to 207.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PersonalData {
    /// 201.
    Address,
    /// 202.
    Invoice,
    /// 203.
    Card,
    /// 204.
    Microphone,
    /// 205.
    NameAndPicture,
    /// 206.
    Location,
    /// 207: chosen photos and videos.
    Pictures,
    /// A code of a later year.
    Other,
}

/// What WeChat verifies of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VerifiedWhat {
    /// Who its owner is.
    Qualification,
    /// What it is called.
    Name,
}

/// Shows nothing of it: what people send is in nobody's log.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Event(…)")
    }
}

impl Event {
    /// Reads an event of this name, in its documented spelling.
    #[must_use]
    pub fn of(name: &str, fields: &Fields) -> Self {
        let text = |path| text(fields, path);
        let key = || text("EventKey");
        match name {
            "subscribe" => Self::Followed {
                scene: key().map(|key| scene(&key).to_owned()),
                ticket: text("Ticket"),
            },
            "unsubscribe" => Self::Unfollowed,
            "SCAN" => Self::Scanned {
                scene: key(),
                ticket: text("Ticket"),
            },
            "LOCATION" => Self::LocationReported {
                latitude: degrees(fields, "Latitude", 90.0),
                longitude: degrees(fields, "Longitude", 180.0),
                precision: number::<f64>(fields, "Precision").filter(|metres| metres.is_finite()),
            },
            "CLICK" => Self::MenuTapped { key: key() },
            "VIEW" => Self::LinkOpened {
                url: key(),
                menu: text("MenuId"),
            },
            "scancode_push" | "scancode_waitmsg" => Self::CodeScanned {
                key: key(),
                code: text("ScanCodeInfo.ScanType"),
                result: text("ScanCodeInfo.ScanResult"),
                answer_awaited: name == "scancode_waitmsg",
            },
            "pic_sysphoto" => pictures(fields, PictureSource::Camera),
            "pic_photo_or_album" => pictures(fields, PictureSource::CameraOrAlbum),
            "pic_weixin" => pictures(fields, PictureSource::Album),
            "location_select" => Self::PlaceChosen {
                key: key(),
                place: Location::of(fields, "SendLocationInfo."),
            },
            "view_miniprogram" => Self::MiniProgramOpened {
                page: key(),
                menu: text("MenuId"),
            },
            "kf_create_session" => Self::KfOpened {
                account: text("KfAccount"),
            },
            "kf_close_session" => Self::KfClosed {
                account: text("KfAccount"),
            },
            "kf_switch_session" => Self::KfSwitched {
                from: text("FromKfAccount"),
                to: text("ToKfAccount"),
            },
            "user_enter_tempsession" => Self::ChatEntered {
                from: text("SessionFrom"),
            },
            "subscribe_msg_popup_event" => Self::SubscriptionsAsked {
                answers: subscriptions(fields, "SubscribeMsgPopupEvent"),
            },
            "subscribe_msg_change_event" => Self::SubscriptionsChanged {
                answers: subscriptions(fields, "SubscribeMsgChangeEvent"),
            },
            "debug_demo" => Self::TestPush {
                text: text("debug_str"),
            },
            _ => of_the_account(name, fields),
        }
    }
}

/// Reads an event that a job or the account's owner caused.
fn of_the_account(name: &str, fields: &Fields) -> Event {
    let text = |path| text(fields, path);
    let expires = number(fields, "ExpiredTime");
    match name {
        "TEMPLATESENDJOBFINISH" => Event::TemplateSent {
            id: text("MsgID"),
            status: text("Status"),
        },
        "subscribe_msg_sent_event" => Event::SubscriptionsSent {
            messages: sent(fields),
        },
        "MASSSENDJOBFINISH" => mass(fields),
        "PUBLISHJOBFINISH" | "FREEPUBLISHJOBFINISH" => published(fields),
        "user_info_modified" => consent(fields, ConsentChange::Modified),
        "user_authorization_revoke" => consent(fields, ConsentChange::Revoked),
        "user_authorization_cancellation" => consent(fields, ConsentChange::Cancelled),
        "qualification_verify_success" => verified(fields, VerifiedWhat::Qualification, true),
        "qualification_verify_fail" => verified(fields, VerifiedWhat::Qualification, false),
        "naming_verify_success" => verified(fields, VerifiedWhat::Name, true),
        "naming_verify_fail" => verified(fields, VerifiedWhat::Name, false),
        "annual_renew" => Event::RenewalDue { expires },
        "verify_expired" => Event::VerificationExpired { expires },
        _ => Event::Other,
    }
}

/// The scene behind the key of a follow, which has it behind a prefix.
#[must_use]
pub fn scene(key: &str) -> &str {
    key.strip_prefix("qrscene_").unwrap_or(key)
}

fn pictures(fields: &Fields, source: PictureSource) -> Event {
    Event::PicturesChosen {
        key: text(fields, "EventKey"),
        source,
        count: number(fields, "SendPicsInfo.Count"),
        md5: items(fields, ["SendPicsInfo.PicList.item.PicMd5Sum"])
            .into_iter()
            .filter_map(|[sum]| sum)
            .collect(),
    }
}

fn subscriptions(fields: &Fields, below: &str) -> Vec<Subscription> {
    let list = list(fields, below);
    let path = |name| format!("{list}.{name}");
    let paths = [
        path("TemplateId"),
        path("SubscribeStatusString"),
        path("PopupScene"),
    ];
    let items = items(fields, paths.each_ref().map(String::as_str));
    let read = |[template, status, scene]: [Option<String>; 3]| Subscription {
        template,
        accepted: status.and_then(|word| match word.as_str() {
            "accept" => Some(true),
            "reject" => Some(false),
            _ => None,
        }),
        scene: scene.and_then(|scene| scene.parse().ok()),
    };
    items.into_iter().map(read).collect()
}

/// Where the list of a subscription event stands: in XML within an element of the event's
/// name, in JSON by itself.
fn list(fields: &Fields, below: &str) -> String {
    let within = format!("{below}.List");
    let found = fields.keys().any(|path| path.starts_with(&within));
    if found { within } else { "List".to_owned() }
}

fn sent(fields: &Fields) -> Vec<SubscriptionSent> {
    let list = list(fields, "SubscribeMsgSentEvent");
    let path = |name| format!("{list}.{name}");
    let paths = [
        path("TemplateId"),
        path("MsgID"),
        path("ErrorCode"),
        path("ErrorStatus"),
    ];
    let paths = paths.each_ref().map(String::as_str);
    let read = |[template, id, code, status]: [Option<String>; 4]| SubscriptionSent {
        template,
        id,
        code: code.and_then(|code| code.parse().ok()),
        status,
    };
    items(fields, paths).into_iter().map(read).collect()
}

fn mass(fields: &Fields) -> Event {
    let paths = [
        "ArticleIdx",
        "UserDeclareState",
        "AuditState",
        "OriginalArticleUrl",
        "OriginalArticleType",
        "CanReprint",
        "NeedReplaceContent",
        "NeedShowReprintSource",
    ]
    .map(|name| format!("CopyrightCheckResult.ResultList.item.{name}"));
    let number_of = |text: Option<String>| text.and_then(|text| text.parse().ok());
    let flag = |text: Option<String>| text.map(|flag| flag == "1");
    let originality = |[index, declared, audit, url, kind, reprint, replace, source]: [Option<String>;
                           8]| Originality {
        index: number_of(index),
        declared: number_of(declared),
        audit: number_of(audit),
        original_url: url,
        original_type: number_of(kind),
        reprintable: flag(reprint),
        content_replaced: flag(replace),
        source_shown: flag(source),
    };
    let checked = items(fields, paths.each_ref().map(String::as_str));
    Event::MassSent {
        id: text(fields, "MsgID"),
        status: text(fields, "Status"),
        total: number(fields, "TotalCount"),
        filtered: number(fields, "FilterCount"),
        sent: number(fields, "SentCount"),
        failed: number(fields, "ErrorCount"),
        check: number(fields, "CopyrightCheckResult.CheckState"),
        originality: checked.into_iter().map(originality).collect(),
        articles: articles(
            fields,
            [
                "ArticleUrlResult.ResultList.item.ArticleIdx",
                "ArticleUrlResult.ResultList.item.ArticleUrl",
            ],
        ),
    }
}

fn published(fields: &Fields) -> Event {
    Event::Published {
        id: text(fields, "PublishEventInfo.publish_id"),
        status: number(fields, "PublishEventInfo.publish_status"),
        article_id: text(fields, "PublishEventInfo.article_id"),
        articles: articles(
            fields,
            [
                "PublishEventInfo.article_detail.item.idx",
                "PublishEventInfo.article_detail.item.article_url",
            ],
        ),
        failed: items(fields, ["PublishEventInfo.fail_idx"])
            .into_iter()
            .filter_map(|[index]| index?.parse().ok())
            .collect(),
    }
}

fn articles(fields: &Fields, paths: [&str; 2]) -> Vec<Article> {
    let read = |[index, url]: [Option<String>; 2]| Article {
        index: index.and_then(|index| index.parse().ok()),
        url,
    };
    items(fields, paths).into_iter().map(read).collect()
}

fn consent(fields: &Fields, change: ConsentChange) -> Event {
    let codes = any_case(fields, "RevokeInfo").unwrap_or_default();
    let about = codes
        .split(|c: char| !c.is_ascii_digit())
        .filter(|code| !code.is_empty());
    Event::Consent {
        change,
        // Its case differs between pushes.
        open_id: any_case(fields, "OpenID").map(OpenId::new),
        union_id: any_case(fields, "UnionID"),
        app_id: any_case(fields, "AppID"),
        about: about.map(personal).collect(),
    }
}

fn personal(code: &str) -> PersonalData {
    match code {
        "201" => PersonalData::Address,
        "202" => PersonalData::Invoice,
        "203" => PersonalData::Card,
        "204" => PersonalData::Microphone,
        "205" => PersonalData::NameAndPicture,
        "206" => PersonalData::Location,
        "207" => PersonalData::Pictures,
        _ => PersonalData::Other,
    }
}

fn verified(fields: &Fields, what: VerifiedWhat, passed: bool) -> Event {
    Event::Verified {
        what,
        passed,
        expires: number(fields, "ExpiredTime"),
        failed_at: number(fields, "FailTime"),
        reason: text(fields, "FailReason"),
    }
}
