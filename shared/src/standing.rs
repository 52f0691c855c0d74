//! What WeChat tells of an account's own standing, and what its operator has to do: one
//! table of words.
//!
//! Invariant: of each thing that WeChat looks at the last word counts; one that is good
//! takes away what was wrong. Events:
//! <https://developers.weixin.qq.com/doc/offiaccount/Message_Management/Receiving_event_pushes.html>

use crate::event::{Event, VerifiedWhat};
use crate::journal::Entry;
use crate::message::Body;
use crate::moment::Moment;

/// What is wrong with an account, or will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// Who its owner is could not be verified.
    QualificationFailed,
    /// Its name could not be verified.
    NameFailed,
    /// The yearly verification is due.
    RenewalDue,
    /// The verification has expired.
    VerificationExpired,
}

impl Alarm {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::QualificationFailed,
        Self::NameFailed,
        Self::RenewalDue,
        Self::VerificationExpired,
    ];

    /// The code on the wire and in the store.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::QualificationFailed => "qualification_failed",
            Self::NameFailed => "name_failed",
            Self::RenewalDue => "renewal_due",
            Self::VerificationExpired => "verification_expired",
        }
    }

    /// The alarm of this code.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|alarm| alarm.code() == code)
    }

    /// What has happened and what to do, in Chinese and in English.
    #[must_use]
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::QualificationFailed => (
                "资质认证失败：请在公众平台“设置与开发 > 微信认证”查看原因并重新提交，否则客服消息等接口将不可用。",
                "The qualification was not verified: WeChat's console says why under 微信认证 (verification); submit it again, or the account loses calls such as answers to customers.",
            ),
            Self::NameFailed => (
                "名称认证失败：请在公众平台“设置与开发 > 微信认证”查看原因并重新提交。",
                "The name was not verified: WeChat's console says why under 微信认证 (verification); submit it again.",
            ),
            Self::RenewalDue => (
                "需要年审：请在到期前于公众平台“设置与开发 > 微信认证”完成，否则客服消息等接口将不可用。",
                "The yearly verification is due: renew it in WeChat's console under 微信认证 (verification) before it ends, or the account loses calls such as answers to customers.",
            ),
            Self::VerificationExpired => (
                "认证已过期：客服消息等接口可能已不可用，请在公众平台“设置与开发 > 微信认证”重新认证。",
                "The verification has expired: calls such as answers to customers may be refused; verify the account again in WeChat's console under 微信认证 (verification).",
            ),
        }
    }
}

/// What WeChat looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum About {
    /// Who the owner is, year by year.
    Qualification,
    /// What the account is called.
    Name,
}

impl About {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Qualification, Self::Name];
}

/// What WeChat said last about one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What it is about.
    pub about: About,
    /// What is wrong; `None` where all is well again.
    pub alarm: Option<Alarm>,
    /// When WeChat said so.
    pub at: Moment,
    /// When it is over, or was.
    pub expires: Option<Moment>,
}

impl Standing {
    /// The standing that an entry of a channel's own journal is, if it is one.
    #[must_use]
    pub fn of(entry: &Entry) -> Option<Self> {
        let Body::Event { name, fields } = &entry.body else {
            return None;
        };
        let (about, alarm, expires) = match Event::of(name, fields) {
            Event::Verified {
                what,
                passed,
                expires,
                ..
            } => {
                let (about, failed) = match what {
                    VerifiedWhat::Qualification => {
                        (About::Qualification, Alarm::QualificationFailed)
                    }
                    VerifiedWhat::Name => (About::Name, Alarm::NameFailed),
                };
                (about, (!passed).then_some(failed), expires)
            }
            Event::RenewalDue { expires } => {
                (About::Qualification, Some(Alarm::RenewalDue), expires)
            }
            Event::VerificationExpired { expires } => (
                About::Qualification,
                Some(Alarm::VerificationExpired),
                expires,
            ),
            _ => return None,
        };
        Some(Self {
            about,
            alarm,
            at: entry.key.said(),
            expires: expires.map(Moment::from_seconds),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::Fields;
    use crate::journal::{Class, EntryKey, Origin};
    use crate::message::ChannelId;

    #[test]
    fn what_concerns_the_standing_of_an_account_is_a_notice() {
        use About::{Name, Qualification};
        let check = |name: &str, expected: Option<(About, Option<Alarm>)>| {
            let fields: Fields = [("ExpiredTime".to_owned(), "1800000000".to_owned())].into();
            let body = Body::Event {
                name: name.to_owned(),
                fields,
            };
            let key = EntryKey::hashed(1_700_000_000, Class::Event, b"x");
            let origin = Origin {
                channel: ChannelId::parse("demo").unwrap(),
                open_id: None,
            };
            let entry = Entry::pending(key, Moment::from_seconds(1), body, origin);
            let standing = Standing::of(&entry);
            let told = standing.map(|standing| (standing.about, standing.alarm));
            assert_eq!(told, expected, "{name}");
            if let Some(standing) = standing {
                assert_eq!(standing.at, Moment::from_seconds(1_700_000_000));
                assert_eq!(standing.expires, Some(Moment::from_seconds(1_800_000_000)));
            }
        };
        check("qualification_verify_success", Some((Qualification, None)));
        let failed = Some(Alarm::QualificationFailed);
        check("qualification_verify_fail", Some((Qualification, failed)));
        check("naming_verify_success", Some((Name, None)));
        check("naming_verify_fail", Some((Name, Some(Alarm::NameFailed))));
        let due = Some(Alarm::RenewalDue);
        check("annual_renew", Some((Qualification, due)));
        let expired = Some(Alarm::VerificationExpired);
        check("verify_expired", Some((Qualification, expired)));
        check("MASSSENDJOBFINISH", None);
        check("user_authorization_revoke", None);
    }

    #[test]
    fn every_alarm_says_what_happened_and_what_to_do() {
        for alarm in Alarm::ALL {
            assert_eq!(Alarm::parse(alarm.code()), Some(alarm));
            let (zh, en) = alarm.words();
            assert!(zh.contains('：') && en.contains(": "), "{}", alarm.code());
        }
        assert_eq!(Alarm::parse("ok"), None);
    }
}
