//! What a customer's message holds beside words, as typed data.
//!
//! Invariant: it is read from what the push carried and never fails; an element
//! that is missing or not of its form is `None`. It serialises to what the API and
//! webhook desks show, which has neither WeChat's media ids nor an open id. Fields:
//! <https://developers.weixin.qq.com/doc/offiaccount/Message_Management/Receiving_standard_messages.html>

use std::fmt;

use serde::Serialize;
use url::Url;

use crate::fields::{Fields, degrees, number, text};
use crate::message::Kind;
use crate::rich::Asked;

/// The contents of a message that is not words.
#[derive(Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Content {
    /// Words that were chosen.
    Text(Text),
    /// A picture.
    Image(Image),
    /// A spoken message.
    Voice(Voice),
    /// A film.
    Video(Video),
    /// A place.
    Location(Location),
    /// An article or an address of the web.
    Link(Link),
    /// A mini-program card.
    Card(Card),
    /// A document.
    File(File),
}

/// Words that were not just typed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Text {
    /// The id of the choice that was tapped.
    pub choice: String,
    /// The question that it answers, if that is one of ours and still known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question: Option<Asked>,
}

/// An article of a mass message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ArticleRef {
    /// WeChat's id of the message that it is in (`MsgDataId`).
    pub id: String,
    /// Its number there, from 1.
    pub index: Option<u32>,
}

impl ArticleRef {
    /// Reads the article under which a message was sent.
    #[must_use]
    pub fn of(fields: &Fields) -> Option<Self> {
        Some(Self {
            id: text(fields, "MsgDataId")?,
            index: number(fields, "Idx"),
        })
    }
}

/// A picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Image {
    /// By which WeChat gives it out for three days.
    #[serde(skip)]
    pub media: Option<String>,
    /// Where WeChat shows it to everybody, for how long is not documented.
    #[serde(skip)]
    pub url: Option<String>,
}

/// A spoken message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Voice {
    /// By which WeChat gives it out for three days, at 8 kHz.
    #[serde(skip)]
    pub media: Option<String>,
    /// The same at 16 kHz, where WeChat offers it.
    #[serde(skip)]
    pub media_16k: Option<String>,
    /// `amr` or `speex`.
    pub format: Option<String>,
    /// What WeChat understood. Mostly nothing: it is being switched off.
    pub recognition: Option<String>,
}

/// A film.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Video {
    /// By which WeChat gives it out for three days.
    #[serde(skip)]
    pub media: Option<String>,
    /// By which WeChat gives out its picture.
    #[serde(skip)]
    pub thumb: Option<String>,
    /// Whether it was taken as a short one.
    pub short: bool,
}

/// A place, in degrees as China's maps have them (GCJ-02).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Location {
    /// North of the equator.
    pub latitude: Option<f64>,
    /// East of Greenwich.
    pub longitude: Option<f64>,
    /// How close the customer looked at the map: 1 is the world.
    pub scale: Option<f64>,
    /// Its address.
    pub label: Option<String>,
    /// What is there.
    pub name: Option<String>,
    /// Where a map shows it.
    pub map: Option<String>,
}

/// An article or an address of the web.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Link {
    /// Its heading.
    pub title: Option<String>,
    /// Its summary.
    pub description: Option<String>,
    /// Its address, as the customer sent it.
    pub url: Option<String>,
}

/// A mini-program card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Card {
    /// Its heading.
    pub title: Option<String>,
    /// The mini-program.
    pub app_id: Option<String>,
    /// The page of the mini-program.
    pub page: Option<String>,
    /// Where WeChat shows its picture.
    #[serde(skip)]
    pub thumb_url: Option<String>,
    /// By which WeChat gives out its picture for three days.
    #[serde(skip)]
    pub thumb: Option<String>,
}

/// A document. WeChat documents none for Official Accounts and gives none out: only
/// its name is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct File {
    /// Its name.
    pub name: Option<String>,
}

/// Shows nothing of it: what people send is in nobody's log.
impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Content(…)")
    }
}

impl Content {
    /// Reads the contents of a message of WeChat's. `None` for kinds that hold
    /// nothing that we know.
    #[must_use]
    pub fn of(kind: Kind, name: &str, fields: &Fields) -> Option<Self> {
        let text = |path| text(fields, path);
        Some(match kind {
            Kind::Image => Self::Image(Image {
                media: text("MediaId"),
                url: text("PicUrl"),
            }),
            Kind::Voice => Self::Voice(Voice {
                media: text("MediaId"),
                media_16k: text("MediaId16K"),
                format: text("Format"),
                recognition: text("Recognition"),
            }),
            Kind::Video => Self::Video(Video {
                media: text("MediaId"),
                thumb: text("ThumbMediaId"),
                short: name == "shortvideo",
            }),
            Kind::Location => Self::Location(Location::of(fields, "")),
            Kind::Link => Self::Link(Link {
                title: text("Title"),
                description: text("Description"),
                url: text("Url"),
            }),
            Kind::Card => Self::Card(Card {
                title: text("Title"),
                app_id: text("AppId"),
                page: text("PagePath"),
                thumb_url: text("ThumbUrl"),
                thumb: text("ThumbMediaId"),
            }),
            Kind::File => Self::File(File {
                name: text("FileName").or_else(|| text("Title")),
            }),
            Kind::Text
            | Kind::Choice
            | Kind::Notice
            | Kind::Event
            | Kind::Unknown
            | Kind::Receipt
            | Kind::SessionEnd
            | Kind::Erased => return None,
        })
    }
}

impl Location {
    /// Reads a place whose elements stand below `prefix`.
    pub(crate) fn of(fields: &Fields, prefix: &str) -> Self {
        let path = |name: &str| format!("{prefix}{name}");
        let text = |name| text(fields, &path(name));
        // WeChat's X is the latitude.
        let latitude = degrees(fields, &path("Location_X"), 90.0);
        let longitude = degrees(fields, &path("Location_Y"), 180.0);
        let (label, name) = (text("Label"), text("Poiname"));
        let map = latitude
            .zip(longitude)
            .map(|at| map(at, name.as_deref().or(label.as_deref())));
        Self {
            latitude,
            longitude,
            scale: number::<f64>(fields, &path("Scale")).filter(|scale| scale.is_finite()),
            label,
            name,
            map,
        }
    }
}

/// Where Tencent's map, which has WeChat's own coordinates, shows a place:
/// <https://lbs.qq.com/webApi/uriV1/uriGuide/uriWebMarker>.
fn map((latitude, longitude): (f64, f64), title: Option<&str>) -> String {
    // It shows no marker without a title, and its own syntax has ":" and ";".
    let title: String = title
        .unwrap_or("📍")
        .chars()
        .filter(|c| !matches!(c, ':' | ';' | '|'))
        .take(60)
        .collect();
    let mut map = MAP.to_owned();
    map.push_str("?marker=");
    let marker = format!("coord:{latitude},{longitude};title:{title};addr:{title}");
    map.extend(url::form_urlencoded::byte_serialize(marker.as_bytes()));
    map.push_str("&referer=magpie");
    Url::parse(&map).map_or(map, Into::into)
}

const MAP: &str = "https://apis.map.qq.com/uri/v1/marker";

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(of: &[(&str, &str)]) -> Fields {
        let owned = |(path, value): &(&str, &str)| ((*path).to_owned(), (*value).to_owned());
        of.iter().map(owned).collect()
    }

    fn shown(kind: Kind, name: &str, of: &[(&str, &str)]) -> serde_json::Value {
        serde_json::to_value(Content::of(kind, name, &fields(of))).unwrap()
    }

    #[test]
    fn nothing_by_which_media_are_fetched_is_shown() {
        let media = [
            ("MediaId", "m"),
            ("PicUrl", "http://p"),
            ("ThumbMediaId", "t"),
        ];
        assert_eq!(shown(Kind::Image, "image", &media), serde_json::json!({}));
        assert_eq!(
            shown(Kind::Video, "shortvideo", &media),
            serde_json::json!({ "short": true })
        );
        let image = Content::of(Kind::Image, "image", &fields(&media));
        let held = Image {
            media: Some("m".to_owned()),
            url: Some("http://p".to_owned()),
        };
        assert_eq!(image, Some(Content::Image(held)));
    }

    #[test]
    fn a_place_has_a_map_only_if_it_is_on_the_globe() {
        let label = ("Label", "世纪大道1号; 2: 楼");
        let place = [
            ("Location_X", "31.2"),
            ("Location_Y", "121.5"),
            ("Scale", "16"),
            label,
        ];
        let seen = shown(Kind::Location, "location", &place);
        assert_eq!(seen["latitude"], 31.2);
        let map = Url::parse(seen["map"].as_str().unwrap()).unwrap();
        assert_eq!(map.host_str(), Some("apis.map.qq.com"));
        let (_, marker) = map.query_pairs().next().unwrap();
        assert_eq!(
            marker,
            "coord:31.2,121.5;title:世纪大道1号 2 楼;addr:世纪大道1号 2 楼"
        );
        for (x, y) in [
            ("91", "1"),
            ("1", "181"),
            ("NaN", "1"),
            ("", "1"),
            ("1", "inf"),
        ] {
            let seen = shown(
                Kind::Location,
                "location",
                &[("Location_X", x), ("Location_Y", y)],
            );
            assert_eq!(seen["map"], serde_json::Value::Null, "{x} {y}");
        }
    }
}
