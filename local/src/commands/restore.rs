//! `magpie restore`: a backup becomes a data folder.
//!
//! Invariant: all or nothing. The whole file is checked before anything is
//! written; while its parts are written a mark lies beside them, with which no
//! Magpie starts; it goes when everything is on the disk.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _};
use std::path::{Path, PathBuf};

use super::archive::{BadArchive, Header, Reader};
use super::manifest::{self, BadManifest, Manifest, PARTS, Part, Summed};
use super::{new_private, sync_folder};
use crate::folder::format::{self, FormatError};
use crate::folder::{Folder, FolderError, LOCK, RESTORING, STORE};

/// Why nothing was restored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RestoreError {
    /// The file cannot be read.
    #[error("the backup {} cannot be read", .0.display())]
    File(PathBuf, #[source] io::Error),
    /// It is no file.
    #[error("{} is no file: name the one that `magpie backup` has written", .0.display())]
    NoFile(PathBuf),
    /// It is no backup, or a damaged one.
    #[error("{} is no whole backup of Magpie; nothing was restored", .0.display())]
    Bad(PathBuf, #[source] BadBackup),
    /// It is of a newer version.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// There is something in the folder.
    #[error(
        "the data folder {} is not empty, and a restore overwrites nothing: \
         set MAGPIE_DATA to a new folder, or move this one away",
        .0.display()
    )]
    NotEmpty(PathBuf),
    /// The data folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// It cannot be written.
    #[error("the data folder {} cannot be written; nothing was restored", .0.display())]
    Write(PathBuf, #[source] io::Error),
}

/// What is wrong with a backup.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadBackup {
    /// The file as such.
    #[error(transparent)]
    Archive(#[from] BadArchive),
    /// What it says of itself.
    #[error(transparent)]
    Manifest(#[from] BadManifest),
    /// What it says of itself was changed.
    #[error("its manifest was changed or damaged")]
    Digest,
    /// A part is not the one that was written.
    #[error("{0} in it was changed or damaged")]
    Part(String),
    /// A part cannot be written.
    #[error("{0} cannot be written")]
    Write(&'static str, #[source] io::Error),
}

/// Restores. Answers with what there is to say.
pub(crate) fn restore(file: &Path, data: &Path) -> Result<String, RestoreError> {
    let unreadable = |error| RestoreError::File(file.to_owned(), error);
    let mut backup = File::open(file).map_err(unreadable)?;
    if !backup.metadata().map_err(unreadable)?.is_file() {
        return Err(RestoreError::NoFile(file.to_owned()));
    }
    let manifest = check(&backup).map_err(|bad| refused(file, bad))?;
    backup.rewind().map_err(unreadable)?;
    // Before a folder that holds something else is touched.
    room(data)?;
    let folder = Folder::take(data)?;
    let begun_before = room(folder.path())?;
    let failed = |error| RestoreError::Write(folder.path().to_owned(), error);
    if begun_before {
        clear(folder.path()).map_err(failed)?;
    } else {
        let mark = new_private(&folder.path().join(RESTORING)).map_err(failed)?;
        mark.sync_all().map_err(failed)?;
        sync_folder(folder.path()).map_err(failed)?;
    }
    let written = write(&backup, folder.path(), manifest.format);
    if written.is_err() {
        clear(folder.path()).map_err(failed)?;
    }
    std::fs::remove_file(folder.path().join(RESTORING)).map_err(failed)?;
    sync_folder(folder.path()).map_err(failed)?;
    written.map_err(|bad| match bad {
        BadBackup::Write(_, error) => failed(error),
        bad => refused(file, bad),
    })?;
    Ok(format!(
        "{} holds what Magpie {} had at {}. What was answered since then it does not know: \
         see that the Magpie it came from does not run any more, then start.",
        folder.path().display(),
        manifest.magpie,
        manifest.made,
    ))
}

fn refused(file: &Path, bad: BadBackup) -> RestoreError {
    match bad {
        BadBackup::Manifest(BadManifest::Format(newer)) => RestoreError::Format(newer),
        bad => RestoreError::Bad(file.to_owned(), bad),
    }
}

/// Sees that there is nothing in a folder, or only what a restore left that was
/// broken off: says whether there is.
fn room(data: &Path) -> Result<bool, RestoreError> {
    let unusable = |error| FolderError::Unusable(data.to_owned(), error);
    let files = match std::fs::read_dir(data) {
        Ok(files) => files,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(unusable(error).into()),
    };
    let mut empty = true;
    for file in files {
        let name = file.map_err(unusable)?.file_name();
        if name == RESTORING {
            return Ok(true);
        }
        // A disk of its own has such a folder from the beginning.
        empty &= name == LOCK || name == "lost+found";
    }
    if empty {
        Ok(false)
    } else {
        Err(RestoreError::NotEmpty(data.to_owned()))
    }
}

/// Removes what a restore may have written, but for its mark.
fn clear(folder: &Path) -> io::Result<()> {
    let beside = ["-wal", "-shm", "-journal"].map(|end| format!("{STORE}{end}"));
    let all = PARTS.into_iter().chain([format::FILE, "format.new"]);
    for name in all.chain(beside.iter().map(String::as_str)) {
        match std::fs::remove_file(folder.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    sync_folder(folder)
}

/// Reads a backup to its end and sees that everything in it is right.
fn check(backup: &File) -> Result<Manifest, BadBackup> {
    each_part(backup, |_, part| {
        io::copy(part, &mut io::sink())
            .map(|_| ())
            .map_err(|error| BadArchive::Read(error).into())
    })
}

/// Writes the parts, and the number of their format.
fn write(backup: &File, folder: &Path, format: u32) -> Result<(), BadBackup> {
    each_part(backup, |name, part| {
        let written = new_private(&folder.join(name)).and_then(|mut file| {
            io::copy(part, &mut file)?;
            file.sync_all()
        });
        written.map_err(|error| BadBackup::Write(name, error))
    })?;
    let number = format!("{format}\n");
    magpie::secrets::write_private(&folder.join(format::FILE), number.as_bytes())
        .map_err(|error| BadBackup::Write(format::FILE, error))
}

/// Hands over each part that the manifest names, and compares what was taken of
/// it with what the manifest says.
fn each_part(
    backup: &File,
    mut take: impl FnMut(&'static str, &mut dyn Read) -> Result<(), BadBackup>,
) -> Result<Manifest, BadBackup> {
    let mut reader = Reader::new(BufReader::new(backup));
    let json = reader.file(manifest::FILE, short)?;
    let digest = reader.file(manifest::DIGEST, short)?;
    let manifest = Manifest::read(&json)?;
    if digest != manifest::digest_line(&json).into_bytes() {
        return Err(BadBackup::Digest);
    }
    for part in &manifest.parts {
        let mut known = PARTS.into_iter();
        let Some(name) = known.find(|name| *name == part.name) else {
            return Err(BadManifest::Foreign.into());
        };
        reader.file(name, |_, bytes| one_part(name, part, bytes, &mut take))?;
    }
    reader.end()?;
    Ok(manifest)
}

fn one_part(
    name: &'static str,
    part: &Part,
    bytes: &mut dyn Read,
    take: &mut impl FnMut(&'static str, &mut dyn Read) -> Result<(), BadBackup>,
) -> Result<(), BadBackup> {
    let mut summed = Summed::new(bytes);
    take(name, &mut summed)?;
    let found = summed.part(name);
    if found.size < part.size {
        return Err(BadArchive::Cut.into());
    }
    if found == *part {
        Ok(())
    } else {
        Err(BadBackup::Part(part.name.clone()))
    }
}

/// A file that is short: its bytes.
fn short(header: &Header, bytes: &mut dyn Read) -> Result<Vec<u8>, BadBackup> {
    if header.size > manifest::LONGEST {
        return Err(BadManifest::Foreign.into());
    }
    let mut all = Vec::new();
    bytes.read_to_end(&mut all).map_err(BadArchive::Read)?;
    Ok(all)
}
