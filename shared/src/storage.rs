//! Where files lie: a folder on one machine, a bucket of S3 in AWS.
//!
//! Invariant: a place holds a whole file or none, and the same one however often it is
//! kept. What lies here is nobody's without a link of ours.

mod bucket;
mod folder;

use std::path::PathBuf;
use std::time::Duration;

use http::Method;
use tempfile::NamedTempFile;
use url::Url;

use crate::config::Aws;
use crate::http::{Downloaded, Http, NoFile};
use crate::media::Place;
use crate::message::ChannelId;
use crate::moment::Moment;

pub use bucket::Bucket;
pub use folder::Folder;

/// How many days files are kept in a bucket, whose rules know these and no others.
pub const CLASSES: [u32; 8] = [3, 7, 14, 30, 60, 90, 180, 365];

/// Where files lie.
#[derive(Debug)]
pub enum Storage {
    /// On this machine.
    Folder(Folder),
    /// In S3.
    Bucket(Bucket),
}

/// Why a file could not be kept, found or forgotten.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The disk.
    #[error("the folder of files fails")]
    Disk(#[from] std::io::Error),
    /// The way to S3.
    #[error("the bucket cannot be reached")]
    Way(#[from] NoFile),
    /// S3 refused.
    #[error("the bucket answers {0}")]
    Refused(u16),
    /// S3 answered something that it does not answer.
    #[error("the bucket's answer cannot be read")]
    Unreadable,
    /// A call could not be signed.
    #[error("a call to the bucket cannot be signed")]
    Unsigned,
}

/// A file on its way from the network to its place. It is gone when this is dropped.
#[derive(Debug)]
pub struct Spooled {
    /// The file.
    pub file: Spool,
    /// What is known of it.
    pub of: Downloaded,
}

/// A file without a place of its own yet.
#[derive(Debug)]
pub enum Spool {
    /// It has a name, to be moved to its place.
    Named(NamedTempFile),
    /// It has none: a process that dies leaves nothing behind.
    Nameless(std::fs::File),
}

impl Spool {
    /// The file from its beginning. Only one handle is used at a time.
    pub fn handle(&self) -> std::io::Result<std::fs::File> {
        use std::io::Seek as _;
        match self {
            Self::Named(file) => file.reopen(),
            Self::Nameless(file) => {
                let mut handle = file.try_clone()?;
                handle.rewind()?;
                Ok(handle)
            }
        }
    }
}

/// Where and how a file is brought.
#[derive(Debug)]
pub struct Door {
    /// Where, by `PUT`.
    pub url: Url,
    /// With these headers.
    pub headers: Vec<(&'static str, String)>,
}

/// Where a file can be had.
#[derive(Debug)]
pub enum Found {
    /// On this machine.
    File(PathBuf),
    /// There, for some minutes.
    Elsewhere(Url),
}

impl Storage {
    /// A bucket at this address (`https://name.s3.region.amazonaws.com`).
    #[must_use]
    pub fn bucket(address: Url, aws: &Aws) -> Self {
        Self::Bucket(Bucket::new(address, aws))
    }

    /// The origin from which browsers get files, if it is not ours.
    #[must_use]
    pub fn origin(&self) -> Option<String> {
        match self {
            Self::Folder(_) => None,
            Self::Bucket(bucket) => Some(bucket.origin()),
        }
    }

    /// A file that is gone when it is dropped, for what is on its way here.
    pub fn spool(&self) -> Result<Spool, StorageError> {
        Ok(match self {
            Self::Folder(folder) => Spool::Named(NamedTempFile::new_in(folder.spool())?),
            Self::Bucket(_) => Spool::Nameless(tempfile::tempfile()?),
        })
    }

    /// How long a file is kept of a message that is kept so many days.
    #[must_use]
    pub fn span(&self, days: u32) -> Duration {
        let days = match self {
            Self::Folder(_) => days,
            Self::Bucket(_) => class(days),
        };
        Duration::from_hours(24) * days
    }

    /// Keeps a file, for at most so many days. A bucket has `patience` to take it.
    pub async fn keep(
        &self,
        http: &Http,
        place: &Place,
        spooled: Spooled,
        days: u32,
        now: Moment,
        patience: Duration,
    ) -> Result<(), StorageError> {
        match self {
            Self::Folder(folder) => folder.keep(place, spooled, days, now).await,
            Self::Bucket(bucket) => {
                bucket
                    .keep(http, place, &spooled, days, now, patience)
                    .await
            }
        }
    }

    /// Where a file can be had by this method, `GET` or `HEAD`, to be shown or put away like
    /// this. That it is there is not looked after.
    pub fn find(
        &self,
        method: &Method,
        place: &Place,
        disposition: &str,
        now: Moment,
    ) -> Result<Found, StorageError> {
        match self {
            Self::Folder(folder) => Ok(Found::File(folder.path(place))),
            Self::Bucket(bucket) => {
                let url = bucket.link(method, place, disposition, now)?;
                Ok(Found::Elsewhere(url))
            }
        }
    }

    /// Where a file may be brought by somebody who is no part of us: with this method-`PUT`
    /// address and these headers, within some minutes, exactly so many bytes. `None` where
    /// files lie with us, and are brought to us.
    pub fn door(
        &self,
        place: &Place,
        size: u64,
        days: u32,
        now: Moment,
    ) -> Result<Option<Door>, StorageError> {
        match self {
            Self::Folder(_) => Ok(None),
            Self::Bucket(bucket) => bucket.door(place, size, days, now).map(Some),
        }
    }

    /// How long a file is and how it begins; `None` if there is none.
    pub async fn peek(
        &self,
        http: &Http,
        place: &Place,
        now: Moment,
    ) -> Result<Option<(u64, Vec<u8>)>, StorageError> {
        match self {
            Self::Folder(folder) => folder.peek(place).await,
            Self::Bucket(bucket) => bucket.peek(http, place, now).await,
        }
    }

    /// Opens a file, which is read whole on the way; `None` if there is none.
    pub async fn open(
        &self,
        http: &Http,
        place: &Place,
        now: Moment,
        patience: Duration,
    ) -> Result<Option<Spooled>, StorageError> {
        match self {
            Self::Folder(folder) => folder.read(place).await,
            Self::Bucket(bucket) => {
                let spool = self.spool()?;
                bucket.fetch(http, place, spool, now, patience).await
            }
        }
    }

    /// Forgets some files of a channel, or of one customer's folder there, all if they lie
    /// here; says whether none is left.
    pub async fn forget_some(
        &self,
        http: &Http,
        channel: &ChannelId,
        folder: Option<&str>,
        now: Moment,
    ) -> Result<bool, StorageError> {
        let within = match folder {
            Some(folder) => format!("{channel}/{folder}"),
            None => channel.to_string(),
        };
        match self {
            Self::Folder(folder) => folder.forget(&within).await.map(|()| true),
            Self::Bucket(bucket) => bucket.forget_some(http, &within, now).await,
        }
    }

    /// Forgets what has lain long enough. A bucket does that by its own rules.
    pub async fn expire(&self, now: Moment) -> Result<usize, StorageError> {
        match self {
            Self::Folder(folder) => folder.expire(now).await,
            Self::Bucket(_) => Ok(0),
        }
    }
}

/// The longest class that is no longer than this.
#[must_use]
pub fn class(days: u32) -> u32 {
    let classes = CLASSES.iter().copied();
    classes.filter(|class| *class <= days).max().unwrap_or(3)
}

#[cfg(test)]
mod tests {
    use super::class;

    #[test]
    fn nothing_is_kept_longer_than_its_message() {
        for (days, expected) in [(3, 3), (6, 3), (29, 14), (30, 30), (364, 180), (3650, 365)] {
            assert_eq!(class(days), expected);
        }
    }
}
