//! The data folder: everything that is kept lies in it.
//!
//! Invariant: only its owner may look into it, and one process uses it at a
//! time, since bells do not cross processes and the engine's file has one user.
//! What a start finds in it is whole, of a format that it knows, and lives
//! nowhere else.

pub(crate) mod format;
pub(crate) mod moved;

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use magpie::clock::Chance;
use magpie::secrets::write_private;

use crate::text::hex;
use format::FormatError;

/// The name of the file by whose lock a process holds the folder.
pub(crate) const LOCK: &str = "lock";
/// The engine's file.
pub(crate) const STORE: &str = "store.db";
/// The secrets' file.
pub(crate) const SECRETS: &str = "secrets.json";
/// The folder of customers' files.
pub(crate) const MEDIA: &str = "media";
/// The file with the admin key that was made here.
pub(crate) const ADMIN_KEY: &str = "admin-key";
/// A file that is there while a restore is at work: what lies beside it is not
/// whole.
pub(crate) const RESTORING: &str = "restoring";

/// The folder, held by this process until it is dropped.
pub(crate) struct Folder {
    path: PathBuf,
    _lock: File,
}

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    /// Another process uses it.
    #[error(
        "another Magpie uses the data folder {}: end it, or set MAGPIE_DATA to another folder",
        .0.display()
    )]
    Taken(PathBuf),
    /// It is open to others and was not made by us.
    #[error(
        "the folder {} is open to other users and holds other things: \
         set MAGPIE_DATA to a new folder, or make it private (chmod 700)",
        .0.display()
    )]
    Open(PathBuf),
    /// A restore into it was broken off.
    #[error(
        "a restore into the data folder {} was broken off: \
         run `magpie restore` again, it begins anew",
        .0.display()
    )]
    Unfinished(PathBuf),
    /// It was moved to AWS.
    #[error(
        "what lies in the data folder {} was moved to AWS on {when}: two copies would answer \
         customers twice. Run the stack there, or start here with --despite-export \
         if the stack is given up",
        .path.display()
    )]
    Moved {
        /// The folder.
        path: PathBuf,
        /// When the move began.
        when: String,
    },
    /// It holds nothing of Magpie.
    #[error("the folder {} holds no data of Magpie; MAGPIE_DATA names another", .0.display())]
    Empty(PathBuf),
    /// Its format.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// It cannot be made, read or written.
    #[error("the data folder {} cannot be used; MAGPIE_DATA names another", .0.display())]
    Unusable(PathBuf, #[source] io::Error),
}

impl Folder {
    /// Makes the folder if it is missing, takes it for this process, and sees
    /// that what lies in it may be worked on. `despite_export` takes one that was
    /// moved to AWS, too.
    pub(crate) fn open(path: &Path, despite_export: bool) -> Result<Self, FolderError> {
        let folder = Self::take(path)?;
        whole(&folder.path)?;
        if let Some(moved) = moved::read(&folder.path)?
            && !despite_export
        {
            return Err(FolderError::Moved {
                path: folder.path,
                when: moved.begun,
            });
        }
        format::bring_up(&folder.path)?;
        Ok(folder)
    }

    /// Takes a folder that was begun, whether or not it was moved to AWS.
    pub(crate) fn take_begun(path: &Path) -> Result<Self, FolderError> {
        begun(path)?;
        let folder = Self::take(path)?;
        whole(&folder.path)?;
        format::bring_up(&folder.path)?;
        Ok(folder)
    }

    /// Makes the folder if it is missing, and takes it for this process, whatever
    /// lies in it.
    pub(crate) fn take(path: &Path) -> Result<Self, FolderError> {
        let unusable = |error| FolderError::Unusable(path.to_owned(), error);
        make(path).map_err(unusable)?;
        let path = path.canonicalize().map_err(unusable)?;
        if !make_private(&path).map_err(unusable)? {
            return Err(FolderError::Open(path));
        }
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            options.mode(0o600);
        }
        let lock = options.open(path.join(LOCK)).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(FolderError::Taken(path)),
            Err(TryLockError::Error(error)) => Err(FolderError::Unusable(path, error)),
        }
    }

    /// The folder itself.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The engine's file.
    pub(crate) fn store(&self) -> PathBuf {
        self.path.join(STORE)
    }

    /// The folder of customers' files.
    pub(crate) fn media(&self) -> PathBuf {
        self.path.join(MEDIA)
    }

    /// The secrets' file.
    pub(crate) fn secrets(&self) -> PathBuf {
        self.path.join(SECRETS)
    }

    /// The admin key that lies in the folder; it is made at the first start.
    pub(crate) fn admin_key(&self, chance: &Chance) -> Result<String, FolderError> {
        if let Some(key) = admin_key(&self.path)? {
            return Ok(key);
        }
        let key = hex(&chance.bytes::<20>());
        write_private(&self.path.join(ADMIN_KEY), format!("{key}\n").as_bytes())
            .map_err(|error| FolderError::Unusable(self.path.clone(), error))?;
        Ok(key)
    }
}

/// The admin key that lies in a folder, if one was made there.
pub(crate) fn admin_key(folder: &Path) -> Result<Option<String>, FolderError> {
    match std::fs::read_to_string(folder.join(ADMIN_KEY)) {
        Ok(key) => Ok(Some(key.trim().to_owned()).filter(|key| !key.is_empty())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FolderError::Unusable(folder.to_owned(), error)),
    }
}

/// Sees that there is something of Magpie in a folder.
pub(crate) fn begun(path: &Path) -> Result<(), FolderError> {
    match std::fs::metadata(path.join(STORE)) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(FolderError::Empty(path.to_owned()))
        }
        Err(error) => Err(FolderError::Unusable(path.to_owned(), error)),
    }
}

/// Sees that no restore was broken off in a folder.
pub(crate) fn whole(path: &Path) -> Result<(), FolderError> {
    match path.join(RESTORING).try_exists() {
        Ok(false) => Ok(()),
        Ok(true) => Err(FolderError::Unfinished(path.to_owned())),
        Err(error) => Err(FolderError::Unusable(path.to_owned(), error)),
    }
}

fn make(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(path)
}

/// Closes a folder of ours to others; says whether it is closed. Somebody
/// else's folder is left as it is.
#[cfg(unix)]
fn make_private(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(path)?.permissions().mode();
    // Nothing for the group, nothing for others.
    if mode.trailing_zeros() >= 6 {
        return Ok(true);
    }
    let ours = path.join(LOCK).exists() || std::fs::read_dir(path)?.next().is_none();
    if ours {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))?;
    }
    Ok(ours)
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
fn make_private(_: &Path) -> io::Result<bool> {
    Ok(true)
}
