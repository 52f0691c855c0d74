//! What a customer does.
//!
//! Invariant: who may not do something sees nothing of it, and no push tells
//! of it.

use serde::Deserialize;

use super::carried::Carried;
use super::customer::{Came, Content, Customer, Note};
use super::notices::popup;
use super::push::{Push, element, event, message, ticket};

/// What a customer does.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", tag = "act")]
pub enum Act {
    /// Writes words.
    Say {
        /// The words.
        text: String,
    },
    /// Taps an entry of a `msgmenu`.
    Choose {
        /// The entry's id.
        id: String,
        /// Its label.
        text: String,
    },
    /// Follows the account, out of a search.
    Follow,
    /// Unfollows it.
    Unfollow,
    /// Taps a menu entry of type `click`.
    Click {
        /// The entry's key.
        key: String,
    },
    /// Taps a menu entry of type `view`: it opens no window.
    View {
        /// The page.
        url: String,
    },
    /// Scans a parametric QR code of the account; who does not follow it yet, follows.
    Scan {
        /// The scene of the code.
        scene: String,
    },
    /// Sends a picture.
    Image {
        /// What [`put_media`](super::WeChat::put_media) gave.
        media_id: String,
    },
    /// Sends a recording.
    Voice {
        /// What [`put_media`](super::WeChat::put_media) gave.
        media_id: String,
        /// What WeChat hears in it; the real one has been giving that up since 2023.
        recognition: Option<String>,
    },
    /// Sends a film.
    Video {
        /// What [`put_media`](super::WeChat::put_media) gave.
        media_id: String,
    },
    /// Sends a place.
    Location {
        /// Degrees north.
        latitude: f64,
        /// Degrees east.
        longitude: f64,
        /// What it is called; may be empty.
        label: String,
    },
    /// Sends the link of a page.
    Link {
        /// The page's title.
        title: String,
        /// What it is about; may be empty.
        description: String,
        /// The page.
        url: String,
    },
    /// Answers a request for a subscription: it opens no window.
    Subscribe {
        /// The template.
        template: String,
        /// Whether they want one notification of it more, or none any more.
        accept: bool,
    },
    /// Anything else, for tests: the elements after `CreateTime`, as they are.
    /// It opens a window like a message if it has a `MsgId`.
    #[serde(skip)]
    Elements {
        /// Well-formed XML.
        xml: String,
    },
}

/// Why a customer cannot do that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no such account.
    #[error("there is no such account")]
    UnknownAccount,
    /// There is no such customer.
    #[error("there is no such customer")]
    UnknownCustomer,
    /// Who does not follow the account, cannot write to it.
    #[error("the customer does not follow the account")]
    NotFollowing,
    /// Nobody follows twice.
    #[error("the customer follows the account already")]
    Following,
    /// There are no words.
    #[error("there is nothing to send")]
    Empty,
    /// There are too many.
    #[error("that is too long")]
    TooLong,
    /// A file is larger than phones send it.
    #[error("that is too large: a picture may have 10 MB, a recording 2 MB, a film 20 MB")]
    TooLarge,
    /// A file's bytes are of no format that phones send for its kind.
    #[error("a picture is a PNG, JPEG or GIF, a recording an AMR or MP3, a film an MP4")]
    FileType,
    /// The customer has put no such medium, or too long ago.
    #[error("there is no such medium of this customer, or it has expired")]
    NoMedia,
    /// The account has no such template.
    #[error("the account has no such template")]
    NoTemplate,
    /// The place is not on the globe.
    #[error("a latitude from -90 to 90 and a longitude from -180 to 180 are needed")]
    NoPlace,
}

/// The most that a customer can write at once, in bytes.
const LONGEST: usize = 16_384;

impl Act {
    /// Changes what the customer sees and may expect, and gives the push.
    pub(crate) fn perform(
        &self,
        now_ms: i64,
        message_id: u64,
        customer: &mut Customer,
        carried: Option<&Carried>,
    ) -> Result<Push, Refused> {
        self.allowed(customer)?;
        let xml = match self {
            Self::Say { text } => message("text", &element("Content", text), message_id),
            Self::Choose { id, text } => message(
                "text",
                &format!(
                    "{}{}",
                    element("Content", text),
                    element("bizmsgmenuid", id)
                ),
                message_id,
            ),
            Self::Follow => event("subscribe", &element("EventKey", "")),
            Self::Unfollow => event("unsubscribe", &element("EventKey", "")),
            Self::Click { key } => event("CLICK", &element("EventKey", key)),
            Self::View { url } => event("VIEW", &element("EventKey", url)),
            Self::Scan { scene } if customer.following => event("SCAN", &ticket(scene, scene)),
            Self::Scan { scene } => event("subscribe", &ticket(&format!("qrscene_{scene}"), scene)),
            Self::Image { .. }
            | Self::Voice { .. }
            | Self::Video { .. }
            | Self::Location { .. }
            | Self::Link { .. } => {
                let (kind, _) = self.words(customer.following);
                message(kind, &self.elements(carried)?, message_id)
            }
            Self::Subscribe { template, accept } => popup(template, *accept),
            Self::Elements { xml } => xml.clone(),
        };
        self.show(now_ms, customer, carried);
        self.open(now_ms, customer);
        customer.acted_ms = Some(now_ms);
        Ok(Push { xml })
    }

    /// What the push is called, and the words that come with it.
    pub(crate) fn words(&self, following: bool) -> (&'static str, Option<&str>) {
        match self {
            Self::Say { text } | Self::Choose { text, .. } => ("text", Some(text)),
            Self::Follow => ("subscribe", None),
            Self::Unfollow => ("unsubscribe", None),
            Self::Click { key } => ("CLICK", Some(key)),
            Self::View { url } => ("VIEW", Some(url)),
            Self::Scan { scene } if following => ("SCAN", Some(scene)),
            Self::Scan { scene } => ("subscribe", Some(scene)),
            Self::Image { .. } => ("image", None),
            Self::Voice { recognition, .. } => ("voice", recognition.as_deref()),
            Self::Video { .. } => ("video", None),
            Self::Location { label, .. } => ("location", Some(label)),
            Self::Link { title, .. } => ("link", Some(title)),
            Self::Subscribe { template, .. } => ("subscribe_msg_popup_event", Some(template)),
            Self::Elements { .. } => ("xml", None),
        }
    }

    fn allowed(&self, customer: &Customer) -> Result<(), Refused> {
        let words = match self {
            Self::Say { text } | Self::Choose { text, .. } => text,
            Self::Click { key: text } | Self::View { url: text } | Self::Scan { scene: text } => {
                text
            }
            Self::Elements { xml } => xml,
            Self::Subscribe { template, .. } => template,
            Self::Link { url, .. } => url,
            Self::Image { media_id } | Self::Voice { media_id, .. } | Self::Video { media_id } => {
                media_id
            }
            Self::Location {
                latitude,
                longitude,
                ..
            } if latitude.abs() <= 90.0 && longitude.abs() <= 180.0 => "location",
            Self::Location { .. } => return Err(Refused::NoPlace),
            Self::Follow if customer.following => return Err(Refused::Following),
            Self::Follow => return Ok(()),
            Self::Unfollow => "unsubscribe",
        };
        if !customer.following && !matches!(self, Self::Scan { .. }) {
            return Err(Refused::NotFollowing);
        }
        if words.trim().is_empty() {
            return Err(Refused::Empty);
        }
        if words.len() + self.extra() > LONGEST {
            return Err(Refused::TooLong);
        }
        Ok(())
    }

    fn show(&self, now_ms: i64, customer: &mut Customer, carried: Option<&Carried>) {
        let note = |note, text: &str| Content::Note {
            note,
            text: text.to_owned(),
        };
        let content = match self {
            Self::Say { text } | Self::Choose { text, .. } => Content::Mine {
                text: text.clone(),
                attachment: None,
            },
            Self::Image { .. }
            | Self::Voice { .. }
            | Self::Video { .. }
            | Self::Location { .. }
            | Self::Link { .. } => Content::Mine {
                text: format!("[{}]", self.words(true).0),
                attachment: self.attachment(carried),
            },
            Self::Follow => note(Note::Followed, ""),
            Self::Unfollow => note(Note::Unfollowed, ""),
            Self::Click { key } => note(Note::Tapped, key),
            Self::View { url } => note(Note::Viewed, url),
            Self::Scan { scene } => note(Note::Scanned, scene),
            Self::Subscribe {
                template,
                accept: true,
            } => note(Note::Subscribed, template),
            Self::Subscribe { template, .. } => note(Note::Declined, template),
            Self::Elements { .. } => return,
        };
        customer.show(now_ms, content);
    }

    fn came(&self, at_ms: i64) -> Came {
        let (way, scene) = match self {
            Self::Scan { scene } => ("ADD_SCENE_QR_CODE", scene.clone()),
            _ => ("ADD_SCENE_SEARCH", String::new()),
        };
        Came { at_ms, way, scene }
    }

    fn open(&self, now_ms: i64, customer: &mut Customer) {
        match self {
            Self::Say { .. }
            | Self::Image { .. }
            | Self::Voice { .. }
            | Self::Video { .. }
            | Self::Location { .. }
            | Self::Link { .. } => customer.allowance.message(now_ms),
            Self::Elements { xml } if xml.contains("<MsgId>") => customer.allowance.message(now_ms),
            Self::Choose { .. } | Self::Click { .. } => customer.allowance.tap(now_ms),
            Self::Follow | Self::Scan { .. } => {
                if !customer.following {
                    customer.came = self.came(now_ms);
                }
                customer.following = true;
                customer.allowance.tap(now_ms);
            }
            Self::Unfollow => {
                customer.following = false;
                customer.allowance.shut();
            }
            Self::Subscribe { template, accept } => {
                let known = customer.subscriptions_to(template);
                let left = if *accept { known + 1 } else { 0 };
                customer.subscriptions.insert(template.clone(), left);
            }
            Self::View { .. } | Self::Elements { .. } => {}
        }
    }
}
