//! `media/upload` and `media/get`.

use super::*;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// A file of this size that begins like this.
fn sized(begin: &[u8], size: usize) -> Vec<u8> {
    let mut file = begin.to_vec();
    file.resize(size, b'x');
    file
}

#[test]
fn what_may_be_uploaded() {
    let (mut wechat, _, token) = start();
    let mut check = |kind: &str, name: &str, bytes: &[u8], expected: i64| {
        let answer = upload(&mut wechat, &token, kind, name, bytes);
        let code = answer["errcode"].as_i64().unwrap_or_default();
        assert_eq!(code, expected, "{kind} {name} {} bytes", bytes.len());
        if expected == 0 {
            let id = if kind == "thumb" {
                "thumb_media_id"
            } else {
                "media_id"
            };
            let id = answer[id].as_str().unwrap();
            let mut whole = json!({"type": kind, "created_at": NOW / 1_000});
            whole[if kind == "thumb" {
                "thumb_media_id"
            } else {
                "media_id"
            }] = json!(id);
            assert_eq!(answer, whole);
        }
    };
    for (kind, name, bytes, expected) in [
        ("image", "a.png", PNG, 0),
        ("image", "图片.JPG", JPEG, 0),
        ("image", "a.jpeg", JPEG, 0),
        ("image", "a.gif", GIF, 0),
        ("image", "a.jpg", PNG, 40005),
        ("image", "a.bmp", b"BM", 40005),
        ("image", "a.png", b"not a picture", 40005),
        ("image", "png", PNG, 40005),
        ("image", "a.amr", AMR, 40005),
        ("image", "a.png", b"", 44001),
        ("image", "", PNG, 41005),
        ("voice", "a.amr", AMR, 0),
        ("voice", "a.mp3", MP3, 0),
        ("voice", "a.wav", b"RIFF", 40005),
        ("voice", "a.mp3", AMR, 40005),
        ("video", "a.mp4", MP4, 0),
        ("video", "a.mov", MP4, 40005),
        ("thumb", "a.jpg", JPEG, 0),
        ("thumb", "a.png", PNG, 40005),
        ("file", "a.pdf", b"%PDF", 40004),
        ("", "a.png", PNG, 40004),
    ] {
        check(kind, name, bytes, expected);
    }
    for (kind, name, bytes, most, expected) in [
        ("image", "a.png", PNG, 10 * MIB, 45001),
        ("voice", "a.amr", AMR, 2 * MIB, 45001),
        ("video", "a.mp4", MP4, 10 * MIB, 45001),
        ("thumb", "a.jpg", JPEG, 64 * KIB, 40006),
    ] {
        check(kind, name, &sized(bytes, most), 0);
        check(kind, name, &sized(bytes, most + 1), expected);
    }
}

#[test]
fn what_is_no_form_has_no_media() {
    let (mut wechat, _, token) = start();
    let request = format!("POST {UPLOAD}?access_token={token}&type=image");
    for (content_type, body) in [
        (FORM, form("file", "a.png", PNG)),
        (FORM, PNG.to_vec()),
        (FORM, Vec::new()),
        ("image/png", form("media", "a.png", PNG)),
        ("", form("media", "a.png", PNG)),
    ] {
        let answer = typed_call(&mut wechat, NOW, &request, content_type, &body);
        assert_eq!(answer.errcode(), 41005, "{content_type}");
    }
}

#[test]
fn who_may_upload_and_fetch() {
    let (mut wechat, _, token) = start();
    let foreign = format!("{}x", token.get(1..).unwrap());
    let id = uploaded(&mut wechat, &token, "image", "a.png", PNG);
    for (given, now_ms, expected) in [
        ("", NOW, 41001),
        ("short", NOW, 40014),
        (&*foreign, NOW, 40001),
        (&*token, NOW + 7_200_000, 42001),
        (&*token, NOW, 0),
    ] {
        let answer = fetch(&mut wechat, now_ms, given, &id);
        assert_eq!((answer.status, answer.errcode()), (200, expected));
        let request = format!("POST {UPLOAD}?access_token={given}&type=image");
        let body = form("media", "a.png", PNG);
        let answer = typed_call(&mut wechat, now_ms, &request, FORM, &body);
        assert_eq!((answer.status, answer.errcode()), (200, expected));
    }
    let wrong = format!("POST {GET}?access_token={token}&media_id={id}");
    assert_eq!(call(&mut wechat, NOW, &wrong, b"").errcode(), 43001);
    let wrong = format!("GET {UPLOAD}?access_token={token}&type=image");
    assert_eq!(call(&mut wechat, NOW, &wrong, b"").errcode(), 43002);
    for (kind, expected) in [(Kind::Overseas, 0), (Kind::Subscription, 48001)] {
        wechat.set_kind(APP, kind).unwrap();
        let fetched = fetch(&mut wechat, NOW, &token, &id).errcode();
        let answer = upload(&mut wechat, &token, "image", "a.png", PNG);
        let code = answer["errcode"].as_i64().unwrap_or_default();
        assert_eq!((fetched, code), (expected, expected), "{kind:?}");
    }
}

#[test]
fn a_day_has_so_many_of_each() {
    let (mut wechat, _, token) = start();
    let two = Limits {
        a_day: Some(2),
        a_minute: None,
    };
    for path in [ApiPath::MediaUpload, ApiPath::MediaGet] {
        wechat.set_limits(APP, path, two).unwrap();
    }
    let id = uploaded(&mut wechat, &token, "image", "a.png", PNG);
    uploaded(&mut wechat, &token, "image", "a.png", PNG);
    let answer = upload(&mut wechat, &token, "image", "a.png", PNG);
    assert_eq!(answer["errcode"], 45009);
    // What is refused for its contents counts, too.
    let codes = ["no such", &id, &id].map(|id| fetch(&mut wechat, NOW, &token, id).errcode());
    assert_eq!(codes, [40007, 0, 45009]);
}

#[test]
fn what_was_uploaded_comes_back() {
    let (mut wechat, ..) = start();
    let token = stable(&mut wechat, NOW, &json!({}));
    for (kind, name, bytes, content_type, extension) in [
        ("image", "a.png", PNG, "image/png", "png"),
        ("image", "a.jpeg", JPEG, "image/jpeg", "jpg"),
        ("image", "a.gif", GIF, "image/gif", "gif"),
        ("voice", "a.amr", AMR, "audio/amr", "amr"),
        ("voice", "a.mp3", MP3, "audio/mpeg", "mp3"),
        ("thumb", "a.jpg", JPEG, "image/jpeg", "jpg"),
    ] {
        let id = uploaded(&mut wechat, &token, kind, name, bytes);
        let answer = fetch(&mut wechat, NOW, &token, &id);
        let expected = Answer {
            status: 200,
            content_type,
            disposition: Some(format!("attachment; filename=\"{id}.{extension}\"")),
            body: bytes.to_vec(),
        };
        assert_eq!(answer, expected);
        let media = wechat.media(NOW, APP, &id).unwrap();
        assert_eq!((&*media.file_name, &media.maker), (name, &Maker::Account));
    }
}

#[test]
fn a_film_is_an_address() {
    let (mut wechat, ..) = start();
    let token = stable(&mut wechat, NOW, &json!({}));
    let id = uploaded(&mut wechat, &token, "video", "a.mp4", MP4);
    for origin in ["http://wechat.test", "http://127.0.0.1:8081"] {
        let answer = fetch(&mut wechat, NOW, &token, &id);
        assert!(answer.content_type.starts_with("application/json"));
        let answer: Value = serde_json::from_slice(&answer.body).unwrap();
        let url = answer["video_url"].as_str().unwrap();
        let key = url.strip_prefix(&format!("{origin}/media/")).unwrap();
        assert!(key.len() == 64 && key != id);
        assert_eq!(wechat.opened_by(NOW, key).unwrap().bytes, MP4);
        wechat.set_address("http://127.0.0.1:8081/");
    }
}

#[test]
fn a_medium_is_one_accounts_for_three_days() {
    let (mut wechat, ming, token) = start();
    let (_, theirs) = another(&mut wechat);
    let of_account = uploaded(&mut wechat, &token, "image", "a.png", PNG);
    let of_customer = wechat.put_media(NOW, APP, &ming, MediaKind::Image, "a.png", PNG);
    for id in [of_account, of_customer.unwrap()] {
        let key = wechat.media(NOW, APP, &id).unwrap().key.clone();
        assert_eq!(fetch(&mut wechat, NOW, &token, &id).errcode(), 0);
        assert_eq!(fetch(&mut wechat, NOW, &theirs, &id).errcode(), 40007);
        // The address is none for the API.
        assert_eq!(fetch(&mut wechat, NOW, &token, &key).errcode(), 40007);
        for (after_ms, expected) in [(3 * DAY_MS - 1, 0), (3 * DAY_MS, 40007)] {
            let now_ms = NOW + after_ms;
            let token = stable(&mut wechat, now_ms, &json!({}));
            let answer = fetch(&mut wechat, now_ms, &token, &id);
            assert_eq!(answer.errcode(), expected);
            assert_eq!(wechat.opened_by(now_ms, &key).is_some(), expected == 0);
        }
    }
    let without = format!("GET {GET}?access_token={token}");
    assert_eq!(call(&mut wechat, NOW, &without, b"").errcode(), 40007);
}

#[test]
fn the_oldest_make_room() {
    let (mut wechat, _, token) = start();
    let large = sized(PNG, 10 * MIB);
    let ids: Vec<_> = (0..8)
        .map(|_| uploaded(&mut wechat, &token, "image", "a.png", &large))
        .collect();
    let codes: Vec<_> = ids
        .iter()
        .map(|id| fetch(&mut wechat, NOW, &token, id).errcode())
        .collect();
    assert_eq!(codes, [40007, 40007, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn calls_of_media_go_wrong_when_ordered_and_show_no_secret() {
    let (mut wechat, _, token) = start();
    let id = uploaded(&mut wechat, &token, "image", "a.png", PNG);
    let wrong = Mishap::once(ApiPath::MediaGet, Trouble::Code(-1));
    wechat.order(wrong).unwrap();
    let request = format!("GET {GET}?access_token={token}&media_id={id}");
    let codes = [(); 2].map(|()| match meet(&mut wechat, &request, b"").end {
        End::Answer(answer) => answer.errcode(),
        other => panic!("{other:?}"),
    });
    assert_eq!(codes, [-1, 0]);
    let seen = json!(wechat.sights().collect::<Vec<_>>()).to_string();
    assert!(seen.contains(GET) && seen.contains(UPLOAD));
    assert!(!seen.contains(&token) && !seen.contains(&id));
}
