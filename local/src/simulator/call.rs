//! A call of WeChat's API as it arrives.

use std::fmt;

/// One HTTP request.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// `GET`, `POST`, …
    pub method: &'a str,
    /// The path.
    pub path: &'a str,
    /// The query, without the question mark.
    pub query: &'a str,
    /// The `Content-Type` of the body; empty if there is none.
    pub content_type: &'a str,
    /// The body.
    pub body: &'a [u8],
    /// The caller's address, for the list of those that may ask for a token.
    pub caller: &'a str,
}

/// Shows neither query nor body: tokens and secrets stand there.
impl fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Call({} {})", self.method, self.path)
    }
}

impl Call<'_> {
    /// A parameter of the query; the first one if there are several.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        self.query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(key, _)| *key == name)
            .and_then(|(_, value)| unescape(value))
    }
}

fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
                high * 16 + low
            }
            plain => plain,
        });
    }
    String::from_utf8(bytes).ok()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::Call;

    #[test]
    fn parameters() {
        let check = |query, expected: Option<&str>| {
            let call = Call {
                method: "GET",
                path: "/",
                query,
                content_type: "",
                body: b"",
                caller: "",
            };
            assert_eq!(call.parameter("a").as_deref(), expected, "{query}");
        };
        check("", None);
        check("a", None);
        check("a=", Some(""));
        check("b=1&a=2&a=3", Some("2"));
        check("a=%e4%BD%a0+b", Some("你 b"));
        check("a=%4", None);
        check("a=%zz", None);
        check("a=%ff", None);
    }
}
