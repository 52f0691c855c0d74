//! What agents do: their answers are split and journalled, from a desk
//! (`POST /desk/{channel}`) or from the console.
//!
//! Invariant: what is acknowledged is journalled; a conversation that is none
//! of the channel's is answered like one of another channel, by a receipt.

use http::{HeaderMap, StatusCode};
use tracing::{error, warn};

use super::{Bridge, Broken, Response, plain, refused};
use crate::channel::Channel;
use crate::conversation::parse_customer_id;
use crate::desk::{AgentEvent, Rejected};
use crate::journal::{Class, ConversationKey, Entry, EntryKey, Origin};
use crate::message::{Body, ChannelId, EndCause, MessageId, Outcome, Receipt};
use crate::moment::Moment;
use crate::reason::Reason;
use crate::store::Said;
use crate::tally::Deed;
use crate::wechat::api::Api;
use crate::wechat::split::split;

/// Takes a call of a channel's desk.
pub async fn outbound(
    bridge: &Bridge,
    channel: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Response {
    // A name that can be nobody's is in no log.
    let Some(id) = ChannelId::parse(channel) else {
        return refused(Rejected::NotThisDesk.status());
    };
    match take(bridge, &id, headers, body).await {
        Ok(Ok(())) => plain(StatusCode::ACCEPTED, "accepted"),
        Ok(Err(rejected)) => {
            warn!(channel = %id, error = %rejected, "refused a desk's call");
            match rejected {
                // The desk's own developer reads this; it holds nothing of the body.
                Rejected::Nonsense(why) => plain(StatusCode::BAD_REQUEST, why),
                other => refused(other.status()),
            }
        }
        Err(broken) => {
            error!(error = %broken, "a desk's call could not be journalled");
            refused(503)
        }
    }
}

async fn take(
    bridge: &Bridge,
    id: &ChannelId,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Result<(), Rejected>, Broken> {
    let Some(channel) = bridge.channel(id).await?.filter(|channel| !channel.deleted) else {
        return Ok(Err(Rejected::NotThisDesk));
    };
    let Some(desk) = bridge.desk(&channel).await? else {
        return Ok(Err(Rejected::NotThisDesk));
    };
    let mut read = desk.receive(headers, body, bridge.now());
    if read == Err(Rejected::Unsigned)
        && bridge.ask_secrets_again(id).await?
        && let Some(desk) = bridge.desk(&channel).await?
    {
        read = desk.receive(headers, body, bridge.now());
    }
    let event = match read {
        Ok(event) => event,
        Err(rejected) => return Ok(Err(rejected)),
    };
    match event {
        AgentEvent::Message {
            id,
            time,
            conversation,
            text,
        } => said(bridge, &channel, &id, time, conversation, text).await?,
        AgentEvent::SessionEnd {
            id,
            time,
            age,
            conversation,
        } => {
            if let Some(at) = find(bridge, &channel, &conversation).await? {
                let ended = bridge.now().minus(age);
                let call = format!("{} {}", id.as_str(), time.millis());
                bridge
                    .end_session(&at, &channel, ended, Some(&call))
                    .await?;
            }
        }
        AgentEvent::Typing { conversation, on } => {
            if let Some(at) = find(bridge, &channel, &conversation).await? {
                typing(bridge, &channel, &at, on).await?;
            }
        }
    }
    Ok(Ok(()))
}

async fn find(
    bridge: &Bridge,
    channel: &Channel,
    conversation: &str,
) -> Result<Option<ConversationKey>, Broken> {
    let Some(customer) = parse_customer_id(conversation) else {
        return Ok(None);
    };
    let found = bridge.store.find(&customer).await?;
    Ok(found.filter(|(_, of)| *of == channel.id).map(|(at, _)| at))
}

/// Journals an agent's message, or the receipt that says why not.
async fn said(
    bridge: &Bridge,
    channel: &Channel,
    id: &MessageId,
    time: Moment,
    conversation: String,
    text: Option<String>,
) -> Result<(), Broken> {
    let at = find(bridge, channel, &conversation).await?;
    let (at, foreign) = match at {
        Some(at) => (at, None),
        None => (ConversationKey::of_channel(&channel.id), Some(conversation)),
    };
    let refused = match (&foreign, &text) {
        (Some(_), _) => Err(Reason::UnknownConversation),
        (None, None) => Err(Reason::UnsupportedKind),
        (None, Some(text)) => bridge
            .say(&at, &channel.id, id, time, text)
            .await?
            .map(|_| ()),
    };
    if let Err(reason) = refused {
        let mut identity = format!("refused {} {}", id.as_str(), time.millis());
        if reason == Reason::IdUsed {
            // Each of the other words has a receipt of its own, once.
            identity = format!("other words {identity} {}", text.unwrap_or_default());
        }
        let key = EntryKey::hashed(
            u64::try_from(time.seconds()).unwrap_or(0),
            Class::Receipt,
            identity.as_bytes(),
        );
        // What a stranger wrote as a conversation is repeated, and not at length.
        let conversation = foreign.map(|text| text.chars().take(64).collect());
        let receipt = Receipt {
            message: id.clone(),
            outcome: Outcome::Failed(reason),
            conversation,
        };
        let entry = Entry::pending(
            key,
            bridge.now(),
            Body::Receipt(receipt),
            origin(&channel.id),
        );
        bridge.store.put_entry(&at, &entry, None).await?;
        bridge.ring(&at, &entry.key);
    }
    Ok(())
}

fn origin(channel: &ChannelId) -> Origin {
    Origin {
        channel: channel.clone(),
        open_id: None,
    }
}

async fn typing(
    bridge: &Bridge,
    channel: &Channel,
    at: &ConversationKey,
    on: bool,
) -> Result<(), Broken> {
    let known = bridge.store.conversation(at).await?;
    if let (Some((conversation, _)), Ok(token)) = (known, bridge.token(channel).await) {
        let api = Api {
            http: &bridge.http,
            base: &channel.api_base,
        };
        // It may be lost: nobody waits for it.
        let _ = api.typing(&token, &conversation.open_id, on).await;
    }
    Ok(())
}

/// What an agent said, as it was journalled.
pub(crate) struct Journalled {
    /// Its parts as they were then.
    pub(crate) entries: Vec<Entry>,
    /// Whether that was now: those of a repeat may have gone on since.
    pub(crate) new: bool,
}

impl Bridge {
    /// Splits and journals what an agent says. A repeat is harmless. The inner
    /// error is the agent's: the text is empty or too long, or its id and time
    /// stand for other words.
    pub(crate) async fn say(
        &self,
        at: &ConversationKey,
        channel: &ChannelId,
        id: &MessageId,
        time: Moment,
        text: &str,
    ) -> Result<Result<Journalled, Reason>, Broken> {
        let parts = match split(text) {
            Ok(parts) => parts,
            Err(refused) => return Ok(Err(refused.reason())),
        };
        let count = u8::try_from(parts.len()).unwrap_or(u8::MAX);
        let now = self.now();
        let entries: Vec<Entry> = (1..=count)
            .zip(parts)
            .map(|(number, part)| {
                let key = EntryKey::outbound(time, id, number);
                Entry::pending(key, now, Body::text(part), origin(channel))
                    .answering(id.clone(), count)
            })
            .collect();
        let (deed, new) = match self.store.put_answer(at, &entries).await? {
            Said::Stored => (Deed::Answered, true),
            Said::Repeat => (Deed::Repeated, false),
            Said::OtherWords => return Ok(Err(Reason::IdUsed)),
        };
        // A repeat rings too: the bell of the first may have been lost.
        if let Some(first) = entries.first() {
            self.tally.note(at, &first.key, deed);
            self.ring(at, &first.key);
        }
        Ok(Ok(Journalled { entries, new }))
    }

    /// Journals that an agent ended the open session at this moment, by our
    /// clock. A `call` that was carried out before ends nothing any more. Says
    /// `false` if no session is open.
    pub(crate) async fn end_session(
        &self,
        at: &ConversationKey,
        channel: &Channel,
        ended: Moment,
        call: Option<&str>,
    ) -> Result<bool, Broken> {
        let is_message = |entry: &&Entry| entry.key.class() == Some(Class::Message);
        let look = self
            .store
            .look(at, |look| look.entries.values().any(|e| is_message(&e)))
            .await?;
        let Some(session) = look.conversation.and_then(|known| known.session) else {
            return Ok(false);
        };
        // Whether the customer wrote before or after is told by our own clock;
        // the key then says it in WeChat's seconds.
        let mut seconds = ended.seconds();
        if let Some(newest) = look.entries.values().rev().find(is_message) {
            let said = newest.key.seconds().unwrap_or(0);
            seconds = if newest.at <= ended {
                seconds.max(said)
            } else {
                seconds.min(said.saturating_sub(1))
            };
        }
        let seconds = u64::try_from(seconds).unwrap_or(0);
        let end = self.session_end_at(seconds, origin(&channel.id), &session.id, EndCause::Agent);
        match call {
            Some(call) => {
                let expires = super::expires(Some(channel), self.now());
                self.store.put_end(at, &end, call, expires).await?;
            }
            None => {
                self.store.put_entry(at, &end, None).await?;
            }
        }
        // A repeat rings too: the bell of the first may have been lost.
        self.ring(at, &end.key);
        Ok(true)
    }
}
