//! The operator's pages: what is served, in which words, and what they need of
//! the API beside what others use.

use std::collections::BTreeSet;

use http::StatusCode;
use serde_json::{Value, json};

use super::{House, KEY};
use crate::channel::DeskSettings;
use crate::message::ChannelId;

const WORDS: &[&str] = &[
    include_str!("../assets/operator/words.js"),
    include_str!("../assets/operator/status_words.js"),
    include_str!("../assets/operator/setup_words.js"),
    include_str!("../assets/operator/menu_words.js"),
    include_str!("../assets/operator/codes_words.js"),
    include_str!("../assets/operator/notices_words.js"),
    include_str!("../assets/operator/quota_words.js"),
    include_str!("../assets/operator/events_words.js"),
];
const CODE: &[&str] = &[
    include_str!("../assets/operator/page.js"),
    include_str!("../assets/operator/parts.js"),
    include_str!("../assets/operator/channels.js"),
    include_str!("../assets/operator/replies.js"),
    include_str!("../assets/operator/channel.js"),
    include_str!("../assets/operator/setup.js"),
    include_str!("../assets/operator/status.js"),
    include_str!("../assets/operator/account.js"),
    include_str!("../assets/operator/menu_editor.js"),
    include_str!("../assets/operator/menu.js"),
    include_str!("../assets/operator/codes.js"),
    include_str!("../assets/operator/notices.js"),
    include_str!("../assets/operator/quota.js"),
    include_str!("../assets/operator/events.js"),
    include_str!("../assets/operator/start.js"),
    include_str!("../../../templates/operator.html"),
    include_str!("../../../templates/sign_in.html"),
];

#[tokio::test(start_paused = true)]
async fn every_page_of_the_operator_is_served_and_nothing_beside_them() {
    let house = House::new().await;
    for (path, script) in [
        ("/console/channels", "operator"),
        ("/console/channels/new", "channel"),
        ("/console/channels/demo", "channel"),
        ("/console/channels/there-is-none", "channel"),
        ("/console/channels/demo/menu", "menu"),
        ("/console/channels/demo/codes", "codes"),
        ("/console/channels/demo/notices", "account_notices"),
        ("/console/channels/demo/quota", "quota"),
        ("/console/channels/new/quota", "quota"),
        ("/console/channels/demo/events", "events"),
        ("/console/status", "operator"),
    ] {
        let headers = [("accept-language", "zh-CN,zh;q=0.9")];
        let page = house.call("GET", path, &headers, None).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
        assert_eq!(page.headers["cache-control"], "no-store");
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"));
        assert!(!policy.contains("unsafe"), "{policy}");
        assert!(page.text.contains(r#"<html lang="zh-CN">"#));
        assert!(page.text.contains(&format!("/console/{script}.js?v=")));
        let of_account = path.split('/').count() == 5;
        let styled = page.text.contains("/console/account.css?v=");
        assert_eq!(styled, of_account, "{path}");
        for strange in ["console.js", "console.css", "<style", "style=", "onclick"] {
            assert!(!page.text.contains(strange), "{strange} in {path}");
        }
        let refused = house.call("POST", path, &[], None).await;
        assert_eq!(refused.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
    }
    for path in [
        "/console/channels/",
        "/console/channels/No_Id",
        "/console/channels/No_Id/menu",
        "/console/channels/demo/",
        "/console/channels/demo/more",
        "/console/channels/demo/menu/",
        "/console/status/",
        "/console/operator/words.js",
        "/consolechannels",
    ] {
        let reply = house.call("GET", path, &[], None).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{path}");
    }
    let inbox = house.call("GET", "/console/", &[], None).await;
    for path in ["/console/channels", "/console/status"] {
        assert!(inbox.text.contains(&format!(r#"href="{path}""#)), "{path}");
    }
    assert!(!inbox.text.contains("operator."));
}

#[tokio::test(start_paused = true)]
async fn what_the_pages_load_is_small_and_kept_by_browsers() {
    let house = House::new().await;
    let script = "text/javascript; charset=utf-8";
    for (page, name, kind, most) in [
        ("status", "operator.js", script, 80_000),
        ("channels/demo", "channel.js", script, 80_000),
        ("channels/demo/menu", "menu.js", script, 80_000),
        ("channels/demo/codes", "codes.js", script, 60_000),
        (
            "channels/demo/notices",
            "account_notices.js",
            script,
            60_000,
        ),
        ("channels/demo/quota", "quota.js", script, 60_000),
        ("channels/demo/events", "events.js", script, 60_000),
        ("status", "operator.css", "text/css; charset=utf-8", 13_000),
        (
            "channels/demo/menu",
            "account.css",
            "text/css; charset=utf-8",
            5_000,
        ),
    ] {
        let page = house
            .call("GET", &format!("/console/{page}"), &[], None)
            .await;
        let start = format!("/console/{name}?v=");
        let (_, rest) = page.text.split_once(&start).unwrap();
        let path = format!("{start}{}", rest.split('"').next().unwrap());
        let asset = house.call("GET", &path, &[], None).await;
        assert_eq!(asset.headers["content-type"], kind);
        assert!(asset.headers.contains_key("content-security-policy"));
        let kept = asset.headers["cache-control"].to_str().unwrap();
        assert!(kept.contains("immutable"), "{kept}");
        let other = format!("/console/{name}?v=another");
        let other = house.call("GET", &other, &[], None).await;
        assert_eq!(other.headers["cache-control"], "no-store");
        let size = asset.text.len();
        assert!(size <= most, "{name} has {size} bytes");
        for markup in ["innerHTML", "insertAdjacentHTML", "document.write", "eval("] {
            assert!(!asset.text.contains(markup), "{markup} in {name}");
        }
    }
}

/// The two halves of a line: split at the commas outside of quotes and brackets.
fn halves(pair: &str) -> Vec<String> {
    let (mut halves, mut depth, mut quote) = (vec![String::new()], 0, None);
    for c in pair.chars() {
        match (quote, c) {
            (Some(open), c) if open == c => quote = None,
            (None, '\'' | '`') => quote = Some(c),
            (None, '(' | '{' | '[') => depth += 1,
            (None, ')' | '}' | ']') => depth -= 1,
            (None, ',') if depth == 0 => {
                halves.push(String::new());
                continue;
            }
            _ => {}
        }
        halves.last_mut().unwrap().push(c);
    }
    halves
}

fn is_chinese(text: &str) -> bool {
    text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c))
}

/// The lines of a file of words.
fn table(file: &'static str) -> std::str::Lines<'static> {
    let first = file.split_once("const WORDS = {\n");
    let (begin, end) = match first {
        Some(_) => ("const WORDS = {\n", "\n};\n"),
        None => ("\nObject.assign(WORDS, {\n", "\n});\n"),
    };
    let (before, table) = file.split_once(begin).unwrap();
    assert!(first.is_some() || before.is_empty(), "nothing but words");
    let (table, rest) = table.split_once(end).unwrap();
    assert_eq!(rest, "", "nothing but words");
    table.lines()
}

fn keys() -> BTreeSet<&'static str> {
    let mut keys = BTreeSet::new();
    for line in WORDS.iter().flat_map(|file| table(file)) {
        if line.is_empty() || line.starts_with("  // ") {
            continue;
        }
        let (key, pair) = line.trim().split_once(": [").unwrap();
        let pair = pair.strip_suffix("],").unwrap();
        let halves = halves(pair);
        assert_eq!(halves.len(), 2, "{key} has words in both languages");
        assert!(keys.insert(key), "{key} twice");
        let same = matches!(
            key,
            "other" | "dash" | "comma" | "colon" | "http" | "within" | "quota_of" | "rid_field"
        );
        assert!(same || is_chinese(&halves[0]), "{key} has no Chinese words");
        let takes = |half: &str| {
            let head = half.split_once(" => ").map(|(head, _)| head);
            head.map(|head| head.matches(',').count())
        };
        assert_eq!(
            takes(&halves[0]),
            takes(&halves[1]),
            "{key} is about as much"
        );
    }
    keys
}

#[test]
fn every_word_is_there_in_both_languages_and_used() {
    let keys = keys();
    assert!(keys.len() > 200);
    let starts = [
        "t: '",
        "t: ['",
        "t('",
        "label: '",
        "hint: '",
        "title: '",
        "yes: '",
        "help: '",
        "data-t=\"",
        "data-label=\"",
    ];
    for code in CODE {
        for start in starts {
            let pieces: Vec<_> = code.split(start).collect();
            for pair in pieces.windows(2) {
                // Not the end of another name.
                if pair[0].ends_with(|c: char| c.is_ascii_alphanumeric()) {
                    continue;
                }
                let key = pair[1].split(['\'', '"']).next().unwrap();
                assert!(keys.contains(key), "{start}{key} has no words");
            }
        }
    }
    for key in &keys {
        let finding = ["token", "desk", "secret", "callers"];
        let finding = finding.iter().any(|name| *key == format!("check_{name}"));
        let put_together =
            finding || key.starts_with("kind_") || key.ends_with("ed_what") || key.ends_with("_it");
        let quoted = |code: &&str| {
            code.contains(&format!("'{key}'")) || code.contains(&format!("\"{key}\""))
        };
        assert!(put_together || CODE.iter().any(quoted), "nobody says {key}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_secret_of_a_webhook_is_changed_without_the_old_one_at_hand() {
    let house = House::new().await;
    let url = "https://desk.example.com/in".to_owned();
    house
        .stage
        .connect("far-away", DeskSettings::Webhook { url })
        .await;
    let path = "/api/channels/far-away";
    let id = ChannelId::parse("far-away").unwrap();
    let secrets = async || {
        let kept = house.stage.bridge.secrets.channel(&id).await.unwrap();
        kept.unwrap().desk
    };
    let change = async |name: &str, value: Value| {
        let shown = house.get(path).await;
        let mut body = json!({ "callback": { "mode": shown["callback"]["mode"] } });
        for name in ["name", "app_id", "original_id", "api_base"] {
            body[name] = shown[name].clone();
        }
        body["desk"] = json!({ "kind": "webhook", "url": shown["desk"]["url"] });
        body["desk"][name] = value;
        let reply = house.program("PUT", path, Some(&body)).await;
        (reply.status.as_u16(), reply.json())
    };
    let first = secrets().await[0].clone();
    let new = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    for _ in 0..2 {
        let (status, shown) = change("new_secret", new.into()).await;
        assert_eq!((status, &shown["desk"]["secrets_set"]), (200, &json!(2)));
        assert!(!shown.to_string().contains("whsec_"), "{shown}");
        assert_eq!(secrets().await, [new, &first], "the same again");
    }
    for (name, value, field) in [
        ("new_secret", json!("short"), "desk.new_secret"),
        ("new_secret", Value::Null, "desk.new_secret"),
        ("previous_secrets", json!([new]), "desk.previous_secrets"),
    ] {
        let (status, told) = change(name, value).await;
        assert_eq!((status, &told["errors"][0]["field"]), (400, &json!(field)));
    }
    for _ in 0..2 {
        let (_, shown) = change("previous_secrets", Value::Null).await;
        assert_eq!(shown["desk"]["secrets_set"], 1);
        assert_eq!(secrets().await, [new], "the first alone");
    }
    let both = json!({
        "name": "Far", "app_id": "wx0123456789abcdee", "original_id": "gh_0123456789aa",
        "callback": { "mode": "plain", "token": "tokenMarker7" },
        "desk": { "kind": "webhook", "url": "https://desk.example.com/in",
            "secrets": [new], "new_secret": new }
    });
    let bearer = format!("Bearer {KEY}");
    let headers = [("authorization", bearer.as_str())];
    let reply = house
        .call("PUT", "/api/channels/other", &headers, Some(&both))
        .await;
    assert_eq!(reply.json()["errors"][0]["field"], "desk.secrets");
}
