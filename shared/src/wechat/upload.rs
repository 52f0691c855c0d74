//! Files on their way to WeChat, which gives each an id for three days.
//!
//! Limits and call: <https://developers.weixin.qq.com/doc/offiaccount/Asset_Management/New_temporary_materials.html>

use std::time::Duration;

use serde::Deserialize;
use tokio::fs::File;

use super::api::{Api, Token};
use super::codes::{self, Meaning};
use crate::delivery::Failure;
use crate::http::{NoFile, Outgoing, Trouble};
use crate::media::Format;
use crate::reason::Reason;

/// How long an id is used. WeChat keeps it for three days, by its own clock.
pub const LIFE: Duration = Duration::from_hours(71);
/// The longest spoken message, in seconds.
pub const VOICE: u32 = 60;

/// As what a file is brought to WeChat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A picture.
    Image,
    /// A spoken message.
    Voice,
    /// A film.
    Video,
    /// A small picture that stands for something.
    Thumb,
}

impl Role {
    /// WeChat's word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Voice => "voice",
            Self::Video => "video",
            Self::Thumb => "thumb",
        }
    }

    /// The largest file that WeChat takes, in bytes.
    #[must_use]
    pub fn most(self) -> u64 {
        match self {
            Self::Image | Self::Video => 10 << 20,
            Self::Voice => 2 << 20,
            Self::Thumb => 64 << 10,
        }
    }

    /// Whether WeChat takes a file of this format and size.
    #[must_use]
    pub fn fits(self, format: Format, size: u64) -> bool {
        self.takes(format) && (1..=self.most()).contains(&size)
    }

    /// Whether WeChat takes this format.
    #[must_use]
    pub fn takes(self, format: Format) -> bool {
        match self {
            Self::Image => matches!(format, Format::Jpeg | Format::Png | Format::Gif),
            Self::Voice => matches!(format, Format::Amr | Format::Mp3),
            Self::Video => format == Format::Mp4,
            Self::Thumb => format == Format::Jpeg,
        }
    }
}

/// Why WeChat gave a file no id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unloaded {
    /// The token is not good.
    Token,
    /// Anything else. It changed nothing: whatever failed may be tried again.
    Failed(Failure),
}

#[derive(Deserialize)]
struct Reply {
    #[serde(default)]
    errcode: i64,
    media_id: Option<String>,
    thumb_media_id: Option<String>,
}

impl Api<'_> {
    /// Brings a file of this format and size to WeChat; gives its id. `boundary` is what no
    /// file holds: random letters.
    pub async fn upload(
        &self,
        token: &Token,
        role: Role,
        (format, size): (Format, u64),
        file: File,
        boundary: &str,
        span: Duration,
    ) -> Result<String, Unloaded> {
        let failed = |failure| Err(Unloaded::Failed(failure));
        let Some(mut url) = self.url("/cgi-bin/media/upload") else {
            return failed(Failure::never(Reason::Defect));
        };
        url.query_pairs_mut()
            .append_pair("access_token", token.expose())
            .append_pair("type", role.word());
        let mut request = Outgoing::get(url, span);
        request.method = http::Method::POST;
        let kind = format!("multipart/form-data; boundary={boundary}");
        let request = request.with("content-type", &kind);
        let (mime, extension) = (format.mime(), format.extension());
        let before = format!(
            "--{boundary}\r\ncontent-disposition: form-data; name=\"media\"; \
             filename=\"file.{extension}\"\r\ncontent-type: {mime}\r\n\r\n"
        );
        let after = format!("\r\n--{boundary}--\r\n");
        let sent = self
            .http
            .upload_within(request, before, (file, size), after)
            .await;
        let answer = match sent {
            Ok(answer) => answer,
            Err(NoFile::Trouble(Trouble::Forbidden)) => {
                return failed(Failure::never(Reason::Defect));
            }
            Err(NoFile::Trouble(_) | NoFile::TooLarge) => {
                return failed(not_now(Reason::WechatUnreachable));
            }
            Err(NoFile::Disk(_)) => return failed(not_now(Reason::Internal)),
        };
        let reply = match (answer.status, serde_json::from_slice::<Reply>(&answer.body)) {
            (200, Ok(reply)) => reply,
            (429, _) => {
                return failed(Failure::after(Duration::from_mins(1), Reason::QuotaUsedUp));
            }
            (413, _) => return failed(Failure::never(Reason::FileNotTaken)),
            (400..=499, _) => return failed(Failure::never(Reason::Refused)),
            _ => return failed(not_now(Reason::WechatUnreachable)),
        };
        if let (0, Some(id)) = (reply.errcode, reply.media_id.or(reply.thumb_media_id)) {
            return Ok(id);
        }
        Err(unloaded(reply.errcode))
    }
}

fn not_now(reason: Reason) -> Failure {
    Failure::after(Duration::ZERO, reason)
}

/// What a code means for a file that WeChat did not take.
fn unloaded(code: i64) -> Unloaded {
    Unloaded::Failed(match code {
        40004..=40006 | 40009..=40012 | 41005 | 44001 | 45001 | 45007 => {
            Failure::never(Reason::FileNotTaken)
        }
        code => match codes::meaning(code) {
            Meaning::Token => return Unloaded::Token,
            Meaning::Failed(failure) => failure,
            // Nothing was sent: it may be tried again for as long as there is a window.
            Meaning::Taken | Meaning::Busy | Meaning::WindowFull => {
                not_now(Reason::WechatUnreachable)
            }
            Meaning::NoMedia => Failure::never(Reason::Refused),
            Meaning::NotThisKind => Failure::never(Reason::UnsupportedKind),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::Retry;

    #[test]
    fn what_wechat_takes_is_known_before_it_is_asked() {
        let check = |role: Role, taken: &[Format]| {
            let all = Format::ALL.iter().copied();
            let takes: Vec<_> = all.filter(|format| role.takes(*format)).collect();
            assert_eq!(takes, taken);
        };
        check(Role::Image, &[Format::Jpeg, Format::Png, Format::Gif]);
        check(Role::Voice, &[Format::Amr, Format::Mp3]);
        check(Role::Video, &[Format::Mp4]);
        check(Role::Thumb, &[Format::Jpeg]);
        assert_eq!(Role::Image.most(), 10_485_760);
    }

    #[test]
    fn what_became_of_an_upload() {
        let never = |reason| Unloaded::Failed(Failure::never(reason));
        for (code, expected) in [
            (40001, Unloaded::Token),
            (40004, never(Reason::FileNotTaken)),
            (40009, never(Reason::FileNotTaken)),
            (45001, never(Reason::FileNotTaken)),
            (45007, never(Reason::FileNotTaken)),
            (-1, Unloaded::Failed(not_now(Reason::WechatUnreachable))),
            (0, Unloaded::Failed(not_now(Reason::WechatUnreachable))),
            (40200, never(Reason::UnsupportedKind)),
            (48001, never(Reason::Unauthorized)),
            (
                45009,
                Unloaded::Failed(Failure {
                    retry: Retry::NextDay,
                    certain: true,
                    reason: Reason::QuotaUsedUp,
                }),
            ),
            (99999, never(Reason::Refused)),
        ] {
            assert_eq!(unloaded(code), expected, "{code}");
        }
    }
}
