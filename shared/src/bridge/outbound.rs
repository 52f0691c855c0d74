//! What agents do: their answers are split and journalled, from a desk
//! (`POST /desk/{channel}`) or from the console.
//!
//! Invariant: what is acknowledged is journalled; a conversation that is none
//! of the channel's is answered like one of another channel, by a receipt.

use http::{HeaderMap, StatusCode};
use tracing::{error, warn};

use super::{Bridge, Broken, Response, plain, refused};
use crate::channel::Channel;
use crate::conversation::{EraseCause, parse_customer_id};
use crate::desk::{AgentEvent, Rejected};
use crate::fallback::Fallback;
use crate::journal::{Answer, Class, ConversationKey, Entry, EntryKey, Origin};
use crate::message::{Body, ChannelId, CustomerId, EndCause, MessageId, Outcome, Receipt};
use crate::moment::Moment;
use crate::reason::Reason;
use crate::rich::{Asked, Manner, Question, Rich, Saying, read_choice_id};
use crate::store::Said;
use crate::tally::Deed;
use crate::wechat::api::{Api, Sent};
use crate::wechat::codes::Meaning;
use crate::wechat::split::{MAX_PARTS, Refused, split};
use crate::window::MESSAGE_SPAN;

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
                Rejected::Field(name, why) => {
                    plain(StatusCode::BAD_REQUEST, format!("message.{name}: {why}"))
                }
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
            said: what,
        } => said(bridge, &channel, &id, time, conversation, *what).await?,
        AgentEvent::SessionEnd {
            id,
            time,
            age,
            conversation,
        } => {
            if let Some((at, customer)) = find(bridge, &channel, &conversation).await? {
                let ended = bridge.now().minus(age);
                let call = format!("{} {}", id.as_str(), time.millis());
                bridge
                    .end_session((&at, &customer), &channel, ended, Some(&call))
                    .await?;
            }
        }
        AgentEvent::Delete { conversation } => {
            if let Some(customer) = parse_customer_id(&conversation) {
                let of = Some(&channel.id);
                bridge.erase(&customer, of, EraseCause::Desk).await?;
            }
        }
        AgentEvent::Typing { conversation, on } => {
            if let Some((at, _)) = find(bridge, &channel, &conversation).await? {
                bridge.typing(&channel, &at, on).await?;
            }
        }
    }
    Ok(Ok(()))
}

async fn find(
    bridge: &Bridge,
    channel: &Channel,
    conversation: &str,
) -> Result<Option<(ConversationKey, CustomerId)>, Broken> {
    let Some(customer) = parse_customer_id(conversation) else {
        return Ok(None);
    };
    let found = bridge.store.find(&customer).await?;
    let found = found.filter(|(_, of)| *of == channel.id);
    Ok(found.map(|(at, _)| (at, customer)))
}

/// Journals an agent's message, or the receipt that says why not.
async fn said(
    bridge: &Bridge,
    channel: &Channel,
    id: &MessageId,
    time: Moment,
    conversation: String,
    what: Result<Saying, Reason>,
) -> Result<(), Broken> {
    let at = find(bridge, channel, &conversation).await?;
    let (at, customer, foreign) = if let Some((at, customer)) = at {
        (at, Some(customer), None)
    } else {
        let own = ConversationKey::of_channel(&channel.id);
        (own, None, Some(conversation))
    };
    let digest = what.as_ref().map(Saying::digest).unwrap_or_default();
    let refused = match (&customer, what) {
        (None, _) => Err(Reason::UnknownConversation),
        (Some(_), Err(reason)) => Err(reason),
        (Some(customer), Ok(saying)) => {
            let said = bridge.say((&at, customer), channel, id, time, saying);
            said.await?.map(|_| ())
        }
    };
    if let Err(reason) = refused {
        let mut identity = format!("refused {} {}", id.as_str(), time.millis());
        if reason == Reason::IdUsed {
            // Each of the other words has a receipt of its own, once.
            identity = format!("other words {identity} {digest}");
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
        let receipt = Body::Receipt(receipt);
        let mut entry = Entry::pending(key, bridge.now(), receipt, Origin::ours(&channel.id));
        entry.customer = customer;
        bridge.store.put_entry(&at, &entry, None).await?;
        bridge.ring(&at, &entry.key);
    }
    Ok(())
}

/// What the parts of an answer say: first what is more than words, then the words, with the
/// agent's name before them, in as many parts as they need.
fn bodies(channel: &Channel, saying: Saying) -> Result<Vec<Body>, Reason> {
    let named = |words| channel.agent_name.before(saying.agent.as_deref(), words);
    let mut bodies = Vec::new();
    match saying.rich {
        Some(Rich::Choice(question)) => bodies.push(Body::Rich(Rich::Choice(Question {
            text: named(question.text),
            ..question
        }))),
        Some(rich) => bodies.push(Body::Rich(rich)),
        None if saying.words.is_none() => return Err(Reason::Empty),
        None => {}
    }
    if let Some(words) = saying.words {
        // A name is nothing that is said.
        if words.trim().is_empty() {
            return Err(Reason::Empty);
        }
        let parts = split(&named(words)).map_err(Refused::reason)?;
        bodies.extend(parts.into_iter().map(Body::text));
    }
    if bodies.len() > MAX_PARTS {
        return Err(Reason::TooLong);
    }
    Ok(bodies)
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
        (at, customer): (&ConversationKey, &CustomerId),
        channel: &Channel,
        id: &MessageId,
        time: Moment,
        saying: Saying,
    ) -> Result<Result<Journalled, Reason>, Broken> {
        let digest = saying.digest();
        let manner = Manner {
            kf_account: saying
                .manner
                .kf_account
                .clone()
                .or(channel.kf_account.clone()),
            agent: saying.agent.clone().filter(|_| {
                let fallback = channel.fallback.as_ref();
                fallback.is_some_and(Fallback::names_agent)
            }),
            ..saying.manner
        };
        let bodies = match bodies(channel, saying) {
            Ok(bodies) => bodies,
            Err(reason) => return Ok(Err(reason)),
        };
        let parts = u8::try_from(bodies.len()).unwrap_or(u8::MAX);
        let now = self.now();
        let until = now.plus(channel.retention()).plus(MESSAGE_SPAN);
        let entries: Vec<Entry> = (1..=parts)
            .zip(bodies)
            .map(|(number, body)| {
                let key = EntryKey::outbound(time, id, number);
                let mut entry = Entry::pending(key, now, body, Origin::ours(&channel.id))
                    .for_customer(customer);
                entry.attachment = self.brought(channel, &entry.body);
                entry.answer = Some(Answer {
                    message: id.clone(),
                    parts,
                    manner: manner.clone(),
                    digest: Some(digest.clone()),
                });
                entry
            })
            .collect();
        let (deed, new) = match self.store.put_answer(at, &entries, until.seconds()).await? {
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

    /// Shows the customer that an agent types, or does not any more. It may be lost: nobody
    /// waits for it. WeChat shows it for 15 seconds, to customers who did something in the
    /// last 30; whoever else is asked for, it refuses (45080, 45081).
    pub(crate) async fn typing(
        &self,
        channel: &Channel,
        at: &ConversationKey,
        on: bool,
    ) -> Result<(), Broken> {
        let known = self.store.conversation(at).await?;
        if let (Some((conversation, _)), Ok(token)) = (known, self.token(channel).await) {
            let api = Api {
                http: &self.http,
                base: &channel.api_base,
            };
            let shown = api.typing(&token, &conversation.open_id, on).await;
            if let Sent::Answered(Meaning::Failed(failure)) = shown
                && failure.reason == Reason::Defect
            {
                error!(channel = %channel.id, "WeChat does not know our call for typing");
            }
        }
        Ok(())
    }

    /// The question that a customer answered by a tap, if it is one of ours and still known.
    pub(crate) async fn asked(
        &self,
        at: &ConversationKey,
        body: &Body,
    ) -> Result<Option<Asked>, Broken> {
        let Body::Text {
            choice: Some(choice),
            ..
        } = body
        else {
            return Ok(None);
        };
        let Some((mark, index)) = read_choice_id(choice) else {
            return Ok(None);
        };
        let Some(entry) = self.store.question(at, mark).await? else {
            return Ok(None);
        };
        let (Body::Rich(Rich::Choice(question)), Some(answer)) = (entry.body, entry.answer) else {
            return Ok(None);
        };
        Ok(question.choices.into_iter().nth(index).map(|choice| Asked {
            id: answer.message,
            text: question.text,
            choice: choice.id,
        }))
    }

    /// Journals that an agent ended the open session at this moment, by our
    /// clock. A `call` that was carried out before ends nothing any more. Says
    /// `false` if no session is open.
    pub(crate) async fn end_session(
        &self,
        (at, customer): (&ConversationKey, &CustomerId),
        channel: &Channel,
        ended: Moment,
        call: Option<&str>,
    ) -> Result<bool, Broken> {
        let is_message = |entry: &&Entry| entry.key.class() == Some(Class::Message);
        let look = self
            .store
            .look(at, |look| look.entries.values().any(|e| is_message(&e)))
            .await?;
        let known = look
            .conversation
            .filter(|known| known.customer == *customer);
        let Some(session) = known.and_then(|known| known.session) else {
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
        let end = self
            .session_end_at(
                seconds,
                Origin::ours(&channel.id),
                &session.id,
                EndCause::Agent,
            )
            .for_customer(customer);
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
