//! What a bubble holds that is no text.

use serde::Serialize;

use super::media::{self, Media};

/// A medium as a phone shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// Its id.
    pub media_id: String,
    /// Where it lies on the simulator's own listener, as long as it lasts.
    pub path: String,
    /// Its content type.
    pub content_type: &'static str,
}

impl Shown {
    pub(crate) fn new(media: &Media) -> Self {
        Self {
            media_id: media.id.clone(),
            path: media::path(&media.key),
            content_type: media.content_type,
        }
    }
}

/// What a bubble holds that is no text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum Attachment {
    /// A picture.
    Image {
        /// The picture.
        media: Shown,
    },
    /// A recording.
    Voice {
        /// The recording.
        media: Shown,
    },
    /// A film.
    Video {
        /// The film.
        media: Shown,
        /// The picture that stands for it.
        thumb: Option<Shown>,
        /// Its title; may be empty.
        title: String,
        /// What it is about; may be empty.
        description: String,
    },
    /// A piece of music that lies elsewhere.
    Music {
        /// Its title; may be empty.
        title: String,
        /// What it is about; may be empty.
        description: String,
        /// Where it lies.
        url: String,
        /// Where it lies in a better quality.
        hq_url: String,
        /// The picture that stands for it.
        thumb: Shown,
    },
    /// A card that opens a page: `news`, a customer's link, or an article of the account's.
    Page {
        /// Its title.
        title: String,
        /// What it is about; may be empty.
        description: String,
        /// The page.
        url: String,
        /// The address of its picture; may be empty.
        picture: String,
    },
    /// A card that opens a mini program.
    MiniProgram {
        /// Its title; may be empty.
        title: String,
        /// The mini program.
        app_id: String,
        /// The page in it.
        path: String,
        /// Its picture.
        thumb: Shown,
    },
    /// A notice by one of the account's templates.
    Notice {
        /// What the template is called.
        title: String,
        /// What it says, with its values.
        text: String,
        /// What a tap opens; may be empty.
        url: String,
        /// The mini program that a tap opens instead; may be empty.
        app_id: String,
    },
    /// A coupon.
    Coupon {
        /// Its id.
        card_id: String,
    },
    /// A place.
    Location {
        /// Degrees north, as the push says them.
        latitude: String,
        /// Degrees east, as the push says them.
        longitude: String,
        /// What it is called; may be empty.
        label: String,
    },
}
