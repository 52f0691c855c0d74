//! What a part of an answer is at WeChat: its files are brought there first, and what this
//! account may not send is said in words.
//!
//! Invariant: nothing here is seen by the customer, so all of it may be tried again; it comes
//! before the claim, that a claim is held no longer than a send takes.

use std::time::Duration;

use tokio::fs::File as OpenFile;
use tracing::error;

use super::Broken;
use super::files::Files;
use super::lane_out::Context;
use super::media::LEAST;
use super::part::MARGIN;
use super::token::Tokenless;
use crate::delivery::Failure;
use crate::http::{NoFile, Outgoing, Trouble};
use crate::journal::{ConversationKey, Entry};
use crate::lane::ATTEMPT;
use crate::media::{self, Attachment, Format, LINK, Place, Sort, voice_seconds};
use crate::message::Body;
use crate::moment::Moment;
use crate::reason::Reason;
use crate::rich::{File, Rich};
use crate::storage::{Spooled, StorageError};
use crate::store::{Attached, Upload};
use crate::wechat::api::Api;
use crate::wechat::send::Content;
use crate::wechat::split;
use crate::wechat::upload::{LIFE, Role, Unloaded, VOICE};

/// As what pictures are brought that stand for something, the best first.
const THUMBS: &[Role] = &[Role::Thumb, Role::Image];

/// How long it is believed that an account may not send messages of a kind.
pub(super) const REFUSED: Duration = Duration::from_hours(7 * 24);

/// How a part is made ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// As it is, with files that WeChat has already if it has them.
    AsItIs,
    /// With its files brought to WeChat once more.
    Anew,
    /// In words.
    InWords,
}

/// Why a part is not ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unready {
    /// It never will be.
    Never(Reason),
    /// It may be later.
    NotNow(Failure),
    /// There was no time left in this run.
    NoTime,
}

impl Unready {
    fn not_now(reason: Reason) -> Self {
        Self::NotNow(Failure::after(Duration::ZERO, reason))
    }
}

/// What stops: something of an answer, or something of ours.
enum Stop {
    Unready(Unready),
    Broken(Broken),
}

impl From<Unready> for Stop {
    fn from(unready: Unready) -> Self {
        Self::Unready(unready)
    }
}

impl<E: Into<Broken>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Broken(error.into())
    }
}

/// A file that was looked at.
struct Seen {
    spooled: Spooled,
    format: Format,
}

impl Context<'_> {
    /// What a part is at WeChat.
    pub(super) async fn ready(
        &self,
        entry: &Entry,
        how: How,
    ) -> Result<Result<Content, Unready>, Broken> {
        match self.content(entry, how).await {
            Ok(content) => Ok(Ok(content)),
            Err(Stop::Unready(unready)) => Ok(Err(unready)),
            Err(Stop::Broken(broken)) => Err(broken),
        }
    }

    async fn content(&self, entry: &Entry, how: How) -> Result<Content, Stop> {
        let rich = match &entry.body {
            Body::Text { text, .. } => return Ok(Content::Text(text.clone())),
            Body::Rich(rich) => rich,
            _ => return Err(Unready::Never(Reason::UnsupportedKind).into()),
        };
        if let Rich::Notice(notice) = rich {
            return Ok(Content::Notice(notice.clone(), client_id(self.at, entry)));
        }
        let Some(word) = word(rich) else {
            return self.in_words(entry, rich).await;
        };
        let (store, now) = (&self.bridge.store, self.bridge.now());
        if how == How::InWords || store.refuses_kind(&self.channel.id, word, now).await? {
            return self.in_words(entry, rich).await;
        }
        let anew = how == How::Anew;
        let file = |media, role| self.main(entry, media, role, anew);
        Ok(match rich {
            Rich::Image { media } => Content::Image(file(media, Role::Image).await?),
            Rich::Voice { media } => Content::Voice(file(media, Role::Voice).await?),
            Rich::Video {
                media,
                title,
                description,
                thumb,
            } => Content::Video {
                media: file(media, Role::Video).await?,
                thumb: match thumb {
                    Some(thumb) => Some(self.thumb(thumb, anew).await?),
                    None => None,
                },
                title: title.clone(),
                description: description.clone(),
            },
            Rich::Music {
                title,
                description,
                url,
                hq_url,
                thumb,
            } => Content::Music {
                title: title.clone(),
                description: description.clone(),
                url: url.clone(),
                hq_url: hq_url.clone(),
                thumb: self.thumb(thumb, anew).await?,
            },
            Rich::Card {
                title,
                app_id,
                path,
                thumb,
            } => Content::Card {
                title: title.clone(),
                app_id: app_id.clone(),
                path: path.clone(),
                thumb: self.thumb(thumb, anew).await?,
            },
            Rich::Link(link) => Content::News(link.clone()),
            Rich::Article { article_id } => Content::Article(article_id.clone()),
            Rich::Choice(question) => Content::Menu(question.clone(), entry.key.mark(self.at)),
            Rich::File { .. } | Rich::Notice(_) => return self.in_words(entry, rich).await,
        })
    }

    /// The same in words, with a link to its file.
    async fn in_words(&self, entry: &Entry, rich: &Rich) -> Result<Content, Stop> {
        let unsupported = || Unready::Never(Reason::UnsupportedKind);
        let link = match rich.file() {
            None => None,
            Some(file) => {
                let files = self.files()?;
                let base = files.base.as_ref().ok_or_else(unsupported)?;
                let (place, end) = self.kept(entry, file, Sort::File.cap(), |_| true).await?;
                let until = self.bridge.now().plus(LINK).min(end);
                let pepper = self.bridge.pepper().await?;
                match rich {
                    Rich::File { name, .. } => media::link_named(pepper, base, &place, name, until),
                    _ => media::link(pepper, base, &place, until),
                }
            }
        };
        let words = rich.in_words(link.as_ref()).ok_or_else(unsupported)?;
        // It was cut to fit when it was drafted.
        match split::split(&words) {
            Ok(parts) if parts.len() == 1 => Ok(Content::Text(parts.concat())),
            _ => Err(Unready::Never(Reason::TooLong).into()),
        }
    }

    fn files(&self) -> Result<&Files, Stop> {
        let files = self.bridge.files.as_ref();
        files.ok_or_else(|| Unready::Never(Reason::UnsupportedKind).into())
    }

    /// WeChat's id of the file that a message is.
    async fn main(
        &self,
        entry: &Entry,
        file: &File,
        role: Role,
        anew: bool,
    ) -> Result<String, Stop> {
        if let File::MediaId(id) = file {
            return Ok(id.clone());
        }
        let takes = |format| role.takes(format);
        let (place, _) = self.kept(entry, file, role.most(), takes).await?;
        let seen = self.open(&place).await?;
        self.bring(seen, &[role], anew).await
    }

    /// WeChat's id of a picture that stands for something. It is not kept with us.
    async fn thumb(&self, file: &File, anew: bool) -> Result<String, Stop> {
        let seen = match file {
            File::MediaId(id) => return Ok(id.clone()),
            File::Kept { place, .. } => self.open(place).await?,
            File::Url(url) => {
                let files = self.files()?;
                if let Some(place) = self.bridge.own(self.channel, url).await? {
                    return self.bring(self.open(&place).await?, THUMBS, anew).await;
                }
                let spooled = self.fetch_given(files, url, Role::Image.most()).await?;
                let format = Format::of(&spooled.of.head);
                let format = format.ok_or(Unready::Never(Reason::FileNotTaken))?;
                Seen { spooled, format }
            }
        };
        self.bring(seen, THUMBS, anew).await
    }

    /// Where the file of a message lies with us, and until when. If its desk has but told
    /// where it is, it is fetched, once.
    async fn kept(
        &self,
        entry: &Entry,
        file: &File,
        most: u64,
        takes: impl Fn(Format) -> bool,
    ) -> Result<(Place, Moment), Stop> {
        let known = match (&entry.attachment, file) {
            (Some(known), _) => known.clone(),
            (None, File::Url(url)) => self.keep_given(entry, url, most, takes).await?,
            // What lies with us comes with its time; WeChat's own lies elsewhere.
            (None, _) => return Err(Unready::Never(Reason::UnsupportedKind).into()),
        };
        match known {
            Attachment::Kept { place, until, .. } if self.bridge.now() < until => {
                Ok((place, until))
            }
            Attachment::Kept { .. } => Err(Unready::Never(Reason::FileUnavailable).into()),
            Attachment::Missing(reason) => Err(Unready::Never(reason).into()),
        }
    }

    /// Fetches what a desk has told the address of, and keeps it.
    async fn keep_given(
        &self,
        entry: &Entry,
        url: &str,
        most: u64,
        takes: impl Fn(Format) -> bool,
    ) -> Result<Attachment, Stop> {
        let not_taken = || Unready::Never(Reason::FileNotTaken);
        let files = self.files()?;
        // A desk that passes on what it was given names our own link.
        if let Some(place) = self.bridge.own(self.channel, url).await? {
            return self.keep_own(entry, files, place).await;
        }
        let spooled = self.fetch_given(files, url, most).await?;
        let head = &spooled.of.head;
        let named = match &entry.body {
            Body::Rich(Rich::File { name, .. }) => Format::named(name),
            _ => None,
        };
        let named = named.filter(|format| format.fits(head));
        let format = named.or_else(|| Format::of(head)).ok_or_else(not_taken)?;
        if !takes(format) {
            return Err(not_taken().into());
        }
        let size = spooled.of.size;
        let (channel, now) = (self.channel, self.bridge.now());
        let place = Place::of(&channel.id, self.customer, (self.at, &entry.key), format);
        let days = channel.retention_days;
        let until = now.plus(files.storage.span(days));
        let kept = files
            .storage
            .keep(&self.bridge.http, &place, spooled, days, now, self.left()?);
        kept.await.map_err(unkept)?;
        self.attached(entry, Attachment::Kept { place, size, until })
            .await
    }

    /// Takes over what lies with us already.
    async fn keep_own(
        &self,
        entry: &Entry,
        files: &Files,
        place: Place,
    ) -> Result<Attachment, Stop> {
        let (http, now) = (&self.bridge.http, self.bridge.now());
        let peeked = files.storage.peek(http, &place, now).await;
        let peeked = peeked.map_err(unkept)?;
        let (size, _) = peeked.ok_or(Unready::Never(Reason::FileUnavailable))?;
        let until = now.plus(files.storage.span(self.channel.retention_days));
        self.attached(entry, Attachment::Kept { place, size, until })
            .await
    }

    /// Notes where the file of a message lies, unless that was noted already.
    async fn attached(&self, entry: &Entry, kept: Attachment) -> Result<Attachment, Stop> {
        let noted = self.bridge.store.attach(self.at, &entry.key, &kept).await?;
        match noted {
            Attached::This => Ok(kept),
            Attached::Other(other) => Ok(other),
            Attached::Gone => Err(Unready::Never(Reason::FileUnavailable).into()),
        }
    }

    /// Fetches what a desk has told the address of: from where desks may be.
    async fn fetch_given(&self, files: &Files, url: &str, most: u64) -> Result<Spooled, Stop> {
        let gone = || Unready::Never(Reason::FileUnavailable);
        let url = url::Url::parse(url).map_err(|_| gone())?;
        let spool = files.storage.spool().map_err(unkept)?;
        let mut file = OpenFile::from_std(spool.handle().map_err(unkept)?);
        let span = self.left()?;
        // Closed never; and so many at once fit on the disk of a function.
        let _few = self.bridge.fetches.acquire().await;
        let request = Outgoing::get(url, span);
        let got = self.bridge.http.download(request, &mut file, most).await;
        match got {
            Ok(of) if of.status == 200 => Ok(Spooled { file: spool, of }),
            Ok(of) => Err(match of.status {
                408 | 425 | 429 | 500..=599 => Unready::not_now(Reason::FileUnavailable),
                _ => gone(),
            }
            .into()),
            Err(NoFile::TooLarge) => Err(Unready::Never(Reason::FileNotTaken).into()),
            Err(NoFile::Trouble(Trouble::Forbidden)) => Err(gone().into()),
            Err(NoFile::Trouble(_)) => Err(Unready::not_now(Reason::FileUnavailable).into()),
            Err(NoFile::Disk(error)) => Err(unkept(error).into()),
        }
    }

    /// Opens a file that lies with us.
    async fn open(&self, place: &Place) -> Result<Seen, Stop> {
        let files = self.files()?;
        let (http, now) = (&self.bridge.http, self.bridge.now());
        let opened = files.storage.open(http, place, now, self.left()?).await;
        let spooled = opened.map_err(unkept)?;
        let spooled = spooled.ok_or(Unready::Never(Reason::FileUnavailable))?;
        let format = place.format();
        if !format.fits(&spooled.of.head) {
            return Err(Unready::Never(Reason::FileNotTaken).into());
        }
        Ok(Seen { spooled, format })
    }

    /// WeChat's id of a file, in the first role in which it takes it: that of a file with the
    /// same bytes if it has one.
    async fn bring(&self, seen: Seen, roles: &[Role], anew: bool) -> Result<String, Stop> {
        let Seen { spooled, format } = &seen;
        let size = spooled.of.size;
        let role = roles.iter().copied().find(|role| role.fits(*format, size));
        let role = role.ok_or(Unready::Never(Reason::FileNotTaken))?;
        let handle = || spooled.file.handle().map_err(unkept);
        if role == Role::Voice && !is_short(handle()?).await {
            return Err(Unready::Never(Reason::FileNotTaken).into());
        }
        let upload = Upload::of(role.word(), &spooled.of.digest);
        let (store, channel) = (&self.bridge.store, self.channel);
        if !anew {
            let now = self.bridge.now();
            if let Some(id) = store.uploaded(&channel.id, &upload, now).await? {
                return Ok(id);
            }
        }
        let api = Api {
            http: &self.bridge.http,
            base: &channel.api_base,
        };
        let tokenless = |none: Tokenless| {
            none.log(&channel.id);
            Unready::NotNow(Tokenless::failure())
        };
        let mut token = self.bridge.token(channel).await.map_err(tokenless)?;
        let mut renewed = false;
        loop {
            let file = OpenFile::from_std(handle()?);
            let boundary = format!("magpie{}", self.bridge.chance.nonce());
            let begun = self.bridge.now();
            let brought = api
                .upload(&token, role, (*format, size), file, &boundary, self.left()?)
                .await;
            match brought {
                Ok(id) => {
                    let until = begun.plus(LIFE);
                    store
                        .note_uploaded(&channel.id, &upload, &id, until)
                        .await?;
                    return Ok(id);
                }
                Err(Unloaded::Token) if !renewed => {
                    renewed = true;
                    let other = self.bridge.refresh(channel, Some(&token)).await;
                    token = other.map_err(tokenless)?;
                }
                Err(Unloaded::Token) => return Err(Unready::not_now(Reason::NoToken).into()),
                Err(Unloaded::Failed(failure)) => {
                    use crate::delivery::Retry;
                    return Err(match failure.retry {
                        Retry::Never => Unready::Never(failure.reason),
                        _ => Unready::NotNow(failure),
                    }
                    .into());
                }
            }
        }
    }

    /// How much time there is before a send has to begin.
    fn left(&self) -> Result<Duration, Unready> {
        let until = self.run.until.minus(ATTEMPT + MARGIN);
        let left = until.since(self.bridge.now());
        if left < LEAST {
            Err(Unready::NoTime)
        } else {
            Ok(left)
        }
    }
}

/// WeChat's word for what a message is there; `None` for what it has no message for.
pub(super) fn word(rich: &Rich) -> Option<&'static str> {
    Some(match rich {
        Rich::Image { .. } => "image",
        Rich::Voice { .. } => "voice",
        Rich::Video { .. } => "video",
        Rich::Music { .. } => "music",
        Rich::Link(_) => "news",
        Rich::Article { .. } => "mpnewsarticle",
        Rich::Choice(_) => "msgmenu",
        Rich::Card { .. } => "miniprogrampage",
        Rich::File { .. } | Rich::Notice(_) => return None,
    })
}

/// By what WeChat knows a template message again: another one for each time that a person
/// sends it.
fn client_id(at: &ConversationKey, entry: &Entry) -> String {
    let redriven = entry.redriven.map_or(0, Moment::millis);
    format!("{}-{redriven}", entry.key.hashed_in(at))
}

/// Our own storage is no fault of the answer.
fn unkept(error: impl Into<StorageError>) -> Unready {
    let error = error.into();
    error!(%error, "a file that is to be sent cannot be kept or had");
    Unready::not_now(Reason::Internal)
}

/// Whether WeChat takes a recording of this length. One whose length cannot be told is
/// brought there: WeChat says.
async fn is_short(file: std::fs::File) -> bool {
    use tokio::io::AsyncReadExt as _;
    let mut bytes = Vec::new();
    // It is no longer than two megabytes: that was looked at.
    let read = OpenFile::from_std(file)
        .take(Role::Voice.most())
        .read_to_end(&mut bytes)
        .await;
    read.is_err() || voice_seconds(&bytes).is_none_or(|seconds| seconds <= VOICE)
}
