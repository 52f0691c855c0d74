//! Where the files of messages lie, and how they are given out: by links that expire.
//!
//! Invariant: a desk is told the same on every repeat; whoever looks now gets a link of now.

use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use http::Method;
use tokio::fs::File as OpenFile;
use url::Url;

use super::{Bridge, Broken};
use crate::channel::Channel;
use crate::http::{NoFile, Trouble, collect};
use crate::journal::Entry;
use crate::media::{self, Attachment, Format, LINK, Place, Told};
use crate::message::{Body, ChannelId, CustomerId};
use crate::moment::Moment;
use crate::rich::File;
use crate::storage::{Door, Found, Spooled, Storage, StorageError};

/// How long an address is good to which a file may be brought.
pub(super) const DOOR: Duration = Duration::from_mins(15);

/// What became of a file that was brought here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is kept.
    Kept,
    /// The address is none of ours, or is not good any more.
    NoDoor,
    /// It is not as long as was said, or not of its format.
    NotThis,
}

/// A file that was brought to a conversation.
pub(crate) struct Brought {
    /// Where it lies.
    pub(crate) place: Place,
    /// How many bytes it has.
    pub(crate) size: u64,
    /// Whether it is of the format that it was said to be.
    pub(crate) fits: bool,
}

/// Where files lie and how they are given out.
#[derive(Debug)]
pub struct Files {
    /// Where they lie.
    pub storage: Storage,
    /// Where the outside finds us. Without it nobody is told of a file but those who look
    /// at the API's own address.
    pub base: Option<Url>,
    /// Who looks into each before an agent does; nobody, if there is none.
    pub scanner: Option<Url>,
}

/// What a link of ours leads to.
#[derive(Debug)]
pub struct OpenedFile {
    /// What the file is.
    pub format: Format,
    /// Whether it is shown or put away, and under which name.
    pub disposition: String,
    /// Where it lies.
    pub found: Found,
}

impl Bridge {
    /// Lets the files of messages be kept.
    #[must_use]
    pub fn with_files(self, files: Files) -> Self {
        Self {
            files: Some(files),
            ..self
        }
    }

    /// What a desk is told of the file of a message: the same on every repeat.
    pub(super) async fn told_of(
        &self,
        entry: &Entry,
        attachment: Option<&Attachment>,
    ) -> Result<Option<Told>, Broken> {
        let base = self.files.as_ref().and_then(|files| files.base.as_ref());
        // What a person tries once more is told of a link that is good from then on.
        let since = entry.redriven.unwrap_or(entry.at);
        self.told_until(attachment, base, since, since.plus(LINK))
            .await
    }

    /// The same for somebody who looks now, and finds us at `base`: the link is good for an
    /// hour or two.
    pub(crate) async fn told_now(
        &self,
        attachment: Option<&Attachment>,
        base: Option<&Url>,
    ) -> Result<Option<Told>, Broken> {
        // The same for an hour, so that a browser need not fetch it again.
        let hour = self.now().seconds().div_euclid(3600);
        let until = Moment::from_seconds((hour + 2) * 3600);
        self.told_until(attachment, base, self.now(), until).await
    }

    async fn told_until(
        &self,
        attachment: Option<&Attachment>,
        base: Option<&Url>,
        at: Moment,
        until: Moment,
    ) -> Result<Option<Told>, Broken> {
        let (Some(attachment), Some(base)) = (attachment, base) else {
            return Ok(None);
        };
        Ok(attachment.told(self.pepper().await?, base, at, until))
    }

    /// What is known of the file that an answer is, if it was brought to us.
    pub(super) fn brought(&self, channel: &Channel, body: &Body) -> Option<Attachment> {
        let Body::Rich(rich) = body else { return None };
        let (File::Kept { place, size }, Some(files)) = (rich.file()?, &self.files) else {
            return None;
        };
        let span = files.storage.span(channel.retention_days);
        Some(Attachment::Kept {
            place: place.clone(),
            size: *size,
            until: self.now().plus(span),
        })
    }

    /// The file of this channel that a link of ours is for.
    pub(super) async fn own(&self, channel: &Channel, url: &str) -> Result<Option<Place>, Broken> {
        let Some(base) = self.files.as_ref().and_then(|files| files.base.as_ref()) else {
            return Ok(None);
        };
        let Some((path, query)) = media::split(base, url) else {
            return Ok(None);
        };
        let opened = media::open(self.pepper().await?, path, query, self.now());
        let place = opened.map(|(place, _)| place);
        Ok(place.filter(|place| place.is_of(&channel.id)))
    }

    /// Where a file may be brought that an agent is going to send: its name, and the way
    /// there, for some minutes. `base` is where who asks finds us. `None` where files are
    /// not kept.
    pub(crate) async fn door(
        &self,
        (customer, channel): (&CustomerId, &Channel),
        format: Format,
        size: u64,
        base: Option<&Url>,
    ) -> Result<Option<(Place, Door)>, Broken> {
        let place = Place::fresh(&channel.id, customer, &self.chance.nonce(), format);
        let (Some(files), Some(place)) = (&self.files, place) else {
            return Ok(None);
        };
        let (now, days) = (self.now(), channel.retention_days);
        if let Some(door) = files.storage.door(&place, size, days, now)? {
            return Ok(Some((place, door)));
        }
        let until = now.plus(DOOR);
        let pepper = self.pepper().await?;
        let url = base.and_then(|base| media::door(pepper, base, &place, size, until));
        Ok(url.map(|url| {
            let headers = vec![("content-type", format.mime().to_owned())];
            (place, Door { url, headers })
        }))
    }

    /// Takes a file that is brought here, whole or not at all.
    pub async fn take_file(
        &self,
        path: &str,
        query: &str,
        pieces: impl Stream<Item = Result<Bytes, Trouble>> + Unpin,
    ) -> Result<Taken, Broken> {
        let now = self.now();
        let (Some(files), Some((place, size))) = (
            &self.files,
            media::open_door(self.pepper().await?, path, query, now),
        ) else {
            return Ok(Taken::NoDoor);
        };
        // It names no days: whose channel is gone keeps nothing.
        let channel = match place.channel() {
            Some(id) => self.channel(&id).await?,
            None => None,
        };
        let Some(channel) = channel.filter(|channel| !channel.deleted) else {
            return Ok(Taken::NoDoor);
        };
        let spool = files.storage.spool()?;
        let mut file = OpenFile::from_std(spool.handle().map_err(StorageError::from)?);
        let of = match collect(&mut file, size, pieces).await {
            Ok(of) => of,
            Err(NoFile::Disk(error)) => return Err(StorageError::from(error).into()),
            Err(NoFile::Trouble(_) | NoFile::TooLarge) => return Ok(Taken::NotThis),
        };
        if of.size != size || !place.format().fits(&of.head) {
            return Ok(Taken::NotThis);
        }
        let spooled = Spooled { file: spool, of };
        let (http, days) = (&self.http, channel.retention_days);
        files
            .storage
            .keep(http, &place, spooled, days, now, DOOR)
            .await?;
        Ok(Taken::Kept)
    }

    /// The file of this name that was brought for a customer; `None` if there is none.
    pub(crate) async fn brought_file(
        &self,
        customer: &CustomerId,
        channel: &Channel,
        name: &str,
    ) -> Result<Option<Brought>, Broken> {
        let place = Place::within(&channel.id, customer, name);
        let (Some(files), Some(place)) = (&self.files, place) else {
            return Ok(None);
        };
        let peeked = files.storage.peek(&self.http, &place, self.now()).await?;
        Ok(peeked.map(|(size, head)| Brought {
            fits: place.format().fits(&head),
            place,
            size,
        }))
    }

    /// Where a browser is sent on to for files, if they do not lie here.
    pub(crate) fn files_origin(&self) -> Option<String> {
        self.files.as_ref()?.storage.origin()
    }

    /// Where the file lies that this link is for: its path below `/media/` and its query.
    /// `method` is `GET` or `HEAD`. `None` unless the link is ours and still good.
    pub async fn open_file(
        &self,
        method: &Method,
        path: &str,
        query: &str,
    ) -> Result<Option<OpenedFile>, Broken> {
        let Some(files) = &self.files else {
            return Ok(None);
        };
        let now = self.now();
        let opened = media::open(self.pepper().await?, path, query, now);
        let Some((place, name)) = opened else {
            return Ok(None);
        };
        let disposition = media::disposition(place.format(), name.as_deref());
        let found = files.storage.find(method, &place, &disposition, now)?;
        Ok(Some(OpenedFile {
            format: place.format(),
            disposition,
            found,
        }))
    }

    /// Forgets the files whose time is over, where nobody else does; says how many.
    pub async fn expire_files(&self) -> Result<usize, Broken> {
        match &self.files {
            Some(files) => Ok(files.storage.expire(self.now()).await?),
            None => Ok(0),
        }
    }

    /// Forgets some files of a channel that is deleted, or of a customer who was erased and
    /// has this folder; says whether none is left.
    pub(crate) async fn forget_some_files(
        &self,
        channel: &ChannelId,
        folder: Option<&str>,
    ) -> Result<bool, Broken> {
        match &self.files {
            Some(files) => {
                let (http, now) = (&self.http, self.now());
                let forgotten = files.storage.forget_some(http, channel, folder, now);
                Ok(forgotten.await?)
            }
            None => Ok(true),
        }
    }
}
