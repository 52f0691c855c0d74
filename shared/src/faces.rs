//! WeChat's own faces: a customer's phone sends them as codes in the text (`/::)`, or
//! `[微笑]`), which agents are shown as what they are.
//!
//! Invariant: only what is shown changes; the journal keeps what was sent. Nothing
//! within an address of the web is taken for a face. WeChat documents no list; these
//! are the codes of the faces that its clients have had since their first versions.

use std::borrow::Cow;

/// The text as it is shown.
#[must_use]
pub fn shown(text: &str) -> Cow<'_, str> {
    if !text.contains("/:") && !text.contains('[') {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (taken, put) = if let Some(address) = address(rest) {
            (address.len(), address)
        } else if let Some((code, face)) = face(rest) {
            (code.len(), face)
        } else {
            let (head, _) = rest.split_at(first.len_utf8());
            (head.len(), head)
        };
        shown.push_str(put);
        (_, rest) = rest.split_at(taken);
    }
    Cow::Owned(shown)
}

/// The address of the web at the beginning of a text.
fn address(text: &str) -> Option<&str> {
    if !text.starts_with("http://") && !text.starts_with("https://") {
        return None;
    }
    let end = text
        .find(|c: char| !c.is_ascii_graphic())
        .unwrap_or(text.len());
    text.split_at_checked(end).map(|(address, _)| address)
}

/// The face at the beginning of a text: its code there, and what is shown. Where one
/// code is the beginning of another, the longer one is meant.
fn face(text: &str) -> Option<(&'static str, &'static str)> {
    if !text.starts_with("/:") && !text.starts_with('[') {
        return None;
    }
    let codes = FACES.iter().map(|(code, _, face)| (*code, *face));
    let names = FACES.iter().map(|(_, name, face)| (*name, *face));
    codes
        .chain(names)
        .filter(|(code, _)| text.starts_with(code))
        .max_by_key(|(code, _)| code.len())
}

/// Code, name as newer clients send it, and what is shown.
#[rustfmt::skip]
const FACES: &[(&str, &str, &str)] = &[
    ("/::)", "[微笑]", "🙂"), ("/::~", "[撇嘴]", "😕"), ("/::B", "[色]", "😍"),
    ("/::|", "[发呆]", "😐"), ("/:8-)", "[得意]", "😎"), ("/::<", "[流泪]", "😢"),
    ("/::$", "[害羞]", "😊"), ("/::X", "[闭嘴]", "🤐"), ("/::Z", "[睡]", "😴"),
    ("/::'(", "[大哭]", "😭"), ("/::-|", "[尴尬]", "😅"), ("/::@", "[发怒]", "😡"),
    ("/::P", "[调皮]", "😜"), ("/::D", "[呲牙]", "😁"), ("/::O", "[惊讶]", "😮"),
    ("/::(", "[难过]", "🙁"), ("/::+", "[酷]", "😎"), ("/:--b", "[冷汗]", "😰"),
    ("/::Q", "[抓狂]", "😫"), ("/::T", "[吐]", "🤮"), ("/:,@P", "[偷笑]", "🤭"),
    ("/:,@-D", "[愉快]", "😊"), ("/::d", "[白眼]", "🙄"), ("/:,@o", "[傲慢]", "😤"),
    ("/::g", "[饥饿]", "😋"), ("/:|-)", "[困]", "😪"), ("/::!", "[惊恐]", "😱"),
    ("/::L", "[流汗]", "😓"), ("/::>", "[憨笑]", "😄"), ("/::,@", "[悠闲]", "😌"),
    ("/:,@f", "[奋斗]", "💪"), ("/::-S", "[咒骂]", "🤬"), ("/:?", "[疑问]", "🤔"),
    ("/:,@x", "[嘘]", "🤫"), ("/:,@@", "[晕]", "😵"), ("/::8", "[疯了]", "🤪"),
    ("/:,@!", "[衰]", "😣"), ("/:!!!", "[骷髅]", "💀"), ("/:xx", "[敲打]", "🔨"),
    ("/:bye", "[再见]", "👋"), ("/:wipe", "[擦汗]", "😥"), ("/:dig", "[抠鼻]", "[抠鼻]"),
    ("/:handclap", "[鼓掌]", "👏"), ("/:&-(", "[糗大了]", "😖"), ("/:B-)", "[坏笑]", "😏"),
    ("/:<@", "[左哼哼]", "😤"), ("/:@>", "[右哼哼]", "😤"), ("/::-O", "[哈欠]", "🥱"),
    ("/:>-|", "[鄙视]", "😒"), ("/:P-(", "[委屈]", "🥺"), ("/::'|", "[快哭了]", "😿"),
    ("/:X-)", "[阴险]", "😏"), ("/::*", "[亲亲]", "😘"), ("/:@x", "[吓]", "😨"),
    ("/:8*", "[可怜]", "🥺"), ("/:pd", "[菜刀]", "🔪"), ("/:<W>", "[西瓜]", "🍉"),
    ("/:beer", "[啤酒]", "🍺"), ("/:basketb", "[篮球]", "🏀"), ("/:oo", "[乒乓]", "🏓"),
    ("/:coffee", "[咖啡]", "☕"), ("/:eat", "[饭]", "🍚"), ("/:pig", "[猪头]", "🐷"),
    ("/:rose", "[玫瑰]", "🌹"), ("/:fade", "[凋谢]", "🥀"), ("/:showlove", "[嘴唇]", "💋"),
    ("/:heart", "[爱心]", "❤️"), ("/:break", "[心碎]", "💔"), ("/:cake", "[蛋糕]", "🎂"),
    ("/:li", "[闪电]", "⚡"), ("/:bome", "[炸弹]", "💣"), ("/:kn", "[刀]", "🗡️"),
    ("/:footb", "[足球]", "⚽"), ("/:ladybug", "[瓢虫]", "🐞"), ("/:shit", "[便便]", "💩"),
    ("/:moon", "[月亮]", "🌙"), ("/:sun", "[太阳]", "☀️"), ("/:gift", "[礼物]", "🎁"),
    ("/:hug", "[拥抱]", "🤗"), ("/:strong", "[强]", "👍"), ("/:weak", "[弱]", "👎"),
    ("/:share", "[握手]", "🤝"), ("/:v", "[胜利]", "✌️"), ("/:@)", "[抱拳]", "🙏"),
    ("/:jj", "[勾引]", "☝️"), ("/:@@", "[拳头]", "✊"), ("/:bad", "[差劲]", "👎"),
    ("/:lvu", "[爱你]", "🤟"), ("/:no", "[NO]", "☝️"), ("/:ok", "[OK]", "👌"),
    ("/:love", "[爱情]", "💑"), ("/:<L>", "[飞吻]", "😘"), ("/:jump", "[跳跳]", "🤸"),
    ("/:shake", "[发抖]", "🥶"), ("/:<O>", "[怄火]", "😠"), ("/:circle", "[转圈]", "💃"),
    ("/:kotow", "[磕头]", "🙇"), ("/:turn", "[回头]", "[回头]"), ("/:skip", "[跳绳]", "[跳绳]"),
    ("/:oY", "[投降]", "🙌"), ("/:#-0", "[激动]", "🤩"), ("/:hiphot", "[街舞]", "🕺"),
    ("/:kiss", "[献吻]", "💋"), ("/:<&", "[左太极]", "☯️"), ("/:&>", "[右太极]", "☯️"),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn faces_are_shown_as_what_they_are() {
        let check = |sent, expected| assert_eq!(shown(sent), expected);
        check("好的/::)", "好的🙂");
        check("/:strong/:strong谢谢[玫瑰]", "👍👍谢谢🌹");
        // A code that begins with another one.
        check("/::'(/::'|/:,@@/:@@/:8-)/:8*", "😭😿😵✊😎🥺");
        check("[暂时没有的表情][微笑", "[暂时没有的表情][微笑");
        check(
            "看 https://a.example/:ok/:no 好吗/:ok",
            "看 https://a.example/:ok/:no 好吗👌",
        );
        check("https://a.example/:v好/:v", "https://a.example/:v好✌️");
        check("1/2 a:/b", "1/2 a:/b");
        assert!(matches!(shown("没有表情"), Cow::Borrowed(_)));
    }

    #[test]
    fn every_code_and_every_name_is_a_face_of_its_own() {
        let codes = FACES.iter().flat_map(|(code, name, _)| [*code, *name]);
        let mut codes: Vec<&str> = codes.collect();
        for (code, name, face) in FACES {
            assert_eq!((shown(code), shown(name)), ((*face).into(), (*face).into()));
        }
        codes.sort_unstable();
        assert!(codes.windows(2).all(|two| two[0] != two[1]));
    }

    proptest! {
        #[test]
        fn no_text_panics_and_text_without_faces_stays(text in ".{0,60}") {
            let seen = shown(&text).into_owned();
            if !text.contains("/:") && !text.contains('[') {
                prop_assert_eq!(seen, text);
            }
        }
    }
}
