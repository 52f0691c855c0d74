//! What a caller wrote, before anybody has looked at it, and what is wrong with it.
//!
//! Invariant: the desks and the API read the same fields by the same rules.

mod notice;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use url::Url;

use super::{Choice, File, Link, Question, Rich};
use crate::notice::Way;

/// The longest title, in characters. WeChat documents none; longer ones show on no phone.
const TITLE: usize = 128;
/// The longest description, in characters.
const DESCRIPTION: usize = 512;
/// The longest address, in bytes, as WeChat's menus have it.
const ADDRESS: usize = 1024;
/// The most choices of a question. WeChat refuses too many with 45098 and says no number.
pub const CHOICES: usize = 10;
/// The longest choice and the longest id of one, in characters.
const CHOICE: usize = 64;
/// The longest question with all that belongs to it, in bytes: it has to fit into a text
/// where WeChat takes no question.
const QUESTION: usize = 1800;
/// The longest name of a file, in characters.
pub const NAME: usize = 128;

/// What a caller wrote, before anybody has looked at it.
#[derive(Clone, Default)]
pub struct Draft {
    /// The kind that it is said to be.
    pub kind: String,
    /// The question, or what is said beside a file.
    pub text: Option<String>,
    /// The file.
    pub media: Option<File>,
    /// A heading.
    pub title: Option<String>,
    /// What it is about.
    pub description: Option<String>,
    /// The name of a document.
    pub name: Option<String>,
    /// An address.
    pub url: Option<String>,
    /// The address of music for a good network.
    pub hq_url: Option<String>,
    /// The address of a picture.
    pub picture: Option<String>,
    /// The picture that stands for it.
    pub thumb: Option<File>,
    /// An article of the account.
    pub article_id: Option<String>,
    /// A mini-program.
    pub app_id: Option<String>,
    /// Its page.
    pub path: Option<String>,
    /// The choices of a question.
    pub choices: Vec<Choice>,
    /// What stands below a question.
    pub closing: Option<String>,
    /// The template of a notice.
    pub template_id: Option<String>,
    /// What the fields of a notice say, by their names.
    pub data: BTreeMap<String, String>,
    /// What a tap on a notice opens.
    pub mini_program: Option<Page>,
}

/// A page of a mini-program, as it was written.
#[derive(Clone, Default)]
pub struct Page {
    /// The mini-program.
    pub app_id: Option<String>,
    /// Its page.
    pub path: Option<String>,
}

/// Shows the kind alone.
impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Draft(…)")
    }
}

/// What is wrong with a draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The field.
    pub field: &'static str,
    /// What would be right, in Chinese.
    pub zh: &'static str,
    /// In English.
    pub en: &'static str,
    /// Whether there is but too much of it: who wrote it can mend that, not who programmed.
    pub too_long: bool,
}

/// The fields of a notice.
const NOTICE: &[&str] = &["template_id", "title", "data", "url", "mini_program"];

impl Draft {
    /// The kinds that can be drafted, each with its fields.
    pub const KINDS: &[(&str, &[&str])] = &[
        ("image", &["media", "text"]),
        ("voice", &["media", "text"]),
        ("video", &["media", "title", "description", "thumb", "text"]),
        ("file", &["media", "name", "text"]),
        ("link", &["title", "description", "url", "picture", "text"]),
        (
            "music",
            &["title", "description", "url", "hq_url", "thumb", "text"],
        ),
        ("article", &["article_id", "text"]),
        ("choice", &["text", "choices", "closing"]),
        ("card", &["title", "app_id", "path", "thumb", "text"]),
        ("template", NOTICE),
        ("subscribe", NOTICE),
    ];

    /// A field that is a text, by its name; one that is none of them is the text.
    pub fn text_mut(&mut self, name: &str) -> &mut Option<String> {
        match name {
            "title" => &mut self.title,
            "description" => &mut self.description,
            "name" => &mut self.name,
            "url" => &mut self.url,
            "hq_url" => &mut self.hq_url,
            "picture" => &mut self.picture,
            "article_id" => &mut self.article_id,
            "app_id" => &mut self.app_id,
            "path" => &mut self.path,
            "closing" => &mut self.closing,
            "template_id" => &mut self.template_id,
            _ => &mut self.text,
        }
    }

    /// Reads what was written; all that is wrong, otherwise. `None` if there is no such kind.
    #[must_use]
    pub fn read(self) -> Option<Result<Rich, Vec<Wrong>>> {
        Self::KINDS.iter().find(|(kind, _)| *kind == self.kind)?;
        let mut reader = Reader::default();
        let rich = reader.read(self);
        Some(match rich {
            Some(rich) if reader.wrong.is_empty() => Ok(rich),
            _ => Err(reader.wrong),
        })
    }
}

/// Reads the fields of a draft and notes what is wrong.
#[derive(Default)]
struct Reader {
    wrong: Vec<Wrong>,
}

impl Reader {
    /// `None` where something is missing or wrong.
    fn read(&mut self, draft: Draft) -> Option<Rich> {
        match draft.kind.as_str() {
            "image" => self
                .file("media", draft.media)
                .map(|media| Rich::Image { media }),
            "voice" => self
                .file("media", draft.media)
                .map(|media| Rich::Voice { media }),
            "video" => {
                let title = self.short("title", draft.title, TITLE);
                let description = self.short("description", draft.description, DESCRIPTION);
                let thumb = draft.thumb;
                let thumb = thumb.and_then(|thumb| self.file("thumb", Some(thumb)));
                let media = self.file("media", draft.media);
                media.map(|media| Rich::Video {
                    media,
                    title,
                    description,
                    thumb,
                })
            }
            "file" => {
                let name = self.short("name", draft.name, NAME);
                let name = self.needed("name", name);
                let media = self.file("media", draft.media);
                media
                    .zip(name)
                    .map(|(media, name)| Rich::File { media, name })
            }
            "link" => self.link(draft),
            "music" => self.music(draft),
            "article" => {
                let id = self.short("article_id", draft.article_id, 128);
                let id = self.needed("article_id", id);
                id.map(|article_id| Rich::Article { article_id })
            }
            "choice" => self.question(draft),
            "card" => self.card(draft),
            kind => self.notice(Way::parse(kind)?, draft).map(Rich::Notice),
        }
    }

    fn link(&mut self, draft: Draft) -> Option<Rich> {
        let title = self.short("title", draft.title, TITLE);
        let title = self.needed("title", title);
        let description = self.short("description", draft.description, DESCRIPTION);
        let url = self.needed("url", draft.url);
        let url = self.address("url", url);
        let picture = self.address("picture", draft.picture);
        Some(Rich::Link(Link {
            title: title?,
            description,
            url: url?,
            picture,
        }))
    }

    fn music(&mut self, draft: Draft) -> Option<Rich> {
        let title = self.short("title", draft.title, TITLE);
        let title = self.needed("title", title);
        let description = self.short("description", draft.description, DESCRIPTION);
        let url = self.needed("url", draft.url);
        let url = self.address("url", url);
        let hq_url = self.address("hq_url", draft.hq_url);
        let thumb = self.file("thumb", draft.thumb);
        Some(Rich::Music {
            title: title?,
            description,
            url: url?,
            hq_url,
            thumb: thumb?,
        })
    }

    fn card(&mut self, draft: Draft) -> Option<Rich> {
        let title = self.short("title", draft.title, TITLE);
        let title = self.needed("title", title);
        let app_id = self.needed("app_id", draft.app_id);
        let app_id = app_id.and_then(|id| self.app_id("app_id", id));
        let path = self.short("path", draft.path, ADDRESS);
        let path = self.needed("path", path);
        let thumb = self.file("thumb", draft.thumb);
        Some(Rich::Card {
            title: title?,
            app_id: app_id?,
            path: path?,
            thumb: thumb?,
        })
    }

    fn app_id(&mut self, field: &'static str, id: String) -> Option<String> {
        let fits = (4..=64).contains(&id.len()) && id.chars().all(|c| c.is_ascii_alphanumeric());
        if !fits {
            let (zh, en) = ("应为小程序的 AppID", "it is the AppID of a mini-program");
            self.note(field, zh, en);
        }
        fits.then_some(id)
    }

    fn question(&mut self, draft: Draft) -> Option<Rich> {
        let text = draft.text.filter(|text| !text.trim().is_empty());
        let text = self.needed("text", text);
        let closing = draft.closing.filter(|text| !text.trim().is_empty());
        if draft.choices.is_empty() {
            self.missing("choices");
        }
        if draft.choices.len() > CHOICES {
            self.over("choices", "最多 10 个选项", "there are at most 10 choices");
        }
        let mut ids = BTreeSet::new();
        for choice in &draft.choices {
            let id = &choice.id;
            let fits = (1..=CHOICE).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic());
            if !fits || !ids.insert(id) {
                self.note(
                    "choices",
                    "每个选项的 id 应为 1 到 64 个可打印的 ASCII 字符，且互不相同",
                    "each choice has an id of its own, 1 to 64 printable ASCII characters",
                );
            }
            if choice.text.trim().is_empty() {
                self.note("choices", "选项不能为空", "a choice has a text");
            }
            if choice.text.chars().count() > CHOICE {
                self.over(
                    "choices",
                    "选项最多 64 个字符",
                    "a choice has at most 64 characters",
                );
            }
        }
        let question = Question {
            text: text?,
            choices: draft.choices,
            closing,
        };
        if question.in_words().len() > QUESTION {
            self.over(
                "text",
                "问题和选项合计最多 1,800 字节",
                "a question has at most 1,800 bytes with its choices",
            );
        }
        Some(Rich::Choice(question))
    }

    /// A file that must be there.
    fn file(&mut self, field: &'static str, file: Option<File>) -> Option<File> {
        match self.needed(field, file)? {
            File::Url(url) => self.address(field, Some(url)).map(File::Url),
            File::MediaId(id) => {
                let fits =
                    (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic());
                if !fits {
                    self.note(
                        field,
                        "应为素材的 media_id",
                        "it is the media_id of material",
                    );
                }
                fits.then_some(File::MediaId(id))
            }
            kept @ File::Kept { .. } => Some(kept),
        }
    }

    fn needed<T>(&mut self, field: &'static str, value: Option<T>) -> Option<T> {
        if value.is_none() && !self.wrong.iter().any(|wrong| wrong.field == field) {
            self.missing(field);
        }
        value
    }

    /// A text of at most so many characters; an empty one is none.
    fn short(&mut self, field: &'static str, text: Option<String>, most: usize) -> Option<String> {
        let text = text.filter(|text| !text.trim().is_empty())?;
        if text.chars().count() > most {
            self.over(field, "内容过长", "it is too long");
            return None;
        }
        Some(text)
    }

    fn address(&mut self, field: &'static str, text: Option<String>) -> Option<String> {
        let text = text?;
        if text.len() > ADDRESS {
            self.over(
                field,
                "最多 1,024 字节",
                "an address has at most 1,024 bytes",
            );
            return None;
        }
        let parsed = Url::parse(&text).ok();
        let web = parsed.filter(|url| matches!(url.scheme(), "http" | "https"));
        if web.is_none_or(|url| url.host_str().is_none_or(str::is_empty)) {
            self.note(
                field,
                "应为 http 或 https 网址",
                "it is an http or https address",
            );
            return None;
        }
        Some(text)
    }

    fn missing(&mut self, field: &'static str) {
        self.note(field, "缺少此字段", "it is missing");
    }

    fn note(&mut self, field: &'static str, zh: &'static str, en: &'static str) {
        self.push(Wrong {
            field,
            zh,
            en,
            too_long: false,
        });
    }

    fn over(&mut self, field: &'static str, zh: &'static str, en: &'static str) {
        self.push(Wrong {
            field,
            zh,
            en,
            too_long: true,
        });
    }

    fn push(&mut self, wrong: Wrong) {
        if !self.wrong.contains(&wrong) {
            self.wrong.push(wrong);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> File {
        File::Url(text.to_owned())
    }

    fn question(choices: &[(&str, &str)]) -> Draft {
        let choices = choices.iter().map(|(id, text)| Choice {
            id: (*id).to_owned(),
            text: (*text).to_owned(),
        });
        Draft {
            kind: "choice".into(),
            text: Some("您满意吗？".into()),
            choices: choices.collect(),
            ..Draft::default()
        }
    }

    #[test]
    fn every_kind_is_read_from_its_fields() {
        let full = |kind: &str| Draft {
            kind: kind.into(),
            text: Way::parse(kind).is_none().then(|| "问".into()),
            media: Some(url("https://a.example/1.png")),
            title: Some("题".into()),
            description: Some("述".into()),
            name: Some("价目表.pdf".into()),
            url: Some("https://a.example".into()),
            hq_url: Some("https://a.example/hq".into()),
            picture: Some("https://a.example/p.jpg".into()),
            thumb: Some(File::MediaId("t".into())),
            article_id: Some("art".into()),
            app_id: Some("wx1234567890abcdef".into()),
            path: Some("pages/index".into()),
            choices: question(&[("1", "是")]).choices,
            closing: None,
            template_id: Some("tpl".into()),
            data: BTreeMap::from([("thing1".into(), "订单".into())]),
            mini_program: None,
        };
        let words = |kind: &str| full(kind).read().unwrap().unwrap().kind().word();
        let read: Vec<_> = Draft::KINDS.iter().map(|(kind, _)| words(kind)).collect();
        assert_eq!(
            read,
            [
                "image", "voice", "video", "file", "link", "link", "link", "choice", "card",
                "notice", "notice"
            ]
        );
        assert!(full("hologram").read().is_none());
        for (kind, _) in Draft::KINDS {
            let rich = full(kind).read().unwrap().unwrap();
            let json = serde_json::to_string(&rich).unwrap();
            assert!(
                serde_json::from_str::<Rich>(&json).unwrap() == rich,
                "{kind}"
            );
            let bare = Draft {
                kind: (*kind).into(),
                ..Draft::default()
            };
            let wrong = bare.read().unwrap().unwrap_err();
            assert!(!wrong.is_empty() && wrong.iter().all(|w| !w.too_long));
        }
    }

    #[test]
    fn what_is_wrong_is_said_of_its_field() {
        let check = |draft: Draft, expected: &[(&str, bool)]| {
            let wrong = draft.read().unwrap().unwrap_err();
            let told: Vec<_> = wrong.iter().map(|w| (w.field, w.too_long)).collect();
            assert_eq!(told, expected);
        };
        let link = |title: &str, url: &str| Draft {
            kind: "link".into(),
            title: Some(title.into()),
            url: Some(url.into()),
            ..Draft::default()
        };
        check(
            link(" ", "javascript:1"),
            &[("title", false), ("url", false)],
        );
        check(link(&"题".repeat(129), "https://a"), &[("title", true)]);
        check(
            link("t", &format!("https://a/{}", "a".repeat(1024))),
            &[("url", true)],
        );
        check(question(&[]), &[("choices", false)]);
        check(question(&[("1", "是"), ("1", "否")]), &[("choices", false)]);
        check(question(&[("好", "是")]), &[("choices", false)]);
        check(question(&[("1", &"是".repeat(65))]), &[("choices", true)]);
        let many: Vec<_> = (0..11).map(|n| n.to_string()).collect();
        let many: Vec<_> = many.iter().map(|n| (n.as_str(), "是")).collect();
        check(question(&many), &[("choices", true)]);
        let long = Draft {
            text: Some("问".repeat(600)),
            ..question(&[("1", "是")])
        };
        check(long, &[("text", true)]);
    }
}
