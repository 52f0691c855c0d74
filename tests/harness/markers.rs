//! Values that must never be printed: planted at the beginning of a scenario,
//! searched for at its end in everything that its processes wrote, in every
//! form in which a careless line could carry them.

use std::fmt::Write as _;
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use super::process::Outputs;
use super::random;

/// Shorter values would be found by chance.
const SHORTEST: usize = 8;

/// The planted values, each with its kind. Only kinds are ever reported.
#[derive(Default)]
pub(crate) struct Markers(Mutex<Vec<(String, String)>>);

impl Markers {
    /// Watches for a value that somebody else made.
    pub(crate) fn watch(&self, kind: &str, value: &str) {
        assert!(value.len() >= SHORTEST, "a {kind} of {} bytes", value.len());
        let mut planted = self.0.lock().unwrap();
        planted.push((kind.to_owned(), value.to_owned()));
    }

    /// An open id in WeChat's form: 28 characters.
    pub(crate) fn open_id(&self) -> String {
        self.plant("open id", format!("o{}", alphanumeric(27)))
    }

    /// What a customer or an agent writes.
    pub(crate) fn text(&self) -> String {
        self.plant("text", format!("你好，密语{}！", alphanumeric(16)))
    }

    /// A token, key or password of `length` letters and digits.
    pub(crate) fn secret(&self, kind: &str, length: usize) -> String {
        self.plant(kind, alphanumeric(length))
    }

    /// The kinds that were found, and in whose output: `open id in inbound`.
    pub(crate) fn leaks(&self, outputs: &Outputs) -> Vec<String> {
        let outputs = outputs.snapshot();
        let mut leaks = Vec::new();
        for (kind, value) in self.0.lock().unwrap().iter() {
            let forms = forms(value);
            for (name, bytes) in &outputs {
                if forms.iter().any(|form| contains(bytes, form.as_bytes())) {
                    leaks.push(format!("{kind} in {name}"));
                }
            }
        }
        leaks.dedup();
        leaks
    }

    /// Fails the test if a marker was printed, and if nothing was planted.
    pub(crate) fn assert_unseen(&self, outputs: &Outputs) {
        assert!(!self.0.lock().unwrap().is_empty(), "no marker was planted");
        let leaks = self.leaks(outputs);
        assert!(leaks.is_empty(), "printed: {}", leaks.join(", "));
    }

    fn plant(&self, kind: &str, value: String) -> String {
        self.watch(kind, &value);
        value
    }
}

fn alphanumeric(length: usize) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let one = |_| {
        let at = usize::try_from(random() % 62).unwrap();
        char::from(*ALPHABET.get(at).unwrap())
    };
    (0..length).map(one).collect()
}

/// The value as it is, as an address, JSON or Debug would write it, its bytes
/// in hexadecimal and as a list, and what base64 makes of it at each of the
/// three places where it can begin inside a longer value.
fn forms(value: &str) -> Vec<String> {
    let bytes = value.as_bytes();
    let percent = |upper: bool, keep: &str| {
        bytes.iter().fold(String::new(), |mut text, &byte| {
            let plain = byte.is_ascii_alphanumeric() || keep.as_bytes().contains(&byte);
            let written = match (plain, upper) {
                (true, _) => write!(text, "{}", char::from(byte)),
                (false, true) => write!(text, "%{byte:02X}"),
                (false, false) => write!(text, "%{byte:02x}"),
            };
            written.unwrap();
            text
        })
    };
    let hex = bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    });
    let json = value.encode_utf16().fold(String::new(), |mut text, unit| {
        match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii() => text.push(char::from(byte)),
            _ => write!(text, "\\u{unit:04x}").unwrap(),
        }
        text
    });
    let list: Vec<String> = bytes.iter().map(u8::to_string).collect();
    let mut forms = vec![
        value.to_owned(),
        percent(true, "-_.~"),
        percent(false, "-_.~"),
        percent(true, "-_.~/:+=!*'(),;@&$"),
        json,
        value.escape_debug().to_string(),
        bytes.escape_ascii().to_string(),
        hex.to_uppercase(),
        hex,
        list.join(", "),
        list.join(","),
    ];
    for shift in 0..3_usize {
        let mut shifted = vec![0; shift];
        shifted.extend_from_slice(bytes);
        // The characters at both ends depend on the neighbours too.
        let begin = (shift * 4).div_ceil(3);
        let end = shifted.len() * 4 / 3;
        for text in [
            STANDARD_NO_PAD.encode(&shifted),
            URL_SAFE_NO_PAD.encode(&shifted),
        ] {
            forms.extend(text.get(begin..end).map(str::to_owned));
        }
    }
    forms.sort();
    forms.dedup();
    forms
}

fn contains(bytes: &[u8], form: &[u8]) -> bool {
    bytes.windows(form.len()).any(|window| window == form)
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn every_form_is_found() {
        let markers = Markers::default();
        for value in [
            markers.open_id(),
            markers.text(),
            markers.secret("token", 43),
        ] {
            let forms = forms(&value);
            let check = |printed: &str| {
                let found = |form: &String| contains(printed.as_bytes(), form.as_bytes());
                assert!(forms.iter().any(found), "{printed}");
            };
            check(&format!("a log line with {value}, and more"));
            check(&format!("{value:?}"));
            check(&format!("{:?}", value.as_bytes()));
            check(&format!("{:?}", bytes::Bytes::from(value.clone())));
            check(&serde_json::to_string(&value).unwrap());
            for before in ["", "x", "xy", "xyz"] {
                let inside = format!("{before}{value}<after>");
                check(&STANDARD.encode(&inside));
                check(&URL_SAFE_NO_PAD.encode(&inside));
            }
        }
    }

    #[test]
    fn percent_forms() {
        let forms = forms("密+语/a=b");
        for form in [
            "%E5%AF%86%2B%E8%AF%AD%2Fa%3Db",
            "%e5%af%86%2b%e8%af%ad%2fa%3db",
        ] {
            assert!(forms.iter().any(|known| known == form), "{form}");
        }
    }

    #[test]
    fn markers_differ() {
        let markers = Markers::default();
        assert_ne!(markers.open_id(), markers.open_id());
        assert_eq!(markers.open_id().len(), 28);
    }
}
