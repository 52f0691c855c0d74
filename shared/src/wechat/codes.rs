//! What WeChat's error codes mean for an answer on its way: one table.
//!
//! Codes: <https://developers.weixin.qq.com/doc/offiaccount/Getting_Started/Global_Return_Code.html>

use std::time::Duration;

use crate::delivery::{Failure, Retry};
use crate::reason::Reason;

/// What a code of `message/custom/send` means, and of the calls that send notices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// WeChat took it.
    Taken,
    /// WeChat is busy: it says so itself, so nothing was lost.
    Busy,
    /// The token is not good: get another and try once more.
    Token,
    /// The window is used up.
    WindowFull,
    /// There is no file under the id that was given: its three days are over.
    NoMedia,
    /// This account may send no message of this kind.
    NotThisKind,
    /// It failed.
    Failed(Failure),
}

/// The table.
#[must_use]
pub fn meaning(code: i64) -> Meaning {
    let never = |reason| Meaning::Failed(Failure::never(reason));
    let after = |span, reason| Meaning::Failed(Failure::after(span, reason));
    match code {
        0 => Meaning::Taken,
        // The second is what calls about service accounts say.
        -1 | 61450 => Meaning::Busy,
        40001 | 40014 | 42001 | 41001 => Meaning::Token,
        45047 => Meaning::WindowFull,
        45015 => never(Reason::WindowClosed),
        43004 | 50005 => never(Reason::Unfollowed),
        43019 | 48002 => never(Reason::Blocked),
        43101 => never(Reason::NotSubscribed),
        40036 | 40037 | 43116 => never(Reason::TemplateRefused),
        47003 => never(Reason::NoticeRefused),
        50002 | 70000 => never(Reason::Restricted),
        40003 => never(Reason::WrongAccount),
        45009 => Meaning::Failed(Failure {
            retry: Retry::NextDay,
            certain: true,
            reason: Reason::QuotaUsedUp,
        }),
        45011 => Meaning::Failed(Failure {
            retry: Retry::NextMinute,
            certain: true,
            reason: Reason::QuotaUsedUp,
        }),
        48001 | 48004 | 48005 | 48006 | 50004 | 50007 => never(Reason::Unauthorized),
        40164 | 89503 | 89506 | 89507 | 89501 => after(Duration::from_mins(5), Reason::NoToken),
        44004 => never(Reason::Empty),
        40007 => Meaning::NoMedia,
        40200 => Meaning::NotThisKind,
        40008 => never(Reason::UnsupportedKind),
        40004..=40006 | 40009..=40012 | 45001 | 45007 => never(Reason::FileNotTaken),
        45002..=45006 | 45098 => never(Reason::OverLimit),
        53600 => never(Reason::ContentRefused),
        // We send one article at a time.
        40033 | 45008 | 45072 | 47001 => never(Reason::Defect),
        61451..=61457 | 65400..=65418 => never(Reason::KfAccount),
        _ => never(Reason::Refused),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_the_reference_has_its_row() {
        let never = |reason| Meaning::Failed(Failure::never(reason));
        let after =
            |minutes, reason| Meaning::Failed(Failure::after(Duration::from_mins(minutes), reason));
        let quota = |retry| {
            Meaning::Failed(Failure {
                retry,
                certain: true,
                reason: Reason::QuotaUsedUp,
            })
        };
        for (code, expected) in [
            (0, Meaning::Taken),
            (-1, Meaning::Busy),
            (40001, Meaning::Token),
            (40014, Meaning::Token),
            (42001, Meaning::Token),
            (41001, Meaning::Token),
            (40003, never(Reason::WrongAccount)),
            (40004, never(Reason::FileNotTaken)),
            (40005, never(Reason::FileNotTaken)),
            (40006, never(Reason::FileNotTaken)),
            (40007, Meaning::NoMedia),
            (40008, never(Reason::UnsupportedKind)),
            (40009, never(Reason::FileNotTaken)),
            (40010, never(Reason::FileNotTaken)),
            (40011, never(Reason::FileNotTaken)),
            (40033, never(Reason::Defect)),
            (40036, never(Reason::TemplateRefused)),
            (40037, never(Reason::TemplateRefused)),
            (40164, after(5, Reason::NoToken)),
            (40200, Meaning::NotThisKind),
            (43004, never(Reason::Unfollowed)),
            (43019, never(Reason::Blocked)),
            (43101, never(Reason::NotSubscribed)),
            (43116, never(Reason::TemplateRefused)),
            (44004, never(Reason::Empty)),
            (45001, never(Reason::FileNotTaken)),
            (45002, never(Reason::OverLimit)),
            (45003, never(Reason::OverLimit)),
            (45004, never(Reason::OverLimit)),
            (45005, never(Reason::OverLimit)),
            (45006, never(Reason::OverLimit)),
            (45007, never(Reason::FileNotTaken)),
            (45008, never(Reason::Defect)),
            (45009, quota(Retry::NextDay)),
            (45011, quota(Retry::NextMinute)),
            (45015, never(Reason::WindowClosed)),
            (45047, Meaning::WindowFull),
            (45072, never(Reason::Defect)),
            (45098, never(Reason::OverLimit)),
            (47001, never(Reason::Defect)),
            (47003, never(Reason::NoticeRefused)),
            (48001, never(Reason::Unauthorized)),
            (48002, never(Reason::Blocked)),
            (48004, never(Reason::Unauthorized)),
            (48005, never(Reason::Unauthorized)),
            (48006, never(Reason::Unauthorized)),
            (50002, never(Reason::Restricted)),
            (50004, never(Reason::Unauthorized)),
            (50005, never(Reason::Unfollowed)),
            (50007, never(Reason::Unauthorized)),
            (70000, never(Reason::Restricted)),
            (89501, after(5, Reason::NoToken)),
            (89503, after(5, Reason::NoToken)),
            (89506, after(5, Reason::NoToken)),
            (89507, after(5, Reason::NoToken)),
            (53600, never(Reason::ContentRefused)),
            (61450, Meaning::Busy),
            (61451, never(Reason::KfAccount)),
            (61457, never(Reason::KfAccount)),
            (61458, never(Reason::Refused)),
            (65400, never(Reason::KfAccount)),
            (65418, never(Reason::KfAccount)),
            (65301, never(Reason::Refused)),
            (99999, never(Reason::Refused)),
        ] {
            assert_eq!(meaning(code), expected, "{code}");
        }
    }
}
