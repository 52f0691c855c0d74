//! One seed's story: who says what when, which process hears of it, and what
//! goes wrong meanwhile.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use magpie::bridge::Ring;
use magpie::channel::{CallbackMode, Channel, DeskSettings, TIME_ZONE, TokenCall};
use magpie::desk::webhook;
use magpie::fallback::Fallback;
use magpie::message::ChannelId;
use magpie::moment::Moment;
use magpie::notice::{Notice, Way};
use magpie::reply::{Replies, Reply};
use magpie::store::Store;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::draw::Draw;
use crate::driver::{Driver, Task};
use crate::far::{AES_KEY, CHANNELS, INBOX, NOTICE, app_id, original_id};
use crate::house::{inbox, operator, redrive, redriver};
use crate::ledger::{Said, Told, Totals};
use crate::near::{Wires, World};
use crate::network::Weather;
use crate::people::{agents, customer};
use crate::{rows, scans};

/// How many customers a channel has; the inbox has fewer, since lists are dear.
const CUSTOMERS: usize = 3;
/// How long things go wrong.
pub(crate) const TROUBLE: Duration = Duration::from_mins(10);
/// How long the bridge gets afterwards: 49 hours, and a little more since what
/// falls due within minutes is swept at once.
const CALM: Duration = Duration::from_mins(49 * 60 + 15);

/// A story that has come to its end, for the checks.
pub(crate) struct Ended {
    pub(crate) world: Arc<World>,
    pub(crate) said: Said,
    pub(crate) customers: BTreeMap<&'static str, Vec<String>>,
    pub(crate) totals: Totals,
    pub(crate) calls: Vec<String>,
}

pub(crate) fn secret() -> String {
    webhook::new_secret([7; 32])
}

pub(crate) fn channel(id: &str) -> Channel {
    Channel {
        id: ChannelId::parse(id).unwrap(),
        name: id.to_owned(),
        app_id: app_id(id),
        original_id: original_id(id),
        mode: CallbackMode::Secure,
        suspended: false,
        resumed: None,
        only_wechat_addresses: false,
        replies: Replies::default(),
        deleted: false,
        api_base: "http://wechat.test".into(),
        token_call: TokenCall::Stable,
        part_pause_ms: 300,
        retention_days: 30,
        erase_after_days: 15,
        time_zone: TIME_ZONE.to_owned(),
        fallback: None,
        agent_name: magpie::channel::AgentName::None,
        kf_account: None,
        desk: if id == INBOX {
            DeskSettings::Inbox
        } else {
            DeskSettings::Webhook {
                url: format!("http://{id}.test/hook"),
            }
        },
        revision: 1,
    }
}

/// Whether channels of this story reply to pushes: every other.
fn replies(seed: u64) -> bool {
    seed % 2 == 1
}

/// How channels of this story ask their customers back: by what arrives, by what nobody has
/// asked for, or not at all.
fn fallback(seed: u64) -> Option<Fallback> {
    let way = match seed % 3 {
        0 => Way::Template,
        1 => Way::Subscribe,
        _ => return None,
    };
    Some(Fallback {
        notice: Notice {
            way,
            template_id: NOTICE.to_owned(),
            title: None,
            data: BTreeMap::from([("thing1".to_owned(), "{words}".to_owned())]),
            url: None,
            mini_program: None,
        },
        wait_hours: 1,
    })
}

/// What channels say by themselves, and whose answers ride on replies.
fn greetings() -> Replies {
    let say = |what: &str| Some(Reply::text(format!("{GREETING}{what}")));
    Replies {
        welcome: say("welcome"),
        first_message: say("first"),
        acknowledge: say("received"),
        held_answers: true,
        ..Replies::default()
    }
}

/// What begins all that a channel says by itself.
pub(crate) const GREETING: &str = "greeting: ";

/// Connects the channels, with customers who follow them.
async fn connect(world: &World, store: &Store, seed: u64) -> BTreeMap<&'static str, Vec<String>> {
    store.create_tables(false).await.unwrap();
    let mut customers = BTreeMap::new();
    let pepper = base64::engine::general_purpose::STANDARD.encode([3; 32]);
    let secrets = &world.secrets;
    secrets.lock().unwrap().insert("pepper".into(), pepper);
    for id in CHANNELS {
        let replies = if replies(seed) {
            greetings()
        } else {
            Replies::default()
        };
        let replying = replies.any();
        let connected = Channel {
            replies,
            fallback: fallback(seed),
            ..channel(id)
        };
        store.create_channel(&connected).await.unwrap();
        scans::hang_up(store, &connected.id).await;
        let own = serde_json::json!({
            "mode": "secure", "aes_key": AES_KEY, "app_id": app_id(id), "original_id": original_id(id),
            "token": "callbacktoken", "app_secret": "0123456789abcdef0123456789abcdef",
            "desk": [secret()], "replies": replying,
        });
        let name = format!("ch/{id}");
        secrets.lock().unwrap().insert(name, own.to_string());
        let mut wechat = world.far.wechat.lock().unwrap();
        let follower = |n: usize| wechat.add_follower(&app_id(id), &format!("customer {n}"));
        let many = CUSTOMERS - usize::from(id == INBOX);
        let open_ids: Result<_, _> = (0..many).map(follower).collect();
        customers.insert(id, open_ids.unwrap());
    }
    customers
}

/// Tells the story of a seed.
pub(crate) async fn play(seed: u64) -> Ended {
    let (deaths, mut died) = mpsc::unbounded_channel();
    let (bells, mut rung) = mpsc::unbounded_channel();
    let (late, mut strayed) = mpsc::unbounded_channel();
    let (tasks, mut asked) = mpsc::unbounded_channel();
    let wires = Wires {
        deaths,
        bells,
        late,
    };
    let world = World::new(seed, wires);
    let store = Store::new(world.engine.client(), "messages", "control");
    let customers = connect(&world, &store, seed).await;
    world.faults.store(true, Ordering::Relaxed);

    let told = Arc::new(Told {
        world: Arc::clone(&world),
        tasks: tasks.clone(),
        said: Mutex::new(Said::default()),
    });
    let script = script(&told, customers.clone(), seed);
    let draw = Draw::new(seed, 2);
    let mut driver = Driver::new(&world, seed);
    tokio::pin!(script);
    let mut travelling = JoinSet::new();
    loop {
        driver.reap();
        tokio::select! {
            biased;
            Some(death) = died.recv() => driver.kill(death),
            Some(place) = driver.done.1.recv() => driver.finished(&place),
            Some(task) = asked.recv() => driver.carry_out(task),
            Some(bell) = rung.recv() => travel(&world, &draw, &tasks, &mut travelling, &bell),
            Some(request) = strayed.recv() => {
                let pause = Duration::from_secs(3) + draw.span(Duration::from_secs(5));
                let world = Arc::clone(&world);
                travelling.spawn(async move {
                    tokio::time::sleep(pause).await;
                    world.act(&request, true);
                });
            }
            () = &mut script => break,
        }
    }
    let totals = world.totals.lock().unwrap().clone();
    let calls = world.calls.lock().unwrap().clone();
    let said = told.said.lock().unwrap().clone();
    Ended {
        world,
        said,
        customers,
        totals,
        calls,
    }
}

/// A bell on its way: it may be lost, doubled, and late.
fn travel(
    world: &World,
    draw: &Draw,
    tasks: &mpsc::UnboundedSender<Task>,
    travelling: &mut JoinSet<()>,
    bell: &Ring,
) {
    let faulty = world.faults.load(Ordering::Relaxed);
    if faulty && draw.often(30) {
        world.totals.lock().unwrap().bells_lost += 1;
        return;
    }
    for _ in 0..=u64::from(faulty && draw.often(150)) {
        let most = if faulty && draw.often(100) {
            30_000
        } else {
            500
        };
        let delay = draw.span(Duration::from_millis(most));
        let (tasks, bell) = (tasks.clone(), bell.clone());
        travelling.spawn(async move {
            tokio::time::sleep(delay).await;
            tasks.send(Task::Bell(bell)).unwrap();
        });
    }
}

/// Everything that happens, in its time.
async fn script(told: &Arc<Told>, customers: BTreeMap<&'static str, Vec<String>>, seed: u64) {
    let draw = |stream| Draw::new(seed, stream);
    let mut actors = JoinSet::new();
    for (c, (&channel, open_ids)) in (0..).zip(&customers) {
        for (n, open_id) in (0..).zip(open_ids) {
            let draw = draw(100 + c * 10 + n);
            actors.spawn(customer(Arc::clone(told), channel, open_id.clone(), draw));
        }
        if channel == INBOX {
            actors.spawn(inbox(Arc::clone(told), draw(200 + c)));
        } else {
            actors.spawn(agents(Arc::clone(told), channel, draw(200 + c)));
            let host = format!("{channel}.test");
            actors.spawn(weather(Arc::clone(told), host, draw(300 + c)));
        }
    }
    let host = "wechat.test".to_owned();
    actors.spawn(weather(Arc::clone(told), host, draw(400)));
    actors.spawn(operator(Arc::clone(told), draw(500)));
    actors.spawn(redriver(Arc::clone(told), draw(600)));
    let mut timers = JoinSet::new();
    let tasks = told.tasks.clone();
    timers.spawn(async move {
        for sweep in 1.. {
            tokio::time::sleep(Duration::from_secs(75)).await;
            tasks.send(Task::Sweep).unwrap();
            if sweep % 4 == 0 {
                tasks.send(Task::Tokens).unwrap();
            }
        }
    });
    while let Some(done) = actors.join_next().await {
        done.unwrap();
    }
    timers.shutdown().await;
    told.world.faults.store(false, Ordering::Relaxed);
    told.world.weather.lock().unwrap().clear();
    calm(told, &draw(700)).await;
}

/// Takes a far side down for a while, or makes it slow, in some stories.
async fn weather(told: Arc<Told>, host: String, draw: Draw) {
    let weather = match draw.below(100) {
        0..25 => Weather::Down,
        25..40 => Weather::Slow,
        _ => return,
    };
    tokio::time::sleep(draw.span(TROUBLE / 2)).await;
    let all = &told.world.weather;
    all.lock().unwrap().insert(host.clone(), weather);
    tokio::time::sleep(draw.span(TROUBLE / 2)).await;
    all.lock().unwrap().remove(&host);
}

/// Nothing goes wrong any more: sweeps come as things fall due, walks hourly at
/// first, for 49 hours. A person tries once more what died.
async fn calm(told: &Arc<Told>, draw: &Draw) {
    let clock = told.world.clock;
    let end = clock.now().plus(CALM);
    // Claims and leases of the dead run out, caches forget.
    tokio::time::sleep(Duration::from_mins(11)).await;
    let mut redrives = draw.often(600);
    let mut walks = 0;
    while clock.now() < end {
        if walks < 3 {
            walks += 1;
            let (found, walked) = oneshot::channel();
            told.tasks.send(Task::Walk(found)).unwrap();
            let _ = walked.await;
            tokio::time::sleep(Duration::from_secs(40)).await;
        } else if redrives {
            redrives = false;
            redrive(told, |_| draw.often(700), true).await;
        }
        told.tasks.send(Task::Sweep).unwrap();
        tokio::time::sleep(Duration::from_mins(1)).await;
        let now = clock.now();
        let next = rows::all(&told.world.engine, "messages")
            .iter()
            .filter(|row| row.text("sk").starts_with("J#"))
            .filter_map(|row| row.number("du"))
            .map(Moment::from_millis)
            .fold(now.plus(Duration::from_hours(8)), Moment::min);
        let next = next.plus(Duration::from_mins(4));
        tokio::time::sleep(next.min(end).since(now)).await;
    }
}
