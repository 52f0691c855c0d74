//! The files of customers' messages: fetched from WeChat while it has them, looked at, and kept.
//!
//! Invariant: what became of a file is written once, before anybody is told of its message;
//! so whoever tells it once more says the same. A message waits for its file, and not
//! for ever: without it, it goes on.

use std::time::Duration;

use tokio::fs::File;
use tracing::{error, warn};
use url::Url;

use super::files::Files;
use super::token::Tokenless;
use super::{Bridge, Broken, Run};
use crate::channel::Channel;
use crate::delivery::{Failure, Retry};
use crate::http::{Downloaded, NoFile, Outgoing};
use crate::journal::{ConversationKey, Entry};
use crate::lane::{self, ATTEMPT};
use crate::media::{Attachment, Format, Place, Sort, Source, Wanted};
use crate::message::CustomerId;
use crate::moment::Moment;
use crate::reason::Reason;
use crate::storage::{Spooled, StorageError};
use crate::store::Attached;
use crate::tally::Trace;
use crate::wechat::api::Api;
use crate::wechat::codes::{self, Meaning};
use crate::wechat::media::{Refused, shown};

/// How long a message waits for its file after the first failure; the try that comes after
/// that, a quarter of an hour after the first one, is the last.
const PATIENCE: Duration = Duration::from_mins(12);
/// How many files are fetched at once: with the largest ones, a fifth of a function's disk.
pub(super) const AT_ONCE: usize = 4;
/// The least time in which a fetch is begun.
pub(super) const LEAST: Duration = Duration::from_secs(1);

/// What is known of the file of a message.
pub(super) enum Known {
    /// What became of it; nothing, if the message has none.
    Settled(Option<Attachment>),
    /// It cannot be had now.
    Waits(Failure),
}

/// A message whose file is fetched.
#[derive(Clone, Copy)]
struct Message<'a> {
    at: &'a ConversationKey,
    channel: &'a Channel,
    customer: &'a CustomerId,
    entry: &'a Entry,
}

/// Why a file is not there.
enum Lack {
    /// It never will be.
    Never(Reason),
    /// It may be had later.
    NotNow(Failure),
}

impl Lack {
    /// It may be had when the lane is looked at again.
    fn not_now(reason: Reason) -> Self {
        Self::NotNow(Failure::after(Duration::ZERO, reason))
    }
}

impl Bridge {
    /// What became of the file of a message. It is fetched now if it was not before.
    pub(super) async fn attach(
        &self,
        at: &ConversationKey,
        (channel, customer): (&Channel, &CustomerId),
        entry: &Entry,
        run: &Run,
    ) -> Result<Known, Broken> {
        let (Some(files), None) = (&self.files, &entry.attachment) else {
            return Ok(Known::Settled(entry.attachment.clone()));
        };
        let Some(wanted) = Wanted::of(&entry.body) else {
            return Ok(Known::Settled(None));
        };
        let message = Message {
            at,
            channel,
            customer,
            entry,
        };
        let attachment = match self.try_fetch(files, message, &wanted, run).await {
            Ok(kept) => kept,
            Err(Lack::Never(reason)) => Attachment::Missing(reason),
            Err(Lack::NotNow(failure)) => {
                if !self.waited_enough(at, entry, &failure).await? {
                    return Ok(Known::Waits(failure));
                }
                Attachment::Missing(Reason::MediaUnreachable)
            }
        };
        if let Attachment::Missing(reason) = &attachment {
            let trace = Trace::of(at, &entry.key);
            warn!(channel = %channel.id, %trace, reason = reason.code(), "a customer's file is missing");
        }
        Ok(Known::Settled(
            match self.store.attach(at, &entry.key, &attachment).await? {
                Attached::This => Some(attachment),
                Attached::Other(other) => Some(other),
                // Erased meanwhile: what was kept goes by the second pass, or with the channel.
                Attached::Gone => None,
            },
        ))
    }

    /// Whether a file that cannot be had now is given up. The first failure is noted, so that
    /// time in which nobody tried does not count.
    async fn waited_enough(
        &self,
        at: &ConversationKey,
        entry: &Entry,
        failure: &Failure,
    ) -> Result<bool, Broken> {
        // What a person tries once more has one attempt.
        if entry.redriven.is_some() {
            return Ok(true);
        }
        if failure.reason == Reason::OutOfTime {
            return Ok(false);
        }
        let now = self.now();
        if let Some(since) = entry.lacking {
            return Ok(now.since(since) >= PATIENCE);
        }
        self.store.note_lacking(at, &entry.key, now).await?;
        Ok(false)
    }

    /// Fetches a file within the time that the run has, what comes after it left out.
    async fn try_fetch(
        &self,
        files: &Files,
        message: Message<'_>,
        wanted: &Wanted,
        run: &Run,
    ) -> Result<Attachment, Lack> {
        let deadline = run.until.minus(ATTEMPT);
        let span = deadline.since(self.now());
        if span < LEAST {
            return Err(Lack::not_now(Reason::OutOfTime));
        }
        let fetched = async {
            // Closed never; and so many at once fit on the disk of a function.
            let _few = self.fetches.acquire().await;
            self.fetch(files, message, wanted, deadline).await
        };
        match tokio::time::timeout(span, fetched).await {
            Ok(fetched) => fetched,
            Err(_) => Err(Lack::not_now(Reason::WechatUnreachable)),
        }
    }

    async fn fetch(
        &self,
        files: &Files,
        message: Message<'_>,
        wanted: &Wanted,
        deadline: Moment,
    ) -> Result<Attachment, Lack> {
        let mut lack = Lack::Never(Reason::MediaGone);
        for (tried, source) in (0_u32..).zip(&wanted.sources) {
            // Each has its share of what is left: one that hangs leaves time for the next.
            let left = u32::try_from(wanted.sources.len()).unwrap_or(1) - tried;
            let span = deadline.since(self.now()) / left;
            let fetched = self
                .fetch_from(files, message.channel, source, wanted.sort, span)
                .await;
            let admitted = match fetched {
                Ok(spooled) => {
                    self.admit(files, message, wanted.sort, spooled, deadline)
                        .await
                }
                Err(lack) => Err(lack),
            };
            match admitted {
                Ok(kept) => return Ok(kept),
                // What the scanner found is in the other one, too.
                Err(Lack::Never(Reason::MediaWithheld)) => {
                    return Err(Lack::Never(Reason::MediaWithheld));
                }
                // What may come later is waited for, whatever the other source says.
                Err(Lack::Never(_)) if matches!(lack, Lack::NotNow(_)) => {}
                Err(other) => lack = other,
            }
        }
        Err(lack)
    }

    /// Fetches a file from one source.
    async fn fetch_from(
        &self,
        files: &Files,
        channel: &Channel,
        source: &Source,
        sort: Sort,
        span: Duration,
    ) -> Result<Spooled, Lack> {
        let unwritten = |error: StorageError| {
            error!(%error, "no file can be written");
            Lack::not_now(Reason::Internal)
        };
        let spool = files.storage.spool().map_err(unwritten)?;
        let opened = spool.handle().map_err(|error| unwritten(error.into()))?;
        let mut file = File::from_std(opened);
        let got = match source {
            Source::Address(address) => {
                let api = Api {
                    http: &self.http,
                    base: &channel.api_base,
                };
                shown(&api, address, &mut file, sort.cap(), span).await
            }
            Source::Media(id) => self.fetch_media(channel, id, &mut file, sort, span).await?,
        };
        match got {
            Ok(of) => Ok(Spooled { file: spool, of }),
            Err(refused) => Err(lack(&refused)),
        }
    }

    /// Fetches a file from WeChat's API; with another token if it says that ours is not good.
    async fn fetch_media(
        &self,
        channel: &Channel,
        id: &str,
        file: &mut File,
        sort: Sort,
        span: Duration,
    ) -> Result<Result<Downloaded, Refused>, Lack> {
        let api = Api {
            http: &self.http,
            base: &channel.api_base,
        };
        let tokenless = |none: Tokenless| {
            none.log(&channel.id);
            Lack::NotNow(Tokenless::failure())
        };
        let token = self.token(channel).await.map_err(tokenless)?;
        let got = api.media(&token, id, file, sort.cap(), span).await;
        match got {
            Err(Refused::Code(code)) if codes::meaning(code) == Meaning::Token => {
                let token = self.refresh(channel, Some(&token)).await;
                let token = token.map_err(tokenless)?;
                Ok(api.media(&token, id, file, sort.cap(), span).await)
            }
            got => Ok(got),
        }
    }

    /// Looks at a file and keeps it.
    async fn admit(
        &self,
        files: &Files,
        message: Message<'_>,
        sort: Sort,
        spooled: Spooled,
        deadline: Moment,
    ) -> Result<Attachment, Lack> {
        let format = Format::of(&spooled.of.head).filter(|format| format.sort() == sort);
        let Some(format) = format else {
            return Err(Lack::Never(Reason::MediaUnknown));
        };
        if let Some(scanner) = &files.scanner {
            self.scan(scanner, format, &spooled).await?;
        }
        let size = spooled.of.size;
        let Message {
            at,
            channel,
            customer,
            entry,
        } = message;
        let place = Place::of(&channel.id, customer, (at, &entry.key), format);
        let (now, days) = (self.now(), channel.retention_days);
        let until = now.plus(files.storage.span(days));
        let patience = deadline.since(now);
        let kept = files
            .storage
            .keep(&self.http, &place, spooled, days, now, patience);
        kept.await.map_err(|error| {
            error!(%error, "a file cannot be kept");
            Lack::not_now(Reason::Internal)
        })?;
        Ok(Attachment::Kept { place, size, until })
    }

    /// Asks the scanner: 200 with `{"clean": true}` lets a file pass, `false` withholds it, and
    /// everything else is no answer.
    async fn scan(&self, scanner: &Url, format: Format, spooled: &Spooled) -> Result<(), Lack> {
        #[derive(serde::Deserialize)]
        struct Verdict {
            clean: bool,
        }
        let waits = || Lack::not_now(Reason::Internal);
        let mut request = Outgoing::get(scanner.clone(), ATTEMPT);
        request.method = http::Method::POST;
        let request = request.with("content-type", format.mime());
        let file = spooled.file.handle().map_err(|_| waits())?;
        let sent = self
            .http
            .upload(request, File::from_std(file), spooled.of.size)
            .await;
        let verdict = sent.ok().filter(|answer| answer.status == 200);
        let verdict = verdict.and_then(|answer| serde_json::from_slice(&answer.body).ok());
        match verdict {
            Some(Verdict { clean: true }) => Ok(()),
            Some(Verdict { clean: false }) => Err(Lack::Never(Reason::MediaWithheld)),
            None => {
                error!("the scanner of files gives no answer");
                Err(waits())
            }
        }
    }
}

/// What it means for a file that a source gave none.
fn lack(refused: &Refused) -> Lack {
    match refused {
        Refused::Code(code) => match codes::meaning(*code) {
            Meaning::Token => Lack::not_now(Reason::NoToken),
            Meaning::Failed(failure) if failure.retry == Retry::Never => {
                Lack::Never(Reason::MediaGone)
            }
            // A day is longer than WeChat's pictures and people wait.
            Meaning::Failed(failure) if failure.retry == Retry::NextDay => {
                Lack::NotNow(Failure::after(lane::WINDOW_RECHECK, failure.reason))
            }
            Meaning::Failed(failure) => Lack::NotNow(failure),
            Meaning::NoMedia | Meaning::NotThisKind => Lack::Never(Reason::MediaGone),
            Meaning::Taken | Meaning::Busy | Meaning::WindowFull => {
                Lack::not_now(Reason::WechatBusy)
            }
        },
        Refused::Status(408 | 425 | 429) => Lack::not_now(Reason::QuotaUsedUp),
        Refused::Foreign | Refused::Status(300..=499) => Lack::Never(Reason::MediaGone),
        Refused::File(NoFile::TooLarge) => Lack::Never(Reason::MediaTooLarge),
        Refused::File(NoFile::Disk(error)) => {
            error!(%error, "no file can be written");
            Lack::not_now(Reason::Internal)
        }
        Refused::Status(_) | Refused::File(NoFile::Trouble(_)) => {
            Lack::not_now(Reason::WechatUnreachable)
        }
    }
}
