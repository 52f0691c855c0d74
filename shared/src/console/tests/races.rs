//! Two processes that change one channel at once, and die in between: every
//! call of the store is a step, and a draw says who makes the next.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::Request;
use serde_json::{Value, json};

use super::super::{AdminKey, Console, answer};
use super::{House, KEY};
use crate::bridge::{Response, sweep::sweep};
use crate::channel::{Channel, DeskSettings};
use crate::message::ChannelId;
use crate::secrets::ChannelSecrets;
use crate::store::Store;
use crate::store::embedded::{Engine, Fate};

const DRAWS: u64 = 120;
const PATH: &str = "/api/channels/shop-a";

/// Numbers that look random and are the same for a seed.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }
}

/// What becomes of the calls to come: one after so many has another fate.
type Plan = Arc<Mutex<Option<(usize, Fate)>>>;

async fn house() -> (House, Plan) {
    let mut house = House::new().await;
    let plan = Plan::default();
    let fates = Arc::clone(&plan);
    let engine = Engine::in_memory().unwrap().meddled(Arc::new(move |_, _| {
        let mut plan = fates.lock().unwrap();
        let fate = match plan.take() {
            Some((0, fate)) => fate,
            Some((left, fate)) => {
                *plan = Some((left - 1, fate));
                Fate::Answered
            }
            None => Fate::Answered,
        };
        async move {
            tokio::task::yield_now().await;
            fate
        }
        .boxed()
    }));
    house.stage.bridge.store = Store::new(engine.client(), "messages", "control");
    house.stage.bridge.store.create_tables(false).await.unwrap();
    (house, plan)
}

/// Settings and secrets that can be told from all others.
fn body(mark: char) -> Value {
    json!({
        "name": mark, "app_id": "wx0123456789abcdef", "original_id": "gh_0123456789ab",
        "callback": { "mode": "plain", "token": format!("token{mark}") },
        "app_secret": format!("{mark}123456789abcdef"),
        "desk": { "kind": "webhook", "url": format!("https://{mark}.example.com/"),
            "secrets": [desk_secret(mark)] }
    })
}

fn desk_secret(mark: char) -> String {
    let mark = u8::try_from(mark).unwrap();
    crate::desk::webhook::new_secret([mark; 32])
}

fn request(method: &str, path: &str, body: Option<&Value>) -> Request<Bytes> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {KEY}"))
        .header("content-type", "application/json");
    let body = body.map(ToString::to_string).unwrap_or_default();
    request.body(body.into()).unwrap()
}

/// Lets processes make one step after another as drawn, until all have answered
/// or nothing moves any more. Who has died has no answer.
async fn race(house: &House, draw: &mut Draw, requests: Vec<Request<Bytes>>) -> Vec<Option<u16>> {
    let consoles: Vec<_> = requests
        .iter()
        .map(|_| Console::new(AdminKey::Given(KEY.to_owned()), None))
        .collect();
    let mut processes: Vec<Option<Pin<Box<dyn Future<Output = Response>>>>> = consoles
        .iter()
        .zip(requests)
        .map(|(console, request)| {
            let process = answer(&house.stage.bridge, console, request);
            Some(Box::pin(process) as _)
        })
        .collect();
    let mut answers = vec![None; processes.len()];
    for step in 0..600 {
        let number = draw.below(processes.len());
        if let Some(process) = &mut processes[number] {
            let polled = std::future::poll_fn(|cx| Poll::Ready(process.as_mut().poll(cx))).await;
            if let Poll::Ready(response) = polled {
                answers[number] = Some(response.status().as_u16());
                processes[number] = None;
            }
        }
        if processes.iter().all(Option::is_none) {
            break;
        }
        if step % 16 == 15 {
            tokio::time::advance(Duration::from_millis(100)).await;
        }
    }
    answers
}

async fn stored(house: &House) -> (Option<Channel>, Option<ChannelSecrets>) {
    let id = ChannelId::parse("shop-a").unwrap();
    let channel = house.stage.bridge.store.channel(&id).await.unwrap();
    let kept = house.stage.bridge.secrets.kept(&id).await.unwrap();
    let revision = channel.as_ref().map_or(0, |channel| channel.revision);
    let secrets = kept.and_then(|(_, kept)| kept.of(revision).cloned());
    (channel, secrets.map(|secrets| (*secrets).clone()))
}

/// Checks that settings and secrets belong together. Says whose they are.
async fn whose(house: &House, what: &str) -> char {
    let (channel, secrets) = stored(house).await;
    let channel = channel.unwrap();
    let mark = channel.name.chars().next().unwrap();
    let expected = DeskSettings::Webhook {
        url: format!("https://{mark}.example.com/"),
    };
    assert_eq!(channel.desk, expected, "{what}");
    assert!(secrets.is_some(), "{what}");
    let secrets = secrets.unwrap();
    assert_eq!(secrets.token, format!("token{mark}"), "{what}");
    assert_eq!(secrets.desk, [desk_secret(mark)], "{what}");
    let app_secret = Some(format!("{mark}123456789abcdef"));
    assert_eq!(secrets.app_secret, app_secret, "{what}");
    // What workers are given who know the channel from before.
    let found = house.stage.bridge.secrets_of(&channel).await.unwrap();
    assert_eq!(found.as_deref(), Some(&secrets), "{what}");
    mark
}

/// Nothing is under way: the callback checks with what is in force.
async fn settled(house: &House, mark: char, what: &str) {
    assert_eq!(whose(house, what).await, mark, "{what}");
    let id = ChannelId::parse("shop-a").unwrap();
    let (_, kept) = house.stage.bridge.secrets.kept(&id).await.unwrap().unwrap();
    assert_eq!(kept.next(), None, "{what}");
    assert_eq!(kept.current().token, format!("token{mark}"), "{what}");
}

async fn put(house: &House, mark: char) -> u16 {
    let reply = house.program("PUT", PATH, Some(&body(mark))).await;
    reply.status.as_u16()
}

#[tokio::test(start_paused = true)]
async fn of_two_changes_at_once_each_is_whole_or_refused() {
    let mut last = std::collections::BTreeSet::new();
    for seed in 0..DRAWS {
        let (house, _) = house().await;
        let mut draw = Draw(seed);
        if seed % 4 != 0 {
            assert_eq!(put(&house, 'o').await, 201);
        }
        let requests = ['a', 'b'].map(|mark| request("PUT", PATH, Some(&body(mark))));
        let answers = race(&house, &mut draw, requests.into()).await;
        let what = format!("seed {seed}: {answers:?}");
        let (channel, _) = stored(&house).await;
        let mark = channel.unwrap().name.chars().next().unwrap();
        settled(&house, mark, &what).await;
        for (answer, own) in answers.iter().zip(['a', 'b']) {
            assert!(matches!(answer, Some(200 | 201 | 409)), "{what}");
            assert!(*answer != Some(409) || mark != own, "{what}");
        }
        assert!(mark != 'o', "{what}");
        last.insert(mark);
    }
    assert_eq!(last.len(), 2, "either may come last");
}

#[tokio::test(start_paused = true)]
async fn whoever_dies_or_hears_no_answer_leaves_a_working_channel() {
    let mut deaths = 0;
    for seed in 0..DRAWS {
        let (house, plan) = house().await;
        let mut draw = Draw(seed);
        assert_eq!(put(&house, 'o').await, 201);
        let fates = [
            Fate::DiesBefore,
            Fate::DiesAfter,
            Fate::AnswerLost,
            Fate::Throttled,
        ];
        let fate = fates[draw.below(4)];
        *plan.lock().unwrap() = Some((draw.below(6), fate));
        let marks: &[char] = if seed % 2 == 0 { &['a'] } else { &['a', 'b'] };
        let requests = marks
            .iter()
            .map(|mark| request("PUT", PATH, Some(&body(*mark))));
        let answers = race(&house, &mut draw, requests.collect()).await;
        let what = format!("seed {seed}: {fate:?} {answers:?}");
        deaths += answers.iter().filter(|answer| answer.is_none()).count();
        *plan.lock().unwrap() = None;
        house
            .stage
            .bridge
            .forget(&ChannelId::parse("shop-a").unwrap());
        whose(&house, &what).await;
        // A change of one thing keeps the secrets that are in force.
        let mark = whose(&house, &what).await;
        if seed % 3 == 0 {
            let mut some = body(mark);
            some["callback"].as_object_mut().unwrap().remove("token");
            some["desk"].as_object_mut().unwrap().remove("secrets");
            some.as_object_mut().unwrap().remove("app_secret");
            let reply = house.program("PUT", PATH, Some(&some)).await;
            assert_eq!(reply.status.as_u16(), 200, "{what} {}", reply.text);
            settled(&house, mark, &what).await;
        }
        assert_eq!(put(&house, 'c').await, 200, "{what}");
        settled(&house, 'c', &what).await;
    }
    assert!(deaths > 10, "{deaths}");
}

#[tokio::test(start_paused = true)]
async fn a_creation_that_dies_is_healed_and_takes_no_account_twice() {
    for seed in 0..DRAWS {
        let (house, plan) = house().await;
        let mut draw = Draw(seed);
        if seed % 3 == 0 {
            let fate = [Fate::DiesBefore, Fate::DiesAfter][draw.below(2)];
            *plan.lock().unwrap() = Some((draw.below(4), fate));
        }
        let requests = [
            request("PUT", PATH, Some(&body('a'))),
            request("PUT", "/api/channels/shop-b", Some(&body('b'))),
            request("PUT", PATH, Some(&body('c'))),
        ];
        let answers = race(&house, &mut draw, requests.into()).await;
        *plan.lock().unwrap() = None;
        let what = format!("seed {seed}: {answers:?}");
        let ids = house.stage.bridge.store.channel_ids().await.unwrap();
        assert!(ids.len() <= 1, "{what}");
        let path = match ids.first() {
            Some(id) => format!("/api/channels/{id}"),
            None => PATH.to_owned(),
        };
        let reply = house.program("PUT", &path, Some(&body('d'))).await;
        assert!(matches!(reply.status.as_u16(), 200 | 201), "{what}");
        if path == PATH {
            settled(&house, 'd', &what).await;
        }
        for id in ["shop-a", "shop-b"].map(|id| ChannelId::parse(id).unwrap()) {
            let secrets = house.stage.bridge.secrets.channel(&id).await.unwrap();
            assert_eq!(secrets.is_some(), path.ends_with(id.as_str()), "{what}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_deletion_wins_over_a_change_and_leaves_no_secret() {
    for seed in 0..DRAWS {
        let (house, _) = house().await;
        let mut draw = Draw(seed);
        if seed % 4 != 0 {
            assert_eq!(put(&house, 'o').await, 201);
        }
        let requests = vec![
            request("PUT", PATH, Some(&body('a'))),
            request("DELETE", PATH, None),
            request("PUT", PATH, Some(&body('b'))),
        ];
        let answers = race(&house, &mut draw, requests).await;
        let what = format!("seed {seed}: {answers:?}");
        let (channel, _) = stored(&house).await;
        let deleted = answers[1] == Some(202);
        assert_eq!(channel.unwrap().deleted, deleted, "{what}");
        assert!(matches!(answers[1], Some(202 | 404 | 409)), "{what}");
        if deleted {
            let bridge = &house.stage.bridge;
            tokio::time::advance(Duration::from_mins(3)).await;
            let ends = bridge.now().plus(Duration::from_mins(1));
            sweep(bridge, ends).await.unwrap();
            let id = ChannelId::parse("shop-a").unwrap();
            assert_eq!(bridge.store.channel(&id).await.unwrap(), None, "{what}");
            assert_eq!(bridge.secrets.channel(&id).await.unwrap(), None, "{what}");
            assert_eq!(put(&house, 'n').await, 201, "{what}");
        } else {
            assert_ne!(whose(&house, &what).await, 'n');
        }
    }
}
