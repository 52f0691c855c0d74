//! The language of an answer: the caller's, if it is one of ours.

use http::HeaderMap;

/// The languages that people are answered in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lang {
    /// Chinese.
    Zh,
    /// English.
    En,
}

impl Lang {
    /// The first of the caller's languages that we speak, English if there is none.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let wanted = headers
            .get(http::header::ACCEPT_LANGUAGE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        wanted
            .split(',')
            .find_map(|tag| {
                let tag = tag.trim().to_ascii_lowercase();
                let language = tag.split(['-', '_', ';']).next()?;
                match language {
                    "zh" => Some(Self::Zh),
                    "en" => Some(Self::En),
                    _ => None,
                }
            })
            .unwrap_or(Self::En)
    }

    /// One of two wordings.
    pub(super) fn pick<T>(self, zh: T, en: T) -> T {
        match self {
            Self::Zh => zh,
            Self::En => en,
        }
    }
}
