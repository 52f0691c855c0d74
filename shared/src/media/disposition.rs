//! How a browser is told to show a file or to put it away, and under which name
//! (<https://www.rfc-editor.org/rfc/rfc6266>, <https://www.rfc-editor.org/rfc/rfc8187>).
//!
//! Invariant: whatever a document is called, of its name nothing but letters, digits, `-`,
//! `.`, `_`, `~` and what is escaped stands in the header.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::Format;

/// What a name is escaped by.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// `Content-Disposition` of a file, which is kept under this name if it has one. It has no
/// space: S3 takes it out of an address, where one may be written in two ways.
#[must_use]
pub fn disposition(format: Format, name: Option<&str>) -> String {
    let Some(name) = name else {
        return format.disposition().to_owned();
    };
    let mut safe: String = name
        .chars()
        .map(|c| match c {
            '/' | '\\' => '_',
            c if c.is_control() => '_',
            c => c,
        })
        .collect();
    // What it is its bytes say, and not its name.
    if Format::named(&safe) != Some(format) {
        safe.push('.');
        safe.push_str(format.extension());
    }
    let name = utf8_percent_encode(&safe, PLAIN);
    format!("attachment;filename*=UTF-8''{name}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_document_is_kept_under_its_own_name() {
        let check = |name: &str, expected: &str| {
            assert_eq!(disposition(Format::Pdf, Some(name)), expected, "{name}");
        };
        check("a.pdf", "attachment;filename*=UTF-8''a.pdf");
        check(
            "报价 1.pdf",
            "attachment;filename*=UTF-8''%E6%8A%A5%E4%BB%B7%201.pdf",
        );
        check(
            "../a\"; x=\r\nSet-Cookie: b.pdf",
            "attachment;filename*=UTF-8''.._a%22%3B%20x%3D__Set-Cookie%3A%20b.pdf",
        );
        check("a.exe", "attachment;filename*=UTF-8''a.exe.pdf");
        assert_eq!(disposition(Format::Jpeg, None), "inline");
    }

    proptest! {
        #[test]
        fn no_name_breaks_the_header(name in any::<String>()) {
            let header = disposition(Format::Pdf, Some(&name));
            let name = header.strip_prefix("attachment;filename*=UTF-8''").unwrap();
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~%".contains(&b);
            prop_assert!(name.bytes().all(plain), "{}", name);
        }
    }
}
