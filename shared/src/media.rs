//! What belongs to a message beside its words: pictures, spoken messages, films. What is
//! to be fetched from WeChat, what became of it, and the links by which desks get it.
//!
//! Invariant: what a file is, its first bytes say, whatever WeChat or its name say. A link
//! says the same however often it is made for one entry, and is good for its place alone.

mod disposition;
mod format;
mod length;
mod links;

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::content::Content;
use crate::journal::{ConversationKey, EntryKey, Pepper};
use crate::message::{Body, ChannelId, CustomerId};
use crate::moment::Moment;
use crate::reason::Reason;
pub use disposition::disposition;
pub use format::{Format, HEAD, Sort};
pub use length::voice_seconds;
pub use links::{door, link, link_named, open, open_door, split};

/// How long a link is good after its message was journalled: as long as the shortest
/// retention.
pub const LINK: Duration = Duration::from_hours(3 * 24);
/// How many characters the name of a folder has, and that of a file before its extension.
const NAME: usize = 22;

/// Where a file may be had, the best first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// From WeChat's API by this id, for three days.
    Media(String),
    /// From this address, without a token.
    Address(String),
}

/// What a message wants fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its sort.
    pub sort: Sort,
    /// Where it may be had, the best first; never empty.
    pub sources: Vec<Source>,
}

impl Wanted {
    /// What this message wants fetched; `None` if it wants nothing.
    #[must_use]
    pub fn of(body: &Body) -> Option<Self> {
        let (sort, sources) = match body.content()? {
            Content::Image(image) => (
                Sort::Image,
                vec![
                    image.media.map(Source::Media),
                    image.url.map(Source::Address),
                ],
            ),
            // At 16 kHz it is understood better, by people and machines.
            Content::Voice(voice) => (
                Sort::Voice,
                vec![
                    voice.media_16k.map(Source::Media),
                    voice.media.map(Source::Media),
                ],
            ),
            Content::Video(video) => (Sort::Video, vec![video.media.map(Source::Media)]),
            _ => return None,
        };
        let sources: Vec<_> = sources.into_iter().flatten().collect();
        (!sources.is_empty()).then_some(Self { sort, sources })
    }
}

/// Where a file lies: `<channel>/<customer>/<entry>.<extension>`, the latter two hashes. Files of
/// earlier versions lie under a hash of their conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Place(String);

impl Place {
    /// The name of the folder of a customer's files: it tells nothing of the customer, and is
    /// forgotten with them.
    #[must_use]
    pub fn folder(customer: &CustomerId) -> String {
        let mut name = URL_SAFE_NO_PAD.encode(Sha256::digest(customer.expose()));
        name.truncate(NAME);
        name
    }

    /// The place of the file of an entry.
    #[must_use]
    pub fn of(
        channel: &ChannelId,
        customer: &CustomerId,
        (at, key): (&ConversationKey, &EntryKey),
        format: Format,
    ) -> Self {
        let folder = Self::folder(customer);
        let entry = key.hashed_in(at);
        let extension = format.extension();
        Self(format!("{channel}/{folder}/{entry}.{extension}"))
    }

    /// A place of its own for a file that was brought for a customer. The nonce is 22
    /// characters in base64url.
    #[must_use]
    pub fn fresh(
        channel: &ChannelId,
        customer: &CustomerId,
        nonce: &str,
        format: Format,
    ) -> Option<Self> {
        Self::within(
            channel,
            customer,
            &format!("{nonce}.{}", format.extension()),
        )
    }

    /// The place of a file of a customer by its name there.
    #[must_use]
    pub fn within(channel: &ChannelId, customer: &CustomerId, file: &str) -> Option<Self> {
        let folder = Self::folder(customer);
        Self::parse(&format!("{channel}/{folder}/{file}"))
    }

    /// Its name in its folder.
    #[must_use]
    pub fn file(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The channel whose it is.
    #[must_use]
    pub fn channel(&self) -> Option<ChannelId> {
        self.0.split('/').next().and_then(ChannelId::parse)
    }

    /// Whether it is one of this channel's.
    #[must_use]
    pub fn is_of(&self, channel: &ChannelId) -> bool {
        self.channel().as_ref() == Some(channel)
    }

    /// Takes a place as somebody names it; `None` unless it is one that we make.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (channel, rest) = text.split_once('/')?;
        let (conversation, file) = rest.split_once('/')?;
        let (entry, extension) = file.split_once('.')?;
        let word = |text: &str| {
            let mut bytes = text.bytes();
            bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        };
        let fits = conversation.len() == NAME && entry.len() == NAME && word(conversation);
        let fits = fits && word(entry) && Format::of_extension(extension).is_some();
        let fits = fits && ChannelId::parse(channel).is_some();
        fits.then(|| Self(text.to_owned()))
    }

    /// The place as text, a path of three parts.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What lies there.
    #[must_use]
    pub fn format(&self) -> Format {
        let extension = self.0.rsplit('.').next();
        // A place is made with one.
        extension
            .and_then(Format::of_extension)
            .unwrap_or(Format::Jpeg)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Place {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("no place of a file")
    }
}

impl From<Place> for String {
    fn from(place: Place) -> Self {
        place.0
    }
}

/// What became of the file of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attachment {
    /// We keep it.
    Kept {
        /// Where.
        place: Place,
        /// How many bytes it has.
        size: u64,
        /// Until when.
        until: Moment,
    },
    /// Nobody gets it.
    Missing(Reason),
}

/// What desks and the API are told of the file of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// It can be had.
    Kept {
        /// Its format, by its bytes.
        format: Format,
        /// How many bytes it has.
        size: u64,
        /// Where, until it expires. Whoever has the address gets the file.
        url: Url,
        /// Until when.
        expires: Moment,
    },
    /// It cannot be had.
    Missing(Reason),
}

/// The same as desks and the API are shown it, each with reasons of its own form.
#[derive(Debug, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Shown<W> {
    /// It can be had.
    Kept {
        /// Its media type.
        #[serde(rename = "type")]
        mime: &'static str,
        /// How many bytes it has.
        size: u64,
        /// Where.
        url: String,
        /// Until when, RFC 3339.
        expires: String,
    },
    /// It cannot be had.
    Missing {
        /// Why.
        reason: W,
    },
}

impl Told {
    /// What is shown of it; `why` says a reason.
    pub fn shown<W>(&self, why: impl FnOnce(Reason) -> W) -> Shown<W> {
        match self {
            Self::Kept {
                format,
                size,
                url,
                expires,
            } => Shown::Kept {
                mime: format.mime(),
                size: *size,
                url: url.to_string(),
                expires: expires.to_string(),
            },
            Self::Missing(reason) => Shown::Missing {
                reason: why(*reason),
            },
        }
    }
}

impl Attachment {
    /// What is told of it at `now`. `base` is where the outside finds us; the link is good
    /// until `until` at the most.
    #[must_use]
    pub fn told(&self, pepper: &Pepper, base: &Url, now: Moment, until: Moment) -> Option<Told> {
        match self {
            Self::Kept { until: end, .. } if *end <= now => Some(Told::Missing(Reason::MediaGone)),
            Self::Kept {
                place,
                size,
                until: end,
            } => {
                let until = until.min(*end);
                Some(Told::Kept {
                    format: place.format(),
                    size: *size,
                    url: link(pepper, base, place, until)?,
                    expires: until,
                })
            }
            Self::Missing(reason) => Some(Told::Missing(*reason)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Fields, Kind, OpenId};

    pub(super) fn pepper() -> Pepper {
        Pepper::new(&[7; 32]).unwrap()
    }

    pub(super) fn place() -> Place {
        let channel = ChannelId::parse("shop").unwrap();
        let at = ConversationKey::of(&pepper(), &channel, &OpenId::new("oAnn"));
        let ann = CustomerId::new("ann");
        Place::of(
            &channel,
            &ann,
            (&at, &EntryKey::message(1, "1")),
            Format::Png,
        )
    }

    fn wanted(kind: Kind, name: &str, fields: &[(&str, &str)]) -> Option<Wanted> {
        let fields = fields
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Wanted::of(&Body::Other {
            kind,
            name: name.to_owned(),
            fields: fields.collect::<Fields>(),
        })
    }

    #[test]
    fn what_is_fetched_and_from_where() {
        let media = |id: &str| Source::Media(id.to_owned());
        let address = |url: &str| Source::Address(url.to_owned());
        let picture = [("MediaId", "m"), ("PicUrl", "http://mmbiz.qpic.cn/1")];
        let voice = [("MediaId", "m"), ("MediaId16K", "w")];
        for (kind, name, fields, expected) in [
            (
                Kind::Image,
                "image",
                &picture[..],
                vec![media("m"), address("http://mmbiz.qpic.cn/1")],
            ),
            (
                Kind::Image,
                "image",
                &picture[1..],
                vec![address("http://mmbiz.qpic.cn/1")],
            ),
            (
                Kind::Voice,
                "voice",
                &voice[..],
                vec![media("w"), media("m")],
            ),
            (Kind::Video, "shortvideo", &picture[..1], vec![media("m")]),
        ] {
            let found = wanted(kind, name, fields).unwrap();
            assert_eq!(found.sources, expected, "{name}");
        }
        assert_eq!(wanted(Kind::Image, "image", &[]), None);
        assert_eq!(wanted(Kind::Location, "location", &picture), None);
        assert_eq!(Wanted::of(&Body::text("hi")), None);
    }

    #[test]
    fn what_became_of_a_file_is_read_as_it_was_written() {
        let kept = Attachment::Kept {
            place: place(),
            size: 9,
            until: Moment::from_millis(7),
        };
        for (attachment, written) in [
            (
                kept,
                format!(r#"{{"kept":{{"place":"{}","size":9,"until":7}}}}"#, place()),
            ),
            (
                Attachment::Missing(Reason::MediaGone),
                r#"{"missing":"media_gone"}"#.to_owned(),
            ),
        ] {
            assert_eq!(serde_json::to_string(&attachment).unwrap(), written);
            let read: Attachment = serde_json::from_str(&written).unwrap();
            assert_eq!(read, attachment);
        }
        let elsewhere = r#"{"kept":{"place":"../../etc/passwd","size":9,"until":7}}"#;
        assert!(serde_json::from_str::<Attachment>(elsewhere).is_err());
    }

    #[test]
    fn places_are_ours_or_none() {
        let place = place();
        assert_eq!(Place::parse(place.as_str()), Some(place.clone()));
        assert_eq!(place.format(), Format::Png);
        let (folder, file) = place.as_str().rsplit_once('/').unwrap();
        let conversation = folder.strip_prefix("shop/").unwrap();
        for wrong in [
            String::new(),
            file.to_owned(),
            format!("../{file}"),
            format!("{conversation}/{file}"),
            format!("../{conversation}/{file}"),
            format!("Shop/{conversation}/{file}"),
            format!("{folder}/../{file}"),
            format!("{folder}/{folder}/{file}"),
            format!("{folder}/{file}.png"),
            format!("{folder}/{}", file.replace(".png", ".svg")),
            format!("{folder}/{}", file.replace(".png", "")),
            format!(
                "shop/{}/{file}",
                conversation.replace(char::is_alphanumeric, ".")
            ),
        ] {
            assert_eq!(Place::parse(&wrong), None, "{wrong}");
        }
    }
}
