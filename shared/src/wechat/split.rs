//! An answer in parts that WeChat takes: at most 2,048 bytes of UTF-8 each,
//! the number included.
//!
//! Invariant: the parts without their numbers, joined, are the text without its
//! control characters, and with nothing that WeChat takes for markup; no cut is inside a grapheme that fits into a part. The
//! limit is measured, not documented:
//! <https://developers.weixin.qq.com/doc/offiaccount/Customer_Service/Customer_Service_Messages.html>

use unicode_segmentation::{GraphemeCursor, UnicodeSegmentation as _};

use crate::reason::Reason;

/// What WeChat takes in one text message, in bytes of UTF-8.
pub const LIMIT: usize = 2048;

/// The most parts of one answer: a customer's message lets us send five.
pub const MAX_PARTS: usize = 5;

/// What is left beside the number, `(1/3) `. Every number has one digit.
const ROOM: usize = LIMIT - 6;

/// Why a text is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is nothing but white space and control characters.
    #[error("the text is empty")]
    Empty,
    /// It needs more than [`MAX_PARTS`] parts.
    #[error("the text needs more than {MAX_PARTS} parts")]
    TooLong,
}

impl Refused {
    /// The reason as desks and agents are told.
    #[must_use]
    pub fn reason(self) -> Reason {
        match self {
            Self::Empty => Reason::Empty,
            Self::TooLong => Reason::TooLong,
        }
    }
}

/// Splits a text into the messages that carry it, numbered when there is more
/// than one.
pub fn split(text: &str) -> Result<Vec<String>, Refused> {
    let text = sanitised(text);
    if text.trim().is_empty() {
        return Err(Refused::Empty);
    }
    if text.len() <= LIMIT {
        return Ok(vec![text]);
    }
    let parts = cut_up(&text).ok_or(Refused::TooLong)?;
    let total = parts.len();
    let numbered = |(index, part)| format!("({}/{total}) {part}", index + 1);
    Ok(parts.into_iter().enumerate().map(numbered).collect())
}

/// A short text as it is meant to be seen, without what WeChat refuses and without what it
/// takes for markup.
#[must_use]
pub fn plain(text: &str) -> String {
    sanitised(text)
}

/// The text without control characters, which WeChat refuses; line ends and
/// tabs stay.
fn sanitised(text: &str) -> String {
    let taken = text
        .chars()
        .filter(|c| matches!(c, '\n' | '\t') || !c.is_control())
        .collect();
    literal(taken)
}

/// The text as it is meant to be seen. WeChat makes a link of what looks like one in HTML
/// (`<a href=…>`), and a tap on it may say words in the customer's name: whoever writes
/// that, or pastes it, means the characters. A blank of no width keeps them apart.
fn literal(text: String) -> String {
    if !text.contains('<') {
        return text;
    }
    let mut pieces = text.split('<');
    let mut literal = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        literal.push('<');
        if is_link(piece) {
            literal.push(NO_WIDTH);
        }
        literal.push_str(piece);
    }
    literal
}

/// What keeps a tag from being one.
const NO_WIDTH: char = '\u{200b}';

/// Whether what follows a `<` begins or ends a link in HTML.
fn is_link(piece: &str) -> bool {
    let name = piece.strip_prefix('/').unwrap_or(piece);
    let rest = name.strip_prefix(['a', 'A']);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(|c: char| !c.is_alphanumeric()))
}

/// How much a cut may cost for the sake of the reader.
#[derive(Clone, Copy)]
enum Care {
    /// Up to half a part, so that it falls on the end of a line or a sentence.
    Sentences,
    /// A word.
    Words,
    /// Nothing but a grapheme.
    Graphemes,
}

/// The most readable cuts that make no more than [`MAX_PARTS`] parts.
fn cut_up(text: &str) -> Option<Vec<&str>> {
    // Segmentation is not free: what cannot fit is not looked at.
    if text.len() > MAX_PARTS * ROOM {
        return None;
    }
    [Care::Sentences, Care::Words, Care::Graphemes]
        .into_iter()
        .find_map(|care| parts(text, care))
}

fn parts(text: &str, care: Care) -> Option<Vec<&str>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while rest.len() > ROOM {
        let (part, after) = rest.split_at_checked(cut(rest, care))?;
        parts.push(part);
        rest = after;
        if parts.len() == MAX_PARTS {
            return None;
        }
    }
    parts.push(rest);
    Some(parts)
}

/// Where to cut a text that is longer than a part: after 1 to [`ROOM`] bytes.
fn cut(text: &str, care: Care) -> usize {
    let readable = match care {
        Care::Sentences => line_end(text)
            .or_else(|| sentence_end(text))
            .or_else(|| word_end(text)),
        Care::Words => word_end(text),
        Care::Graphemes => None,
    };
    readable
        .or_else(|| grapheme_end(text))
        // One grapheme that is longer than a part: nobody writes that in good
        // faith, and it still has to end.
        .unwrap_or_else(|| text.floor_char_boundary(ROOM))
}

/// The last end of a line that leaves the part at least half full.
fn line_end(text: &str) -> Option<usize> {
    let at = text.get(..text.floor_char_boundary(ROOM))?.rfind('\n')? + 1;
    (at >= ROOM / 2).then_some(at)
}

/// The last end of a sentence that leaves the part at least half full.
fn sentence_end(text: &str) -> Option<usize> {
    let ends = text.split_sentence_bound_indices().map(|(at, _)| at);
    last_fit(text, ends).filter(|at| *at >= ROOM / 2)
}

/// The last end of a word. White space and closing punctuation stay with it.
fn word_end(text: &str) -> Option<usize> {
    let starts = text
        .split_word_bound_indices()
        .take_while(|(at, _)| *at <= ROOM)
        .filter(|(_, word)| !word.starts_with(clings))
        .map(|(at, _)| at);
    last_fit(text, starts)
}

/// The last end of a grapheme.
fn grapheme_end(text: &str) -> Option<usize> {
    last_fit(text, text.grapheme_indices(true).map(|(at, _)| at))
}

/// The last of the places that leaves a part of 1 to [`ROOM`] bytes. A few
/// word ends are inside a grapheme (after a sign that belongs to the following
/// digit, for example); those are passed over.
fn last_fit(text: &str, places: impl Iterator<Item = usize>) -> Option<usize> {
    places
        .take_while(|at| *at <= ROOM)
        .filter(|at| *at > 0)
        .filter(|at| GraphemeCursor::new(*at, text.len(), true).is_boundary(text, 0) == Ok(true))
        .last()
}

/// What does not begin a part.
fn clings(c: char) -> bool {
    c.is_whitespace() || ",.;:!?)]}%…’”，。；：！？、）】》」』".contains(c)
}

#[cfg(test)]
mod tests {

    use proptest::prelude::*;

    use super::*;

    /// The parts without their numbers, which have to be right.
    fn bare(parts: &[String]) -> Vec<&str> {
        if let [part] = parts {
            return vec![part];
        }
        let number = |(index, part): (usize, &'_ String)| -> usize {
            let number = format!("({}/{}) ", index + 1, parts.len());
            assert!(part.starts_with(&number), "{part}");
            number.len()
        };
        parts
            .iter()
            .enumerate()
            .map(|(index, part)| part.split_at(number((index, part))).1)
            .collect()
    }

    #[test]
    fn one_message_is_sent_as_it_is() {
        let check = |text: &str, expected: &str| assert_eq!(split(text).unwrap(), [expected]);
        check("你好", "你好");
        check("  a\n\tb ", "  a\n\tb ");
        check("a\r\nb\u{0}\u{7f}\u{85}c", "a\nbc");
        check(&"a".repeat(LIMIT), &"a".repeat(LIMIT));
        check(&format!("\u{1}{}", "鹊".repeat(682)), &"鹊".repeat(682));
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        let check = |text: &str, expected| assert_eq!(split(text), Err(expected));
        for blank in ["", " ", "\n\t ", "\u{1}\u{2}", "\u{3000}"] {
            check(blank, Refused::Empty);
        }
        assert_eq!(
            split(&"a".repeat(MAX_PARTS * ROOM)).unwrap().len(),
            MAX_PARTS
        );
        check(&"a".repeat(MAX_PARTS * ROOM + 1), Refused::TooLong);
        check(&"鹊".repeat(1_000_000), Refused::TooLong);
        assert_eq!(Refused::TooLong.reason(), Reason::TooLong);
        assert_eq!(Refused::Empty.reason(), Reason::Empty);
    }

    #[test]
    fn cuts_are_where_a_reader_would_cut() {
        let check = |unit: &str, times: usize, last: &[char]| {
            let parts = split(&unit.repeat(times)).unwrap();
            assert!(parts.len() > 1);
            let (_, cut) = parts.split_last().unwrap();
            for part in cut {
                assert!(part.ends_with(last) && part.len() > LIMIT / 2, "{part}");
            }
        };
        check("第一行\n", 300, &['\n']);
        check("One short line. And another.\n", 100, &['\n']);
        check("一句话。", 300, &['。']);
        check("This is one sentence. ", 150, &[' ']);
        check("word ", 600, &[' ']);
        check("一，", 500, &['，']);
        check("👨‍👩‍👧‍👦", 100, &['👦']);
        check("e\u{301}", 1_000, &['\u{301}']);
        check("🇨🇳", 400, &['🇳']);
    }

    #[test]
    fn a_text_that_fits_only_when_packed_is_packed() {
        // Lines a little longer than half a part: one a part, were they kept whole.
        let line = format!("{}\n", "w ".repeat(560));
        let parts = split(&line.repeat(8)).unwrap();
        assert_eq!(parts.len(), MAX_PARTS);
        assert_eq!(bare(&parts).concat(), line.repeat(8));
        // Words that leave no room for the sake of words.
        let word = format!("{} ", "w".repeat(1_100));
        let parts = split(&word.repeat(9)).unwrap();
        assert_eq!(bare(&parts).concat(), word.repeat(9));
    }

    #[test]
    fn a_grapheme_longer_than_a_part_ends_too() {
        let text = format!("a{}", "\u{301}".repeat(3_000));
        let parts = split(&text).unwrap();
        assert_eq!(bare(&parts).concat(), text);
        assert!(parts.iter().all(|part| part.len() <= LIMIT));
        let spaces = format!("a{}b", " ".repeat(5_000));
        assert_eq!(bare(&split(&spaces).unwrap()).concat(), spaces);
    }

    #[test]
    fn bytes_decide_how_many_messages_it_takes() {
        let check = |text: &str, parts| assert_eq!(split(text).map(|p| p.len()).ok(), parts);
        check("你好", Some(1));
        check(&"鹊".repeat(682), Some(1));
        check(&"鹊".repeat(683), Some(2));
        check(&"a".repeat(MAX_PARTS * ROOM), Some(5));
        check(&"a".repeat(MAX_PARTS * ROOM + 1), None);
    }

    #[test]
    fn what_looks_like_a_link_is_shown_as_it_was_written() {
        let check = |text: &str, sent: &str| assert_eq!(split(text), Ok(vec![sent.to_owned()]));
        check(
            "见 https://a.example/?b=1&c=2 谢谢",
            "见 https://a.example/?b=1&c=2 谢谢",
        );
        check(
            "<a href=\"weixin://bizmsgmenu?msgmenucontent=退款&msgmenuid=1\">点这里</a>",
            "<\u{200b}a href=\"weixin://bizmsgmenu?msgmenucontent=退款&msgmenuid=1\">点这里<\u{200b}/a>",
        );
        check("<A\nhref=x>", "<\u{200b}A\nhref=x>");
        check("<a", "<\u{200b}a");
        check("1 <abc <b> 2<3 <<a/>", "1 <abc <b> 2<3 <<\u{200b}a/>");
    }

    /// Texts of words, scripts, emoji, combining marks and line ends, long
    /// enough to be split.
    fn texts() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            "[a-z]{1,12}",
            "[一-鿿]{1,30}",
            Just(" ".to_owned()),
            Just("\n".to_owned()),
            Just("\r\n".to_owned()),
            Just("。".to_owned()),
            Just(". ".to_owned()),
            Just("👩🏽‍🚀".to_owned()),
            Just("🇨🇳🇯🇵".to_owned()),
            Just("न\u{94d}द".to_owned()),
            Just("\u{600}12".to_owned()),
            "e[\u{300}-\u{36f}]{1,20}",
            "\\PC{1,20}",
            Just("<a href='x'>".to_owned()),
        ];
        proptest::collection::vec((piece, 1_usize..40), 1..40)
            .prop_map(|pieces| pieces.iter().map(|(p, n)| p.repeat(*n)).collect())
    }

    proptest! {
        #[test]
        fn parts_fit_join_and_keep_graphemes_whole(text in texts()) {
            let whole = sanitised(&text);
            match split(&text) {
                Err(Refused::Empty) => prop_assert!(whole.trim().is_empty()),
                Err(Refused::TooLong) => {
                    // A cut costs less than a grapheme, and these are short.
                    prop_assert!(whole.len() > MAX_PARTS * (ROOM - 512));
                }
                Ok(parts) => {
                    prop_assert!(parts.len() <= MAX_PARTS);
                    prop_assert!(parts.iter().all(|part| part.len() <= LIMIT));
                    let bare = bare(&parts);
                    prop_assert_eq!(bare.concat(), whole.clone());
                    let graphemes: usize = bare.iter().map(|p| p.graphemes(true).count()).sum();
                    prop_assert_eq!(graphemes, whole.graphemes(true).count());
                }
            }
        }

        #[test]
        fn hostile_text_never_panics(unit in "\\PC{1,8}", times in 1_usize..3_000) {
            let text = unit.repeat(times);
            if let Ok(parts) = split(&text) {
                prop_assert_eq!(bare(&parts).concat(), sanitised(&text));
                prop_assert!(parts.iter().all(|part| part.len() <= LIMIT));
            }
        }
    }
}
