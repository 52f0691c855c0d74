//! Every sample under `events/` goes through the real binary of its name, as it
//! is and, where it has gone stale, signed anew.
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

use std::fs;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use harness::now_ms;
use harness::process::Outputs;
use harness::runtime_api::{Function, FunctionError, Spec};
use magpie::channel::{CallbackMode, Channel, DeskSettings, TIME_ZONE, TokenCall};
use magpie::desk::webhook;
use magpie::message::ChannelId;
use magpie::moment::Moment;
use magpie::wechat::crypto;
use serde_json::{Value, json};

use cloud::Cloud;

/// What the samples are signed with.
const TOKEN: &str = "sampletoken";
const ADMIN_KEY: &str = "sample-admin-key";
const DESK_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn sample(name: &str) -> Value {
    let path = cloud::top().join("events").join(format!("{name}.json"));
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The account of the samples.
async fn connect(cloud: &Cloud) {
    let channel = Channel {
        id: ChannelId::parse("demo").unwrap(),
        name: "Demo".to_owned(),
        app_id: "wx0123456789abcdef".to_owned(),
        original_id: "gh_0123456789ab".to_owned(),
        mode: CallbackMode::Plain,
        suspended: false,
        resumed: None,
        only_wechat_addresses: false,
        replies: magpie::reply::Replies::default(),
        deleted: false,
        api_base: "http://127.0.0.1:9".to_owned(),
        token_call: TokenCall::Stable,
        part_pause_ms: 0,
        retention_days: 30,
        erase_after_days: 15,
        time_zone: TIME_ZONE.to_owned(),
        fallback: None,
        agent_name: magpie::channel::AgentName::None,
        kf_account: None,
        desk: DeskSettings::Webhook {
            url: "http://127.0.0.1:9/hook".to_owned(),
        },
        revision: 1,
    };
    cloud.store.create_channel(&channel).await.unwrap();
    let secrets = json!({
        "mode": "plain",
        "app_id": channel.app_id,
        "original_id": channel.original_id,
        "token": TOKEN,
        "desk": [DESK_SECRET],
    });
    cloud.put_secret("ch/demo", &secrets.to_string());
    cloud.put_secret("admin", ADMIN_KEY);
    for secret in [TOKEN, ADMIN_KEY, DESK_SECRET] {
        cloud.markers.watch("secret", secret);
    }
    cloud
        .markers
        .watch("open id", "o6_bmjrPTlm6_2sgVt7hMZOPfL2M");
    cloud.markers.watch("text", "您好，请问有什么可以帮您？");
}

/// A call of WeChat with today's date under today's signature.
fn signed_now(mut event: Value) -> Value {
    let now = (now_ms() / 1000).to_string();
    let signature = crypto::signature(&[TOKEN, &now, "415670741"]);
    let query = event["rawQueryString"].as_str().unwrap();
    let query: Vec<String> = query
        .split('&')
        .map(|pair| match pair.split_once('=').unwrap() {
            ("timestamp", _) => format!("timestamp={now}"),
            ("signature", _) => format!("signature={signature}"),
            _ => pair.to_owned(),
        })
        .collect();
    event["rawQueryString"] = query.join("&").into();
    event
}

/// A call of the desk with today's date under today's signature.
fn sent_now(mut event: Value) -> Value {
    let now = (now_ms() / 1000).to_string();
    let secret = webhook::secret(DESK_SECRET).unwrap();
    let id = event["headers"]["webhook-id"].as_str().unwrap();
    let body = event["body"].as_str().unwrap();
    let signature = webhook::sign(&secret, id, &now, body.as_bytes());
    event["headers"]["webhook-signature"] = format!("v1,{}", STANDARD.encode(signature)).into();
    event["headers"]["webhook-timestamp"] = now.into();
    event
}

#[test]
fn every_sample_has_its_function_and_every_function_its_sample() {
    let folder = fs::read_dir(cloud::top().join("events")).unwrap();
    let mut samples: Vec<String> = folder
        .map(|file| file.unwrap().path())
        .filter(|path| path.is_file())
        .map(|path| {
            assert_eq!(path.extension().unwrap(), "json", "{}", path.display());
            path.file_stem().unwrap().to_str().unwrap().to_owned()
        })
        .collect();
    samples.sort();
    let mut functions = cloud::names();
    // The sweeper is told to walk, too.
    functions.push("walk");
    functions.sort_unstable();
    assert_eq!(samples, functions);
}

#[tokio::test]
async fn calls_of_wechat() {
    let cloud = Cloud::start().await;
    connect(&cloud).await;
    for name in ["verify", "inbound"] {
        let answer = cloud.invoke(name, sample(name)).await.unwrap();
        assert_eq!(answer["statusCode"], 403, "{name}");
    }
    cloud.pumps(0).await;

    let answer = cloud.invoke("verify", signed_now(sample("verify"))).await;
    let answer = answer.unwrap();
    assert_eq!(answer["statusCode"], 200);
    assert_eq!(answer["body"], "5837397576500011341");
    assert_eq!(answer["isBase64Encoded"], false);
    let kind = answer["headers"]["content-type"].as_str().unwrap();
    assert!(kind.starts_with("text/plain"), "{kind}");

    let push = signed_now(sample("inbound"));
    for event in [push.clone(), in_base64(push)] {
        let answer = cloud.invoke("inbound", event).await.unwrap();
        assert_eq!(answer["statusCode"], 200);
        assert_eq!(answer["body"], "success");
    }
    // Both were the same push.
    cloud.pumps(1).await;

    let mut elsewhere = signed_now(sample("inbound"));
    elsewhere["pathParameters"] = json!({ "channel": "nobody" });
    let answer = cloud.invoke("inbound", elsewhere).await.unwrap();
    assert_eq!(answer["statusCode"], 404);
    cloud.close();
}

/// The same call as the gateway passes on what has no type of text.
fn in_base64(mut event: Value) -> Value {
    event["body"] = STANDARD.encode(event["body"].as_str().unwrap()).into();
    event["isBase64Encoded"] = true.into();
    event
}

#[tokio::test]
async fn a_call_of_a_desk() {
    let cloud = Cloud::start().await;
    connect(&cloud).await;
    let answer = cloud.invoke("outbound", sample("outbound")).await.unwrap();
    assert_eq!(answer["statusCode"], 401);
    cloud.pumps(0).await;
    for _ in 0..2 {
        let event = sent_now(sample("outbound"));
        let answer = cloud.invoke("outbound", event).await.unwrap();
        assert_eq!(answer["statusCode"], 202);
    }
    // The conversation is none of ours: one failed receipt waits.
    cloud.pumps(1).await;
    cloud.close();
}

#[tokio::test]
async fn a_call_of_a_program() {
    let cloud = Cloud::start().await;
    connect(&cloud).await;
    let answer = cloud.invoke("console", sample("console")).await.unwrap();
    assert_eq!(answer["statusCode"], 200, "{answer}");
    let mut stranger = sample("console");
    stranger["headers"]["authorization"] = "Bearer another-admin-key".into();
    let answer = cloud.invoke("console", stranger).await.unwrap();
    assert_eq!(answer["statusCode"], 401, "{answer}");
    cloud.close();
}

#[tokio::test]
async fn ticks() {
    let cloud = Cloud::start().await;
    connect(&cloud).await;
    for (name, tick) in [
        ("sweep", "sweep"),
        ("sweep", "walk"),
        ("token-refresh", "token-refresh"),
    ] {
        let answer = cloud.invoke(name, sample(tick)).await.unwrap();
        assert_eq!(answer, Value::Null, "{tick}");
    }
    cloud.close();
}

/// The lines of figures that a function has printed so far.
fn printed_figures(cloud: &Cloud, name: &str) -> Vec<Value> {
    let printed = cloud.outputs.snapshot();
    let own = printed.into_iter().filter(|(printer, _)| printer == name);
    let text: String = own
        .map(|(_, bytes)| String::from_utf8(bytes).unwrap())
        .collect();
    // The last line may be on its way; the emulator has lines of its own.
    let whole = text
        .rfind('\n')
        .and_then(|end| text.get(..end))
        .unwrap_or_default();
    let own = whole.lines().filter(|line| line.starts_with('{'));
    let lines = own.map(|line| serde_json::from_str(line).unwrap());
    lines
        .filter(|line: &Value| !line["_aws"].is_null())
        .collect()
}

/// The lines of figures of a function, so many: they are printed before its answer, and
/// read beside it.
async fn figures<const N: usize>(cloud: &Cloud, name: &str) -> [Value; N] {
    let mut look = tokio::time::interval(Duration::from_millis(20));
    for _ in 0..500 {
        look.tick().await;
        let lines = printed_figures(cloud, name);
        if lines.len() >= N {
            return lines.try_into().unwrap();
        }
    }
    panic!("{name} has not printed {N} lines of figures");
}

#[tokio::test]
async fn an_entry_has_one_name_in_every_function_that_touches_it() {
    let cloud = Cloud::start().await;
    connect(&cloud).await;
    for _ in 0..2 {
        let push = signed_now(sample("inbound"));
        cloud.invoke("inbound", push).await.unwrap();
    }
    cloud.invoke("inbound", sample("inbound")).await.unwrap();
    cloud.pumps(1).await;
    let [first, repeat, refused] = figures(&cloud, "inbound").await;
    assert_eq!(
        (&first["Pushed"], &repeat["Repeated"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(
        (&first["Stage"], &refused["Refused"]),
        (&json!("test"), &json!(1))
    );
    for line in [&first, &repeat, &refused] {
        assert!(line["AcknowledgeMillis"].as_f64().unwrap() > 0.0, "{line}");
        assert!(line["request"].is_string(), "{line}");
    }
    assert!(refused["entries"].is_null());
    let [delivered] = figures(&cloud, "deliver").await;
    let names = |line: &Value| -> Vec<String> {
        line["entries"]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect()
    };
    // Nobody is where the desk should be.
    assert_eq!(names(&first), names(&delivered));
    assert_eq!(names(&first), names(&repeat));
    assert_eq!(delivered["Parked"], 1);
    let trace = &names(&first)[0];
    assert_eq!(
        delivered["entries"][trace],
        json!(["parked:desk_unreachable"])
    );

    cloud.invoke("sweep", sample("sweep")).await.unwrap();
    let [fares] = figures(&cloud, "sweep").await;
    assert_eq!(
        (&fares["ParkedLanes"], &fares["Pending"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(fares["channels"]["demo"]["pending"], 1);
    let metrics = &fares["_aws"]["CloudWatchMetrics"][0];
    assert_eq!(metrics["Dimensions"], json!([["Stage"]]));
    for metric in metrics["Metrics"].as_array().unwrap() {
        assert!(
            fares[metric["Name"].as_str().unwrap()].is_number(),
            "{metric}"
        );
    }
    cloud.close();
}

#[tokio::test]
async fn a_wish_for_a_token_says_what_came_of_it() {
    let cloud = Cloud::start().await;
    connect(&cloud).await;
    let wish = |channel: &str| json!({ "token": { "channel": channel } });
    for (channel, told) in [
        ("demo", "no_secret"),
        ("nobody", "no_secret"),
        ("?", "no_secret"),
    ] {
        let answer = cloud.invoke("token-refresh", wish(channel)).await.unwrap();
        assert_eq!(answer, told, "{channel}");
    }
    cloud.close();
}

#[tokio::test]
async fn one_poisonous_record_keeps_no_other_from_its_desk() {
    let cloud = Cloud::start().await;
    connect(&cloud).await;
    let push = |open_id: &str, msg_id: &str| {
        let mut event = signed_now(sample("inbound"));
        let body = event["body"].as_str().unwrap();
        let body = body.replace("o6_bmjrPTlm6_2sgVt7hMZOPfL2M", open_id);
        event["body"] = body.replace("23300000000000001", msg_id).into();
        event
    };
    let first = cloud.invoke("inbound", push("o-first", "1")).await.unwrap();
    // A row that nobody could have written is an entry all the same.
    let poison = json!({
        "pk": { "S": "U#q83vEjRWeJASNFZ4kBI0Vg" },
        "sk": { "S": "I#1767225600#500023300000000000001" },
    });
    let pending = json!({ "S": "p" });
    cloud.tables().set(&cloud.messages, &poison, "st", &pending);
    let last = cloud.invoke("inbound", push("o-last", "2")).await.unwrap();
    assert_eq!(
        (&first["body"], &last["body"]),
        (&json!("success"), &json!("success"))
    );
    cloud.pumps(3).await;
    let mut given_up = cloud.given_up().await;
    assert_eq!(given_up.remove(0)["dynamodb"]["Keys"], poison);
    // Nobody is where the desk should be: both lanes wait for it.
    let rows = cloud.tables().all(&cloud.messages);
    let parked = rows.iter().filter(|row| row["sk"]["S"] == "J#in");
    assert_eq!(parked.count(), 2);
    cloud.close();
}

#[tokio::test]
async fn bells_of_entries_that_are_gone_are_answered() {
    let cloud = Cloud::start().await;
    connect(&cloud).await;
    let answer = cloud.invoke("deliver", sample("deliver")).await.unwrap();
    assert_eq!(answer, json!({ "batchItemFailures": [] }));
    cloud.close();
}

#[tokio::test]
async fn a_store_that_is_away_is_a_failure_of_every_record() {
    let cloud = Cloud::start().await;
    connect(&cloud).await;
    let event = sample("deliver");
    let numbers: Vec<Value> = event["Records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| json!({ "itemIdentifier": record["dynamodb"]["SequenceNumber"] }))
        .collect();
    cloud.unplug_store();
    let answer = cloud.invoke("deliver", event).await.unwrap();
    assert_eq!(answer, json!({ "batchItemFailures": numbers }));
    let failed = cloud.invoke("sweep", sample("sweep")).await;
    assert!(
        matches!(failed, Err(FunctionError::Raised { .. })),
        "{failed:?}"
    );
    cloud.close();
}

#[tokio::test]
async fn a_function_that_is_set_up_wrongly_names_every_problem_and_ends() {
    for name in cloud::names() {
        let outputs = Outputs::default();
        let wrong = [("MAGPIE_PUBLIC_URL", "example")];
        let started = Function::start(Spec::new(name, cloud::program(name), &wrong), &outputs);
        let Err(FunctionError::NotStarted(why)) = started.await else {
            panic!("{name} has started");
        };
        assert!(why.contains("exit status: 1"), "{why}");
        let (_, bytes) = outputs.snapshot().remove(0);
        let said = String::from_utf8(bytes).unwrap();
        for line in said.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            assert_eq!(line["level"], "ERROR", "{line}");
        }
        for variable in [
            "MAGPIE_MESSAGES_TABLE",
            "MAGPIE_CONTROL_TABLE",
            "MAGPIE_SECRETS_PREFIX",
            "MAGPIE_PUBLIC_URL",
        ] {
            assert!(said.contains(variable), "{name}: {variable} in {said}");
        }
    }
}

#[test]
fn the_samples_were_signed_at_their_time() {
    let at = Moment::from_seconds(1_767_225_600);
    assert_eq!(at.to_string(), "2026-01-01T00:00:00.000Z");
    let signature = crypto::signature(&[TOKEN, "1767225600", "415670741"]);
    for name in ["verify", "inbound"] {
        let query = sample(name)["rawQueryString"].to_string();
        assert!(query.contains(&signature), "{name}");
    }
}
