//! What a customer sends that is no text: what the push says of it, and what
//! the phone shows.
//!
//! Invariant: push and phone say the same of it.
//! <https://developers.weixin.qq.com/doc/service/guide/product/message/Receiving_standard_messages.html>

use super::act::{Act, Refused};
use super::attachment::{Attachment, Shown};
use super::media::{Media, MediaKind};
use super::push::element;

/// How far the map of a place is zoomed in.
const SCALE: u32 = 15;

/// The medium that an act takes along.
pub(crate) struct Carried {
    pub(crate) media: Media,
    /// What goes with it.
    pub(crate) second: Option<Media>,
    /// Where it lies.
    pub(crate) url: String,
}

impl Act {
    /// The kind and the id of the medium that it takes along.
    pub(crate) fn carries(&self) -> Option<(MediaKind, &str)> {
        match self {
            Self::Image { media_id } => Some((MediaKind::Image, media_id)),
            Self::Voice { media_id, .. } => Some((MediaKind::Voice, media_id)),
            Self::Video { media_id } => Some((MediaKind::Video, media_id)),
            _ => None,
        }
    }

    /// What the push says of what is no text.
    pub(super) fn elements(&self, carried: Option<&Carried>) -> Result<String, Refused> {
        let own = || carried.ok_or(Refused::NoMedia);
        let id = |carried: &Carried| element("MediaId", &carried.media.id);
        let second = |carried: &Carried, name| {
            let second = carried.second.as_ref();
            second.map_or_else(String::new, |second| element(name, &second.id))
        };
        Ok(match self {
            Self::Image { .. } => element("PicUrl", &own()?.url) + &id(own()?),
            Self::Voice { recognition, .. } => {
                let voice = own()?;
                let heard = recognition.as_deref().filter(|words| !words.is_empty());
                [
                    id(voice),
                    element("Format", voice.media.format.extension()),
                    second(voice, "MediaId16K"),
                    heard.map_or_else(String::new, |words| element("Recognition", words)),
                ]
                .concat()
            }
            Self::Video { .. } => id(own()?) + &second(own()?, "ThumbMediaId"),
            Self::Location {
                latitude,
                longitude,
                label,
            } => format!(
                "<Location_X>{}</Location_X><Location_Y>{}</Location_Y><Scale>{SCALE}</Scale>{}",
                degrees(*latitude),
                degrees(*longitude),
                element("Label", label)
            ),
            Self::Link {
                title,
                description,
                url,
            } => [
                element("Title", title),
                element("Description", description),
                element("Url", url),
            ]
            .concat(),
            _ => String::new(),
        })
    }

    /// How many bytes its other words have.
    pub(super) fn extra(&self) -> usize {
        match self {
            Self::Voice { recognition, .. } => recognition.as_ref().map_or(0, String::len),
            Self::Location { label, .. } => label.len(),
            Self::Link {
                title, description, ..
            } => title.len() + description.len(),
            _ => 0,
        }
    }

    /// What the phone shows of what is no text.
    pub(super) fn attachment(&self, carried: Option<&Carried>) -> Option<Attachment> {
        let own = || carried.map(|carried| Shown::new(&carried.media));
        let second = || carried.and_then(|carried| carried.second.as_ref());
        match self {
            Self::Image { .. } => own().map(|media| Attachment::Image { media }),
            Self::Voice { .. } => own().map(|media| Attachment::Voice { media }),
            Self::Video { .. } => own().map(|media| Attachment::Video {
                media,
                thumb: second().map(Shown::new),
                title: String::new(),
                description: String::new(),
            }),
            Self::Location {
                latitude,
                longitude,
                label,
            } => Some(Attachment::Location {
                latitude: degrees(*latitude),
                longitude: degrees(*longitude),
                label: label.clone(),
            }),
            Self::Link {
                title,
                description,
                url,
            } => Some(Attachment::Page {
                title: title.clone(),
                description: description.clone(),
                url: url.clone(),
                picture: String::new(),
            }),
            _ => None,
        }
    }
}

/// Degrees as WeChat writes them, to about ten centimetres.
fn degrees(degrees: f64) -> String {
    format!("{degrees:.6}")
}
