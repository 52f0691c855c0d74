//! What the tests put into the store.

use magpie::channel::{CallbackMode, Channel, DeskSettings, TIME_ZONE, TokenCall};
use magpie::conversation::{Conversation, Session, customer_id};
use magpie::journal::{Claim, Class, ConversationKey, Entry, EntryKey, Origin, Pepper};
use magpie::message::{Body, ChannelId, CustomerId, Kind, MessageId, OpenId};
use magpie::moment::Moment;
use magpie::reason::Reason;
use magpie::store::{Death, Holder, Park, Snippet};

/// The earliest second at which an ended entry may be deleted.
pub(crate) const TTL: i64 = 1_797_000_000;

/// The channel of every test that needs only one.
pub(crate) fn shop() -> ChannelId {
    channel_id("shop-a")
}

pub(crate) fn channel_id(id: &str) -> ChannelId {
    ChannelId::parse(id).unwrap()
}

/// Where the conversation of this customer lies.
pub(crate) fn at(open_id: &str) -> ConversationKey {
    let pepper = Pepper::new(&[7; 32]).unwrap();
    ConversationKey::of(&pepper, &shop(), &OpenId::new(open_id))
}

/// So many seconds after the beginning of every test.
pub(crate) fn after(seconds: i64) -> Moment {
    Moment::from_seconds(1_795_000_000 + seconds)
}

fn second(seconds: i64) -> u64 {
    u64::try_from(after(seconds).seconds()).unwrap()
}

fn origin(open_id: Option<&str>) -> Origin {
    Origin {
        channel: shop(),
        open_id: open_id.map(OpenId::new),
    }
}

/// A customer's words, said in this second.
pub(crate) fn message(seconds: i64, id: &str, text: &str) -> Entry {
    entry(
        EntryKey::message(second(seconds), id),
        seconds,
        Body::text(text),
    )
}

/// An inbound entry of this class.
pub(crate) fn of_class(seconds: i64, class: Class, identity: &str) -> Entry {
    let key = EntryKey::hashed(second(seconds), class, identity.as_bytes());
    entry(key, seconds, Body::text(identity))
}

pub(crate) fn entry(key: EntryKey, seconds: i64, body: Body) -> Entry {
    Entry::pending(key, after(seconds), body, origin(Some("oAnn")))
}

/// An agent's message in so many parts.
pub(crate) fn answer(seconds: i64, id: &str, parts: u8) -> Vec<Entry> {
    let id = MessageId::parse(id).unwrap();
    (1..=parts)
        .map(|part| {
            let key = EntryKey::outbound(after(seconds), &id, part);
            let body = Body::text(format!("({part}/{parts}) 您好"));
            Entry::pending(key, after(seconds), body, origin(None)).answering(id.clone(), parts)
        })
        .collect()
}

/// An agent's message in one part.
pub(crate) fn line(seconds: i64, id: &str) -> Entry {
    answer(seconds, id, 1).remove(0)
}

pub(crate) fn claim(by: &str, seconds: i64) -> Claim {
    Claim {
        by: by.to_owned(),
        until: after(seconds),
    }
}

/// The death of an entry that nobody holds, whose row is kept.
pub(crate) fn death(entry: &Entry, reason: Reason, seconds: i64) -> Death<'_> {
    Death {
        entry,
        holder: Holder::Nobody,
        reason,
        now: after(seconds),
        expires: TTL,
    }
}

/// A lane parked by this run.
pub(crate) fn park<'a>(
    by: &'a str,
    channel: &'a ChannelId,
    from: &'a EntryKey,
    due: i64,
    reason: Reason,
) -> Park<'a> {
    Park {
        channel,
        due: after(due),
        attempts: 1,
        from,
        reason,
        by,
    }
}

/// The customer whose conversation is made first.
pub(crate) fn ann() -> CustomerId {
    customer_id([1; 16])
}

/// A conversation that nobody has begun yet, with its own customer id.
pub(crate) fn conversation(customer: u8, open_id: &str) -> Conversation {
    Conversation {
        channel: shop(),
        customer: customer_id([customer; 16]),
        open_id: OpenId::new(open_id),
        linked: false,
        session: None,
        read_up_to: None,
        last_session: None,
        late_sends: None,
        leaving: None,
        called: None,
        active: after(0),
    }
}

pub(crate) fn session(id: &str, opened: i64) -> Session {
    Session {
        id: id.to_owned(),
        opened: after(opened),
        told: false,
    }
}

pub(crate) fn snippet(text: &str, seconds: i64) -> Snippet {
    Snippet {
        outbound: false,
        kind: Kind::Text,
        text: text.to_owned(),
        time: after(seconds),
    }
}

/// A channel of this id and this account.
pub(crate) fn channel(id: &str, account: &str) -> Channel {
    Channel {
        id: channel_id(id),
        name: "一号店".to_owned(),
        app_id: format!("wx{account}"),
        original_id: format!("gh_{account}"),
        mode: CallbackMode::Secure,
        suspended: false,
        resumed: None,
        only_wechat_addresses: false,
        replies: magpie::reply::Replies::default(),
        deleted: false,
        api_base: "https://api.weixin.qq.com".to_owned(),
        token_call: TokenCall::Stable,
        part_pause_ms: 300,
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
