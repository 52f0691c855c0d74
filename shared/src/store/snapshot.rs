//! A copy of the engine's file, taken while another process works on it or
//! nobody does.
//!
//! Invariant: the copy is what one moment left, and whole in one file. Readers
//! of a file in WAL mode keep no writer waiting, so the process that works on it
//! goes on; what it has answered before the copy began is in the copy.
//! <https://www.sqlite.org/backup.html> <https://www.sqlite.org/wal.html>

use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

/// How long a copy waits for a lock, such as that of a start that repairs the
/// log of a process that was killed.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The engine's file cannot be read, or the copy not be written.
    #[error("the store cannot be copied")]
    Copy(#[from] rusqlite::Error),
    /// The copy's file cannot be made.
    #[error("the copy of the store cannot be written")]
    File(#[source] io::Error),
    /// Another process held the file all the time.
    #[error("the store is busy: try again")]
    Busy,
    /// What was read does not hold together.
    #[error("the store is damaged: its tables or indexes do not hold together")]
    Damaged,
}

/// Copies the engine's file to a new one that only its owner may read.
pub fn copy(from: &Path, to: &Path) -> Result<(), SnapshotError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(to).map_err(SnapshotError::File)?;
    // Never made if it is missing, nor written to.
    let source = open(from, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut target = open(to, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // All pages in one step, that is in one transaction that reads: in several,
    // a store that is written to all the time would never be through.
    match Backup::new(&source, &mut target)?.step(-1)? {
        StepResult::Done => {}
        _ => return Err(SnapshotError::Busy),
    }
    let sound: String = target.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if sound != "ok" {
        return Err(SnapshotError::Damaged);
    }
    drop(target);
    settle(to)
}

/// Brings all of a file that nobody has open into that one file, and to the
/// disk.
pub fn settle(path: &Path) -> Result<(), SnapshotError> {
    let file = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // The engine sets its own mode again when it opens it.
    file.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))?;
    drop(file);
    let file = OpenOptions::new().write(true).open(path);
    file.and_then(|file| file.sync_all())
        .map_err(SnapshotError::File)
}

fn open(path: &Path, mode: OpenFlags) -> Result<Connection, SnapshotError> {
    let connection = Connection::open_with_flags(path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(PATIENCE)?;
    Ok(connection)
}
