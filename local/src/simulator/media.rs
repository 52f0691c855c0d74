//! The temporary media of an account: what its customers sent and what it
//! uploaded itself.
//!
//! Invariant: a medium is known by its id to its own account only, for three
//! days, and its bytes are of the format that its content type says. What all
//! of an account together weigh is bounded: the oldest make room.
//! <https://developers.weixin.qq.com/doc/service/api/material/temporary/api_uploadtempmedia.html>

use std::collections::VecDeque;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::format::Format;
use super::mint::Mint;

/// How long a medium can be fetched.
const LIFE_MS: i64 = 3 * 86_400_000;
/// The most that the media of one account weigh together, in bytes.
const ROOM: usize = 64 * MIB;
const MIB: usize = 1024 * 1024;
/// The picture that stands for a film: WeChat cuts one out of it.
const STILL: &[u8] = include_bytes!("still.jpg");

/// What a medium is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    /// A picture: PNG, JPEG or GIF.
    Image,
    /// A recording: AMR or MP3.
    Voice,
    /// A film: MP4.
    Video,
    /// The small picture of a film, a piece of music or a card: JPEG.
    Thumb,
}

impl MediaKind {
    const ALL: [Self; 4] = [Self::Image, Self::Voice, Self::Video, Self::Thumb];

    /// The kind as WeChat writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Voice => "voice",
            Self::Video => "video",
            Self::Thumb => "thumb",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The most bytes that an account may upload.
    pub(crate) const fn most_uploaded(self) -> usize {
        match self {
            Self::Image | Self::Video => 10 * MIB,
            Self::Voice => 2 * MIB,
            Self::Thumb => 64 * 1024,
        }
    }

    /// The most bytes that a phone sends. WeChat documents no number for films;
    /// twice what an account may upload is more than its phones make.
    pub(crate) const fn most_sent(self) -> usize {
        match self {
            Self::Image => 10 * MIB,
            Self::Voice => 2 * MIB,
            Self::Video => 20 * MIB,
            Self::Thumb => 0,
        }
    }
}

/// Who made a medium.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Maker {
    /// The account uploaded it.
    Account,
    /// The customer of this open id sent it.
    Customer(String),
}

/// One medium.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// What a call and a push name it by.
    pub id: String,
    /// What its address ends with: whoever has it needs no token. It is not the id.
    pub key: String,
    /// What it is.
    pub kind: MediaKind,
    /// The content type, by its bytes.
    pub content_type: &'static str,
    /// What its maker called it.
    pub file_name: String,
    /// The bytes.
    pub bytes: Bytes,
    /// When it was made, in milliseconds.
    pub created_ms: i64,
    /// Who made it.
    pub maker: Maker,
    /// The id of what goes with it: of a customer's film its small picture, of
    /// their recording the one of 16 kHz.
    pub second: Option<String>,
    pub(crate) format: Format,
}

/// The path of the address at which the medium of this key lies, which needs no token.
pub(crate) fn path(key: &str) -> String {
    format!("/media/{key}")
}

impl Media {
    /// What a download is called: WeChat's names are the id and an extension.
    pub(crate) fn download_name(&self) -> String {
        format!("{}.{}", self.id, self.format.extension())
    }
}

/// A medium that is to be kept.
pub(crate) struct Draft {
    pub(crate) kind: MediaKind,
    pub(crate) format: Format,
    pub(crate) file_name: String,
    pub(crate) bytes: Bytes,
    pub(crate) maker: Maker,
}

/// The media of one account, oldest first.
#[derive(Debug, Default)]
pub(crate) struct MediaStore {
    kept: VecDeque<Media>,
    weight: usize,
}

impl MediaStore {
    /// Keeps a medium and gives its id.
    pub(crate) fn put(&mut self, now_ms: i64, draft: Draft, mint: &mut Mint) -> String {
        let second = match (&draft.maker, draft.kind) {
            (Maker::Account, _) | (_, MediaKind::Image | MediaKind::Thumb) => None,
            (Maker::Customer(_), MediaKind::Video) => {
                let still = Draft {
                    kind: MediaKind::Thumb,
                    format: Format::Jpeg,
                    file_name: "still.jpg".to_owned(),
                    bytes: Bytes::from_static(STILL),
                    maker: draft.maker.clone(),
                };
                Some(self.add(now_ms, still, None, mint))
            }
            (Maker::Customer(_), MediaKind::Voice) => {
                let wide = Draft {
                    file_name: draft.file_name.clone(),
                    bytes: draft.bytes.clone(),
                    maker: draft.maker.clone(),
                    ..draft
                };
                Some(self.add(now_ms, wide, None, mint))
            }
        };
        self.add(now_ms, draft, second, mint)
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// The medium of this id, while it lasts.
    pub(crate) fn get(&self, now_ms: i64, id: &str) -> Option<&Media> {
        self.find(now_ms, |media| media.id == id)
    }

    /// The medium of this key, while it lasts.
    pub(crate) fn opened_by(&self, now_ms: i64, key: &str) -> Option<&Media> {
        self.find(now_ms, |media| media.key == key)
    }

    fn find(&self, now_ms: i64, is: impl Fn(&Media) -> bool) -> Option<&Media> {
        let mut lasting = self.kept.iter().filter(|media| lasts(media, now_ms));
        lasting.find(|media| is(media))
    }

    fn add(
        &mut self,
        now_ms: i64,
        draft: Draft,
        second: Option<String>,
        mint: &mut Mint,
    ) -> String {
        let id = mint.media_id(now_ms);
        self.weight += draft.bytes.len();
        self.kept.push_back(Media {
            id: id.clone(),
            key: mint.media_id(now_ms),
            kind: draft.kind,
            content_type: draft.format.content_type(),
            file_name: draft.file_name,
            bytes: draft.bytes,
            created_ms: now_ms,
            maker: draft.maker,
            second,
            format: draft.format,
        });
        self.make_room(now_ms);
        id
    }

    fn make_room(&mut self, now_ms: i64) {
        while let Some(oldest) = self.kept.front()
            && (self.weight > ROOM || !lasts(oldest, now_ms))
        {
            self.weight = self.weight.saturating_sub(oldest.bytes.len());
            self.kept.pop_front();
        }
    }
}

fn lasts(media: &Media, now_ms: i64) -> bool {
    now_ms - media.created_ms < LIFE_MS
}
