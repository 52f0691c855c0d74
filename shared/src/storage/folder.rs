//! Files in a folder of this machine.
//!
//! Invariant: a file's time of change is when it may be forgotten, so that no list of them
//! is needed.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::task::spawn_blocking;

use super::{Spool, Spooled, StorageError};
use crate::media::Place;
use crate::message::ChannelId;
use crate::moment::Moment;

/// Where files are on their way: no channel has a name of its length.
const NEW: &str = "-";
/// What has not come to its place after so long is of a process that died.
const STALE: Duration = Duration::from_hours(24);

/// A folder of files.
#[derive(Clone, Debug)]
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    /// Opens a folder, which is made if it is not there, for its owner alone.
    pub fn open(root: &Path) -> io::Result<Self> {
        let folder = Self {
            root: root.to_owned(),
        };
        private(root)?;
        private(&folder.spool())?;
        Ok(folder)
    }

    /// Where files are on their way.
    pub(super) fn spool(&self) -> PathBuf {
        self.root.join(NEW)
    }

    /// Where a file lies, or would.
    #[must_use]
    pub fn path(&self, place: &Place) -> PathBuf {
        self.root.join(place.as_str())
    }

    pub(super) async fn keep(
        &self,
        place: &Place,
        spooled: Spooled,
        days: u32,
        now: Moment,
    ) -> Result<(), StorageError> {
        let path = self.path(place);
        let until = now.plus(Duration::from_hours(24) * days);
        blocking(move || {
            let folder = path.parent().unwrap_or(Path::new("."));
            private(folder)?;
            let Spool::Named(file) = spooled.file else {
                return Err(io::Error::other("it lies elsewhere"));
            };
            // Before it has its name: what looks for old files must not find it old.
            file.as_file().set_modified(until.system_time())?;
            let kept = file.persist(&path).map_err(|error| error.error)?;
            // On the disk with its name, before anybody is told of it.
            kept.sync_all()?;
            for folder in folder.ancestors().take(3) {
                File::open(folder)?.sync_all()?;
            }
            Ok(())
        })
        .await
    }

    pub(super) async fn forget(&self, channel: &ChannelId) -> Result<(), StorageError> {
        let path = self.root.join(channel.as_str());
        blocking(move || match fs::remove_dir_all(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        })
        .await
    }

    /// Forgets the files whose time is over; says how many.
    pub(super) async fn expire(&self, now: Moment) -> Result<usize, StorageError> {
        let (root, spool) = (self.root.clone(), self.spool());
        blocking(move || {
            // What is on its way has the time of its last byte.
            let mut forgotten = expire(&spool, now.minus(STALE))?;
            for channel in fs::read_dir(root)? {
                let channel = channel?.path();
                // A file that somebody else put here is none of ours.
                if channel == spool || !channel.is_dir() {
                    continue;
                }
                for conversation in fs::read_dir(&channel)? {
                    let conversation = conversation?.path();
                    if !conversation.is_dir() {
                        continue;
                    }
                    forgotten += expire(&conversation, now)?;
                    // It is not empty as long as something is kept in it.
                    let _ = fs::remove_dir(conversation);
                }
                let _ = fs::remove_dir(channel);
            }
            Ok(forgotten)
        })
        .await
    }
}

/// Forgets the files of a folder that are older; says how many.
fn expire(folder: &Path, older: Moment) -> io::Result<usize> {
    let mut forgotten = 0;
    for file in fs::read_dir(folder)? {
        let file = file?;
        if file.metadata()?.modified()? < older.system_time() {
            fs::remove_file(file.path())?;
            forgotten += 1;
        }
    }
    Ok(forgotten)
}

/// Makes a folder for its owner alone, unless it is there.
fn private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, StorageError> {
    match spawn_blocking(work).await {
        Ok(done) => Ok(done?),
        Err(error) => Err(io::Error::other(error).into()),
    }
}
