//! What a push lets us send: which messages and events open a window, and the
//! events that WeChat documents.
//!
//! Invariant: this is the one list of event names. Rules:
//! <https://developers.weixin.qq.com/doc/offiaccount/Customer_Service/Customer_Service_Messages.html>

use crate::message::Body;

/// The two windows that WeChat opens for an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Opens {
    /// Five messages within 48 hours: the customer wrote.
    Message,
    /// Three messages within one minute: a tap on a menu or on a choice, a
    /// follow, a scan.
    Moment,
}

/// What this body opens, if anything. It is asked of what comes from WeChat
/// only: words of an agent look the same and open nothing.
#[must_use]
pub fn opens(body: &Body) -> Option<Opens> {
    match body {
        // A tapped choice counts as a menu tap, although it arrives as words.
        Body::Text {
            choice: Some(_), ..
        } => Some(Opens::Moment),
        Body::Text { choice: None, .. } | Body::Other { .. } => Some(Opens::Message),
        Body::Event { name, .. } => EVENTS
            .iter()
            .find(|(known, _)| known == name)
            .and_then(|(_, opens)| *opens),
        Body::Rich(_)
        | Body::Unknown { .. }
        | Body::Receipt(_)
        | Body::SessionEnd(_)
        | Body::Erased(_) => None,
    }
}

/// The documented spelling of an event's name: the same if it is one, else the
/// one that differs in case only. `None` for an event that we do not know.
#[must_use]
pub fn documented(name: &str) -> Option<&'static str> {
    let names = || EVENTS.iter().map(|(known, _)| *known);
    names()
        .find(|known| *known == name)
        .or_else(|| names().find(|known| known.eq_ignore_ascii_case(name)))
}

/// Every event that WeChat documents for an Official Account, in its spelling,
/// and what it opens.
pub const EVENTS: &[(&str, Option<Opens>)] = &[
    ("subscribe", Some(Opens::Moment)),
    ("unsubscribe", None),
    ("SCAN", Some(Opens::Moment)),
    ("LOCATION", None),
    ("CLICK", Some(Opens::Moment)),
    ("VIEW", None),
    ("scancode_push", Some(Opens::Moment)),
    ("scancode_waitmsg", Some(Opens::Moment)),
    ("pic_sysphoto", None),
    ("pic_photo_or_album", None),
    ("pic_weixin", None),
    ("location_select", None),
    ("view_miniprogram", None),
    ("TEMPLATESENDJOBFINISH", None),
    ("MASSSENDJOBFINISH", None),
    ("PUBLISHJOBFINISH", None),
    ("FREEPUBLISHJOBFINISH", None),
    ("kf_create_session", None),
    ("kf_close_session", None),
    ("kf_switch_session", None),
    ("user_enter_tempsession", None),
    ("subscribe_msg_popup_event", None),
    ("subscribe_msg_change_event", None),
    ("subscribe_msg_sent_event", None),
    ("user_info_modified", None),
    ("user_authorization_revoke", None),
    ("user_authorization_cancellation", None),
    ("qualification_verify_success", None),
    ("qualification_verify_fail", None),
    ("naming_verify_success", None),
    ("naming_verify_fail", None),
    ("annual_renew", None),
    ("verify_expired", None),
    ("debug_demo", None),
    ("guide_qrcode_scan_event", None),
    ("ShakearoundUserShake", None),
    ("WifiConnected", None),
];

#[cfg(test)]
mod tests {
    use super::{EVENTS, Opens, documented, opens};
    use crate::message::{Body, Fields, Kind};

    fn event(name: &str) -> Body {
        Body::Event {
            name: name.to_owned(),
            fields: Fields::new(),
        }
    }

    #[test]
    fn messages_open_five_and_taps_open_three() {
        let check = |body: &Body, expected| assert_eq!(opens(body), expected, "{body:?}");
        check(&Body::text("你好"), Some(Opens::Message));
        let choice = Some("101".to_owned());
        let text = "满意".to_owned();
        let fields = Fields::new();
        check(
            &Body::Text {
                text,
                choice,
                fields,
            },
            Some(Opens::Moment),
        );
        for (kind, name) in [(Kind::Image, "image"), (Kind::Unknown, "hologram")] {
            let (name, fields) = (name.to_owned(), Fields::new());
            check(&Body::Other { kind, name, fields }, Some(Opens::Message));
        }
        check(&Body::Unknown { bytes: Vec::new() }, None);
    }

    #[test]
    fn five_events_open_a_moment_and_no_other_does() {
        let opening: Vec<&str> = EVENTS
            .iter()
            .map(|(name, _)| *name)
            .filter(|name| opens(&event(name)).is_some())
            .collect();
        assert_eq!(
            opening,
            [
                "subscribe",
                "SCAN",
                "CLICK",
                "scancode_push",
                "scancode_waitmsg"
            ]
        );
        assert_eq!(opens(&event("CLICK")), Some(Opens::Moment));
        assert_eq!(opens(&event("card_pass_check")), None);
    }

    #[test]
    fn a_name_is_found_in_its_documented_spelling() {
        let check = |name, expected| assert_eq!(documented(name), expected);
        check("SCAN", Some("SCAN"));
        check("scan", Some("SCAN"));
        check("Click", Some("CLICK"));
        check("LOCATION", Some("LOCATION"));
        check("wificonnected", Some("WifiConnected"));
        check("no_such_event", None);
        for (index, (name, _)) in EVENTS.iter().enumerate() {
            let later = EVENTS.iter().skip(index + 1);
            assert!(!later.map(|(n, _)| n).any(|n| n.eq_ignore_ascii_case(name)));
        }
    }
}
