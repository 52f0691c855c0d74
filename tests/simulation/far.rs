//! The far sides: a strict WeChat, and two desks, one of which does not know a
//! repeat when it sees one. The third channel has our own inbox for a desk.

use std::collections::BTreeMap;
use std::sync::Mutex;

use magpie::http::{Answer, Outgoing};
use magpie::notice::Way;
use magpie_local::simulator::{
    AccountSettings, Call, Callback, Mode, PushState, Reply, Stage, Template, WeChat,
};

/// The channels, by the nature of their desks.
pub(crate) const SMART: &str = "smart";
pub(crate) const DUMB: &str = "dumb";
pub(crate) const INBOX: &str = "inbox";
pub(crate) const CHANNELS: [&str; 3] = [SMART, DUMB, INBOX];
/// Those whose desks are somebody else's.
pub(crate) const DESKS: [&str; 2] = [SMART, DUMB];

/// The key of all channels' envelopes.
pub(crate) const AES_KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";

/// The template of notices, and what a phone shows of one.
pub(crate) const NOTICE: &str = "notice";
pub(crate) const SHOWN: &str = "[template]";

pub(crate) fn app_id(channel: &str) -> String {
    format!("wx{:0>16}", hex(channel))
}

pub(crate) fn original_id(channel: &str) -> String {
    format!("gh_{:0>12}", hex(channel))
}

fn hex(channel: &str) -> String {
    let bytes = channel.bytes().take(6);
    bytes.fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

/// What one desk has seen.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    /// The letters that it has seen, by their ids.
    known: BTreeMap<String, serde_json::Value>,
    /// What agents see, by conversation.
    pub(crate) shown: BTreeMap<String, Vec<String>>,
    /// How often something was shown that was shown before, by conversation.
    pub(crate) shown_again: BTreeMap<String, u64>,
    /// The words on every agent's message in their order: the state, and the
    /// reason if there is one. A letter that is known counts once.
    pub(crate) status: BTreeMap<String, Vec<(String, Option<String>)>>,
    /// Conversations in the order in which they became known.
    pub(crate) conversations: Vec<String>,
    /// The sessions that were opened, and whether they have ended.
    pub(crate) sessions: BTreeMap<String, bool>,
    /// Letters that were repeated in another session: their ids, and what is
    /// wrong with it unless a person wanted them repeated.
    pub(crate) moved: Vec<(String, String)>,
    /// What no desk should be told.
    pub(crate) wrongs: Vec<String>,
}

impl Desk {
    /// Takes a letter, as a desk that does or does not know repeats.
    fn take(&mut self, id: &str, body: &[u8], knows_repeats: bool) {
        let letter: serde_json::Value = serde_json::from_slice(body).unwrap();
        let text = |at: &str| {
            letter
                .pointer(at)
                .and_then(|v| v.as_str())
                .map(str::to_owned)
        };
        let before = self.known.insert(id.to_owned(), letter.clone());
        let repeat = before.is_some();
        if let Some(mut before) = before.filter(|before| *before != letter) {
            let wrong = format!("the repeat {id} says {letter}, before {before}");
            before["session"] = letter["session"].clone();
            if before == letter {
                self.moved.push((id.to_owned(), wrong));
            } else {
                self.wrongs.push(wrong);
            }
        }
        if let (Some("message.status"), false) = (text("/type").as_deref(), repeat) {
            let word = (text("/state").unwrap(), text("/reason/code"));
            let words = self.status.entry(text("/message/id").unwrap());
            words.or_default().push(word);
        }
        if repeat && knows_repeats {
            return;
        }
        let conversation = text("/conversation").unwrap_or_default();
        // A receipt may repeat what somebody made up.
        let kind = text("/type").unwrap_or_default();
        if kind != "message.status" && !self.conversations.contains(&conversation) {
            self.conversations.push(conversation.clone());
        }
        let session = text("/session").unwrap_or_default();
        match kind.as_str() {
            "message.created" => {
                let said = text("/message/text").unwrap();
                if !self.sessions.contains_key(&session) {
                    self.wrongs.push(format!("{said} is in no session"));
                }
                let shown = self.shown.entry(conversation.clone()).or_default();
                if shown.contains(&said) {
                    *self.shown_again.entry(conversation).or_default() += 1;
                }
                shown.push(said);
            }
            "session.opened" => {
                self.sessions.entry(session).or_default();
            }
            "session.ended" => {
                if self.sessions.insert(session.clone(), true).is_none() {
                    self.wrongs.push(format!("{session} ends and never opened"));
                }
            }
            "message.status" | "event.created" => {}
            other => self.wrongs.push(format!("a desk knows no {other}")),
        }
    }
}

/// Everything on the far sides.
pub(crate) struct Far {
    pub(crate) wechat: Mutex<WeChat>,
    pub(crate) desks: Mutex<BTreeMap<&'static str, Desk>>,
    /// What pushes were answered with, by their number.
    heard: Mutex<BTreeMap<u64, Reply>>,
}

impl Far {
    pub(crate) fn new(seed: u64) -> Self {
        let mut wechat = WeChat::new(&format!("seed {seed}"));
        for channel in CHANNELS {
            wechat
                .add_account(AccountSettings {
                    app_id: app_id(channel),
                    original_id: original_id(channel),
                    secret: "0123456789abcdef0123456789abcdef".into(),
                    token: "callbacktoken".into(),
                    aes_key: AES_KEY.into(),
                    mode: Mode::Secure,
                    callback_url: format!("http://bridge.test/wechat/{channel}"),
                    name: channel.to_owned(),
                })
                .unwrap();
            for way in [Way::Template, Way::Subscribe] {
                let template = Template {
                    way,
                    id: NOTICE.to_owned(),
                    title: String::new(),
                    content: "{{thing1.DATA}}".to_owned(),
                    example: String::new(),
                };
                wechat.add_template(&app_id(channel), template).unwrap();
            }
        }
        Self {
            wechat: Mutex::new(wechat),
            heard: Mutex::default(),
            desks: Mutex::new(DESKS.map(|channel| (channel, Desk::default())).into()),
        }
    }

    /// Answers a request that has arrived.
    pub(crate) fn answer(&self, now_ms: i64, request: &Outgoing) -> Answer {
        let host = request.url.host_str().unwrap_or_default();
        let (status, body) = if let Some(channel) = desk_of(host) {
            let id = request.headers["webhook-id"].to_str().unwrap();
            let mut desks = self.desks.lock().unwrap();
            let desk = desks.get_mut(channel).unwrap();
            desk.take(id, &request.body, channel == SMART);
            (200, b"ok".to_vec())
        } else {
            let answer = self.wechat.lock().unwrap().call(
                now_ms,
                &Call {
                    method: request.method.as_str(),
                    path: request.url.path(),
                    query: request.url.query().unwrap_or_default(),
                    content_type: request
                        .headers
                        .get("content-type")
                        .map_or("", |value| value.to_str().unwrap()),
                    body: &request.body,
                    caller: "127.0.0.1",
                },
            );
            (answer.status, answer.body)
        };
        Answer {
            status,
            headers: http::HeaderMap::new(),
            body,
        }
    }

    /// Takes the answer to a push: what it says, if it says something for the first time.
    /// A customer is shown that once, however often WeChat asked.
    pub(crate) fn hears(
        &self,
        now_ms: i64,
        callback: &Callback,
        body: &[u8],
    ) -> Result<Option<String>, String> {
        let mut wechat = self.wechat.lock().unwrap();
        let reply = wechat.judge(callback, 200, body);
        let reply = reply.map_err(|error| format!("a push was answered wrongly: {error}"))?;
        let mut heard = self.heard.lock().unwrap();
        if let Some(before) = heard.get(&callback.serial) {
            return if *before == reply {
                Ok(None)
            } else {
                Err(format!("push {} got two replies", callback.serial))
            };
        }
        heard.insert(callback.serial, reply.clone());
        let state = PushState {
            serial: callback.serial,
            stage: Stage::Taken,
            status: Some(200),
            attempts: 1,
            took_ms: 0,
        };
        wechat.settle(now_ms, callback, state, &reply);
        Ok(match reply {
            Reply::Text(text) => Some(text),
            Reply::Taken | Reply::Other(_) => None,
        })
    }

    /// What a customer's phone shows of the account's words, in order.
    pub(crate) fn phone(&self, channel: &str, open_id: &str) -> Vec<String> {
        let wechat = self.wechat.lock().unwrap();
        let customer = wechat.customer(&app_id(channel), open_id).unwrap();
        customer.received().map(str::to_owned).collect()
    }
}

/// The channel whose desk has this host.
pub(crate) fn desk_of(host: &str) -> Option<&'static str> {
    DESKS
        .into_iter()
        .find(|channel| host == format!("{channel}.test"))
}
