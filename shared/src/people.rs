//! The people who follow an account, as far as WeChat tells of them and lets us note
//! something: how they came, a remark, tags.
//!
//! Limits:
//! <https://developers.weixin.qq.com/doc/offiaccount/User_Management/User_Tag_Management.html>,
//! <https://developers.weixin.qq.com/doc/offiaccount/User_Management/Configuring_user_notes.html>

/// The longest remark, in characters: WeChat wants fewer than 30.
pub const REMARK_MAX: usize = 29;
/// The longest name of a tag, in characters. WeChat counts bytes in one place of its
/// documents and characters in another: what it counts it says itself.
pub const TAG_NAME_MAX: usize = 30;
/// The most tags that a customer has.
pub const TAGS_OF_ONE: usize = 20;

/// The id of a tag, as WeChat numbers an account's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TagId(u32);

impl TagId {
    /// The largest id that is believed to be one: WeChat's are below 2^31.
    pub const MAX: u32 = 2_147_483_647;
    /// The smallest id of a tag that is given to people by hand: 0 stands for no tag, and 1
    /// was the list of those who are blocked.
    pub const GIVEN_MIN: u32 = 2;
    /// The largest id of those that every account has from WeChat.
    const SYSTEM_MAX: u32 = 2;

    /// The tag of this number.
    #[must_use]
    pub const fn new(id: u32) -> Self {
        Self(id)
    }

    /// Reads a number in an address; `None` unless it is written as we write it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let id = text.parse().ok().filter(|id| *id <= Self::MAX)?;
        (u32::to_string(&id) == text).then_some(Self(id))
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Whether WeChat made it for every account: nobody changes it.
    #[must_use]
    pub const fn is_systems(self) -> bool {
        self.0 <= Self::SYSTEM_MAX
    }
}

/// Reads a remark; an empty one removes what is there.
#[must_use]
pub fn remark(text: &str) -> Option<String> {
    let fits = text.chars().count() <= REMARK_MAX && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned())
}

/// Reads the name of a tag.
#[must_use]
pub fn tag_name(text: &str) -> Option<String> {
    let text = text.trim();
    let fits =
        (1..=TAG_NAME_MAX).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned())
}

/// How somebody came to follow, by WeChat's word for it, in Chinese and English.
#[must_use]
pub fn subscribe_scene(word: &str) -> (&'static str, &'static str) {
    match word {
        "ADD_SCENE_SEARCH" => ("搜索公众号", "searched for the account"),
        "ADD_SCENE_ACCOUNT_MIGRATION" => ("公众号迁移", "came along when the account moved"),
        "ADD_SCENE_PROFILE_CARD" => ("名片分享", "was sent the account's card"),
        "ADD_SCENE_QR_CODE" => ("扫描二维码", "scanned a QR code"),
        "ADD_SCENE_PROFILE_LINK" => (
            "点击文章中的公众号名称",
            "tapped the account's name in an article",
        ),
        "ADD_SCENE_PROFILE_ITEM" => ("文章右上角菜单", "used the menu of an article"),
        "ADD_SCENE_PAID" => ("支付后关注", "followed after a payment"),
        "ADD_SCENE_WECHAT_ADVERTISEMENT" => ("微信广告", "saw an advertisement in WeChat"),
        "ADD_SCENE_REPRINT" => ("他人转载", "read an article that somebody reprinted"),
        "ADD_SCENE_LIVESTREAM" => ("视频号直播", "watched a live stream in Channels"),
        "ADD_SCENE_CHANNELS" => ("视频号", "came from Channels"),
        "ADD_SCENE_WXA" => ("小程序", "came from a mini-program"),
        "ADD_SCENE_OTHERS" => ("其他方式", "another way"),
        _ => ("未知方式", "a way that is not known yet"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_in_characters() {
        for (text, as_remark, as_name) in [
            ("", true, false),
            (" ", true, false),
            ("老客户 🎉", true, true),
            (&"字".repeat(29), true, true),
            (&"字".repeat(30), false, true),
            (&"字".repeat(31), false, false),
            ("a\nb", false, false),
            ("a\u{85}b", false, false),
        ] {
            assert_eq!(remark(text).is_some(), as_remark, "{text:?}");
            assert_eq!(tag_name(text).is_some(), as_name, "{text:?}");
        }
        assert_eq!(tag_name(" VIP ").as_deref(), Some("VIP"));
    }

    #[test]
    fn a_tag_is_named_in_one_way() {
        for (text, number) in [
            ("0", Some(0)),
            ("134", Some(134)),
            ("2147483647", Some(2_147_483_647)),
            ("2147483648", None),
            ("01", None),
            ("+1", None),
            ("-1", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(TagId::parse(text).map(TagId::number), number, "{text}");
        }
        assert!(TagId::new(2).is_systems() && !TagId::new(3).is_systems());
    }
}
