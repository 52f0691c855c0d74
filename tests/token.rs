//! Access tokens against the simulated WeChat: who asks, when, and how often.

#![expect(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it has to be"
)]

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join, join_all};
use magpie::bridge::token::Tokenless;
use magpie::bridge::token_refresh::token_refresh;
use magpie::bridge::{Bell, Bridge, TokenSource};
use magpie::channel::{CallbackMode, Channel, DeskSettings, TIME_ZONE, TokenCall};
use magpie::clock::{Chance, Clock};
use magpie::http::{Allowed, Answer, Http, Outgoing};
use magpie::message::ChannelId;
use magpie::moment::Moment;
use magpie::secrets::{ChannelSecrets, SecretFile, Secrets};
use magpie::store::Store;
use magpie::store::embedded::Engine;
use magpie::wechat::api::{NoToken, Token};
use magpie_local::simulator::{AccountSettings, Call, Mode, WeChat};
use tokio::sync::Notify;

/// When everything begins: 11:06 in UTC, 19:06 in Beijing.
const START: Moment = Moment::from_seconds(1_795_000_000);
const APP_ID: &str = "wx0123456789abcdef";
const APP_SECRET: &str = "fedcba9876543210fedcba9876543210";
const OUR_ADDRESS: &str = "203.0.113.7";

/// What holds an answer of WeChat back.
type Hold = Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// One WeChat, one store, and processes that share them.
struct World {
    wechat: Arc<Mutex<WeChat>>,
    engine: Engine,
}

fn id() -> ChannelId {
    ChannelId::parse("shop-a").unwrap()
}

fn channel(token_call: TokenCall) -> Channel {
    Channel {
        id: id(),
        name: "一号店".to_owned(),
        app_id: APP_ID.to_owned(),
        original_id: "gh_1".to_owned(),
        mode: CallbackMode::Plain,
        suspended: false,
        resumed: None,
        only_wechat_addresses: false,
        replies: magpie::reply::Replies::default(),
        deleted: false,
        api_base: "https://api.weixin.qq.com".to_owned(),
        token_call,
        part_pause_ms: 0,
        retention_days: 30,
        erase_after_days: 15,
        time_zone: TIME_ZONE.to_owned(),
        fallback: None,
        agent_name: magpie::channel::AgentName::None,
        kf_account: None,
        desk: DeskSettings::Inbox,
        revision: 1,
    }
}

fn account() -> AccountSettings {
    AccountSettings {
        app_id: APP_ID.to_owned(),
        original_id: "gh_1".to_owned(),
        secret: APP_SECRET.to_owned(),
        token: "callbackToken1".to_owned(),
        aes_key: "iawKrZv6sIOEzwGmyvuPySGuVt1M3fITDV+n3iJ9VG8".to_owned(),
        mode: Mode::Plain,
        callback_url: "http://127.0.0.1:1/".to_owned(),
        name: "一号店".to_owned(),
    }
}

fn secrets() -> ChannelSecrets {
    ChannelSecrets {
        only_wechat_addresses: false,
        replies: false,
        mode: CallbackMode::Plain,
        app_id: APP_ID.to_owned(),
        original_id: "gh_1".to_owned(),
        token: "callbackToken1".to_owned(),
        aes_key: None,
        previous_aes_key: None,
        app_secret: Some(APP_SECRET.to_owned()),
        desk: Vec::new(),
    }
}

impl World {
    async fn new() -> Self {
        let mut wechat = WeChat::new("token");
        wechat.add_account(account()).unwrap();
        let world = Self {
            wechat: Arc::new(Mutex::new(wechat)),
            engine: Engine::in_memory().unwrap(),
        };
        let store = world.store();
        store.create_tables(false).await.unwrap();
        let channel = channel(TokenCall::Stable);
        store.create_channel(&channel).await.unwrap();
        world
    }

    fn store(&self) -> Store {
        Store::new(self.engine.client(), "messages", "control")
    }

    /// A process whose clock shows so much more than the others'.
    async fn process(&self, ahead: Duration, hold: Hold) -> Bridge {
        let clock = Clock::starting_at(START.plus(ahead));
        let wechat = Arc::clone(&self.wechat);
        let peers = move |request: Outgoing| {
            let wechat = Arc::clone(&wechat);
            let now_ms = clock.now().millis();
            let answer = ask(&wechat, now_ms, &request);
            let answered = hold();
            async move {
                answered.await;
                Ok(answer)
            }
            .boxed()
        };
        let secrets = Secrets::File(SecretFile::in_memory());
        secrets.put_channel(&id(), &self::secrets()).await.unwrap();
        Bridge::new(
            self.store(),
            secrets,
            Http::in_process(Arc::new(peers), Allowed::default()),
            clock,
            Chance::System,
            Bell::Stream,
        )
    }

    /// A process that hears WeChat after a tenth of a second.
    async fn bridge(&self) -> Bridge {
        let hold = || tokio::time::sleep(Duration::from_millis(100)).boxed();
        self.process(Duration::ZERO, Arc::new(hold)).await
    }

    /// A process that hears WeChat at once.
    async fn near(&self) -> Bridge {
        let hold = || std::future::ready(()).boxed();
        self.process(Duration::ZERO, Arc::new(hold)).await
    }

    /// The calls that WeChat has seen, with when and with what came of them.
    fn calls(&self) -> Vec<(i64, String, i64)> {
        let wechat = self.wechat.lock().unwrap();
        let seen = wechat.log().map(|seen| {
            let seconds = (seen.at_ms - START.millis()) / 1000;
            (seconds, seen.call.clone(), seen.errcode)
        });
        seen.collect()
    }

    /// Whether WeChat takes this token now.
    fn takes(&self, bridge: &Bridge, token: &Token) -> bool {
        let query = format!("access_token={}", token.expose());
        let call = Call {
            method: "POST",
            path: "/cgi-bin/message/custom/send",
            query: &query,
            content_type: "application/json",
            body: b"{}",
            caller: OUR_ADDRESS,
        };
        let now_ms = bridge.now().millis();
        let answer = self.wechat.lock().unwrap().call(now_ms, &call);
        ![40001, 40014, 42001, 41001].contains(&answer.errcode())
    }

    fn end_tokens(&self, bridge: &Bridge) {
        let now_ms = bridge.now().millis();
        let mut wechat = self.wechat.lock().unwrap();
        wechat.end_tokens(now_ms, APP_ID).unwrap();
    }
}

fn ask(wechat: &Mutex<WeChat>, now_ms: i64, request: &Outgoing) -> Answer {
    let call = Call {
        method: request.method.as_str(),
        path: request.url.path(),
        query: request.url.query().unwrap_or_default(),
        content_type: request
            .headers
            .get("content-type")
            .map_or("", |value| value.to_str().unwrap()),
        body: &request.body,
        caller: OUR_ADDRESS,
    };
    let answer = wechat.lock().unwrap().call(now_ms, &call);
    Answer {
        status: answer.status,
        headers: http::HeaderMap::new(),
        body: answer.body,
    }
}

async fn wait(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn of_two_hundred_who_want_a_token_at_once_one_asks() {
    let world = World::new().await;
    let channel = channel(TokenCall::Stable);
    let processes = join_all((0..4).map(|_| world.bridge())).await;
    let mut failed = None;
    for round in 1..=2 {
        let wishes = (0..200).map(|n| {
            let bridge = &processes[n % 4];
            bridge.refresh(&channel, failed.as_ref())
        });
        let tokens = join_all(wishes).await;
        let tokens: BTreeSet<_> = tokens
            .into_iter()
            .map(|token| token.unwrap().expose().to_owned())
            .collect();
        assert_eq!(tokens.len(), 1);
        assert_eq!(world.calls().len(), round, "round {round}");
        // Another system of the owner's ends the token that all of them use.
        world.end_tokens(&processes[0]);
        failed = tokens.into_iter().next().map(Token::new);
        wait(1).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_is_asked_for_where_token_refresh_has_never_run() {
    let world = World::new().await;
    let (channel, bridge) = (channel(TokenCall::Stable), world.bridge().await);
    let token = bridge.token(&channel).await.unwrap();
    assert!(world.takes(&bridge, &token));
    let before = bridge.store.spent();
    for _ in 0..50 {
        assert_eq!(bridge.token(&channel).await.unwrap(), token);
        wait(1).await;
    }
    assert_eq!(bridge.store.spent(), before, "what is known is not read");
    let other = world.bridge().await;
    assert_eq!(other.token(&channel).await.unwrap(), token);
    assert_eq!(
        world.calls().len(),
        2,
        "one of them is the check of the test"
    );
    wait(7200).await;
    let next = bridge.token(&channel).await.unwrap();
    assert_ne!(next, token, "it has ended");
    assert!(world.takes(&bridge, &next));
}

#[tokio::test(start_paused = true)]
async fn an_old_token_is_asked_after_every_minute_until_there_is_another() {
    let world = World::new().await;
    let (channel, bridge) = (channel(TokenCall::Stable), world.near().await);
    let mut known = Vec::new();
    for _ in 0..=180 {
        token_refresh(&bridge, Moment::MAX).await.unwrap();
        let token = bridge.token(&channel).await.unwrap();
        let now_ms = bridge.now().millis();
        if known.last() != Some(&token) {
            known.push(token);
        }
        let seconds = (now_ms - START.millis()) / 1000;
        assert!(seconds % 60 == 0, "{seconds}");
        wait(60).await;
    }
    // 85 % of two hours are 6,120 s; WeChat has another from 6,900 s on.
    let mut expected = vec![0];
    expected.extend((6_120..=6_900).step_by(60));
    let asked: Vec<_> = world.calls().into_iter().map(|(at, ..)| at).collect();
    assert_eq!(asked, expected);
    assert_eq!(known.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_ends_first_comes_first_and_nothing_is_begun_too_late() {
    let world = World::new().await;
    let keeper = world.near().await;
    let five = || tokio::time::sleep(Duration::from_secs(5)).boxed();
    let slow = world.process(Duration::ZERO, Arc::new(five)).await;
    token_refresh(&keeper, Moment::MAX).await.unwrap();
    // Their names are in another order than the ends of their tokens.
    for number in (10..30).rev() {
        wait(10).await;
        let app_id = format!("wx{number}");
        let own = ChannelId::parse(&format!("shop-{number}")).unwrap();
        let account = AccountSettings {
            app_id: app_id.clone(),
            original_id: format!("gh_{number}"),
            ..account()
        };
        world.wechat.lock().unwrap().add_account(account).unwrap();
        let row = Channel {
            id: own.clone(),
            app_id: app_id.clone(),
            original_id: format!("gh_{number}"),
            ..channel(TokenCall::Stable)
        };
        keeper.store.create_channel(&row).await.unwrap();
        for bridge in [&keeper, &slow] {
            let secrets = ChannelSecrets {
                only_wechat_addresses: false,
                replies: false,
                app_id: app_id.clone(),
                original_id: format!("gh_{number}"),
                ..secrets()
            };
            bridge.secrets.put_channel(&own, &secrets).await.unwrap();
        }
        token_refresh(&keeper, Moment::MAX).await.unwrap();
    }
    let before = world.calls().len();
    wait(6_300).await;
    // One that has no token yet comes last, since nobody answers may be the cause.
    let newcomer = Channel {
        id: ChannelId::parse("a-newcomer").unwrap(),
        app_id: "wx00".to_owned(),
        original_id: "gh_00".to_owned(),
        ..channel(TokenCall::Stable)
    };
    slow.store.create_channel(&newcomer).await.unwrap();
    // Each takes five seconds, eight go at once, and none begins in the last fifteen.
    let ends = slow.now().plus(Duration::from_secs(23));
    let lives = token_refresh(&slow, ends).await.unwrap();
    assert!(slow.now() < ends);
    assert_eq!(lives.len(), 21, "each is told of whose token is known");
    assert!(lives.values().all(|left| !left.is_zero()));
    let asked: Vec<_> = {
        let wechat = world.wechat.lock().unwrap();
        let seen = wechat.log().skip(before);
        seen.map(|seen| seen.app_id.clone().unwrap()).collect()
    };
    // The one that was there from the beginning, then in the order of their ends.
    let mut expected = vec![APP_ID.to_owned()];
    expected.extend((15..30).rev().map(|number| format!("wx{number}")));
    assert_eq!(asked, expected);
    // Where there is no time at all, nothing is begun and nothing made up.
    let before = world.calls().len();
    let none = token_refresh(&slow, slow.now()).await.unwrap();
    assert_eq!((none.len(), world.calls().len()), (0, before));
}

#[tokio::test(start_paused = true)]
async fn every_token_that_is_handed_out_works() {
    let world = World::new().await;
    let channel = channel(TokenCall::Stable);
    let (keeper, sender) = (world.near().await, world.near().await);
    for _ in 0..300 {
        token_refresh(&keeper, Moment::MAX).await.unwrap();
        let token = sender.token(&channel).await.unwrap();
        assert!(world.takes(&sender, &token), "{}", sender.now());
        wait(60).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_token_is_replaced_by_the_stored_one_or_a_new_one() {
    let world = World::new().await;
    let channel = channel(TokenCall::Stable);
    let (one, two) = (world.bridge().await, world.bridge().await);
    let first = one.token(&channel).await.unwrap();
    assert_eq!(two.token(&channel).await.unwrap(), first);
    wait(1).await;
    world.end_tokens(&one);
    let second = one.refresh(&channel, Some(&first)).await.unwrap();
    assert!(second != first && world.takes(&one, &second));
    let calls = world.calls().len();
    assert_eq!(two.refresh(&channel, Some(&first)).await.unwrap(), second);
    assert_eq!(world.calls().len(), calls, "it was stored already");
    assert_eq!(two.token(&channel).await.unwrap(), second);
}

/// The token calls that forced a token, by what they left behind.
fn forced(tokens: &[Token]) -> usize {
    tokens
        .windows(2)
        .filter(|two| two.first() != two.last())
        .count()
}

#[tokio::test(start_paused = true)]
async fn the_same_token_again_is_replaced_by_force_but_not_soon() {
    let world = World::new().await;
    let (channel, bridge) = (channel(TokenCall::Stable), world.near().await);
    let first = bridge.token(&channel).await.unwrap();
    let second = bridge.refresh(&channel, Some(&first)).await.unwrap();
    assert_ne!(second, first);
    assert!(!world.takes(&bridge, &first) && world.takes(&bridge, &second));
    wait(29).await;
    let soon = bridge.refresh(&channel, Some(&second)).await;
    assert!(matches!(soon, Err(Tokenless::Rationed)), "{soon:?}");
    assert!(world.takes(&bridge, &second));
    wait(20).await;
    let third = bridge.refresh(&channel, Some(&second)).await.unwrap();
    assert_ne!(third, second);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_forced_twenty_times_a_day_in_beijing() {
    let world = World::new().await;
    let (channel, bridge) = (channel(TokenCall::Stable), world.near().await);
    let mut tokens = vec![bridge.token(&channel).await.unwrap()];
    let mut force_all = async || {
        let mut refused = 0;
        for _ in 0..25 {
            wait(31).await;
            let last = tokens.last().cloned();
            match bridge.refresh(&channel, last.as_ref()).await {
                Ok(token) => tokens.push(token),
                Err(Tokenless::Rationed) => refused += 1,
                Err(other) => panic!("{other:?}"),
            }
        }
        (forced(&tokens), refused)
    };
    // Midnight in Beijing is 17,600 s after the start, midnight in UTC 46,400 s.
    assert_eq!(force_all().await, (20, 5));
    wait(17_600).await;
    // The last token has ended meanwhile, so that the first of these is no force.
    assert_eq!(force_all().await, (41, 4), "a new day");
    wait(28_800).await;
    assert_eq!(force_all().await, (42, 24), "the same day");
}

#[tokio::test(start_paused = true)]
async fn the_classic_call_makes_a_new_token_each_time() {
    let world = World::new().await;
    let (channel, bridge) = (channel(TokenCall::Classic), world.near().await);
    let first = bridge.token(&channel).await.unwrap();
    let second = bridge.refresh(&channel, Some(&first)).await.unwrap();
    assert!(first != second && world.takes(&bridge, &second));
    let asked: Vec<_> = world
        .calls()
        .into_iter()
        .filter(|(_, call, _)| call == "GET /cgi-bin/token")
        .collect();
    assert_eq!(asked.len(), 2);
}

/// What was logged while this lives.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_that_is_not_allowed_is_named_and_nothing_secret() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .with_env_filter("magpie=trace")
        .with_ansi(false)
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let world = World::new().await;
    let (channel, bridge) = (channel(TokenCall::Stable), world.near().await);
    let token = bridge.token(&channel).await.unwrap();
    wait(6_200).await;
    let elsewhere = vec!["198.51.100.1".to_owned()];
    world
        .wechat
        .lock()
        .unwrap()
        .allow_addresses(APP_ID, elsewhere)
        .unwrap();
    token_refresh(&bridge, Moment::MAX).await.unwrap();
    let words = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let line = words.lines().find(|line| line.contains("40164")).unwrap();
    assert!(
        line.contains("ERROR") && line.contains(OUR_ADDRESS),
        "{line}"
    );
    assert!(
        line.contains("shop-a") && line.contains("allow-list"),
        "{line}"
    );
    for secret in [APP_SECRET, token.expose(), "access_token"] {
        assert!(!words.contains(secret), "{words}");
    }
    let refused = bridge.refresh(&channel, Some(&token)).await.unwrap_err();
    let words = format!("{refused} {refused:?} {token:?}");
    assert!(
        !words.contains(APP_SECRET) && !words.contains(token.expose()),
        "{words}"
    );
}

/// A server of tokens that gives one of these at each call, and what it was asked.
async fn with_server(
    world: &World,
    gives: &'static [&'static str],
) -> (Bridge, Arc<Mutex<Vec<(String, serde_json::Value)>>>) {
    let asked = Arc::<Mutex<Vec<(String, serde_json::Value)>>>::default();
    let noted = Arc::clone(&asked);
    let peers = move |request: Outgoing| {
        assert_eq!(request.url.as_str(), "https://tokens.example.com/wechat");
        let key = request.headers.get("authorization");
        let key = key.map(|key| key.to_str().unwrap().to_owned());
        let body = serde_json::from_slice(&request.body).unwrap();
        let mut noted = noted.lock().unwrap();
        noted.push((key.unwrap_or_default(), body));
        let answer = gives.get(noted.len() - 1).copied();
        let body = match answer {
            Some(token) => format!(r#"{{"access_token":"{token}","expires_in":7200}}"#),
            None => r#"{"errcode":40013,"errmsg":"invalid appid"}"#.to_owned(),
        };
        let answer = Answer {
            status: 200,
            headers: http::HeaderMap::new(),
            body: body.into_bytes(),
        };
        std::future::ready(Ok(answer)).boxed()
    };
    let secrets = Secrets::File(SecretFile::in_memory());
    secrets
        .put("token-server", "key of the server")
        .await
        .unwrap();
    let bridge = Bridge::new(
        world.store(),
        secrets,
        Http::in_process(Arc::new(peers), Allowed::default()),
        Clock::starting_at(START),
        Chance::System,
        Bell::Stream,
    );
    let server = "https://tokens.example.com/wechat".parse().unwrap();
    (bridge.with_tokens_from(TokenSource::Server(server)), asked)
}

#[tokio::test(start_paused = true)]
async fn a_server_of_tokens_is_asked_instead_of_wechat_and_for_another_only_where_it_must_be() {
    let world = World::new().await;
    // The classic call ends other tokens; a server's never does.
    let channel = channel(TokenCall::Classic);
    let (bridge, asked) = with_server(&world, &["t1", "t1", "t2"]).await;
    let first = bridge.token(&channel).await.unwrap();
    assert_eq!(first.expose(), "t1");
    assert_eq!(bridge.token(&channel).await.unwrap(), first);
    let second = bridge.refresh(&channel, Some(&first)).await.unwrap();
    assert_eq!(second.expose(), "t2");
    let forced: Vec<bool> = {
        let asked = asked.lock().unwrap();
        for (key, body) in asked.iter() {
            assert_eq!(key, "Bearer key of the server");
            assert_eq!(body.get("app_id").unwrap(), APP_ID);
        }
        let force = asked.iter().map(|(_, body)| body.get("force").unwrap());
        force.map(|force| force.as_bool().unwrap()).collect()
    };
    assert_eq!(forced, [false, false, true]);
    wait(60).await;
    let none = bridge.refresh(&channel, Some(&second)).await;
    let refused = matches!(
        none,
        Err(Tokenless::WeChat(NoToken::Refused { code: 40013, .. }))
    );
    assert!(refused, "{none:?}");
    assert!(world.calls().is_empty(), "WeChat was not asked");
}

#[tokio::test(start_paused = true)]
async fn who_outlived_the_lease_overwrites_nothing() {
    let world = World::new().await;
    let channel = channel(TokenCall::Stable);
    let go_on = Arc::new(Notify::new());
    let waits = Arc::clone(&go_on);
    let hold = move || {
        let waits = Arc::clone(&waits);
        async move { waits.notified().await }.boxed()
    };
    let slow = world.process(Duration::ZERO, Arc::new(hold)).await;
    // For this one the other's lease is over.
    let hold = || std::future::ready(()).boxed();
    let next = world.process(Duration::from_secs(16), Arc::new(hold)).await;
    let successor = async {
        tokio::task::yield_now().await;
        assert_eq!(world.calls().len(), 1, "the slow one has asked");
        world.end_tokens(&next);
        let token = next.refresh(&channel, None).await.unwrap();
        go_on.notify_one();
        token
    };
    let (old, new) = join(slow.refresh(&channel, None), successor).await;
    assert_ne!(old.unwrap(), new);
    assert_eq!(
        next.store.token(&id()).await.unwrap().token.as_deref(),
        Some(new.expose())
    );
    assert_eq!(
        slow.token(&channel).await.unwrap(),
        new,
        "nor does it keep its own"
    );
    assert_eq!(world.calls().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_lease_whose_holder_died_is_had_again() {
    let world = World::new().await;
    let channel = channel(TokenCall::Stable);
    let bridge = world.near().await;
    let now = bridge.now();
    let until = now.plus(Duration::from_secs(15));
    bridge
        .store
        .lease_token(&id(), "dead", None, now, until)
        .await
        .unwrap();
    let busy = bridge.token(&channel).await;
    assert!(matches!(busy, Err(Tokenless::Busy)), "{busy:?}");
    wait(10).await;
    let token = bridge.token(&channel).await.unwrap();
    assert!(world.takes(&bridge, &token));
}

#[tokio::test(start_paused = true)]
async fn suspended_and_deleted_channels_and_those_without_a_secret_are_left_alone() {
    let world = World::new().await;
    let bridge = world.near().await;
    let mut changed = channel(TokenCall::Stable);
    for (revision, suspended, deleted) in [(2, true, false), (3, false, true)] {
        (changed.revision, changed.suspended, changed.deleted) = (revision, suspended, deleted);
        assert!(bridge.store.update_channel(&changed).await.unwrap());
        token_refresh(&bridge, Moment::MAX).await.unwrap();
        assert!(world.calls().is_empty());
    }
    (changed.revision, changed.deleted) = (4, false);
    assert!(bridge.store.update_channel(&changed).await.unwrap());
    bridge.secrets.remove_channel(&id()).await.unwrap();
    token_refresh(&bridge, Moment::MAX).await.unwrap();
    assert!(world.calls().is_empty());
}
