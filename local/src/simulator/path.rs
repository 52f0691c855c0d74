//! The paths of WeChat's API that the simulation knows.
//!
//! Invariant: a path that is not here is answered with 404.

use serde::{Deserialize, Serialize};

/// A path of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApiPath {
    /// `GET /cgi-bin/token`.
    Token,
    /// `POST /cgi-bin/stable_token`.
    StableToken,
    /// `POST /cgi-bin/message/custom/send`.
    Send,
    /// `POST /cgi-bin/message/custom/typing`.
    Typing,
    /// `POST /cgi-bin/media/upload`.
    MediaUpload,
    /// `GET /cgi-bin/media/get`.
    MediaGet,
}

impl ApiPath {
    /// Every path.
    pub const ALL: [Self; 6] = [
        Self::Token,
        Self::StableToken,
        Self::Send,
        Self::Typing,
        Self::MediaUpload,
        Self::MediaGet,
    ];

    /// The path as it stands in an address.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "/cgi-bin/token",
            Self::StableToken => "/cgi-bin/stable_token",
            Self::Send => "/cgi-bin/message/custom/send",
            Self::Typing => "/cgi-bin/message/custom/typing",
            Self::MediaUpload => "/cgi-bin/media/upload",
            Self::MediaGet => "/cgi-bin/media/get",
        }
    }

    /// The method that it takes.
    pub(crate) const fn method(self) -> &'static str {
        match self {
            Self::Token | Self::MediaGet => "GET",
            Self::StableToken | Self::Send | Self::Typing | Self::MediaUpload => "POST",
        }
    }

    pub(crate) fn parse(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == path)
    }
}
