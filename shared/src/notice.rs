//! Notices: what an account may send to a customer at any time, by a template that WeChat has
//! approved. A template message goes to who follows a service account; a subscribe
//! notification to who has asked for one of its template.
//!
//! Invariant: a [`Notice`] has the form that WeChat wants; whether the account has the
//! template, and whether the customer may be sent it, WeChat says. What the fields of a
//! subscribe notification take:
//! <https://developers.weixin.qq.com/doc/offiaccount/Subscription_Messages/api.html>

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::lines::Line;

/// The most fields of a notice.
pub const FIELDS: usize = 20;
/// The longest name of a field, in bytes.
const NAME: usize = 40;
/// The longest value of a field of which no more is known, in characters.
const VALUE: usize = 200;

/// How a notice reaches its customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// As a template message.
    Template,
    /// As a subscribe notification.
    Subscribe,
}

impl Way {
    /// The word for it in the API.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Template => "template",
            Self::Subscribe => "subscribe",
        }
    }

    /// The way of this word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let mut all = [Self::Template, Self::Subscribe].into_iter();
        all.find(|way| way.word() == word)
    }
}

/// A page of a mini-program that a tap on a notice opens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MiniProgram {
    /// The mini-program, linked to the account.
    pub app_id: String,
    /// The page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// One notice.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// How it goes out.
    pub way: Way,
    /// WeChat's id of the template.
    pub template_id: String,
    /// What the template is called, for who reads of it here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What its fields say, by their names (`thing1`, `keyword2`, …).
    pub data: BTreeMap<String, String>,
    /// What a tap opens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What a tap opens instead, where it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mini_program: Option<MiniProgram>,
}

/// What people are sent is in nobody's log.
impl fmt::Debug for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Notice({})", self.way.word())
    }
}

impl Notice {
    /// What agents read for it.
    #[must_use]
    pub fn line(&self) -> Line {
        let (zh, en) = match self.way {
            Way::Template => ("模板消息", "template message"),
            Way::Subscribe => ("订阅通知", "subscribe notification"),
        };
        let title = self.title.as_deref().filter(|title| !title.is_empty());
        let said: Vec<&str> = title.into_iter().chain(self.values()).collect();
        Line::titled(zh, en, Some(&said.join(" · ")))
    }

    /// The values in the order in which templates have their fields: WeChat numbers them.
    fn values(&self) -> impl Iterator<Item = &str> {
        let mut fields: Vec<_> = self.data.iter().collect();
        fields.sort_by_key(|(name, _)| place(name));
        fields.into_iter().map(|(_, value)| value.as_str())
    }
}

/// The place of a field among those of its template.
fn place(name: &str) -> u32 {
    let number = name.get(kind(name).len()..).and_then(|n| n.parse().ok());
    // The old templates have one at each end that has no number.
    number.unwrap_or(if name == "first" { 0 } else { u32::MAX })
}

/// The name of a field without its number: what WeChat takes for it.
fn kind(name: &str) -> &str {
    name.trim_end_matches(|c: char| c.is_ascii_digit())
}

/// Whether a field may have this name.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    (1..=NAME).contains(&name.len()) && name.bytes().all(plain)
}

/// What a field of one kind takes.
struct Takes {
    kind: &'static str,
    /// How many characters.
    most: usize,
    /// Which.
    fits: fn(&str) -> bool,
    zh: &'static str,
    en: &'static str,
}

const fn takes(
    kind: &'static str,
    most: usize,
    fits: fn(&str) -> bool,
    zh: &'static str,
    en: &'static str,
) -> Takes {
    Takes {
        kind,
        most,
        fits,
        zh,
        en,
    }
}

/// The kinds that WeChat documents. What it takes beyond that, it says itself.
#[rustfmt::skip]
const TAKES: &[Takes] = &[
    takes("thing", 20, any, "最多 20 个字符", "at most 20 characters"),
    takes("number", 32, is_number, "最多 32 位数字，可带小数", "at most 32 digits, with a point if need be"),
    takes("letter", 32, |text| text.chars().all(|c| c.is_ascii_alphabetic()), "最多 32 个字母", "at most 32 letters"),
    takes("symbol", 5, |text| !text.chars().any(char::is_alphanumeric), "最多 5 个符号", "at most 5 symbols"),
    takes("character_string", 32, |text| text.chars().all(|c| c.is_ascii_graphic() || c == ' '), "最多 32 位数字、字母或符号", "at most 32 digits, letters and symbols"),
    takes("time", 40, has_digit, "应为时间，如 2026年10月1日 15:01", "a time, such as 2026年10月1日 15:01"),
    takes("date", 40, has_digit, "应为日期，如 2026年10月1日", "a date, such as 2026年10月1日"),
    takes("amount", 20, has_digit, "1 个币种符号加最多 10 位数字，可带小数，结尾可带“元”", "a currency sign and at most 10 digits, with a point and 元 if need be"),
    takes("phone_number", 17, |text| has_digit(text) && text.is_ascii(), "最多 17 位数字或符号", "at most 17 digits and symbols"),
    takes("car_number", 8, any, "最多 8 位车牌号", "a number plate of at most 8 characters"),
    takes("name", 20, is_name_of_somebody, "最多 10 个汉字，或 20 个字母或符号", "at most 10 Chinese characters, or 20 letters and symbols"),
    takes("phrase", 5, |text| text.chars().all(is_han), "最多 5 个汉字", "at most 5 Chinese characters"),
];

fn any(_: &str) -> bool {
    true
}

fn has_digit(text: &str) -> bool {
    text.contains(|c: char| c.is_ascii_digit())
}

fn is_number(text: &str) -> bool {
    let mut points = text.matches('.');
    let one = points.next().is_none() || points.next().is_none();
    one && has_digit(text) && text.chars().all(|c| c.is_ascii_digit() || c == '.')
}

fn is_name_of_somebody(text: &str) -> bool {
    let most = if text.chars().any(is_han) { 10 } else { 20 };
    text.chars().count() <= most && !has_digit(text)
}

fn is_han(c: char) -> bool {
    matches!(c, '\u{4e00}'..='\u{9fff}' | '\u{3400}'..='\u{4dbf}' | '〇')
}

fn takes_of(name: &str) -> Option<&'static Takes> {
    TAKES.iter().find(|takes| takes.kind == kind(name))
}

/// How many characters a field of this name takes.
#[must_use]
pub fn most(name: &str, value: &str) -> usize {
    match takes_of(name) {
        Some(takes) if takes.kind == "name" && value.chars().any(is_han) => 10,
        Some(takes) => takes.most,
        None => VALUE,
    }
}

/// What is wrong with the value of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// What would be right, in Chinese.
    pub zh: &'static str,
    /// In English.
    pub en: &'static str,
    /// Whether it is but too long.
    pub too_long: bool,
}

/// Says what is wrong with the value of a field, if something is. The fields of template
/// messages may have any name, and then take anything.
#[must_use]
pub fn unfit(way: Way, name: &str, value: &str) -> Option<Unfit> {
    let of = |zh, en, too_long| Some(Unfit { zh, en, too_long });
    if value.trim().is_empty() {
        return of("字段不能为空", "a field is not empty", false);
    }
    let length = value.chars().count();
    match takes_of(name).filter(|_| way == Way::Subscribe) {
        Some(takes) if length > most(name, value) => of(takes.zh, takes.en, true),
        Some(takes) if !(takes.fits)(value) => of(takes.zh, takes.en, false),
        None if length > VALUE => of("最多 200 个字符", "at most 200 characters", true),
        _ => None,
    }
}

/// The names of a template's fields, in the order of its content: `{{thing1.DATA}}`.
#[must_use]
pub fn fields_of(content: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for piece in content.split("{{").skip(1) {
        let name = piece.split_once(".DATA}}").map(|(name, _)| name.trim());
        if let Some(name) = name.filter(|name| is_name(name) && !names.contains(name)) {
            names.push(name);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_takes_what_its_name_says() {
        let check = |name: &str, value: &str, expected: Option<bool>| {
            let found = unfit(Way::Subscribe, name, value).map(|unfit| unfit.too_long);
            assert_eq!(found, expected, "{name} {value}");
        };
        let (long, wrong) = (Some(true), Some(false));
        check("thing1", &"好".repeat(20), None);
        check("thing1", &"好".repeat(21), long);
        check("thing1", " ", wrong);
        check("number2", "12.5", None);
        check("number2", "1.2.5", wrong);
        check("number2", &"1".repeat(33), long);
        check("letter3", "abc", None);
        check("letter3", "a1", wrong);
        check("symbol1", "★☆", None);
        check("symbol1", "★☆★☆★☆", long);
        check("symbol1", "a", wrong);
        check("character_string4", "SF-1001", None);
        check("character_string4", "顺丰", wrong);
        check("time5", "2026年10月1日 15:01", None);
        check("date5", "明天", wrong);
        check("amount6", "¥12.50元", None);
        check("phone_number7", "+86-0766-66888866", None);
        check("phone_number7", &"1".repeat(18), long);
        check("car_number8", "粤A8Z888挂", None);
        check("name9", "Alexander Bell", None);
        check("name9", &"王".repeat(11), long);
        check("phrase1", "配送中", None);
        check("phrase1", "sent", wrong);
        check("phrase1", "已经配送完成", long);
        check("const1", "anything", None);
        check("const1", &"好".repeat(201), long);
        // What a template message takes is between its owner and WeChat.
        assert_eq!(unfit(Way::Template, "thing1", &"好".repeat(21)), None);
    }

    #[test]
    fn the_fields_of_a_template_stand_in_its_content() {
        let content = "{{first.DATA}}\n订单：{{character_string2.DATA}}\n{{thing1.DATA}} \
                       {{thing1.DATA}}{{remark.DATA}}{{a<b.DATA}}{{x";
        let expected = ["first", "character_string2", "thing1", "remark"];
        assert_eq!(fields_of(content), expected, "each once");
        assert_eq!(fields_of("您的订单已发货"), [""; 0]);
    }

    #[test]
    fn a_line_has_the_values_in_their_order() {
        let data = [
            ("thing10", "c"),
            ("remark", "d"),
            ("time2", "b"),
            ("first", "a"),
        ];
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let notice = Notice {
            way: Way::Subscribe,
            template_id: "t".into(),
            title: Some("回复提醒".into()),
            data: data.into_iter().map(owned).collect(),
            url: None,
            mini_program: None,
        };
        assert_eq!(notice.line().zh, "[订阅通知] 回复提醒 · a · b · c · d");
        assert_eq!(format!("{notice:?}"), "Notice(subscribe)");
    }
}
