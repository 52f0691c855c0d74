//! Where the files of messages lie, and how they are given out: by links that expire.
//!
//! Invariant: a desk is told the same on every repeat; whoever looks now gets a link of now.

use url::Url;

use super::{Bridge, Broken};
use crate::journal::Entry;
use crate::media::{self, Attachment, LINK, Place, Told};
use crate::message::ChannelId;
use crate::moment::Moment;
use crate::storage::{Found, Storage};

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

    /// Where a browser is sent on to for files, if they do not lie here.
    pub(crate) fn files_origin(&self) -> Option<String> {
        self.files.as_ref()?.storage.origin()
    }

    /// Where the file lies that this link is for: its path below `/media/` and its query.
    /// `None` unless the link is ours and still good.
    pub async fn open_file(
        &self,
        path: &str,
        query: &str,
    ) -> Result<Option<(Place, Found)>, Broken> {
        let Some(files) = &self.files else {
            return Ok(None);
        };
        let now = self.now();
        let Some(place) = media::open(self.pepper().await?, path, query, now) else {
            return Ok(None);
        };
        let found = files.storage.find(&place, now)?;
        Ok(Some((place, found)))
    }

    /// Forgets the files whose time is over, where nobody else does; says how many.
    pub async fn expire_files(&self) -> Result<usize, Broken> {
        match &self.files {
            Some(files) => Ok(files.storage.expire(self.now()).await?),
            None => Ok(0),
        }
    }

    /// Forgets some files of a channel that is deleted, once nobody fetches any more; says
    /// whether none is left.
    pub(crate) async fn forget_some_files(&self, channel: &ChannelId) -> Result<bool, Broken> {
        match &self.files {
            Some(files) => {
                let (http, now) = (&self.http, self.now());
                Ok(files.storage.forget_some(http, channel, now).await?)
            }
            None => Ok(true),
        }
    }
}
