//! What is said in the answer to a push: chosen before the push is journalled, kept with
//! it, and said again to every repeat.
//!
//! Invariant: a reply is worth less than the push. Whatever goes wrong here is logged, and
//! the push is journalled and answered without one.

use std::sync::Arc;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use tracing::warn;

use super::lane_out::REPLY_WAY;
use super::opened::{Letterhead, Row};
use super::receipts::receipt;
use super::{Bridge, Broken, Response, expires, plain};
use crate::channel::{Channel, DeskSettings};
use crate::journal::{Class, Entry, Lane, State};
use crate::message::{Body, ChannelId, Outcome};
use crate::reply::{Replied, Reply};
use crate::store::{Look, Pushed, Ride, StoreError};
use crate::tally::Deed;
use crate::wechat::reply::{Address, document};

/// How long a reply may be looked for: WeChat waits five seconds for all.
const PATIENCE: Duration = Duration::from_secs(1);

/// A reply that was found for a push.
struct Choice {
    reply: Reply,
    /// The answer of an agent that it is.
    answer: Option<Entry>,
}

impl Bridge {
    /// Journals the push of a channel that has replies, with the one that it gets. Only
    /// one that came `sealed` carries an agent's answer: any other may be somebody's who saw
    /// an address.
    pub(super) async fn push_with_reply(
        &self,
        row: &mut Row,
        sealed: bool,
    ) -> Result<Pushed, Broken> {
        let id = row.entry.origin.channel.clone();
        let found = match tokio::time::timeout(PATIENCE, self.found(&id, row, sealed)).await {
            Ok(Ok(found)) => found,
            Ok(Err(broken)) => {
                warn!(channel = %id, error = %broken, "no reply could be chosen for a push");
                None
            }
            Err(_) => {
                warn!(channel = %id, "no reply could be chosen for a push in time");
                None
            }
        };
        if let Some((channel, Choice { reply, answer })) = found {
            row.entry.reply = Some(Replied {
                reply,
                answer: answer.as_ref().map(|answer| answer.key.clone()),
            });
            if let Some(answer) = answer {
                match self.ride(&channel, row, &answer).await {
                    Ok(Some(pushed)) => return Ok(pushed),
                    // A worker was sooner.
                    Ok(None) => {}
                    // If it was written all the same, the push is a repeat now.
                    Err(error) => {
                        warn!(channel = %id, %error, "an answer could not go out by the reply to a push");
                    }
                }
                row.entry.reply = None;
            }
        }
        Ok(self.store.put_push(&row.at, &row.entry).await?)
    }

    /// Journals a push with the answer that goes out by the reply to it. `None` says that
    /// the answer does not wait any more.
    async fn ride(
        &self,
        channel: &Channel,
        row: &Row,
        answer: &Entry,
    ) -> Result<Option<Pushed>, StoreError> {
        let now = self.now();
        // The inbox shows it as it is.
        let receipt = match channel.desk {
            DeskSettings::Inbox => None,
            // The desk hears of it behind the words that it went out with, and behind that
            // it waited.
            DeskSettings::Webhook { .. } => {
                let said = row.entry.key.said().max(answer.at);
                receipt(answer, Outcome::Delivered, said, now)
            }
        };
        let ride = Ride {
            answer,
            receipt: receipt.as_ref(),
            expires: expires(Some(channel), now),
        };
        let pushed = self
            .store
            .put_push_with_answer(&row.at, &row.entry, ride)
            .await?;
        if pushed == Some(Pushed::Stored) {
            if let Some(receipt) = &receipt {
                self.ring(&row.at, &receipt.key);
            }
            self.tally.note(&row.at, &answer.key, Deed::Sent);
        }
        Ok(pushed)
    }

    /// The reply to a push, if it gets one, and its channel.
    async fn found(
        &self,
        id: &ChannelId,
        row: &Row,
        sealed: bool,
    ) -> Result<Option<(Arc<Channel>, Choice)>, Broken> {
        if row.entry.key.class() == Some(Class::Unfollow) {
            return Ok(None);
        }
        let channel = self.working_channel(id).await?;
        let Some(channel) = channel.filter(|channel| !channel.suspended) else {
            return Ok(None);
        };
        let event = row.entry.body.event();
        let to_event = event.and_then(|event| channel.replies.to_event(&event).cloned());
        let choice = match to_event {
            Some(reply) => Some(Choice {
                reply,
                answer: None,
            }),
            None => self.choose(&channel, row, sealed).await?,
        };
        Ok(choice.map(|choice| (channel, choice)))
    }

    /// The reply that depends on the conversation.
    async fn choose(
        &self,
        channel: &Channel,
        row: &Row,
        sealed: bool,
    ) -> Result<Option<Choice>, Broken> {
        let replies = &channel.replies;
        let message = row.entry.key.class() == Some(Class::Message);
        let greets = message && (replies.first_message.is_some() || replies.acknowledge.is_some());
        let carries = sealed && replies.held_answers && row.entry.opens().is_some();
        if !greets && !carries {
            return Ok(None);
        }
        let look = self.store.look(&row.at, |_| true).await?;
        if carries && let Some(held) = self.held_answer(row, &look).await? {
            return Ok(Some(held));
        }
        let greeting = match stage(&look, &row.entry) {
            Stage::First => replies
                .first_message
                .as_ref()
                .or(replies.acknowledge.as_ref()),
            Stage::Opens => replies.acknowledge.as_ref(),
            Stage::Open => None,
        };
        Ok(greeting.filter(|_| greets).map(|reply| Choice {
            reply: reply.clone(),
            answer: None,
        }))
    }

    /// The first answer that waits for the window, if it is of one part.
    async fn held_answer(&self, row: &Row, look: &Look) -> Result<Option<Choice>, Broken> {
        // Of two replies on their way at once nobody knows which is shown first.
        let now = self.now();
        let on_its_way = |entry: &Entry| entry.reply.is_some() && now.since(entry.at) < REPLY_WAY;
        if look.entries.values().any(on_its_way) {
            return Ok(None);
        }
        let parked = look.parked.get(&Lane::Out);
        let Some(parked) = parked.filter(|parked| parked.reason.holds()) else {
            return Ok(None);
        };
        let (waiting, _) = self
            .store
            .waiting_from(&row.at, Lane::Out, &parked.from, 1)
            .await?;
        // A claimed one may be on its way: nothing passes it.
        let mut waiting = waiting.into_values().filter(|entry| look.keeps(entry));
        let first = waiting.next().filter(|entry| {
            let only = entry
                .answer
                .as_ref()
                .is_some_and(|answer| answer.parts == 1);
            only && entry.state == State::Pending && entry.redriven.is_none()
        });
        Ok(first.and_then(|entry| match &entry.body {
            Body::Text { text, .. } => Some(Choice {
                reply: Reply::text(text.clone()),
                answer: Some(entry),
            }),
            _ => None,
        }))
    }
}

/// Where in a conversation a message comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It is the customer's first.
    First,
    /// It begins a session.
    Opens,
    /// It comes in a session, or after a message that is about to begin one.
    Open,
}

fn stage(look: &Look, message: &Entry) -> Stage {
    let of = |class| {
        let entries = look.entries.values();
        entries.filter(move |entry| entry.key.class() == Some(class) && entry.key != message.key)
    };
    let pending = |entry: &Entry| !entry.state.ended();
    let known = of(Class::Message).next().is_some();
    let waits = of(Class::Message).any(pending);
    // A session whose end is on its way is over.
    let ends = of(Class::SessionEnd).any(pending);
    match &look.conversation {
        _ if waits => Stage::Open,
        Some(conversation) if conversation.session.is_some() && !ends => Stage::Open,
        // A conversation also begins with an event: then it had no session yet.
        Some(conversation) if known || ends || conversation.last_session.is_some() => Stage::Opens,
        None if known => Stage::Opens,
        _ => Stage::First,
    }
}

/// The answer to a push that gets this reply.
pub(super) fn say(bridge: &Bridge, head: &Letterhead, replied: &Replied) -> Response {
    let now = bridge.now().seconds();
    let address = Address {
        to: &head.to,
        from: &head.from,
    };
    let document = document(&replied.reply, address, now);
    let nonce = bridge.chance.nonce();
    let body = head
        .seal
        .close(document, now, &nonce, bridge.chance.bytes());
    let mut response = plain(StatusCode::OK, body);
    let xml = HeaderValue::from_static("text/xml; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, xml);
    response
}
