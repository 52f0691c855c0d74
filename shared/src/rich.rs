//! What an agent sends beside words: files, links, cards, and questions with choices.
//!
//! Invariant: whatever is of these types can be sent as far as its form goes; what a caller
//! wrote ([`Draft`]) becomes one of them or says what is wrong with which field. Kinds:
//! <https://developers.weixin.qq.com/doc/offiaccount/Customer_Service/Customer_Service_Messages.html>

mod draft;

use std::fmt::{self, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::lines::Line;
use crate::media::Place;
use crate::message::{Kind, MessageId};
use crate::notice::Notice;
pub use draft::{CHOICES, Draft, NAME, Page, Wrong};

/// What one text holds, in bytes.
const TEXT: usize = 2048;

/// What an agent sends that is more than words.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Rich {
    /// A picture.
    Image {
        /// The picture.
        media: File,
    },
    /// A spoken message.
    Voice {
        /// The recording.
        media: File,
    },
    /// A film.
    Video {
        /// The film.
        media: File,
        /// Its heading.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        title: Option<String>,
        /// What it is about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        description: Option<String>,
        /// The picture that stands for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        thumb: Option<File>,
    },
    /// A document. WeChat has no such message: it goes as a link to where it lies.
    File {
        /// The document.
        media: File,
        /// Its name.
        name: String,
    },
    /// An address of the web with a picture.
    Link(Link),
    /// Music of the web.
    Music {
        /// Its heading.
        title: String,
        /// What it is about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        description: Option<String>,
        /// Where it is.
        url: String,
        /// Where it is for a good network.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hq_url: Option<String>,
        /// Its picture.
        thumb: File,
    },
    /// An article that the account has published.
    Article {
        /// WeChat's id of it.
        article_id: String,
    },
    /// A question with choices.
    Choice(Question),
    /// A page of a mini-program.
    Card {
        /// Its heading.
        title: String,
        /// The mini-program, linked to the account.
        app_id: String,
        /// The page.
        path: String,
        /// Its picture, 520 × 416.
        thumb: File,
    },
    /// A notice: it needs no window.
    Notice(Notice),
}

/// An address of the web as it is shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Its heading.
    pub title: String,
    /// Its summary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where it is.
    pub url: String,
    /// Where its picture is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
}

/// A question with choices.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// What is asked.
    pub text: String,
    /// What may be chosen: 1 to [`CHOICES`].
    pub choices: Vec<Choice>,
    /// What stands below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closing: Option<String>,
}

/// One of the choices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// The caller's id of it, unique in its question.
    pub id: String,
    /// What the customer reads, and says by a tap.
    pub text: String,
}

/// Where a file comes from.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum File {
    /// WeChat has it under this id of the account's, temporary or permanent.
    MediaId(String),
    /// It is fetched from this address.
    Url(String),
    /// It lies with us.
    Kept {
        /// Where.
        place: Place,
        /// How many bytes it has.
        size: u64,
    },
}

/// Shows the kind alone: what people are sent is in nobody's log.
impl fmt::Debug for Rich {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rich({})", self.kind().word())
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("File(…)")
    }
}

impl Rich {
    /// The neutral kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Image { .. } => Kind::Image,
            Self::Voice { .. } => Kind::Voice,
            Self::Video { .. } => Kind::Video,
            Self::File { .. } => Kind::File,
            Self::Link(_) | Self::Music { .. } | Self::Article { .. } => Kind::Link,
            Self::Choice(_) => Kind::Choice,
            Self::Card { .. } => Kind::Card,
            Self::Notice(_) => Kind::Notice,
        }
    }

    /// The file that it is, where it is one. Pictures that stand for something are none.
    #[must_use]
    pub fn file(&self) -> Option<&File> {
        match self {
            Self::Image { media }
            | Self::Voice { media }
            | Self::Video { media, .. }
            | Self::File { media, .. } => Some(media),
            _ => None,
        }
    }

    /// Every file of it.
    pub fn files_mut(&mut self) -> impl Iterator<Item = &mut File> {
        let (media, thumb) = match self {
            Self::Image { media } | Self::Voice { media } | Self::File { media, .. } => {
                (Some(media), None)
            }
            Self::Video { media, thumb, .. } => (Some(media), thumb.as_mut()),
            Self::Music { thumb, .. } | Self::Card { thumb, .. } => (None, Some(thumb)),
            Self::Link(_) | Self::Article { .. } | Self::Choice(_) | Self::Notice(_) => {
                (None, None)
            }
        };
        media.into_iter().chain(thumb)
    }

    /// What agents read for it.
    #[must_use]
    pub fn line(&self) -> Line {
        match self {
            Self::Image { .. } => Line::titled("图片", "image", None),
            Self::Voice { .. } => Line::titled("语音", "voice", None),
            Self::Video { title, .. } => Line::titled("视频", "video", title.as_deref()),
            Self::File { name, .. } => Line::titled("文件", "file", Some(name)),
            Self::Link(link) => {
                let told = format!("{} {}", link.title, link.url);
                Line::titled("图文", "article", Some(&told))
            }
            Self::Music { title, .. } => Line::titled("音乐", "music", Some(title)),
            Self::Article { article_id } => Line::titled("文章", "article", Some(article_id)),
            Self::Choice(question) => Line::same(&question.in_words()),
            Self::Card { title, .. } => {
                Line::titled("小程序卡片", "mini-program card", Some(title))
            }
            Self::Notice(notice) => notice.line(),
        }
    }

    /// The same in words, for accounts that may send no such message. A file that lies with
    /// us is at `link`. `None` if words cannot say it.
    #[must_use]
    pub fn in_words(&self, link: Option<&Url>) -> Option<String> {
        let lines = |lines: &[Option<&str>]| {
            let said: Vec<&str> = lines.iter().copied().flatten().collect();
            said.join("\n")
        };
        let link = link.map(Url::as_str);
        match self {
            Self::Image { .. } => Some(lines(&[Some("[图片]"), Some(link?)])),
            Self::Voice { .. } => Some(lines(&[Some("[语音]"), Some(link?)])),
            Self::Video { title, .. } => {
                let title = title.as_deref().unwrap_or("[视频]");
                Some(lines(&[Some(title), Some(link?)]))
            }
            Self::File { name, .. } => Some(lines(&[Some(name), Some(link?)])),
            Self::Link(Link {
                title,
                description,
                url,
                ..
            })
            | Self::Music {
                title,
                description,
                url,
                ..
            } => {
                let whole = lines(&[Some(title), description.as_deref(), Some(url)]);
                // What it is about is the first that can be done without.
                let fits = whole.len() <= TEXT;
                Some(if fits {
                    whole
                } else {
                    lines(&[Some(title), Some(url)])
                })
            }
            Self::Choice(question) => Some(question.in_words()),
            Self::Article { .. } | Self::Card { .. } | Self::Notice(_) => None,
        }
    }
}

impl Question {
    /// The question in words, its choices numbered.
    #[must_use]
    pub fn in_words(&self) -> String {
        let mut words = self.text.clone();
        for (index, choice) in self.choices.iter().enumerate() {
            // Writing to a string does not fail.
            let _ = write!(words, "\n{}. {}", index + 1, choice.text);
        }
        if let Some(closing) = &self.closing {
            words.push('\n');
            words.push_str(closing);
        }
        words
    }
}

/// How a choice is named at WeChat, which gives that back: by the mark of its question and
/// its number, so that it is known which question was answered whatever ids callers use.
#[must_use]
pub fn choice_id(mark: &str, index: usize) -> String {
    format!("{mark}.{}", index.saturating_add(1))
}

/// Reads what [`choice_id`] wrote: the mark, and the place among the choices.
#[must_use]
pub fn read_choice_id(text: &str) -> Option<(&str, usize)> {
    let (mark, number) = text.split_once('.')?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let index = number.parse::<usize>().ok()?.checked_sub(1)?;
    (mark.len() == MARK && mark.bytes().all(plain)).then_some((mark, index))
}

/// The length of a mark: 48 bits, to tell the questions of one conversation apart.
pub const MARK: usize = 8;

/// A question that a customer answered by a tap.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Asked {
    /// The agent's message as its desk named it.
    pub id: MessageId,
    /// What was asked.
    pub text: String,
    /// The caller's id of what was chosen.
    #[serde(skip)]
    pub choice: String,
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Asked(…)")
    }
}

/// In whose name something is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manner {
    /// WeChat's account of the agent whose name and picture are shown (`name@account`).
    #[serde(default, rename = "k", skip_serializing_if = "Option::is_none")]
    pub kf_account: Option<String>,
    /// Whether it is labelled as written by an AI.
    #[serde(default, rename = "a", skip_serializing_if = "std::ops::Not::not")]
    pub ai: bool,
    /// The agent's name, where a notice may have to tell it.
    #[serde(default, rename = "n", skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
}

impl Manner {
    /// Whether this may be WeChat's account of an agent: at most 30 characters, up to ten
    /// of letters, digits and `_` before the `@`.
    #[must_use]
    pub fn is_kf_account(text: &str) -> bool {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        text.split_once('@').is_some_and(|(agent, account)| {
            (1..=10).contains(&agent.len())
                && agent.chars().all(plain)
                && !account.is_empty()
                && account.chars().all(plain)
                && text.len() <= 30
        })
    }
}

/// What an agent says, as it was taken.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
pub struct Saying {
    /// Words; beside a file, what is said of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
    /// What is more than words. It comes first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rich: Option<Rich>,
    /// The agent's name, as their desk has it.
    #[serde(skip)]
    pub agent: Option<String>,
    /// In whose name it is said.
    pub manner: Manner,
}

impl fmt::Debug for Saying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Saying(…)")
    }
}

impl Saying {
    /// Plain words.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            words: Some(text.into()),
            ..Self::default()
        }
    }

    /// A hash over what is said, by which a repeat is known. Who says it is no part of it.
    #[must_use]
    pub fn digest(&self) -> String {
        // Texts and lists of them always become JSON.
        let json = serde_json::to_vec(self).unwrap_or_default();
        let mut digest = URL_SAFE_NO_PAD.encode(Sha256::digest(json));
        digest.truncate(22);
        digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> File {
        File::Url(text.to_owned())
    }

    #[test]
    fn what_an_account_may_not_send_is_said_in_words() {
        let choice = |id: &str, text: &str| Choice {
            id: id.into(),
            text: text.into(),
        };
        let asked = Question {
            text: "您满意吗？".into(),
            choices: vec![choice("a", "满意"), choice("b", "不满意")],
            closing: Some("谢谢".into()),
        };
        let rich = Rich::Choice(asked);
        assert_eq!(
            rich.in_words(None).unwrap(),
            "您满意吗？\n1. 满意\n2. 不满意\n谢谢"
        );
        let link = Url::parse("https://a.example/media/1").unwrap();
        let image = Rich::Image { media: url("x") };
        assert_eq!(
            image.in_words(Some(&link)).unwrap(),
            "[图片]\nhttps://a.example/media/1"
        );
        assert_eq!(image.in_words(None), None);
    }

    #[test]
    fn an_account_of_an_agent_has_its_form() {
        let check = |text: &str, expected: bool| {
            assert_eq!(Manner::is_kf_account(text), expected, "{text}");
        };
        check("anna@shop", true);
        check("a_1@gh_12", true);
        check("anna", false);
        check("@shop", false);
        check("anna@", false);
        check("elevenchars@s", false);
        check("安@shop", false);
        check(&format!("anna@{}", "s".repeat(26)), false);
    }

    #[test]
    fn nothing_of_it_shows_in_debug() {
        let media = url("https://secret.example");
        assert_eq!(format!("{:?}", Rich::Image { media }), "Rich(image)");
    }
}
