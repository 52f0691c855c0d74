//! What belongs to a message beside its words: pictures, spoken messages, films. What is
//! to be fetched from WeChat, what became of it, and the links by which desks get it.
//!
//! Invariant: what a file is, its first bytes say, whatever WeChat or its name say. A link
//! says the same however often it is made for one entry, and is good for its place alone.

mod length;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::content::Content;
use crate::journal::{ConversationKey, EntryKey, Pepper};
use crate::message::{Body, ChannelId};
use crate::moment::Moment;
use crate::reason::Reason;
pub use length::voice_seconds;

/// How many bytes tell what a file is.
pub const HEAD: usize = 512;
/// How long a link is good after its message was journalled: as long as the shortest
/// retention.
pub const LINK: Duration = Duration::from_hours(3 * 24);

/// The sorts of media.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// A picture.
    Image,
    /// A spoken message.
    Voice,
    /// A film.
    Video,
    /// A document.
    File,
}

impl Sort {
    /// The largest file that is taken, in bytes. What WeChat lets people send is not
    /// documented; it takes 10 MB of pictures and films from us, and 2 MB of voice.
    #[must_use]
    pub fn cap(self) -> u64 {
        match self {
            Self::Image | Self::File => 20 << 20,
            Self::Voice => 5 << 20,
            Self::Video => 25 << 20,
        }
    }
}

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

/// Declares the formats: media type, extension, sort.
macro_rules! formats {
    ($($name:ident = $mime:literal, $extension:literal, $sort:ident;)*) => {
        /// The formats of files that are given to agents.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Format { $(#[doc = $mime] $name,)* }

        impl Format {
            /// Every format.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The media type.
            #[must_use]
            pub fn mime(self) -> &'static str {
                match self { $(Self::$name => $mime),* }
            }

            /// What its file names end with.
            #[must_use]
            pub fn extension(self) -> &'static str {
                match self { $(Self::$name => $extension),* }
            }

            /// Its sort.
            #[must_use]
            pub fn sort(self) -> Sort {
                match self { $(Self::$name => Sort::$sort),* }
            }
        }
    };
}

formats! {
    Jpeg = "image/jpeg", "jpg", Image;
    Png = "image/png", "png", Image;
    Gif = "image/gif", "gif", Image;
    Webp = "image/webp", "webp", Image;
    Bmp = "image/bmp", "bmp", Image;
    Heif = "image/heif", "heif", Image;
    Amr = "audio/amr", "amr", Voice;
    Mp3 = "audio/mpeg", "mp3", Voice;
    M4a = "audio/m4a", "m4a", Voice;
    Wav = "audio/x-wav", "wav", Voice;
    Ogg = "audio/ogg", "ogg", Voice;
    Mp4 = "video/mp4", "mp4", Video;
    Mov = "video/quicktime", "mov", Video;
    Webm = "video/webm", "webm", Video;
    Pdf = "application/pdf", "pdf", File;
    Docx = "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx", File;
    Xlsx = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx", File;
    Pptx = "application/vnd.openxmlformats-officedocument.presentationml.presentation", "pptx", File;
    Doc = "application/msword", "doc", File;
    Xls = "application/vnd.ms-excel", "xls", File;
    Ppt = "application/vnd.ms-powerpoint", "ppt", File;
    Zip = "application/zip", "zip", File;
    Txt = "text/plain", "txt", File;
    Csv = "text/csv", "csv", File;
}

/// How files of Office before 2007 begin.
const OLE: &[u8] = &[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];
/// How archives begin, and with them what Office writes since.
const ARCHIVE: &[u8] = b"PK\x03\x04";

impl Format {
    /// What a file is whose first [`HEAD`] bytes these are.
    #[must_use]
    pub fn of(head: &[u8]) -> Option<Self> {
        // Voice at 16 kHz, which the library does not know.
        if head.starts_with(b"#!AMR-WB\n") {
            return Some(Self::Amr);
        }
        let mime = infer::get(head)?.mime_type();
        Self::ALL
            .iter()
            .copied()
            .find(|format| format.mime() == mime)
    }

    fn of_extension(extension: &str) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|format| format.extension() == extension)
    }

    /// What a file of this name says that it is.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let (_, extension) = name.rsplit_once('.')?;
        match extension.to_ascii_lowercase().as_str() {
            "jpeg" => Some(Self::Jpeg),
            "heic" => Some(Self::Heif),
            extension => Self::of_extension(extension),
        }
    }

    /// Whether a file that begins with these bytes may be of this format. Documents share
    /// their beginnings: which of them it is, its name says.
    #[must_use]
    pub fn fits(self, head: &[u8]) -> bool {
        match self {
            Self::Docx | Self::Xlsx | Self::Pptx | Self::Zip => head.starts_with(ARCHIVE),
            Self::Doc | Self::Xls | Self::Ppt => head.starts_with(OLE),
            Self::Txt | Self::Csv => {
                let control = |b: &u8| *b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r' | 0x1b);
                !head.is_empty() && !head.iter().any(control) && infer::get(head).is_none()
            }
            format => Self::of(head) == Some(format),
        }
    }

    /// Whether a browser shows it or puts it away: `Content-Disposition`.
    #[must_use]
    pub fn disposition(self) -> &'static str {
        if self.sort() == Sort::File && self != Self::Pdf {
            "attachment"
        } else {
            "inline"
        }
    }
}

/// Where a file lies: `<channel>/<conversation>/<entry>.<extension>`, the latter two hashes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Place(String);

impl Place {
    /// The place of the file of an entry.
    #[must_use]
    pub fn of(channel: &ChannelId, at: &ConversationKey, key: &EntryKey, format: Format) -> Self {
        let conversation = at.as_str().strip_prefix("U#").unwrap_or_default();
        let entry = key.hashed_in(at);
        let extension = format.extension();
        Self(format!("{channel}/{conversation}/{entry}.{extension}"))
    }

    /// A place of its own for a file that was brought to a conversation. The nonce is 22
    /// characters in base64url.
    #[must_use]
    pub fn fresh(
        channel: &ChannelId,
        at: &ConversationKey,
        nonce: &str,
        format: Format,
    ) -> Option<Self> {
        Self::within(channel, at, &format!("{nonce}.{}", format.extension()))
    }

    /// The place of a file of a conversation by its name there.
    #[must_use]
    pub fn within(channel: &ChannelId, at: &ConversationKey, file: &str) -> Option<Self> {
        let conversation = at.as_str().strip_prefix("U#")?;
        Self::parse(&format!("{channel}/{conversation}/{file}"))
    }

    /// Its name in its conversation.
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
        let fits = conversation.len() == 22 && entry.len() == 22 && word(conversation);
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

/// What the signatures of links are for, and for nothing else.
const PURPOSE: &str = "media";

/// What the signatures of addresses to which files are brought are for.
const BRINGING: &str = "upload";

/// The address to which a file of exactly this size may be brought until then.
#[must_use]
pub fn door(pepper: &Pepper, base: &Url, place: &Place, size: u64, until: Moment) -> Option<Url> {
    let base = base.as_str().trim_end_matches('/');
    let mut url = Url::parse(&format!("{base}/media/{place}")).ok()?;
    let seconds = until.seconds().to_string();
    let signature = pepper.seal(BRINGING, &format!("{place}?{seconds}&{size}"));
    url.query_pairs_mut()
        .append_pair("until", &seconds)
        .append_pair("size", &size.to_string())
        .append_pair("sig", &signature);
    Some(url)
}

/// Reads such an address: the place and the size. `None` unless it is ours and still good.
#[must_use]
pub fn open_door(pepper: &Pepper, path: &str, query: &str, now: Moment) -> Option<(Place, u64)> {
    let place = Place::parse(path)?;
    let [until, size, given] = ["until", "size", "sig"].map(|name| single(query, name));
    let (until, size) = (until?, size?);
    let expected = pepper.seal(BRINGING, &format!("{place}?{until}&{size}"));
    let ours = is_same(&expected, &given?);
    let until = Moment::from_seconds(until.parse().ok()?);
    (ours && now < until).then_some((place, size.parse().ok()?))
}

fn is_same(expected: &str, given: &str) -> bool {
    use subtle::ConstantTimeEq as _;
    expected.as_bytes().ct_eq(given.as_bytes()).into()
}

/// A parameter that stands in a query once.
fn single(query: &str, name: &str) -> Option<String> {
    let pairs = url::form_urlencoded::parse(query.as_bytes());
    let mut values = pairs.filter(|(key, _)| key == name).map(|(_, value)| value);
    let value = values.next()?.into_owned();
    values.next().is_none().then_some(value)
}

/// The address of a file, good until then.
#[must_use]
pub fn link(pepper: &Pepper, base: &Url, place: &Place, until: Moment) -> Option<Url> {
    let base = base.as_str().trim_end_matches('/');
    let mut url = Url::parse(&format!("{base}/media/{place}")).ok()?;
    let seconds = until.seconds().to_string();
    let signature = pepper.seal(PURPOSE, &format!("{place}?{seconds}"));
    url.query_pairs_mut()
        .append_pair("until", &seconds)
        .append_pair("sig", &signature);
    Some(url)
}

/// Reads the address of a file: its path below `/media/` and its query. `None` unless the
/// link is ours and still good.
#[must_use]
pub fn open(pepper: &Pepper, path: &str, query: &str, now: Moment) -> Option<Place> {
    let place = Place::parse(path)?;
    let (until, given) = (single(query, "until")?, single(query, "sig")?);
    let expected = pepper.seal(PURPOSE, &format!("{place}?{until}"));
    let ours = is_same(&expected, &given);
    let until = Moment::from_seconds(until.parse().ok()?);
    (ours && now < until).then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Fields, Kind, OpenId};

    fn pepper() -> Pepper {
        Pepper::new(&[7; 32]).unwrap()
    }

    fn place() -> Place {
        let channel = ChannelId::parse("shop").unwrap();
        let at = ConversationKey::of(&pepper(), &channel, &OpenId::new("oAnn"));
        Place::of(&channel, &at, &EntryKey::message(1, "1"), Format::Png)
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
    fn what_a_file_is_its_first_bytes_say() {
        for (head, expected) in [
            (&b"\xff\xd8\xff\xe0\0\x10JFIF"[..], Some(Format::Jpeg)),
            (b"\x89PNG\r\n\x1a\n", Some(Format::Png)),
            (b"GIF89a", Some(Format::Gif)),
            (b"#!AMR\n\x0c and so on", Some(Format::Amr)),
            (b"#!AMR-WB\n\x0c", Some(Format::Amr)),
            (b"ID3\x04\0\0\0", Some(Format::Mp3)),
            (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", Some(Format::Mp4)),
            (b"<svg xmlns=\"http://www.w3.org/2000/svg\">", None),
            (b"<!DOCTYPE html><script>", None),
            (b"MZ\x90\0", None),
            (b"%PDF-1.7", Some(Format::Pdf)),
            (b"", None),
        ] {
            assert_eq!(Format::of(head), expected, "{head:?}");
        }
    }

    #[test]
    fn which_document_it_is_its_name_says_if_its_bytes_let_it() {
        let check = |name: &str, head: &[u8], expected: bool| {
            let format = Format::named(name).unwrap();
            assert_eq!(format.fits(head), expected, "{name}");
        };
        check("a.DOCX", b"PK\x03\x04 and so on", true);
        check("a.docx", OLE, false);
        check("a.xls", OLE, true);
        check("a.pdf", b"%PDF-1.7", true);
        check("a.pdf", b"<html>", false);
        check("a.jpeg", b"\xff\xd8\xff\xe0\0\x10JFIF", true);
        check("a.txt", "一、二\r\n".as_bytes(), true);
        check("a.csv", b"a\tb\n\x00", false);
        check("a.txt", b"%PDF-1.7", false);
        check("a.txt", b"", false);
        for name in ["a", "a.exe", "a.svg", "a.html", ".", ""] {
            assert_eq!(Format::named(name), None, "{name}");
        }
        for format in Format::ALL {
            let shown = format.sort() != Sort::File || *format == Format::Pdf;
            assert_eq!(format.disposition() == "inline", shown);
        }
    }

    #[test]
    fn what_may_be_brought_is_signed_with_its_size() {
        let base = Url::parse("https://bridge.example").unwrap();
        let until = Moment::from_seconds(1_000);
        let url = door(&pepper(), &base, &place(), 22, until).unwrap();
        let path = url.path().strip_prefix("/media/").unwrap();
        let query = url.query().unwrap();
        let check = |path: &str, query: &str, now: i64, expected: Option<(Place, u64)>| {
            let found = open_door(&pepper(), path, query, Moment::from_seconds(now));
            assert_eq!(found, expected, "{query}");
        };
        check(path, query, 999, Some((place(), 22)));
        check(path, query, 1_000, None);
        check(path, &query.replace("size=22", "size=23"), 999, None);
        check(path, &query.replace("until=1000", "until=1001"), 999, None);
        check(path, &format!("{query}&size=23"), 999, None);
        check(&path.replace(".png", ".jpg"), query, 999, None);
        // Whoever may look may not bring, and the other way round.
        assert_eq!(
            open(&pepper(), path, query, Moment::from_seconds(999)),
            None
        );
        let link = link(&pepper(), &base, &place(), until).unwrap();
        check(path, link.query().unwrap(), 999, None);
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

    #[test]
    fn a_link_opens_its_place_alone_and_not_for_ever() {
        let (pepper, place) = (pepper(), place());
        let now = Moment::from_seconds(1_800_000_000);
        let until = now.plus(LINK);
        let base = Url::parse("https://bridge.example").unwrap();
        let url = link(&pepper, &base, &place, until).unwrap();
        assert_eq!(link(&pepper, &base, &place, until), Some(url.clone()));
        let path = url.path().strip_prefix("/media/").unwrap();
        let query = url.query().unwrap();
        assert_eq!(open(&pepper, path, query, now), Some(place.clone()));
        assert_eq!(open(&pepper, path, query, until), None, "too late");
        let later = query.replace("until=1", "until=2");
        let other = path.replace(".png", ".jpg");
        let twice = format!("{query}&{query}");
        let upper = query.to_uppercase();
        for (path, query) in [
            (path, later.as_str()),
            (path, &twice),
            (path, &upper),
            (path, "until=1900000000"),
            (path, "until=1900000000&sig="),
            (path, ""),
            (&other, query),
        ] {
            assert_eq!(open(&pepper, path, query, now), None, "{path} {query}");
        }
        let others = Pepper::new(&[8; 32]).unwrap();
        assert_eq!(open(&others, path, query, now), None);
        // One that is found below a path of its own.
        let below = Url::parse("https://bridge.example/magpie").unwrap();
        let url = link(&pepper, &below, &place, until).unwrap();
        assert!(url.path().starts_with("/magpie/media/shop/"), "{url}");
    }
}
