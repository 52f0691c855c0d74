//! The far sides: a strict WeChat, and two desks, one of which does not know a
//! repeat when it sees one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use magpie::http::{Answer, Outgoing};
use magpie_local::simulator::{AccountSettings, Call, Content, Mode, WeChat};

/// The two channels, by the nature of their desks.
pub(crate) const SMART: &str = "smart";
pub(crate) const DUMB: &str = "dumb";
pub(crate) const CHANNELS: [&str; 2] = [SMART, DUMB];

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
    /// Every letter in the order of arrival: its id and its body.
    pub(crate) letters: Vec<(String, serde_json::Value)>,
    /// The ids that it has seen.
    pub(crate) known: BTreeSet<String>,
    /// What agents see, by conversation.
    pub(crate) shown: BTreeMap<String, Vec<String>>,
    /// How often something was shown that was shown before.
    pub(crate) shown_again: u64,
    /// The last word on every agent's message.
    pub(crate) status: BTreeMap<String, Vec<String>>,
    /// Conversations in the order in which they became known.
    pub(crate) conversations: Vec<String>,
    /// The open sessions by conversation, as the desk was told.
    pub(crate) sessions: BTreeMap<String, String>,
}

impl Desk {
    /// Takes a letter, as a desk that does or does not know repeats.
    fn take(&mut self, id: &str, body: &[u8], knows_repeats: bool) {
        let letter: serde_json::Value = serde_json::from_slice(body).unwrap();
        let repeat = !self.known.insert(id.to_owned());
        if repeat {
            let before = self.letters.iter().find(|(known, _)| known == id);
            let before = before.map(|(_, body)| body);
            assert_eq!(before, Some(&letter), "a repeat says something else");
        }
        self.letters.push((id.to_owned(), letter.clone()));
        if repeat && knows_repeats {
            return;
        }
        let text = |at: &str| {
            letter
                .pointer(at)
                .and_then(|v| v.as_str())
                .map(str::to_owned)
        };
        let conversation = text("/conversation").unwrap_or_default();
        if !conversation.is_empty() && !self.conversations.contains(&conversation) {
            self.conversations.push(conversation.clone());
        }
        match text("/type").as_deref() {
            Some("message.created") => {
                let said = text("/message/text").unwrap();
                let shown = self.shown.entry(conversation).or_default();
                if shown.contains(&said) {
                    self.shown_again += 1;
                }
                shown.push(said);
            }
            Some("message.status") => {
                let message = text("/message/id").unwrap();
                let state = text("/state").unwrap();
                self.status.entry(message).or_default().push(state);
            }
            Some("session.opened") => {
                self.sessions
                    .insert(conversation, text("/session").unwrap());
            }
            Some("session.ended") => {
                self.sessions.remove(&conversation);
            }
            Some("event.created") => {}
            other => panic!("a desk knows no {other:?}"),
        }
    }
}

/// Everything on the far sides.
pub(crate) struct Far {
    pub(crate) wechat: Mutex<WeChat>,
    pub(crate) desks: Mutex<BTreeMap<&'static str, Desk>>,
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
                    aes_key: "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG".into(),
                    mode: Mode::Plain,
                    callback_url: format!("http://bridge.test/wechat/{channel}"),
                    name: channel.to_owned(),
                })
                .unwrap();
        }
        Self {
            wechat: Mutex::new(wechat),
            desks: Mutex::new(CHANNELS.map(|channel| (channel, Desk::default())).into()),
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

    /// What a customer's phone shows of the account's words, in order.
    pub(crate) fn phone(&self, channel: &str, open_id: &str) -> Vec<String> {
        let wechat = self.wechat.lock().unwrap();
        let customer = wechat.customer(&app_id(channel), open_id).unwrap();
        customer
            .bubbles
            .iter()
            .filter_map(|bubble| match &bubble.content {
                Content::Theirs { text, .. } => Some(text.clone()),
                _ => None,
            })
            .collect()
    }
}

/// The channel whose desk has this host.
pub(crate) fn desk_of(host: &str) -> Option<&'static str> {
    CHANNELS
        .into_iter()
        .find(|channel| host == format!("{channel}.test"))
}
