//! Files in a folder of this machine.
//!
//! Invariant: a file's time of change is when it may be forgotten, so that no list of them
//! is needed.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::task::spawn_blocking;

use super::{Spool, Spooled, StorageError};
use crate::http::Downloaded;
use crate::media::{HEAD, Place};
use crate::moment::Moment;

/// Where files are on their way: no channel has a name of its length.
const NEW: &str = "-";
/// What has not come to its place after so long is of a process that died.
const STALE: Duration = Duration::from_hours(24);
/// How much of a file is in memory at a time, in bytes.
const PIECE: usize = 64 * 1024;

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

    /// How long a file is and how it begins.
    pub(super) async fn peek(&self, place: &Place) -> Result<Option<(u64, Vec<u8>)>, StorageError> {
        let path = self.path(place);
        blocking(move || {
            let Some(file) = there(File::open(path))? else {
                return Ok(None);
            };
            let size = file.metadata()?.len();
            let mut head = Vec::new();
            file.take(u64::try_from(HEAD).unwrap_or(u64::MAX))
                .read_to_end(&mut head)?;
            Ok(Some((size, head)))
        })
        .await
    }

    /// Opens a file and reads it through.
    pub(super) async fn read(&self, place: &Place) -> Result<Option<Spooled>, StorageError> {
        let path = self.path(place);
        blocking(move || {
            let Some(mut file) = there(File::open(path))? else {
                return Ok(None);
            };
            let (mut size, mut head, mut digest) = (0_u64, Vec::new(), Sha256::new());
            let mut piece = vec![0; PIECE];
            loop {
                let read = file.read(&mut piece)?;
                let Some(piece) = piece.get(..read).filter(|piece| !piece.is_empty()) else {
                    break;
                };
                let room = HEAD.saturating_sub(head.len());
                head.extend(piece.iter().take(room));
                digest.update(piece);
                size += u64::try_from(read).unwrap_or(u64::MAX);
            }
            let of = Downloaded {
                status: 200,
                headers: http::HeaderMap::new(),
                size,
                head,
                digest: digest.finalize().into(),
            };
            let file = Spool::Nameless(file);
            Ok(Some(Spooled { file, of }))
        })
        .await
    }

    pub(super) async fn forget(&self, within: &str) -> Result<(), StorageError> {
        let path = self.root.join(within);
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

/// What is not there is no failure.
fn there(file: io::Result<File>) -> io::Result<Option<File>> {
    match file {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        file => file.map(Some),
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
