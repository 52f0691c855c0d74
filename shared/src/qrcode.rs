//! A QR code of the account with a scene of its own, and how often it was scanned.

use std::fmt;
use std::time::Duration;

use crate::event::Event;
use crate::message::Body;
use crate::moment::Moment;

/// How many codes a channel may have: who needs more names them in a system of their own.
pub const QRCODES: u32 = 1_000;
/// The longest scene, in bytes: WeChat's own bound.
const SCENE_MAX: usize = 64;
/// Where WeChat shows the picture of a code.
const PICTURE: &str = "https://mp.weixin.qq.com/cgi-bin/showqrcode";

/// What a code stands for, such as `counter_3`. Minted by the operator, unique in a channel.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scene(String);

impl Scene {
    /// Checks and takes a scene: 1 to 64 letters, digits and marks that stand in an address
    /// as they are, a letter, a digit or `_` first. WeChat would take more.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let fits = (1..=SCENE_MAX).contains(&text.len())
            && text.bytes().next().is_some_and(plain)
            && text
                .bytes()
                .all(|b| plain(b) || b".,:;=@+*!~-".contains(&b));
        fits.then(|| Self(text.to_owned()))
    }

    /// The scene as text. It names nobody and may be logged.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The scene of the code by which somebody came, if the entry tells of that.
    #[must_use]
    pub fn scanned(body: &Body) -> Option<Self> {
        match body.event()? {
            Event::Followed { scene, .. } | Event::Scanned { scene, .. } => Self::parse(&scene?),
            _ => None,
        }
    }
}

impl fmt::Display for Scene {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What WeChat made for a scene.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// By which WeChat shows the code.
    pub ticket: String,
    /// What the code says: whoever draws it themselves draws this.
    pub url: String,
    /// How long the code is good; `None`: for ever.
    pub life: Option<Duration>,
}

/// A code as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Qrcode {
    /// What it stands for.
    pub scene: Scene,
    /// What people call it.
    pub name: String,
    /// By which WeChat shows it.
    pub ticket: String,
    /// What it says.
    pub url: String,
    /// Until when it is good; `None`: for ever.
    pub expires: Option<Moment>,
    /// When the scene's first code was made.
    pub created: Moment,
    /// How often it was scanned since.
    pub scans: u64,
}

impl Qrcode {
    /// Whether it is over.
    #[must_use]
    pub fn is_over(&self, now: Moment) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// Where WeChat shows its picture.
    #[must_use]
    pub fn picture(&self) -> String {
        let ticket: String = url::form_urlencoded::byte_serialize(self.ticket.as_bytes()).collect();
        format!("{PICTURE}?ticket={ticket}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::Fields;

    #[test]
    fn scenes() {
        let longest = "s".repeat(SCENE_MAX);
        for (text, fits) in [
            ("counter_3", true),
            ("shop:3,till=4", true),
            ("7", true),
            (&longest, true),
            (&format!("{longest}s"), false),
            ("", false),
            ("..", false),
            ("-a", false),
            ("a b", false),
            ("a/b", false),
            ("a%2f", false),
            ("a#b", false),
            ("柜台", false),
        ] {
            assert_eq!(Scene::parse(text).is_some(), fits, "{text}");
        }
    }

    #[test]
    fn who_came_by_a_code() {
        for (name, key, expected) in [
            ("SCAN", "counter_3", Some("counter_3")),
            ("subscribe", "qrscene_counter_3", Some("counter_3")),
            ("subscribe", "", None),
            ("unsubscribe", "qrscene_counter_3", None),
            ("CLICK", "counter_3", None),
            ("SCAN", "柜台", None),
        ] {
            let mut fields = Fields::default();
            fields.insert("EventKey".to_owned(), key.to_owned());
            let name = name.to_owned();
            let scanned = Scene::scanned(&Body::Event { name, fields });
            assert_eq!(scanned.as_ref().map(Scene::as_str), expected, "{key}");
        }
        assert_eq!(Scene::scanned(&Body::text("counter_3")), None);
    }

    #[test]
    fn the_ticket_of_a_picture_is_escaped() {
        let code = Qrcode {
            scene: Scene::parse("a").unwrap(),
            name: String::new(),
            ticket: "gQH4+/8DwA==".to_owned(),
            url: String::new(),
            expires: Some(Moment::from_millis(7)),
            created: Moment::default(),
            scans: 0,
        };
        assert_eq!(
            code.picture(),
            format!("{PICTURE}?ticket=gQH4%2B%2F8DwA%3D%3D")
        );
        assert!(code.is_over(Moment::from_millis(7)) && !code.is_over(Moment::from_millis(6)));
    }
}
