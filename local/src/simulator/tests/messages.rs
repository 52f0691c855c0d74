//! What an account sends that is no text.

use super::*;

/// Media of every kind that an account has.
struct Shelf {
    image: String,
    voice: String,
    video: String,
    thumb: String,
}

fn shelf(wechat: &mut WeChat, token: &str) -> Shelf {
    let mut put = |kind, name, bytes| uploaded(wechat, token, kind, name, bytes);
    Shelf {
        image: put("image", "a.png", PNG),
        voice: put("voice", "a.amr", AMR),
        video: put("video", "a.mp4", MP4),
        thumb: put("thumb", "a.jpg", JPEG),
    }
}

fn message(to: &str, kind: &str, fields: &Value) -> String {
    json!({"touser": to, "msgtype": kind, kind: fields}).to_string()
}

#[test]
fn every_type_and_what_it_needs() {
    let check = |kind: &str, fields: &dyn Fn(&Shelf) -> Value, expected: i64| {
        let (mut wechat, ming, token) = start();
        let fields = fields(&shelf(&mut wechat, &token));
        let body = message(&ming, kind, &fields);
        let code = send(&mut wechat, NOW, &token, &body);
        assert_eq!(code, expected, "{body}");
        let customer = wechat.customer(APP, &ming).unwrap();
        let received: Vec<_> = customer.received().collect();
        let shown = [format!("[{kind}]")];
        let shown = if expected == 0 { &shown[..] } else { &[] };
        assert_eq!(received, shown, "{body}");
        // What is refused takes nothing from the allowance.
        let left = customer.allowance.open(NOW).unwrap().left;
        assert_eq!(left, 5 - u32::try_from(shown.len()).unwrap(), "{body}");
    };
    check("image", &|at| json!({"media_id": at.image}), 0);
    check("image", &|at| json!({"media_id": at.voice}), 40007);
    check("image", &|_| json!({"media_id": "no such"}), 40007);
    check("image", &|_| json!({"media_id": 7}), 47001);
    check("image", &|_| json!({}), 40007);
    check("voice", &|at| json!({"media_id": at.voice}), 0);
    check("voice", &|at| json!({"media_id": at.image}), 40007);
    check("video", &|at| json!({"media_id": at.video}), 0);
    let video = |thumb: &str, at: &Shelf| json!({"media_id": at.video, "thumb_media_id": thumb, "title": "t", "description": "d"});
    check("video", &|at| video(&at.thumb, at), 0);
    check("video", &|at| video("", at), 0);
    check("video", &|at| video("no such", at), 40007);
    check("video", &|at| json!({"media_id": at.thumb}), 40007);
    let music = |change: Value| {
        move |at: &Shelf| {
            let mut whole = json!({"title": "t", "description": "d", "musicurl": "http://a/b",
                "hqmusicurl": "http://a/c", "thumb_media_id": at.thumb});
            for (name, value) in change.as_object().unwrap() {
                whole[name] = value.clone();
            }
            whole
        }
    };
    check("music", &music(json!({})), 0);
    check("music", &music(json!({"musicurl": ""})), 47001);
    check("music", &music(json!({"hqmusicurl": 1})), 47001);
    check("music", &music(json!({"thumb_media_id": "x"})), 40007);
    let article =
        json!({"title": "t", "description": "d", "url": "http://a/", "picurl": "http://a/p"});
    let news = |articles: Value| move |_: &Shelf| json!({"articles": articles});
    check("news", &news(json!([article])), 0);
    check(
        "news",
        &news(json!([{"title": "t", "url": "http://a/"}])),
        0,
    );
    check("news", &news(json!([article, article])), 45008);
    check("news", &news(json!([])), 44003);
    check("news", &news(json!({})), 47001);
    check("news", &news(json!([{"title": "t"}])), 47001);
    check("news", &|_| json!({}), 44003);
    check("mpnews", &|at| json!({"media_id": at.image}), 40007);
    check("mpnewsarticle", &|_| json!({"article_id": "x"}), 53600);
    let card = |change: Value| {
        move |at: &Shelf| {
            let mut whole =
                json!({"title": "t", "appid": "wx1", "pagepath": "p", "thumb_media_id": at.image});
            for (name, value) in change.as_object().unwrap() {
                whole[name] = value.clone();
            }
            whole
        }
    };
    check("miniprogrampage", &card(json!({})), 0);
    check("miniprogrampage", &card(json!({"appid": ""})), 40013);
    check("miniprogrampage", &card(json!({"pagepath": ""})), 47001);
    check(
        "miniprogrampage",
        &card(json!({"thumb_media_id": ""})),
        40007,
    );
    check("wxcard", &|_| json!({"card_id": "c"}), 0);
    check("wxcard", &|_| json!({}), 40073);
    check("file", &|at| json!({"media_id": at.image}), 40008);
}

#[test]
fn a_medium_of_another_account_or_of_long_ago_is_none() {
    let (mut wechat, ming, token) = start();
    let (li, theirs) = another(&mut wechat);
    let id = uploaded(&mut wechat, &token, "image", "a.png", PNG);
    let image = |to: &str| message(to, "image", &json!({"media_id": id}));
    assert_eq!(send(&mut wechat, NOW, &theirs, &image(&li)), 40007);
    let later = NOW + 3 * DAY_MS;
    wechat.act(later, APP, &ming, &say("hi")).unwrap();
    for (now_ms, expected) in [(later - 1, 0), (later, 40007)] {
        let token = stable(&mut wechat, now_ms, &json!({}));
        assert_eq!(send(&mut wechat, now_ms, &token, &image(&ming)), expected);
    }
    // Nor is a film sent with a picture of another account.
    let film = uploaded(&mut wechat, &theirs, "video", "a.mp4", MP4);
    let film = json!({"media_id": film, "thumb_media_id": id});
    let film = message(&li, "video", &film);
    assert_eq!(send(&mut wechat, NOW, &theirs, &film), 40007);
}

#[test]
fn what_a_customer_sent_can_be_sent_back() {
    let (mut wechat, ming, token) = start();
    let id = wechat.put_media(NOW, APP, &ming, MediaKind::Image, "a.png", PNG);
    let image = message(&ming, "image", &json!({"media_id": id.unwrap()}));
    assert_eq!(send(&mut wechat, NOW, &token, &image), 0);
}

#[test]
fn an_article_is_sent_by_either_id() {
    let (mut wechat, ming, token) = start();
    let (li, theirs) = another(&mut wechat);
    let article = wechat
        .publish(APP, "上新", "https://example.com/a")
        .unwrap();
    for (kind, fields, elsewhere) in [
        ("mpnews", json!({"media_id": article.media_id}), 40007),
        (
            "mpnewsarticle",
            json!({"article_id": article.article_id}),
            53600,
        ),
    ] {
        let body = message(&ming, kind, &fields);
        assert_eq!(send(&mut wechat, NOW, &token, &body), 0);
        let shown = json!({"type": "page", "title": "上新", "description": "",
            "url": "https://example.com/a", "picture": ""});
        assert_eq!(last(&wechat, &ming)["attachment"], shown);
        let body = message(&li, kind, &fields);
        assert_eq!(send(&mut wechat, NOW, &theirs, &body), elsewhere);
    }
}

#[test]
fn the_phone_shows_each_as_what_it_is() {
    let (mut wechat, ming, token) = start();
    let at = shelf(&mut wechat, &token);
    let shown = |wechat: &WeChat, id: &str| {
        let media = wechat.media(NOW, APP, id).unwrap();
        json!({"media_id": id, "path": format!("/media/{}", media.key), "content_type": media.content_type})
    };
    let (image, voice) = (shown(&wechat, &at.image), shown(&wechat, &at.voice));
    let (video, thumb) = (shown(&wechat, &at.video), shown(&wechat, &at.thumb));
    for (kind, fields, expected) in [
        (
            "image",
            json!({"media_id": at.image}),
            json!({"type": "image", "media": image}),
        ),
        (
            "voice",
            json!({"media_id": at.voice}),
            json!({"type": "voice", "media": voice}),
        ),
        (
            "video",
            json!({"media_id": at.video, "thumb_media_id": at.thumb, "title": "t", "description": "d"}),
            json!({"type": "video", "media": video, "thumb": thumb, "title": "t", "description": "d"}),
        ),
        (
            "news",
            json!({"articles": [{"title": "t", "description": "d", "url": "http://a/", "picurl": "http://a/p"}]}),
            json!({"type": "page", "title": "t", "description": "d", "url": "http://a/", "picture": "http://a/p"}),
        ),
        (
            "wxcard",
            json!({"card_id": "c"}),
            json!({"type": "coupon", "card_id": "c"}),
        ),
    ] {
        let body = message(&ming, kind, &fields);
        assert_eq!(send(&mut wechat, NOW, &token, &body), 0, "{kind}");
        let bubble = last(&wechat, &ming);
        assert_eq!(bubble["kind"], "theirs");
        assert_eq!(bubble["attachment"], expected);
    }
}

#[test]
fn in_whose_name_it_comes() {
    let check = |change: Value, expected: Result<(Option<&str>, bool), i64>| {
        let (mut wechat, ming, token) = start();
        let mut body: Value = serde_json::from_str(&text(&ming, "hi")).unwrap();
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        let code = send(&mut wechat, NOW, &token, &body.to_string());
        assert_eq!(code, expected.err().unwrap_or_default(), "{change}");
        let bubble = last(&wechat, &ming);
        if let Ok((agent, by_ai)) = expected {
            assert_eq!(bubble["agent"].as_str(), agent);
            assert_eq!(bubble["by_ai"].as_bool().unwrap_or_default(), by_ai);
        } else {
            assert_eq!(bubble["kind"], "mine");
        }
    };
    let kf = |name: &str| json!({"customservice": {"kf_account": name}});
    check(kf("test_1@kftest"), Ok((Some("test_1"), false)));
    check(kf("1234567890@kf"), Ok((Some("1234567890"), false)));
    check(kf("12345678901@kf"), Err(65401));
    check(kf("test1"), Err(65401));
    check(kf("test1@"), Err(65401));
    check(kf("@kftest"), Err(65401));
    check(kf("te-st@kftest"), Err(65401));
    check(kf("a@b@c"), Err(65401));
    check(kf(&format!("a@{}", "b".repeat(29))), Err(65401));
    check(json!({"customservice": {}}), Err(65401));
    check(json!({"customservice": {"kf_account": 7}}), Err(47001));
    check(json!({"aimsgcontext": {"is_ai_msg": 1}}), Ok((None, true)));
    check(json!({"aimsgcontext": {"is_ai_msg": 0}}), Ok((None, false)));
    check(json!({"aimsgcontext": {"is_ai_msg": 2}}), Err(47001));
    check(json!({"aimsgcontext": {"is_ai_msg": true}}), Err(47001));
    check(json!({"aimsgcontext": {}}), Err(47001));
}
