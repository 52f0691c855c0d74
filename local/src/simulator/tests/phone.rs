//! What a customer sends that is no text.

use std::collections::BTreeMap;

use super::super::reply::fields;
use super::*;

fn put(wechat: &mut WeChat, open_id: &str, kind: MediaKind, bytes: &'static [u8]) -> String {
    wechat
        .put_media(NOW, APP, open_id, kind, "file", bytes)
        .unwrap()
}

/// The elements of the push that an act gives, without those of every push.
fn pushed(wechat: &mut WeChat, open_id: &str, act: &Act) -> BTreeMap<String, String> {
    let callback = wechat.act(NOW, APP, open_id, act).unwrap();
    let mut push = fields(std::str::from_utf8(&callback.body).unwrap()).unwrap();
    for name in ["ToUserName", "FromUserName", "CreateTime", "MsgId"] {
        assert!(push.remove(name).is_some(), "{name}");
    }
    push
}

fn elements<const N: usize>(elements: [(&str, &str); N]) -> BTreeMap<String, String> {
    elements
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

#[test]
fn a_picture() {
    let (mut wechat, ming, token) = start();
    wechat.set_address("http://127.0.0.1:8081");
    let media_id = put(&mut wechat, &ming, MediaKind::Image, PNG);
    let image = Act::Image {
        media_id: media_id.clone(),
    };
    let push = pushed(&mut wechat, &ming, &image);
    let media = wechat.media(NOW, APP, &media_id).unwrap().clone();
    assert_eq!(media.maker, Maker::Customer(ming.clone()));
    let url = format!("http://127.0.0.1:8081/media/{}", media.key);
    let expected = elements([
        ("MsgType", "image"),
        ("PicUrl", &url),
        ("MediaId", &media_id),
    ]);
    assert_eq!(push, expected);
    assert_eq!(fetch(&mut wechat, NOW, &token, &media_id).body, PNG);
    let bubble = last(&wechat, &ming);
    assert_eq!(
        (&bubble["kind"], &bubble["text"]),
        (&json!("mine"), &json!("[image]"))
    );
    let shown = json!({"type": "image", "media": {"media_id": media_id,
        "path": format!("/media/{}", media.key), "content_type": "image/png"}});
    assert_eq!(bubble["attachment"], shown);
}

#[test]
fn a_recording() {
    let (mut wechat, ming, token) = start();
    for (bytes, format, recognition) in [
        (AMR, "amr", None),
        (AMR, "amr", Some("你好")),
        (MP3, "mp3", Some("")),
    ] {
        let media_id = put(&mut wechat, &ming, MediaKind::Voice, bytes);
        let voice = Act::Voice {
            media_id: media_id.clone(),
            recognition: recognition.map(str::to_owned),
        };
        let push = pushed(&mut wechat, &ming, &voice);
        let wide = push["MediaId16K"].clone();
        assert_ne!(wide, media_id);
        let mut expected = elements([
            ("MsgType", "voice"),
            ("MediaId", &media_id),
            ("Format", format),
            ("MediaId16K", &wide),
        ]);
        if recognition == Some("你好") {
            expected.insert("Recognition".to_owned(), "你好".to_owned());
        }
        assert_eq!(push, expected);
        for id in [media_id, wide] {
            assert_eq!(fetch(&mut wechat, NOW, &token, &id).body, bytes);
        }
    }
}

#[test]
fn a_film() {
    let (mut wechat, ming, token) = start();
    let media_id = put(&mut wechat, &ming, MediaKind::Video, MP4);
    let video = Act::Video {
        media_id: media_id.clone(),
    };
    let push = pushed(&mut wechat, &ming, &video);
    let thumb = push["ThumbMediaId"].clone();
    let expected = elements([
        ("MsgType", "video"),
        ("MediaId", &media_id),
        ("ThumbMediaId", &thumb),
    ]);
    assert_eq!(push, expected);
    let still = fetch(&mut wechat, NOW, &token, &thumb);
    assert_eq!(still.content_type, "image/jpeg");
    assert!(
        fetch(&mut wechat, NOW, &token, &media_id)
            .disposition
            .is_none()
    );
    let bubble = last(&wechat, &ming);
    assert_eq!(bubble["attachment"]["thumb"]["media_id"], json!(thumb));
}

#[test]
fn a_place_and_a_link() {
    let (mut wechat, ming, _) = start();
    let place = Act::Location {
        latitude: 31.230_416,
        longitude: 121.4737,
        label: "上海市 <人民广场>".to_owned(),
    };
    let push = pushed(&mut wechat, &ming, &place);
    let expected = elements([
        ("MsgType", "location"),
        ("Location_X", "31.230416"),
        ("Location_Y", "121.473700"),
        ("Scale", "15"),
        ("Label", "上海市 <人民广场>"),
    ]);
    assert_eq!(push, expected);
    let shown = json!({"type": "location", "latitude": "31.230416", "longitude": "121.473700",
        "label": "上海市 <人民广场>"});
    assert_eq!(last(&wechat, &ming)["attachment"], shown);
    let link = Act::Link {
        title: "t".to_owned(),
        description: "d".to_owned(),
        url: "https://example.com/".to_owned(),
    };
    let push = pushed(&mut wechat, &ming, &link);
    let expected = elements([
        ("MsgType", "link"),
        ("Title", "t"),
        ("Description", "d"),
        ("Url", "https://example.com/"),
    ]);
    assert_eq!(push, expected);
}

#[test]
fn each_opens_a_window() {
    let (mut wechat, ming, _) = start();
    let image = put(&mut wechat, &ming, MediaKind::Image, PNG);
    let place = json!({"act": "location", "latitude": -90, "longitude": 180, "label": ""});
    for act in [
        json!({"act": "image", "media_id": image}),
        json!({"act": "voice", "media_id": put(&mut wechat, &ming, MediaKind::Voice, AMR)}),
        json!({"act": "video", "media_id": put(&mut wechat, &ming, MediaKind::Video, MP4)}),
        place,
        json!({"act": "link", "title": "", "description": "", "url": "https://example.com/"}),
    ] {
        let act: Act = serde_json::from_value(act).unwrap();
        let later = NOW + DAY_MS;
        wechat.act(later, APP, &ming, &act).unwrap();
        let open = wechat.customer(APP, &ming).unwrap().allowance.open(later);
        let until_ms = later + 2 * DAY_MS;
        assert_eq!(
            open.map(|open| (open.until_ms, open.left)),
            Some((until_ms, 5)),
            "{act:?}"
        );
        wechat.act(NOW, APP, &ming, &say("hi")).unwrap();
    }
}

#[test]
fn what_a_phone_does_not_take() {
    let (mut wechat, ming, _) = start();
    let chen = wechat.add_customer(APP, "Chen").unwrap();
    let large = |begin: &[u8], size: usize| {
        let mut file = begin.to_vec();
        file.resize(size * 1024 * 1024 + 1, 0);
        file
    };
    for (app_id, open_id, kind, bytes, expected) in [
        (
            "wx9",
            &*ming,
            MediaKind::Image,
            PNG.to_vec(),
            Refused::UnknownAccount,
        ),
        (
            APP,
            "nobody",
            MediaKind::Image,
            PNG.to_vec(),
            Refused::UnknownCustomer,
        ),
        (
            APP,
            &chen,
            MediaKind::Image,
            PNG.to_vec(),
            Refused::NotFollowing,
        ),
        (APP, &ming, MediaKind::Image, Vec::new(), Refused::Empty),
        (
            APP,
            &ming,
            MediaKind::Image,
            b"<svg>".to_vec(),
            Refused::FileType,
        ),
        (
            APP,
            &ming,
            MediaKind::Image,
            MP4.to_vec(),
            Refused::FileType,
        ),
        (
            APP,
            &ming,
            MediaKind::Voice,
            b"RIFF".to_vec(),
            Refused::FileType,
        ),
        (
            APP,
            &ming,
            MediaKind::Thumb,
            JPEG.to_vec(),
            Refused::TooLarge,
        ),
        (
            APP,
            &ming,
            MediaKind::Image,
            large(PNG, 10),
            Refused::TooLarge,
        ),
        (
            APP,
            &ming,
            MediaKind::Voice,
            large(AMR, 2),
            Refused::TooLarge,
        ),
        (
            APP,
            &ming,
            MediaKind::Video,
            large(MP4, 20),
            Refused::TooLarge,
        ),
    ] {
        let put = wechat.put_media(NOW, app_id, open_id, kind, "file", bytes);
        assert_eq!(put, Err(expected));
    }
}

#[test]
fn who_has_no_such_medium_sends_nothing() {
    let (mut wechat, ming, token) = start();
    let chen = wechat.add_follower(APP, "Chen").unwrap();
    let (li, _) = another(&mut wechat);
    let theirs = put(&mut wechat, &ming, MediaKind::Image, PNG);
    let accounts = uploaded(&mut wechat, &token, "image", "a.png", PNG);
    let image = |media_id: &str| Act::Image {
        media_id: media_id.to_owned(),
    };
    let video = Act::Video {
        media_id: theirs.clone(),
    };
    let place = |latitude, longitude| Act::Location {
        latitude,
        longitude,
        label: String::new(),
    };
    for (app_id, open_id, now_ms, act, expected) in [
        (APP, &chen, NOW, image(&theirs), Refused::NoMedia),
        ("wxother", &li, NOW, image(&theirs), Refused::NoMedia),
        (APP, &ming, NOW, image(&accounts), Refused::NoMedia),
        (APP, &ming, NOW, image("no such"), Refused::NoMedia),
        (APP, &ming, NOW, video, Refused::NoMedia),
        (
            APP,
            &ming,
            NOW + 3 * DAY_MS,
            image(&theirs),
            Refused::NoMedia,
        ),
        (APP, &ming, NOW, place(90.1, 0.0), Refused::NoPlace),
        (APP, &ming, NOW, place(0.0, -180.1), Refused::NoPlace),
        (APP, &ming, NOW, place(f64::NAN, 0.0), Refused::NoPlace),
    ] {
        let before = wechat.sights().count();
        let refused = wechat.act(now_ms, app_id, open_id, &act);
        assert_eq!(refused.map(|_| ()), Err(expected), "{act:?}");
        assert_eq!(wechat.sights().count(), before);
    }
    wechat.act(NOW, APP, &ming, &Act::Unfollow).unwrap();
    let refused = wechat.act(NOW, APP, &ming, &image(&theirs));
    assert_eq!(refused.unwrap_err(), Refused::NotFollowing);
}
