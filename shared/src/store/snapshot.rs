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

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::Client;
    use aws_sdk_dynamodb::types::AttributeValue;
    use futures_util::future::join_all;

    use super::*;
    use crate::clock::Chance;
    use crate::store::Store;
    use crate::store::embedded::Engine;

    fn key(writer: usize, number: usize) -> AttributeValue {
        AttributeValue::S(format!("{writer} {number}"))
    }

    async fn put(client: &Client, writer: usize, number: usize) {
        let call = client.put_item().table_name("messages");
        let call = call.item("pk", key(writer, number));
        let call = call.item("sk", AttributeValue::S("#".into()));
        call.send().await.unwrap();
    }

    async fn has(client: &Client, writer: usize, number: usize) -> bool {
        let call = client.get_item().table_name("messages");
        let call = call.key("pk", key(writer, number));
        let call = call.key("sk", AttributeValue::S("#".into()));
        call.send().await.unwrap().item.is_some()
    }

    /// Each writer writes its rows one after the other: so a copy that is what
    /// one moment left holds the first so many of each, and all that were
    /// answered before it was begun.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_copy_under_load_is_what_one_moment_left() {
        let name = format!("magpie-copy-{}", Chance::System.nonce());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder).unwrap();
        let path = folder.join("store.db");
        let engine = Engine::open(&path).unwrap();
        let client = engine.client();
        let store = Store::new(client.clone(), "messages", "control");
        store.create_tables(false).await.unwrap();
        let (writers, rounds, each) = (4, 5, 40);
        for round in 0..rounds {
            let to = folder.join(format!("copy-{round}.db"));
            let writing = join_all((0..writers).map(|writer| {
                let client = client.clone();
                async move {
                    for number in round * each..(round + 1) * each {
                        put(&client, writer, number).await;
                    }
                }
            }));
            let copying = {
                let (path, to) = (path.clone(), to.clone());
                tokio::task::spawn_blocking(move || copy(&path, &to))
            };
            let (_, copied) = tokio::join!(writing, copying);
            copied.unwrap().unwrap();
            let copied = Engine::at_rest(&to).unwrap().client();
            for writer in 0..writers {
                let mut ended = false;
                for number in 0..(round + 1) * each {
                    let there = has(&copied, writer, number).await;
                    assert!(there || number >= round * each, "{writer} {number}");
                    assert!(
                        !(there && ended),
                        "{writer} {number} and not the one before"
                    );
                    ended = !there;
                }
            }
        }
        // Nobody was kept from writing, and a copy is never written over.
        put(&client, 0, 0).await;
        let again = copy(&path, &folder.join("copy-0.db")).unwrap_err();
        assert!(matches!(again, SnapshotError::File(_)), "{again}");
        let nothing = copy(&folder.join("nothing"), &folder.join("new")).unwrap_err();
        assert!(matches!(nothing, SnapshotError::Copy(_)), "{nothing}");
        assert!(!folder.join("nothing").exists(), "nothing is made");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
