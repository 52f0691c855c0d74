//! `magpie doctor` before a stack: tables, stream, secrets, the functions' own check
//! and the callback, right and wrong.
//!
//! `MAGPIE_TEST_DYNAMODB` and `MAGPIE_TEST_SECRETS` name other engines than ours
//! for the stack to stand on.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first thing that is not as it has to be"
)]

#[path = "world/cloud.rs"]
mod cloud;
#[path = "harness/mod.rs"]
mod harness;
#[path = "world/lambda.rs"]
mod lambda;
#[path = "world/machine.rs"]
mod machine;
#[path = "world/moved.rs"]
mod moved;
#[path = "world/said.rs"]
mod said;
#[path = "world/tls.rs"]
mod tls;
#[path = "world/mod.rs"]
mod world;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use cloud::Cloud;
use harness::process::{Outputs, Process};
use http::{HeaderMap, StatusCode};
use lambda::Lambda as Form;
use magpie_local::simulator::Mode;
use said::Said;
use tls::{Authority, Names};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use world::{Bridge as _, World};

/// What `magpie doctor` says of a stack that is found at `base`, with these settings
/// in the place of the right ones.
async fn doctor(stack: &Form, base: &str, changed: &[(&str, &str)]) -> Said {
    let mut settings = moved::settings(stack.cloud());
    settings.push(("MAGPIE_PUBLIC_URL", base));
    settings.push(("MAGPIE_ALLOW_ENDPOINTS", "http://127.0.0.1"));
    settings.retain(|(name, _)| !changed.iter().any(|(other, _)| other == name));
    settings.extend(changed);
    let outputs = Outputs::default();
    let program = machine::program();
    let doctor = Process::start(&outputs, "doctor", &program, ["doctor"], settings).unwrap();
    doctor.ended().await;
    let code = doctor.kill().code().unwrap();
    stack.markers().assert_unseen(&outputs);
    let (_, said) = outputs.snapshot().remove(0);
    Said::new((code, String::from_utf8(said).unwrap()))
}

/// Somebody else, and how often a key was sent there.
struct Somebody {
    base: String,
    keys: Arc<AtomicUsize>,
}

/// Who answers every call so.
async fn somebody(status: StatusCode, body: &'static str) -> (Somebody, JoinSet<()>) {
    let keys = Arc::new(AtomicUsize::new(0));
    let sent = Arc::clone(&keys);
    let answer = move |headers: HeaderMap| {
        let key = headers.contains_key("authorization");
        sent.fetch_add(usize::from(key), Ordering::SeqCst);
        std::future::ready((status, body))
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let mut server = JoinSet::new();
    server.spawn(async move {
        let router = Router::new().fallback(answer);
        axum::serve(listener, router).await.unwrap();
    });
    (Somebody { base, keys }, server)
}

#[tokio::test]
async fn a_stack_is_looked_at_from_its_tables_to_its_callbacks() {
    let world = World::start().await;
    let (shop, desk) = world.shop_with_desk(Mode::Secure).await;
    let stack = world.bridge();
    let base = stack.origin().to_owned();

    let said = doctor(stack, &base, &[]).await;
    // The engines of the tests know no deletion protection and no keys.
    let failures = said.failures();
    assert!(
        failures
            .iter()
            .all(|line| line.contains("protect it as the template does")),
        "{}",
        said.text
    );
    for thing in [
        "tables  messages",
        "tables  stream",
        "tables  control",
        "secrets  pepper",
        "secrets  admin",
        "magpie  api",
        "callback  door",
    ] {
        said.finds(thing, true, "");
    }
    for name in ["handshake", "token", "desk", "secret"] {
        said.finds(&format!("{}  {name}", shop.id), true, "");
    }

    // Tokens are asked for by the function whose address counts.
    shop.allows_only(&["198.51.100.1"]);
    desk.goes_down();
    let said = doctor(stack, &base, &[]).await;
    said.finds(
        &format!("{}  token", shop.id),
        false,
        "add it there. 127.0.0.1",
    );
    said.finds(&format!("{}  desk", shop.id), false, "an error of its own");
    shop.allows_only(&[]);
    desk.comes_back();

    for (mapping, words) in [
        (Some(("Disabled", "OK")), "turn it on in Lambda"),
        (
            Some(("Enabled", "PROBLEM: Function call failed")),
            "reports a problem",
        ),
        (None, "No function listens"),
    ] {
        stack.cloud().maps(mapping);
        let said = doctor(stack, &base, &[]).await;
        said.finds("tables  stream", false, words);
    }
    stack.cloud().maps(Some(("Enabled", "OK")));
    let messages = stack.cloud().messages.clone();
    let said = doctor(stack, &base, &[("MAGPIE_CONTROL_TABLE", "nothing")]).await;
    said.finds("tables  control", false, "no such table");
    let control = stack.cloud().control.clone();
    let changed = [
        ("MAGPIE_CONTROL_TABLE", messages.as_str()),
        ("MAGPIE_MESSAGES_TABLE", &control),
    ];
    let said = doctor(stack, &base, &changed).await;
    said.finds("tables  messages", false, "it has no index due");
    let said = doctor(
        stack,
        &base,
        &[("MAGPIE_SECRETS_PREFIX", "magpie/nothing/")],
    )
    .await;
    said.finds("secrets  pepper", false, "is missing");
    said.finds("secrets  admin", false, "shorter than 16");
    // Nobody can be asked; what is kept is looked at all the same.
    said.finds(
        &format!("{}  secret", shop.id),
        false,
        "Nothing secret is kept",
    );

    said.finds(
        &format!("{}  token", shop.id),
        false,
        "only the stack calls",
    );

    // Whenever the API was asked, and could greet it.
    for _ in 0..6 {
        desk.hears(&world, "greeting").await;
    }
    world.close().await;
}

#[tokio::test]
async fn the_admin_key_goes_to_magpie_alone() {
    let world = World::start().await;
    let shop = world.shop_with_inbox(Mode::Secure).await;
    let stack = world.bridge();
    let (gateway, _server) = somebody(StatusCode::FORBIDDEN, r#"{"Message":null}"#).await;
    let said = doctor(stack, &gateway.base, &[]).await;
    said.finds("callback  door", false, "no ICP filing");
    said.finds("magpie  api", false, "none is sent to such an address");
    said.finds(&format!("{}  secret", shop.id), true, "");
    said.finds(
        &format!("{}  token", shop.id),
        false,
        "only the stack calls",
    );
    let (parked, _server) = somebody(StatusCode::OK, "parked").await;
    let said = doctor(stack, &parked.base, &[]).await;
    said.finds("callback  door", false, "not Magpie");
    let said = doctor(stack, stack.origin(), &[("MAGPIE_ALLOW_ENDPOINTS", "")]).await;
    said.finds("callback  address", false, "no public address");
    said.finds("magpie  api", false, "none is sent to such an address");
    said.finds(&format!("{}  handshake", shop.id), true, "");
    // Over TLS, as WeChat comes, nothing is left to do but what these engines lack.
    let authority = Authority::new(Path::new(env!("CARGO_TARGET_TMPDIR")));
    let inside = stack.origin().strip_prefix("http://").unwrap();
    let front = authority.before(inside.parse().unwrap(), Names::Own).await;
    let allowed = format!("http://127.0.0.1,{}", front.origin);
    let trusted = [
        ("MAGPIE_ALLOW_ENDPOINTS", allowed.as_str()),
        ("SSL_CERT_FILE", authority.bundle().to_str().unwrap()),
    ];
    let said = doctor(stack, &front.origin, &trusted).await;
    said.finds("callback  door", true, "");
    said.finds("magpie  api", true, "");
    said.finds(&format!("{}  handshake", shop.id), true, "");
    for other in [&gateway, &parked] {
        assert_eq!(other.keys.load(Ordering::SeqCst), 0, "a key was sent");
    }
    world.close().await;
}

#[tokio::test]
async fn where_nothing_answers_nothing_is_made_up() {
    let world = World::start().await;
    let stack = world.bridge();
    let base = stack.origin();
    let nowhere = [
        ("MAGPIE_DYNAMODB_ENDPOINT", "http://127.0.0.1:1"),
        ("MAGPIE_SECRETS_ENDPOINT", "http://127.0.0.1:1"),
        ("MAGPIE_LAMBDA_ENDPOINT", "http://127.0.0.1:1"),
    ];
    let said = doctor(stack, base, &nowhere).await;
    said.finds("tables  messages", false, "no connection");
    said.finds("tables  channels", false, "no connection");
    assert!(!said.text.contains("There is no"), "{}", said.text);
    let said = doctor(
        stack,
        base,
        &[("AWS_REGION", ""), ("MAGPIE_PUBLIC_URL", "")],
    )
    .await;
    assert_eq!(said.code, 2, "{}", said.text);
    for name in ["AWS_REGION", "MAGPIE_PUBLIC_URL"] {
        assert!(said.text.contains(name), "{}", said.text);
    }
    // A new stack has no channel yet, and that is no fault.
    let said = doctor(stack, base, &[]).await;
    said.finds("magpie  channel", true, "There is no channel yet");
    world.close().await;
}

#[tokio::test]
async fn another_stack_takes_no_handshake_of_ours() {
    let world = World::around(Form::over(Cloud::start().await).await).await;
    let shop = world.shop_with_inbox(Mode::Plain).await;
    let other = World::start().await;
    let handshake = format!("{}  handshake", shop.id);
    // The callback address leads to a stack that knows no such channel.
    let said = doctor(world.bridge(), other.bridge().origin(), &[]).await;
    said.finds("magpie  api", false, "does not take the admin key");
    said.finds(&handshake, false, "No such channel is known there");
    // Now it does, with another token.
    let inbox = serde_json::json!({ "kind": "inbox" });
    other.bridge().cloud().forgets();
    other.shop_as(shop.id.clone(), Mode::Plain, inbox).await;
    let said = doctor(world.bridge(), other.bridge().origin(), &[]).await;
    said.finds(
        &handshake,
        false,
        "its token is another one than is kept here",
    );
    other.close().await;
    world.close().await;
}
