//! The format of what lies in a data folder: a number in a file of its own.
//!
//! Invariant: the number is there before anything is written that needs it, so
//! that a version which does not know the format leaves it alone. A folder
//! without the number is of the first format, which had none.

use std::io;
use std::path::{Path, PathBuf};

use magpie::secrets::write_private;

/// The file.
pub(crate) const FILE: &str = "format";
/// The format that this version reads and writes.
pub(crate) const OURS: u32 = 1;

/// Why data cannot be used as it is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FormatError {
    /// A newer version has written it.
    #[error(
        "{what} is of format {found}, and Magpie {} knows formats up to {OURS}: \
         use the version that wrote it, or a newer one",
        env!("CARGO_PKG_VERSION")
    )]
    Newer {
        /// What is of that format.
        what: String,
        /// Its format.
        found: u32,
    },
    /// The file holds something else.
    #[error(
        "the file {} holds no number of a format, such as {OURS}: \
         it is damaged, and what lies beside it may be; restore a backup",
        .0.display()
    )]
    Unreadable(PathBuf),
    /// It cannot be read or written.
    #[error("the file {} cannot be used", .0.display())]
    File(PathBuf, #[source] io::Error),
}

/// The format of the data in a folder, if this version knows it.
pub(crate) fn read(folder: &Path) -> Result<u32, FormatError> {
    Ok(noted(folder)?.unwrap_or(1))
}

/// Brings the data in a folder up to our format, or refuses it.
pub(crate) fn bring_up(folder: &Path) -> Result<(), FormatError> {
    // There is only one format so far: nothing but the number may be missing.
    if noted(folder)?.is_some() {
        return Ok(());
    }
    let path = folder.join(FILE);
    write_private(&path, format!("{OURS}\n").as_bytes())
        .map_err(|error| FormatError::File(path, error))
}

/// Takes a format that this version knows.
pub(crate) fn known(found: u32, what: impl FnOnce() -> String) -> Result<u32, FormatError> {
    if found > OURS {
        return Err(FormatError::Newer {
            what: what(),
            found,
        });
    }
    Ok(found)
}

fn noted(folder: &Path) -> Result<Option<u32>, FormatError> {
    let path = folder.join(FILE);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Err(FormatError::Unreadable(path));
        }
        Err(error) => return Err(FormatError::File(path, error)),
    };
    let found = text.trim().parse().ok().filter(|found| *found > 0);
    let found = found.ok_or(FormatError::Unreadable(path))?;
    known(found, || format!("the data folder {}", folder.display())).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_number_says() {
        let name = format!("magpie-format-{}", magpie::clock::Chance::System.nonce());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder).unwrap();
        assert_eq!(
            read(&folder).unwrap(),
            1,
            "a folder of before there were any"
        );
        bring_up(&folder).unwrap();
        assert_eq!(std::fs::read_to_string(folder.join(FILE)).unwrap(), "1\n");
        bring_up(&folder).unwrap();
        assert_eq!(read(&folder).unwrap(), OURS);
        for (text, words) in [
            ("2\n", "is of format 2"),
            ("0", "no number of a format"),
            ("", "no number of a format"),
            ("-1", "no number of a format"),
            ("one", "no number of a format"),
            ("99999999999", "no number of a format"),
        ] {
            std::fs::write(folder.join(FILE), text).unwrap();
            for refused in [read(&folder).map(drop), bring_up(&folder)] {
                let refused = refused.unwrap_err().to_string();
                assert!(refused.contains(words), "{text:?}: {refused}");
            }
            let left = std::fs::read_to_string(folder.join(FILE)).unwrap();
            assert_eq!(left, text, "it stays as it is");
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}
