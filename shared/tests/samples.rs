//! Every sample of a push below `events/` is read whole: as typed data, with a line for
//! agents, and from JSON as from XML.
#![expect(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it has to be"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use magpie::content::Content;
use magpie::event::Event;
use magpie::message::{Body, Kind};
use magpie::wechat::push::{Push, identity, parse};
use magpie::{lines, opens};

/// The samples by their name.
fn samples() -> BTreeMap<String, Push> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events/push");
    let read = |path: &Path| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, parse(&fs::read(path).unwrap()).unwrap())
    };
    let files = fs::read_dir(folder).unwrap();
    files.map(|file| read(&file.unwrap().path())).collect()
}

#[test]
fn every_sample_is_read_and_has_a_line() {
    let samples = samples();
    let mut seen = Vec::new();
    for (name, push) in &samples {
        assert_eq!(push.to.as_deref(), Some("gh_5f1c0a9be742"), "{name}");
        assert!(push.from.is_some() && push.create_time.is_some(), "{name}");
        let event = matches!(push.body, Body::Event { .. });
        assert_ne!(event, push.msg_id.is_some(), "{name}");
        let line = lines::line(&push.body);
        assert!(
            !line.en.contains("unknown") && !line.en.contains("unsupported"),
            "{name}: {}",
            line.en
        );
        if let Body::Event { name, .. } | Body::Other { name, .. } = &push.body {
            seen.push(name);
        }
    }
    for (name, _) in opens::EVENTS {
        assert!(seen.iter().any(|n| *n == name), "no sample of {name}");
    }
    assert!(seen.len() >= opens::EVENTS.len() + 8);
}

/// An element that is read under a wrong name is missing here.
#[test]
fn every_sample_is_typed_data_with_all_its_fields() {
    let mut all = String::new();
    for (name, push) in samples() {
        if name.strip_suffix(".xml").is_some() {
            let data = serde_json::to_string(&push.body.data()).unwrap();
            writeln!(all, "{name}: {data}").unwrap();
        }
    }
    insta::assert_snapshot!(all);
}

#[test]
fn json_says_what_xml_says() {
    let samples = samples();
    let mut compared = 0;
    for (name, json) in &samples {
        let Some(stem) = name.strip_suffix(".json") else {
            continue;
        };
        let xml = &samples[&format!("{stem}.xml")];
        let header = |push: &Push| {
            (
                push.to.clone(),
                push.from.clone(),
                push.create_time,
                push.msg_id.clone(),
            )
        };
        assert_eq!(header(json), header(xml), "{name}");
        assert_eq!(json.body.data(), xml.body.data(), "{name}");
        assert_eq!(lines::line(&json.body), lines::line(&xml.body), "{name}");
        // There the list of a subscription event stands in no element of its name.
        if !name.contains("subscribe_msg") {
            assert!(json == xml, "{name}");
            assert_eq!(identity(json), identity(xml), "{name}");
        }
        compared += 1;
    }
    assert!(compared >= 9, "{compared}");
}

/// What is read and shown to nobody: what we fetch media by, and whom a withdrawn
/// consent concerns.
#[test]
fn what_we_need_ourselves_is_read_too() {
    let samples = samples();
    let content = |name: &str| samples[name].body.content().unwrap();
    let event = |name: &str| samples[name].body.event().unwrap();
    let Content::Image(image) = content("image.xml") else {
        panic!("no picture");
    };
    assert!(image.media.is_some() && image.url.is_some());
    let Content::Voice(voice) = content("voice.xml") else {
        panic!("no voice");
    };
    assert!(voice.media.is_some() && voice.media_16k.is_some() && voice.media != voice.media_16k);
    for name in ["video.xml", "shortvideo.xml"] {
        let Content::Video(video) = content(name) else {
            panic!("no film");
        };
        assert!(video.media.is_some() && video.thumb.is_some() && video.media != video.thumb);
    }
    let Content::Card(card) = content("miniprogrampage.xml") else {
        panic!("no card");
    };
    assert!(card.thumb.is_some() && card.thumb_url.is_some());
    let ticket = match (event("event_SCAN.xml"), event("event_subscribe_scan.xml")) {
        (Event::Scanned { ticket: one, .. }, Event::Followed { ticket: other, .. }) => {
            one.zip(other)
        }
        _ => None,
    };
    assert!(ticket.is_some());
    let Event::Consent {
        open_id, union_id, ..
    } = event("event_user_authorization_revoke.xml")
    else {
        panic!("no consent");
    };
    assert_ne!(open_id, samples["event_user_authorization_revoke.xml"].from);
    assert!(open_id.is_some() && union_id.is_some());
}

/// What desks and the API show names no person and nothing by which WeChat gives out
/// what people sent.
#[test]
fn what_is_shown_of_a_sample_hides_what_is_ours() {
    for (name, push) in samples() {
        let shown = serde_json::to_string(&push.body.data()).unwrap();
        let debug = format!("{:?}{:?}", push.body.content(), push.body.event());
        assert!(debug.len() < 30, "{debug}");
        let fields = match &push.body {
            Body::Event { fields, .. } | Body::Other { fields, .. } | Body::Text { fields, .. } => {
                fields
            }
            body => panic!("{body:?}"),
        };
        let open_id = push.from.as_ref().map(|from| from.expose().to_owned());
        let hidden = [
            "MediaId",
            "MediaId16K",
            "ThumbMediaId",
            "PicUrl",
            "Ticket",
            "OpenID",
            "UnionID",
            "FriendUserName",
        ];
        let hidden = hidden.iter().filter_map(|path| fields.get(*path).cloned());
        for secret in hidden.chain(open_id).filter(|secret| !secret.is_empty()) {
            assert!(!shown.contains(&secret), "{name}: {shown}");
        }
    }
}

#[test]
fn what_nobody_documents_is_passed_through_without_its_fields() {
    let passed = |name: &str| {
        let xml = format!(
            "<xml><MsgType>event</MsgType><Event>{name}</Event><FriendUserName>oFriend</FriendUserName></xml>"
        );
        parse(xml.as_bytes()).unwrap().body
    };
    for name in ["card_pass_check", "poi_check_notify", "of_a_later_year"] {
        let body = passed(name);
        assert_eq!(body.event(), Some(Event::Other));
        let shown = serde_json::to_value(body.data()).unwrap();
        assert_eq!(shown, serde_json::json!({ "kind": "other" }));
        assert_eq!(body.kind(), Kind::Event);
    }
}
