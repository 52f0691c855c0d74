//! What a file is: its sort and its format.
//!
//! Invariant: its first bytes say it, whatever WeChat or its name say; of documents that begin
//! alike its name says which.

/// How many bytes tell what a file is.
pub const HEAD: usize = 512;
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

    pub(super) fn of_extension(extension: &str) -> Option<Self> {
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
