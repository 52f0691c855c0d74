//! `magpie backup`: everything of the data folder in one file.
//!
//! Invariant: the file is there whole or not at all, and what is in it belongs
//! together: the store as one moment left it, and the secrets that were in force
//! then. It takes no lock: a Magpie that runs goes on, and one may start.

use std::fs::{File, TryLockError};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use magpie::clock::Clock;
use magpie::moment::Moment;
use magpie::secrets::{SecretError, SecretFile, Secrets, write_private};
use magpie::store::embedded::{Engine, EngineError};
use magpie::store::snapshot::{self, SnapshotError};
use magpie::store::{Store, StoreError};

use super::archive::{self, Header};
use super::manifest::{self, Manifest, PARTS, Part, Summed};
use super::{new_private, sync_folder};
use crate::folder::{self, FolderError, SECRETS, STORE, format};
use crate::machine::TABLES;

/// How often a copy is begun anew because secrets were changed meanwhile.
const TRIES: usize = 10;

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackupError {
    /// The data folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The data lies elsewhere.
    #[error(
        "messages or secrets lie in another engine (MAGPIE_DYNAMODB_ENDPOINT or \
         MAGPIE_SECRETS_ENDPOINT is set), and a backup holds the data folder alone: \
         back that engine up by its own means"
    )]
    Elsewhere,
    /// There is such a file.
    #[error("there is a file {} already, and a backup overwrites none: name another", .0.display())]
    Exists(PathBuf),
    /// Something lies where it is to come to be.
    #[error(
        "{} is in the way, and no backup that was broken off left it: move it away",
        .0.display()
    )]
    InTheWay(PathBuf),
    /// Somebody else writes it.
    #[error("another backup writes {} at this moment", .0.display())]
    Busy(PathBuf),
    /// It cannot be written.
    #[error("the backup {} cannot be written", .0.display())]
    Write(PathBuf, #[source] io::Error),
    /// A file of the folder cannot be read.
    #[error("the file {} cannot be read", .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// The store cannot be copied.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The copy cannot be looked into.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The copy cannot be read.
    #[error("the copy of the store cannot be read")]
    Store(#[from] StoreError),
    /// The secrets cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Channels are being changed all the time, or something is damaged.
    #[error(
        "the settings of {0} channels and the secrets do not belong together: if channels are \
         being changed at this moment, try again; else secrets.json is not the store's"
    )]
    Apart(usize),
    /// Secrets are being changed all the time.
    #[error("the secrets are being changed all the time: try again")]
    Restless,
}

/// Writes the backup. Answers with what there is to say.
pub(crate) async fn backup(
    data: &Path,
    file: &Path,
    elsewhere: bool,
) -> Result<String, BackupError> {
    if elsewhere {
        return Err(BackupError::Elsewhere);
    }
    folder::begun(data)?;
    folder::whole(data)?;
    let format = format::read(data).map_err(FolderError::from)?;
    let aside = Aside::make(file)?;
    let made = Clock::System.now();
    gather(data, &aside).await?;
    let size = aside
        .write(format, made)
        .and_then(|archive| {
            let size = archive.metadata()?.len();
            drop(archive);
            Ok(size)
        })
        .map_err(|error| BackupError::Write(file.to_owned(), error))?;
    aside.move_to(file)?;
    Ok(format!(
        "{} holds everything of {} as of {made}: {size} bytes, format {format}.\n\
         It has all secrets and all that customers wrote in it: keep it where only you read.",
        file.display(),
        data.display(),
    ))
}

/// Copies all parts, so that they belong together.
async fn gather(data: &Path, aside: &Aside) -> Result<(), BackupError> {
    let store = aside.path.join(STORE);
    let mut apart = None;
    for _ in 0..TRIES {
        let secrets = read(&data.join(SECRETS))?;
        snapshot::copy(&data.join(STORE), &store)?;
        // A channel's row and its secrets are changed one after the other. If no
        // secret changed while the store was copied, those are in force that
        // the rows of the copy name.
        if read(&data.join(SECRETS))? == secrets {
            aside.keep(SECRETS, secrets)?;
            match unfit(&store, &aside.path.join(SECRETS)).await? {
                0 => {
                    for name in PARTS.iter().filter(|name| ![STORE, SECRETS].contains(name)) {
                        aside.keep(name, read(&data.join(name))?)?;
                    }
                    return Ok(());
                }
                channels => apart = Some(channels),
            }
        }
        remove(&store)?;
    }
    Err(apart.map_or(BackupError::Restless, BackupError::Apart))
}

/// How many channels of a copy have no secrets of their revision.
async fn unfit(copy: &Path, secrets: &Path) -> Result<usize, BackupError> {
    let secrets = Secrets::File(SecretFile::open(secrets)?);
    let mut unfit = 0;
    {
        let engine = Engine::at_rest(copy)?;
        let store = Store::new(engine.client(), TABLES.0, TABLES.1);
        // A start that was broken off may have left none.
        store.create_tables(false).await?;
        for id in store.channel_ids().await? {
            let Some(channel) = store.channel(&id).await?.filter(|channel| !channel.deleted) else {
                continue;
            };
            let kept = secrets.kept(&id).await?;
            if kept.is_none_or(|(_, kept)| kept.of(channel.revision).is_none()) {
                unfit += 1;
            }
        }
    }
    snapshot::settle(copy)?;
    Ok(unfit)
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, BackupError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(BackupError::Read(path.to_owned(), error)),
    }
}

fn remove(path: &Path) -> Result<(), BackupError> {
    std::fs::remove_file(path).map_err(|error| BackupError::Write(path.to_owned(), error))
}

/// Whether this is a folder, no link to one, that is ours and nobody else's.
fn is_private_folder(path: &Path) -> io::Result<bool> {
    let found = path.symlink_metadata()?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
        // Whoever may not look there is not who runs on Linux.
        let ours = std::fs::metadata("/proc/self").map(|own| own.uid());
        let ours = ours.is_ok_and(|own| own == found.uid());
        Ok(found.is_dir() && ours && found.permissions().mode() & 0o777 == 0o700)
    }
    #[cfg(not(unix))]
    Ok(found.is_dir())
}

/// The folder beside the file in which a backup comes to be. It is gone with
/// its owner; what a killed one left is cleared away by the next.
struct Aside {
    path: PathBuf,
    _lock: File,
}

impl Aside {
    fn make(file: &Path) -> Result<Self, BackupError> {
        let failed = |error| BackupError::Write(file.to_owned(), error);
        if file.symlink_metadata().is_ok() {
            return Err(BackupError::Exists(file.to_owned()));
        }
        let mut path = file.as_os_str().to_owned();
        path.push(".part");
        let path = PathBuf::from(path);
        let mut make = std::fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut make, 0o700);
        match make.create(&path) {
            // What lies there is cleared away, so it must be what we would make.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if !is_private_folder(&path).map_err(failed)? {
                    return Err(BackupError::InTheWay(path));
                }
            }
            done => done.map_err(failed)?,
        }
        let lock = File::open(&path).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(BackupError::Busy(file.to_owned())),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        for left in std::fs::read_dir(&path).map_err(failed)? {
            let left = left.map_err(failed)?.path();
            std::fs::remove_file(left).map_err(failed)?;
        }
        Ok(Self { path, _lock: lock })
    }

    /// Keeps a part, if there is one.
    fn keep(&self, name: &str, bytes: Option<Vec<u8>>) -> Result<(), BackupError> {
        let path = self.path.join(name);
        match bytes {
            Some(bytes) => write_private(&path, &bytes)
                .map_err(|error| BackupError::Write(path.clone(), error)),
            None => Ok(()),
        }
    }

    fn archive(&self) -> PathBuf {
        self.path.join("archive")
    }

    /// Writes the parts into one file and brings that to the disk.
    fn write(&self, format: u32, made: Moment) -> io::Result<File> {
        let mut parts = Vec::new();
        for name in PARTS {
            if self.path.join(name).exists() {
                parts.push(self.sum(name)?);
            }
        }
        let manifest = Manifest::new(format, made.to_string(), parts).write()?;
        let digest = manifest::digest_line(&manifest);
        let seconds = u64::try_from(made.seconds()).unwrap_or(0);
        let header = |name: &str, size| Header {
            name: name.to_owned(),
            size,
            made: seconds,
        };
        let mut to = BufWriter::new(new_private(&self.archive())?);
        for (name, bytes) in [
            (manifest::FILE, manifest.as_slice()),
            (manifest::DIGEST, digest.as_bytes()),
        ] {
            let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            archive::put(&mut to, &header(name, size), bytes)?;
        }
        for name in PARTS {
            let path = self.path.join(name);
            if path.exists() {
                let part = File::open(path)?;
                let size = part.metadata()?.len();
                archive::put(&mut to, &header(name, size), part)?;
            }
        }
        archive::end(&mut to)?;
        to.flush()?;
        let archive = to.into_inner().map_err(io::IntoInnerError::into_error)?;
        archive.sync_all()?;
        Ok(archive)
    }

    fn sum(&self, name: &str) -> io::Result<Part> {
        let mut summed = Summed::new(File::open(self.path.join(name))?);
        io::copy(&mut summed, &mut io::sink())?;
        Ok(summed.part(name))
    }

    /// Moves the finished backup into its place, over nothing.
    fn move_to(&self, file: &Path) -> Result<(), BackupError> {
        let failed = |error| BackupError::Write(file.to_owned(), error);
        match std::fs::hard_link(self.archive(), file) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(BackupError::Exists(file.to_owned()));
            }
            // A file system without links: nobody is kept from coming in between.
            Err(_) if file.symlink_metadata().is_err() => {
                std::fs::rename(self.archive(), file).map_err(failed)?;
            }
            Err(_) => return Err(BackupError::Exists(file.to_owned())),
        }
        let folder = file.parent().filter(|path| !path.as_os_str().is_empty());
        sync_folder(folder.unwrap_or(Path::new("."))).map_err(failed)
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        // What is left of it holds secrets; the next backup clears it away.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
