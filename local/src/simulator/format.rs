//! What a file is, by its first bytes, and by its name.
//!
//! Invariant: a name alone makes no format: the bytes decide, and a name that
//! says something else is wrong.

use super::media::MediaKind;

/// A format that WeChat takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Png,
    Jpeg,
    Gif,
    Amr,
    Mp3,
    Mp4,
}

impl Format {
    /// What these bytes are.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        // An MP3 without a tag begins with a frame: eleven set bits, a version
        // that there is, and layer III.
        let frame = |rest: &[u8]| {
            matches!(rest, [0xff, second, ..]
                if second & 0xe0 == 0xe0 && second & 0x18 != 0x08 && second & 0x06 == 0x02)
        };
        match bytes {
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Self::Png),
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            [b'#', b'!', b'A', b'M', b'R', b'\n' | b'-', ..] => Some(Self::Amr),
            [b'I', b'D', b'3', ..] => Some(Self::Mp3),
            // A box's length, then its name.
            [_, _, _, _, b'f', b't', b'y', b'p', ..] => Some(Self::Mp4),
            other if frame(other) => Some(Self::Mp3),
            _ => None,
        }
    }

    /// Whether a medium of this kind may be one of this format.
    pub(crate) fn is_for(self, kind: MediaKind) -> bool {
        match kind {
            MediaKind::Image => matches!(self, Self::Png | Self::Jpeg | Self::Gif),
            MediaKind::Voice => matches!(self, Self::Amr | Self::Mp3),
            MediaKind::Video => self == Self::Mp4,
            MediaKind::Thumb => self == Self::Jpeg,
        }
    }

    /// Whether a file of this name may be one of this format.
    pub(crate) fn is_named(self, file_name: &str) -> bool {
        let extension = file_name.rsplit_once('.').map(|(_, extension)| extension);
        let is = |name: &str| extension.is_some_and(|ours| ours.eq_ignore_ascii_case(name));
        is(self.extension()) || (self == Self::Jpeg && is("jpeg"))
    }

    pub(crate) const fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpg",
            Self::Gif => "gif",
            Self::Amr => "amr",
            Self::Mp3 => "mp3",
            Self::Mp4 => "mp4",
        }
    }

    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Gif => "image/gif",
            Self::Amr => "audio/amr",
            Self::Mp3 => "audio/mpeg",
            Self::Mp4 => "video/mp4",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_bytes_are() {
        let check = |bytes: &[u8], expected: Option<Format>| {
            assert_eq!(Format::of(bytes), expected, "{bytes:?}");
        };
        check(b"\x89PNG\r\n\x1a\n\0", Some(Format::Png));
        check(b"\x89PNG\n\x1a\n\0", None);
        check(b"\xff\xd8\xff\xe0", Some(Format::Jpeg));
        check(b"GIF89a", Some(Format::Gif));
        check(b"GIF88a", None);
        check(b"#!AMR\n<", Some(Format::Amr));
        check(b"#!AMR-WB\n", Some(Format::Amr));
        check(b"ID3\x04", Some(Format::Mp3));
        check(b"\xff\xfb\x90", Some(Format::Mp3));
        // Layer II, no layer, no version.
        check(b"\xff\xfd\x90", None);
        check(b"\xff\xf9\x90", None);
        check(b"\xff\xeb\x90", None);
        check(b"\0\0\0\x20ftypisom", Some(Format::Mp4));
        check(b"<svg xmlns=", None);
        check(b"RIFF\0\0\0\0WEBP", None);
        check(b"", None);
    }

    #[test]
    fn what_a_name_says() {
        for (format, name, expected) in [
            (Format::Jpeg, "a.jpg", true),
            (Format::Jpeg, "a.b.JPEG", true),
            (Format::Jpeg, "a.png", false),
            (Format::Png, "jpeg", false),
            (Format::Mp3, ".mp3", true),
            (Format::Mp4, "a.mp4 ", false),
            (Format::Mp4, "", false),
        ] {
            assert_eq!(format.is_named(name), expected, "{name}");
        }
    }
}
