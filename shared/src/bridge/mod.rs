//! The verbs that join the two sides, a file each. This is the only place that
//! sees the store and the outside world together.

pub(crate) mod account;
pub mod breaker;
mod cache;
mod call;
mod callers;
pub mod check;
pub mod deliver;
pub(crate) mod erasure;
mod files;
mod glance;
pub mod inbound;
mod lane_in;
mod lane_out;
mod media;
pub mod opened;
pub mod outbound;
mod part;
mod people;
mod ready;
mod receipts;
mod replies;
mod seen;
mod sessions;
pub mod status;
pub mod sweep;
pub mod token;
pub mod token_refresh;
pub mod token_source;
mod turn;
pub mod verify;
pub mod walk;

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use tokio::sync::{OnceCell, Semaphore, mpsc, watch};

use crate::channel::{CACHED, Channel};
use crate::clock::{Chance, Clock};
use crate::desk::Desk;
use crate::http::Http;
use crate::journal::{ConversationKey, EntryKey, Lane, Pepper};
use crate::message::ChannelId;
use crate::moment::Moment;
use crate::secrets::{ChannelSecrets, Kept, PEPPER, SecretError, Secrets};
use crate::storage::StorageError;
use crate::store::{Store, StoreError};
use crate::tally::Tally;
use crate::wechat::callback::Rejected;
use crate::wechat::callers::Callers;
use crate::wechat::people::Tag;
use cache::Cache;
pub use files::{Files, OpenedFile, Taken};
pub(crate) use glance::Glance;
pub(crate) use lane_in::snippet;
pub use token_source::TokenSource;

/// An answer to somebody's call.
pub type Response = http::Response<Bytes>;

/// A bell: look at this lane. It carries nothing else.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ring {
    /// The conversation.
    pub at: ConversationKey,
    /// The entry that rang; its lane is the one to look at.
    pub key: EntryKey,
}

/// How a new entry is announced.
#[derive(Clone, Debug)]
pub enum Bell {
    /// The table's stream does it.
    Stream,
    /// A worker in this process listens.
    Process(mpsc::UnboundedSender<Ring>),
}

/// What every verb needs. Built once a process.
#[derive(Debug)]
pub struct Bridge {
    /// The two tables.
    pub store: Store,
    /// The secrets.
    pub secrets: Secrets,
    /// The way out.
    pub http: Http,
    /// The time.
    pub clock: Clock,
    /// Random numbers.
    pub chance: Chance,
    /// What was done.
    pub tally: Tally,
    bell: Bell,
    changes: watch::Sender<u64>,
    pepper: OnceCell<Pepper>,
    channels: Cache<Channel>,
    channel_secrets: Cache<Kept>,
    token_source: TokenSource,
    tokens: token::TokenCache,
    known_tags: Cache<Vec<Tag>>,
    callers: Cache<Option<Callers>>,
    breakers: breaker::Breakers,
    sights: seen::Sights,
    files: Option<Files>,
    /// How many more files may be fetched just now.
    fetches: Semaphore,
}

/// Why a verb could not do its part. It is ours, so it is logged where it is
/// handled, and its caller tries again.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A secret cannot be had.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The storage of files failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Something that we wrote is not what we write.
    #[error("{0} is damaged")]
    Damaged(&'static str),
    /// Too much happened beside it. A repeat goes on.
    #[error("too much happened beside it")]
    Unfinished,
}

impl Bridge {
    /// Joins the parts.
    #[must_use]
    pub fn new(
        store: Store,
        secrets: Secrets,
        http: Http,
        clock: Clock,
        chance: Chance,
        bell: Bell,
    ) -> Self {
        Self {
            store,
            secrets,
            http,
            clock,
            chance,
            tally: Tally::default(),
            bell,
            changes: watch::Sender::new(0),
            pepper: OnceCell::new(),
            channels: Cache::default(),
            channel_secrets: Cache::default(),
            token_source: TokenSource::default(),
            tokens: token::TokenCache::default(),
            known_tags: Cache::default(),
            callers: Cache::default(),
            breakers: breaker::Breakers::default(),
            sights: seen::Sights::default(),
            files: None,
            fetches: Semaphore::new(media::AT_ONCE),
        }
    }

    /// Lets tokens come from elsewhere than from WeChat itself.
    #[must_use]
    pub fn with_tokens_from(self, token_source: TokenSource) -> Self {
        Self {
            token_source,
            ..self
        }
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Moment {
        self.clock.now()
    }

    /// A number that rises whenever something changed that a page may show.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Notes that something changed that a page may show.
    pub fn changed(&self) {
        self.changes
            .send_modify(|count| *count = count.wrapping_add(1));
    }

    /// How new entries are announced, which tells where this process runs.
    pub(crate) fn bell(&self) -> &Bell {
        &self.bell
    }

    /// Announces a new entry.
    pub(crate) fn ring(&self, at: &ConversationKey, key: &EntryKey) {
        self.changed();
        if let Bell::Process(listener) = &self.bell {
            // A listener that is gone is a process that ends; the walk of the
            // next one finds the entry.
            let _ = listener.send(Ring {
                at: at.clone(),
                key: key.clone(),
            });
        }
    }

    /// What hides open ids.
    pub(crate) async fn pepper(&self) -> Result<&Pepper, Broken> {
        self.pepper
            .get_or_try_init(|| async {
                use base64::Engine as _;
                let base64 = base64::engine::general_purpose::STANDARD;
                let fresh = base64.encode(self.chance.bytes::<32>());
                let text = self.secrets.ensure(PEPPER, &fresh).await?;
                read_pepper(&text).ok_or(Broken::Damaged("the pepper"))
            })
            .await
    }

    /// A channel's settings, at most [`CACHED`] old. `None` if there is none.
    pub async fn channel(&self, id: &ChannelId) -> Result<Option<Arc<Channel>>, Broken> {
        let now = self.now();
        if let Some(known) = self.channels.get(id, now, CACHED) {
            return Ok(known);
        }
        let read = self.store.channel(id).await?.map(Arc::new);
        self.channels.put(id, now, read.clone());
        Ok(read)
    }

    /// The channels that are there, those being deleted left out.
    pub(crate) async fn living_channels(&self) -> Result<Vec<Arc<Channel>>, Broken> {
        let mut all = Vec::new();
        for id in self.store.channel_ids().await? {
            let channel = self.channel(&id).await?;
            all.extend(channel.filter(|channel| !channel.deleted));
        }
        Ok(all)
    }

    /// Notes a channel's settings that were read just now.
    pub(crate) fn remember(&self, channel: &Channel) {
        let known = Some(Arc::new(channel.clone()));
        self.channels.put(&channel.id, self.now(), known);
    }

    /// A channel's settings for work on its lanes: what is not known, or known
    /// as deleted, is read again before entries die of it. `None` if it is gone.
    pub(crate) async fn working_channel(
        &self,
        id: &ChannelId,
    ) -> Result<Option<Arc<Channel>>, Broken> {
        let alive = |channel: &Arc<Channel>| !channel.deleted;
        if let Some(known) = self.channel(id).await?.filter(alive) {
            return Ok(Some(known));
        }
        let read = self.store.channel(id).await?.map(Arc::new);
        self.channels.put(id, self.now(), read.clone());
        Ok(read.filter(alive))
    }

    /// A channel's current secrets, at most [`CACHED`] old. `None` if there are
    /// none.
    pub async fn channel_secrets(
        &self,
        id: &ChannelId,
    ) -> Result<Option<Arc<ChannelSecrets>>, Broken> {
        let kept = self.kept(id).await?;
        Ok(kept.map(|kept| Arc::clone(kept.current())))
    }

    /// Reads a channel's secrets anew, if that was not done just now: for a
    /// check that failed on those that were cached. Says whether it did.
    pub(crate) async fn ask_secrets_again(&self, id: &ChannelId) -> Result<bool, Broken> {
        let may = self.channel_secrets.may_ask_again(id, self.now());
        Ok(may && self.read_kept(id).await?.is_some())
    }

    /// Checks a call of WeChat's with the channel's secrets, those of a change
    /// too that was begun and perhaps never finished: its settings may be in
    /// force. What failed on cached ones is checked once more on newer ones.
    /// `None` if there is no such channel.
    pub(crate) async fn check_call<T>(
        &self,
        id: &ChannelId,
        check: impl Fn(&ChannelSecrets) -> Result<Result<T, Rejected>, Broken>,
    ) -> Result<Option<Result<T, Rejected>>, Broken> {
        loop {
            let Some(kept) = self.kept(id).await? else {
                return Ok(None);
            };
            let mut checked = check(kept.current())?;
            if checked.is_err()
                && let Some(next) = kept.next()
                && let Ok(opened) = check(next)?
            {
                checked = Ok(opened);
            }
            if checked.is_ok() || !self.ask_secrets_again(id).await? {
                return Ok(Some(checked));
            }
        }
    }

    /// The secrets that belong to these settings of a channel. `None` if there
    /// are none.
    pub(crate) async fn secrets_of(
        &self,
        channel: &Channel,
    ) -> Result<Option<Arc<ChannelSecrets>>, Broken> {
        let mut kept = self.kept(&channel.id).await?;
        let latest = |kept: &Option<Arc<Kept>>| kept.as_ref().map_or(0, |kept| kept.latest());
        if (1..channel.revision).contains(&latest(&kept)) {
            kept = self.read_kept(&channel.id).await?;
        }
        let Some(kept) = kept else { return Ok(None) };
        let own = kept.of(channel.revision);
        if own.is_none() && kept.latest() > channel.revision {
            // The settings are those before a change: the next reader has its own.
            self.channels.forget(&channel.id);
            return Ok(Some(Arc::clone(kept.current())));
        }
        Ok(own.cloned())
    }

    async fn kept(&self, id: &ChannelId) -> Result<Option<Arc<Kept>>, Broken> {
        match self.channel_secrets.get(id, self.now(), CACHED) {
            Some(known) => Ok(known),
            None => self.read_kept(id).await,
        }
    }

    async fn read_kept(&self, id: &ChannelId) -> Result<Option<Arc<Kept>>, Broken> {
        let now = self.now();
        let read = self.secrets.kept(id).await?;
        let read = read.map(|(_, kept)| Arc::new(kept));
        self.channel_secrets.put(id, now, read.clone());
        Ok(read)
    }

    /// Forgets what is cached of a channel: this process has changed it.
    pub(crate) fn forget(&self, id: &ChannelId) {
        self.channels.forget(id);
        self.channel_secrets.forget(id);
        self.tokens.forget(id);
        self.known_tags.forget(id);
        self.callers.forget(id);
        self.breakers.forget(id);
    }

    /// A channel's desk. `None` if its settings are incomplete.
    pub(crate) async fn desk(&self, channel: &Channel) -> Result<Option<Desk>, Broken> {
        let secrets = self.secrets_of(channel).await?;
        Ok(secrets.and_then(|secrets| Desk::of(channel, &secrets.desk)))
    }
}

/// The pepper as it is kept: base64.
fn read_pepper(text: &str) -> Option<Pepper> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text);
    Pepper::new(&bytes.ok()?)
}

/// When an entry that ends now may be deleted, in seconds since 1970.
pub(crate) fn expires(channel: Option<&Channel>, now: Moment) -> i64 {
    let retention = channel.map_or(crate::journal::RETENTION_MIN, Channel::retention);
    now.plus(retention.max(crate::journal::RETENTION_MIN))
        .seconds()
}

/// One run of a worker.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// Its nonce.
    pub(crate) by: String,
    /// When it began: what it reads was so then, or came later.
    pub(crate) begun: Moment,
    /// When the lane at hand must be put down.
    pub(crate) until: Moment,
    /// When the run is over for certain.
    pub(crate) ends: Moment,
}

/// The keys that rang, by lane.
pub(crate) type Rung = BTreeSet<EntryKey>;

/// The lane that a bell means.
impl Ring {
    pub(crate) fn lane(&self) -> Lane {
        self.key.lane()
    }
}

/// An answer of plain text.
#[must_use]
pub fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        http::header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

/// An answer without content to somebody whose call is refused.
pub(crate) fn refused(status: u16) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    plain(status, status.canonical_reason().unwrap_or_default())
}
