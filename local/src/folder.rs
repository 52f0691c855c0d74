//! The data folder: everything that is kept lies in it.
//!
//! Invariant: only its owner may look into it, and one process uses it at a
//! time, since bells do not cross processes and the engine's file has one user.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use magpie::clock::Chance;
use magpie::secrets::write_private;

use crate::text::hex;

/// The name of the file by whose lock a process holds the folder.
const LOCK: &str = "lock";

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
    /// It cannot be made, read or written.
    #[error("the data folder {} cannot be used; MAGPIE_DATA names another", .0.display())]
    Unusable(PathBuf, #[source] io::Error),
}

impl Folder {
    /// Makes the folder if it is missing, and takes it for this process.
    pub(crate) fn open(path: &Path) -> Result<Self, FolderError> {
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
        self.path.join("store.db")
    }

    /// The secrets' file.
    pub(crate) fn secrets(&self) -> PathBuf {
        self.path.join("secrets.json")
    }

    /// The admin key that lies in the folder; it is made at the first start.
    pub(crate) fn admin_key(&self, chance: &Chance) -> Result<String, FolderError> {
        let path = self.path.join("admin-key");
        let unusable = |error| FolderError::Unusable(self.path.clone(), error);
        match std::fs::read_to_string(&path) {
            Ok(key) if !key.trim().is_empty() => return Ok(key.trim().to_owned()),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unusable(error)),
            _ => {}
        }
        let key = hex(&chance.bytes::<20>());
        write_private(&path, format!("{key}\n").as_bytes()).map_err(unusable)?;
        Ok(key)
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
