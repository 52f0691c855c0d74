//! `magpie doctor` on one machine: each thing that can be wrong is made wrong, and the
//! line about it says what to do.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first thing that is not as it has to be"
)]

#[path = "harness/mod.rs"]
mod harness;
#[path = "world/machine.rs"]
mod machine;
#[path = "world/said.rs"]
mod said;
#[path = "world/tls.rs"]
mod tls;
#[path = "world/mod.rs"]
mod world;

use std::path::Path;
use std::pin::pin;

use machine::Machine as Form;
use magpie_local::simulator::{ApiPath, Mishap, Mode, Trouble};
use said::Said;
use tls::{Authority, Names};
use world::{Bridge as _, World};

/// What `magpie doctor` says with the settings that the machine was started with, and
/// these in their place.
async fn doctor(machine: &Form, arguments: &[&str], changed: &[(&str, &str)]) -> Said {
    let listen = machine.origin().strip_prefix("http://").unwrap();
    let mut settings = vec![
        ("MAGPIE_LISTEN", listen),
        ("MAGPIE_PUBLIC_URL", machine.origin()),
        ("MAGPIE_ADMIN_KEY", machine.admin_key()),
        ("MAGPIE_ALLOW_ENDPOINTS", "http://127.0.0.1"),
    ];
    settings.retain(|(name, _)| !changed.iter().any(|(other, _)| other == name));
    settings.extend(changed);
    let mut all = vec!["doctor"];
    all.extend(arguments);
    Said::new(machine.command(&machine.data(), &all, &settings).await)
}

#[tokio::test]
async fn a_machine_that_runs_is_looked_at_from_both_sides() {
    let world = World::start().await;
    let (shop, desk) = world.shop_with_desk(Mode::Secure).await;
    let inbox = world.shop_with_inbox(Mode::Plain).await;
    let machine = world.bridge();

    let said = doctor(machine, &[], &[]).await;
    said.all_right();
    for thing in [
        "data  folder",
        "magpie  api",
        "callback  address",
        "callback  door",
    ] {
        said.finds(thing, true, "");
    }
    for shop in [&shop.id, &inbox.id] {
        for name in ["handshake", "token", "desk", "secret"] {
            said.finds(&format!("{shop}  {name}"), true, "");
        }
    }

    // What WeChat and the desk say is what they say to the one that runs.
    shop.allows_only(&["198.51.100.1"]);
    desk.goes_down();
    let said = doctor(machine, &["--channel", &shop.id], &[]).await;
    let token = format!("{}  token", shop.id);
    said.finds(&token, false, "add it there. 127.0.0.1");
    said.finds(&format!("{}  desk", shop.id), false, "an error of its own");
    said.finds(&format!("{}  handshake", shop.id), true, "");
    assert!(!said.text.contains(&inbox.id), "that was not asked");
    shop.allows_only(&[]);
    desk.comes_back();

    for (name, value, thing, words) in [
        (
            "MAGPIE_ADMIN_KEY",
            "of somebody else",
            "magpie  api",
            "does not take the admin key",
        ),
        (
            "MAGPIE_LISTEN",
            "127.0.0.1:1",
            "magpie  api",
            "does not answer",
        ),
        (
            "MAGPIE_ALLOW_ENDPOINTS",
            "",
            "callback  address",
            "no public address",
        ),
        (
            "MAGPIE_PUBLIC_URL",
            "http://127.0.0.1:1",
            "callback  door",
            "No connection",
        ),
        (
            "MAGPIE_PUBLIC_URL",
            world.wechat_origin(),
            "callback  door",
            "not Magpie",
        ),
        (
            "MAGPIE_PUBLIC_URL",
            "http://no.such.name.invalid",
            "callback  name",
            "no address",
        ),
        (
            "MAGPIE_DATA",
            "/nowhere/at/all",
            "data  folder",
            "holds no data of Magpie",
        ),
    ] {
        let said = doctor(machine, &[], &[(name, value)]).await;
        said.finds(thing, false, words);
    }
    // Whose API cannot be asked is looked at from outside.
    let said = doctor(machine, &[], &[("MAGPIE_ADMIN_KEY", "of somebody else")]).await;
    said.finds(&format!("{}  handshake", shop.id), true, "");
    assert_eq!(said.failures().len(), 1, "{}", said.text);
    let said = doctor(machine, &["--channel", "nobody"], &[]).await;
    said.finds("nobody  api", false, "no such channel");
    // Whenever the API was asked, and could greet it.
    for _ in 0..5 {
        desk.hears(&world, "greeting").await;
    }
    world.close().await;
}

#[tokio::test]
async fn one_that_does_not_run_is_stood_in_for() {
    let world = World::start().await;
    let shop = world.shop_with_inbox(Mode::Secure).await;
    let customer = shop.customer("Han Meimei");
    customer.says("你好").await;
    let talk = shop.conversation().await;
    talk.shows("in", "你好", "delivered").await;
    let machine = world.bridge();
    let said = doctor(
        machine,
        &["--channel", "No Channel"],
        &[("MAGPIE_LISTEN", "x")],
    )
    .await;
    assert_eq!(said.code, 2, "{}", said.text);
    for name in ["--channel", "MAGPIE_LISTEN"] {
        assert!(said.text.contains(name), "{}", said.text);
    }
    machine.stops().await;

    let said = doctor(machine, &[], &[]).await;
    said.finds("magpie  runs", false, "start it");
    said.finds("data  pepper", true, "");
    said.finds("callback  door", false, "");
    for name in ["token", "desk", "secret"] {
        said.finds(&format!("{}  {name}", shop.id), true, "");
    }

    // Each piece of the folder is looked at as it lies.
    let file = |name: &str| machine.data().join(name);
    let secrets = std::fs::read_to_string(file("secrets.json")).unwrap();
    let mut all: serde_json::Value = serde_json::from_str(&secrets).unwrap();
    let own = format!("ch/{}", shop.id);
    let whole = all[&own].as_str().unwrap().to_owned();
    for (damage, words) in [
        ("{".to_owned(), "is damaged"),
        (
            whole.replace("\"mode\":\"secure\"", "\"mode\":\"plain\""),
            "another account or mode",
        ),
        (
            whole.replace("\"revision\":1", "\"revision\":7"),
            "different changes",
        ),
    ] {
        assert_ne!(damage, whole);
        all[&own] = damage.into();
        std::fs::write(file("secrets.json"), all.to_string()).unwrap();
        let said = doctor(machine, &[], &[]).await;
        said.finds(&format!("{}  secret", shop.id), false, words);
    }
    all[&own] = whole.into();
    let pepper = all["pepper"].take();
    all["pepper"] = "c2hvcnQ=".into();
    std::fs::write(file("secrets.json"), all.to_string()).unwrap();
    let said = doctor(machine, &[], &[]).await;
    said.finds("data  pepper", false, "restore it as it was");
    assert!(!said.text.contains("c2hvcnQ"), "a secret was printed");
    all["pepper"] = pepper;
    std::fs::write(file("secrets.json"), all.to_string()).unwrap();
    for (name, content, words) in [
        ("restoring", "", "was broken off"),
        ("format", "7\n", "is of format 7"),
        ("exported", "{", "cannot be used"),
    ] {
        let before = std::fs::read(file(name)).ok();
        std::fs::write(file(name), content).unwrap();
        let said = doctor(machine, &[], &[]).await;
        said.finds("data  folder", false, words);
        match before {
            Some(before) => std::fs::write(file(name), before).unwrap(),
            None => std::fs::remove_file(file(name)).unwrap(),
        }
    }
    machine.goes_on_in(&machine.data()).await;
    doctor(machine, &[], &[]).await.all_right();
    world.close().await;
}

#[tokio::test]
async fn what_others_use_is_left_alone() {
    let world = World::start().await;
    let shop = world.shop_with_inbox(Mode::Secure).await;
    let other = world.shop_with_inbox(Mode::Plain).await;
    let machine = world.bridge();
    let file = |name: &str| machine.data().join(name);

    // Another token of the classic kind ends the one that there is.
    let mut classic = shop.settings().await;
    classic["token_call"] = "classic".into();
    shop.puts(classic).await;
    doctor(machine, &[], &[]).await.all_right();
    machine.stops().await;
    let said = doctor(machine, &["--channel", &shop.id], &[]).await;
    said.finds(
        &format!("{}  token", shop.id),
        false,
        "WeChat was not asked",
    );

    // A secret that nobody can read keeps nobody from looking at the others.
    let text = std::fs::read_to_string(file("secrets.json")).unwrap();
    let mut all: serde_json::Value = serde_json::from_str(&text).unwrap();
    all[format!("ch/{}", shop.id)] = "{".into();
    std::fs::write(file("secrets.json"), all.to_string()).unwrap();
    machine.goes_on_in(&machine.data()).await;
    let said = doctor(machine, &[], &[]).await;
    said.finds("magpie  api", true, "");
    for name in ["token", "desk", "secret"] {
        said.finds(&format!("{}  {name}", shop.id), false, "is damaged");
        said.finds(&format!("{}  {name}", other.id), true, "");
    }
    machine.stops().await;
    std::fs::write(file("secrets.json"), text).unwrap();

    // What was moved is looked at only where it goes on here all the same.
    let mark = r#"{"target":{"region":"cn-north-1","messages":"m","control":"c","secrets_prefix":"p/"},"begun":"2026-11-26T09:00:00.000Z"}"#;
    std::fs::write(file("exported"), mark).unwrap();
    let said = doctor(machine, &[], &[]).await;
    said.finds("data  folder", false, "was moved to AWS");
    std::fs::remove_file(file("exported")).unwrap();

    // Whoever starts it is not kept out by a doctor that waits.
    let late = Mishap {
        delay_ms: 4_000,
        ..Mishap::once(ApiPath::StableToken, Trouble::Late)
    };
    world.wechat.with(|wechat| wechat.order(late)).unwrap();
    let asked = world.token_calls();
    let only = ["--channel", other.id.as_str()];
    let said = {
        let mut waits = pin!(doctor(machine, &only, &[]));
        let starts = async {
            let asks = async || (world.token_calls() > asked).then_some(());
            world.until("the doctor asks", asks).await;
            machine.goes_on_in(&machine.data()).await;
        };
        tokio::select! {
            biased;
            _ = &mut waits => panic!("it did not wait"),
            () = starts => {}
        }
        waits.await
    };
    said.finds("magpie  runs", false, "start it");
    said.finds(&format!("{}  token", other.id), true, "");
    world.close().await;
}

#[tokio::test]
async fn the_certificate_is_looked_at_as_wechat_would() {
    let world = World::start().await;
    let shop = world.shop_with_inbox(Mode::Compatible).await;
    let machine = world.bridge();
    let inside = machine.origin().strip_prefix("http://").unwrap();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let authority = Authority::new(folder);
    let bundle = authority.bundle().to_str().unwrap().to_owned();
    let look = async |names: Names, trust: Option<&str>| {
        let front = authority.before(inside.parse().unwrap(), names).await;
        // The proxy's name is the machine's, as operators have it.
        let allowed = format!("http://127.0.0.1,{}", front.origin);
        let mut changed = vec![
            ("MAGPIE_PUBLIC_URL", front.origin.as_str()),
            ("MAGPIE_ALLOW_ENDPOINTS", &allowed),
        ];
        changed.extend(trust.map(|bundle| ("SSL_CERT_FILE", bundle)));
        doctor(machine, &[], &changed).await
    };
    let trusted = Some(bundle.as_str());
    for (names, trust, words) in [
        (Names::Own, None, "Nobody known has issued"),
        (Names::Other, trusted, "is of another name"),
        (Names::Expired, trusted, "has expired"),
        (Names::Early, trusted, "not valid yet"),
    ] {
        let said = look(names, trust).await;
        said.finds("callback  door", false, words);
        let handshake = format!("{}  handshake", shop.id);
        assert!(!said.text.contains(&handshake), "nobody gets so far");
    }
    // It is believed; Magpie was started with another name, and says so.
    let said = look(Names::Own, trusted).await;
    said.finds("callback  door", false, "does not know this name");
    world.close().await;
}
