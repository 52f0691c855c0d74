//! The part of a `multipart/form-data` body that has a given name.
//!
//! Invariant: a body that is not whole, to its last boundary, has no parts;
//! hostile bytes are an error and never a panic.
//! <https://www.rfc-editor.org/rfc/rfc7578>

/// One part of a form.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Part<'a> {
    pub(crate) name: String,
    pub(crate) file_name: Option<String>,
    pub(crate) bytes: &'a [u8],
}

/// The first part of this name, if the body is a whole form.
pub(crate) fn part<'a>(content_type: &str, body: &'a [u8], name: &str) -> Option<Part<'a>> {
    parts(content_type, body)?
        .into_iter()
        .find(|part| part.name == name)
}

fn parts<'a>(content_type: &str, body: &'a [u8]) -> Option<Vec<Part<'a>>> {
    let boundary = boundary(content_type)?;
    let first = format!("--{boundary}");
    let next = format!("\r\n--{boundary}");
    let mut rest = body.strip_prefix(first.as_bytes())?;
    let mut parts = Vec::new();
    loop {
        if let Some(epilogue) = rest.strip_prefix(b"--") {
            let ended = epilogue.is_empty() || epilogue.starts_with(b"\r\n");
            return ended.then_some(parts);
        }
        let begun = rest.strip_prefix(b"\r\n")?;
        let (head, after) = split(begun, b"\r\n\r\n")?;
        let (bytes, after) = split(after, next.as_bytes())?;
        parts.extend(read(std::str::from_utf8(head).ok()?, bytes));
        rest = after;
    }
}

/// The boundary, which is at most 70 characters long.
fn boundary(content_type: &str) -> Option<String> {
    let (kind, rest) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    parameter(rest, "boundary").filter(|boundary| (1..=70).contains(&boundary.len()))
}

/// A part by its head; one without a name is none.
fn read<'a>(head: &str, bytes: &'a [u8]) -> Option<Part<'a>> {
    let disposition = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-disposition")
            .then(|| value.trim())
    })?;
    let (kind, rest) = disposition.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("form-data") {
        return None;
    }
    Some(Part {
        name: parameter(rest, "name")?,
        file_name: parameter(rest, "filename"),
        bytes,
    })
}

/// A parameter of a header, quoted or not.
fn parameter(text: &str, wanted: &str) -> Option<String> {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ';']);
        let (name, after) = rest.split_once('=')?;
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => match after.split_once(';') {
                Some((value, after)) => (value.trim().to_owned(), after),
                None => (after.trim().to_owned(), ""),
            },
        };
        if name.trim().eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        rest = after;
    }
}

/// What stands up to the closing quotation mark, and what comes after it.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut letters = text.chars();
    loop {
        match letters.next()? {
            '"' => return Some((value, letters.as_str())),
            '\\' => value.push(letters.next()?),
            letter => value.push(letter),
        }
    }
}

fn split<'a>(text: &'a [u8], at: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let begin = text.windows(at.len()).position(|window| window == at)?;
    Some((text.get(..begin)?, text.get(begin + at.len()..)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KIND: &str = "multipart/form-data; boundary=xyz";

    /// A form of these heads and bodies.
    fn form(parts: &[(&str, &str)]) -> String {
        let parts = parts
            .iter()
            .map(|(head, body)| format!("--xyz\r\n{head}\r\n\r\n{body}\r\n"));
        parts.collect::<String>() + "--xyz--\r\n"
    }

    fn check(kind: &str, body: &str, expected: Option<(Option<&str>, &str)>) {
        let found = part(kind, body.as_bytes(), "media");
        let found = found
            .as_ref()
            .map(|part| (part.file_name.as_deref(), part.bytes));
        let expected = expected.map(|(name, bytes)| (name, bytes.as_bytes()));
        assert_eq!(found, expected, "{kind}\n{body}");
    }

    #[test]
    fn the_part_of_a_name() {
        let head = r#"Content-Disposition: form-data; name="media"; filename="a.jpg""#;
        let whole = form(&[(head, "JPEG")]);
        let found = Some((Some("a.jpg"), "JPEG"));
        check(KIND, &whole, found);
        check(
            "Multipart/Form-Data;charset=a; boundary=\"xyz\"",
            &whole,
            found,
        );
        check(KIND, whole.trim_end(), found);
        let other = r#"content-disposition: form-data; name="description""#;
        let lengthy = format!("{head}\r\nContent-Type: image/jpeg");
        check(KIND, &form(&[(other, "{}"), (&lengthy, "JPEG")]), found);
        // What looks like a boundary inside of a line is none.
        let odd = form(&[(head, "a --xyz-- b\r\n-xyz")]);
        check(KIND, &odd, Some((Some("a.jpg"), "a --xyz-- b\r\n-xyz")));
        let named =
            |disposition: &str| form(&[(&format!("Content-Disposition: {disposition}"), "x")]);
        check(KIND, &named("form-data; name=media"), Some((None, "x")));
        let quoted = named(r#"form-data; filename="a;\"b\".png"; name="media""#);
        check(KIND, &quoted, Some((Some(r#"a;"b".png"#), "x")));
        check(KIND, &named("form-data; name=\"Media\""), None);
        check(KIND, &named("form-data; filename=\"media\""), None);
        check(KIND, &named("form-data; name=\"media"), None);
        check(KIND, &named("attachment; name=\"media\""), None);
        check(KIND, &form(&[(head, "")]), Some((Some("a.jpg"), "")));
    }

    #[test]
    fn what_is_no_form_has_no_parts() {
        let head = r#"Content-Disposition: form-data; name="media"; filename="a.jpg""#;
        let whole = form(&[(head, "JPEG")]);
        for kind in [
            "",
            "image/jpeg",
            "multipart/form-data",
            "multipart/mixed; boundary=xyz",
            "multipart/form-data; boundary=",
            "multipart/form-data; boundary=other",
        ] {
            check(kind, &whole, None);
        }
        check(KIND, whole.strip_suffix("--\r\n").unwrap(), None);
        check(KIND, &whole.replace("\r\n\r\n", "\n\n"), None);
        check(KIND, &format!("preamble\r\n{whole}"), None);
        check(KIND, "", None);
        check(KIND, "--xyz--", None);
        check(KIND, "--xyz\r\n--xyz--", None);
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut body = b"--xyz\r\nContent-Disposition: form-data; name=\"media\"\r\n\r\n".to_vec();
            body.extend(&bytes);
            body.extend(b"\r\n--xyz--");
            let fits = !bytes.windows(7).any(|window| window == b"\r\n--xyz");
            prop_assume!(fits);
            let found = part(KIND, &body, "media");
            prop_assert_eq!(found.map(|part| part.bytes), Some(&*bytes));
        }

        #[test]
        fn hostile_bytes_are_no_panic(kind in ".*", body in proptest::collection::vec(any::<u8>(), 0..200)) {
            part(&kind, &body, "media");
            let mut begun = b"--xyz\r\n".to_vec();
            begun.extend(&body);
            part(KIND, &begun, "media");
        }
    }
}
