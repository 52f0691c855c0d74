//! Backups that are no longer what was written, and folders that are not free.

use std::path::{Path, PathBuf};

use magpie::clock::Chance;
use magpie::secrets::write_private;
use magpie::store::Store;
use magpie::store::embedded::Engine;
use sha2::{Digest as _, Sha256};

use super::archive::{self, Header};
use super::backup::backup;
use super::manifest::{self, Manifest, Summed};
use super::restore::restore;
use crate::folder::{Folder, RESTORING, format};
use crate::machine::TABLES;

/// A folder that is gone with its owner.
struct Place(PathBuf);

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Place {
    fn new() -> Self {
        let name = format!("magpie-backup-{}", Chance::System.nonce());
        let place = Self(std::env::temp_dir().join(name));
        std::fs::create_dir(&place.0).unwrap();
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A data folder with empty tables, and its backup.
    async fn backed_up() -> (Self, Vec<u8>) {
        let place = Self::new();
        let data = place.at("data");
        let folder = Folder::open(&data, false).unwrap();
        {
            let engine = Engine::at_rest(&folder.store()).unwrap();
            let store = Store::new(engine.client(), TABLES.0, TABLES.1);
            store.create_tables(false).await.unwrap();
        }
        write_private(&folder.secrets(), br#"{"pepper":"salt"}"#).unwrap();
        write_private(&data.join("admin-key"), b"key\n").unwrap();
        drop(folder);
        let file = place.at("backup.tar");
        backup(&data, &file, false).await.unwrap();
        let bytes = std::fs::read(file).unwrap();
        (place, bytes)
    }

    /// What a restore says of these bytes; it leaves nothing behind.
    fn refuses(&self, bytes: &[u8]) -> String {
        let (file, data) = (self.at("other.tar"), self.at("new"));
        std::fs::write(&file, bytes).unwrap();
        let refused = restore(&file, &data).unwrap_err();
        assert!(!data.exists(), "{refused}");
        let mut said = refused.to_string();
        let mut cause = std::error::Error::source(&refused);
        while let Some(error) = cause {
            said = format!("{said}: {error}");
            cause = error.source();
        }
        said
    }
}

/// An archive of these files.
fn archived(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, content) in files {
        let header = Header {
            name: (*name).to_owned(),
            size: content.len().try_into().unwrap(),
            made: 1,
        };
        archive::put(&mut bytes, &header, *content).unwrap();
    }
    archive::end(&mut bytes).unwrap();
    bytes
}

/// A backup of one part as somebody else may make it.
fn made_up(format: u32, name: &str, file: &str) -> Vec<u8> {
    let part = Summed::new(std::io::empty()).part(name);
    let manifest = Manifest::new(format, "then".to_owned(), vec![part]);
    let json = manifest.write().unwrap();
    let digest = manifest::digest_line(&json);
    archived(&[
        (manifest::FILE, &json),
        (manifest::DIGEST, digest.as_bytes()),
        (file, b""),
    ])
}

#[tokio::test]
async fn what_was_backed_up_comes_back() {
    let (place, bytes) = Place::backed_up().await;
    assert!(!place.at("backup.tar.part").exists());
    let new = place.at("new");
    let said = restore(&place.at("backup.tar"), &new).unwrap();
    assert!(said.contains("Magpie 0"), "{said}");
    for name in ["secrets.json", "admin-key", "format"] {
        let [old, new] = ["data", "new"].map(|folder| place.at(folder).join(name));
        assert_eq!(std::fs::read(old).unwrap(), std::fs::read(new).unwrap());
    }
    assert!(!new.join(RESTORING).exists());
    Folder::open(&new, false).unwrap();
    // Every `tar` reads it.
    let names = std::process::Command::new("tar")
        .arg("-tf")
        .arg(place.at("backup.tar"))
        .output();
    if let Ok(names) = names {
        let expected = "manifest.json\nmanifest.sha256\nstore.db\nsecrets.json\nadmin-key\n";
        assert_eq!(String::from_utf8(names.stdout).unwrap(), expected);
    }
    // The next backup of the same name clears away what a killed one has left.
    let mut part = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut part, 0o700);
    part.create(place.at("again.tar.part")).unwrap();
    std::fs::write(place.at("again.tar.part").join("store.db"), "half").unwrap();
    backup(&new, &place.at("again.tar"), false).await.unwrap();
    assert!(!place.at("again.tar.part").exists());
    assert_eq!(
        restored_parts(&bytes),
        restored_parts(&std::fs::read(place.at("again.tar")).unwrap())
    );
}

/// The small parts of a backup: these do not change from one to the next.
fn restored_parts(bytes: &[u8]) -> Vec<[u8; 32]> {
    let needle = |text: &str| {
        let found = bytes
            .windows(text.len())
            .filter(|part| *part == text.as_bytes());
        found.map(|part| Sha256::digest(part).into()).collect()
    };
    let all: [Vec<[u8; 32]>; 2] = [needle(r#"{"pepper":"salt"}"#), needle("key\n")];
    all.concat()
}

#[tokio::test]
async fn a_changed_or_cut_backup_is_refused() {
    let (place, bytes) = Place::backed_up().await;
    // Many places of what it says of itself, and some of the rest.
    let first = bytes.len().min(2560);
    let steps = (0..first).step_by(5);
    let steps = steps.chain((first..bytes.len()).step_by(1999));
    for at in steps {
        let mut changed = bytes.clone();
        changed[at] ^= 0x20;
        let said = place.refuses(&changed);
        assert!(!said.is_empty(), "byte {at}");
    }
    for length in [
        0,
        1,
        511,
        512,
        1024,
        bytes.len() / 2,
        bytes.len() - 1024,
        bytes.len() - 1,
    ] {
        let said = place.refuses(&bytes[..length]);
        assert!(said.contains("it is cut off"), "{length}: {said}");
    }
    let more = [bytes.as_slice(), b"\0"].concat();
    let said = place.refuses(&more);
    assert!(said.contains("something follows its end"), "{said}");
}

#[tokio::test]
async fn what_somebody_else_made_is_refused() {
    let place = Place::new();
    let files: [(&str, &[u8]); 1] = [("letter", b"hello")];
    for (bytes, words) in [
        (archived(&files), "is no whole backup"),
        (b"SQLite format 3\0".repeat(64), "is no whole backup"),
        (vec![0; 2048], "is no whole backup"),
        (made_up(2, "store.db", "store.db"), "of format 2"),
        (
            made_up(1, "../store.db", "../store.db"),
            "not one of Magpie's",
        ),
        (
            made_up(1, "store.db", "../store.db"),
            "not what a backup holds",
        ),
        (
            made_up(1, "store.db", "/tmp/store.db"),
            "not what a backup holds",
        ),
    ] {
        let said = place.refuses(&bytes);
        assert!(said.contains(words), "{words} in {said}");
    }
    assert!(!place.at("store.db").exists());
    let said = restore(&place.0, &place.at("new")).unwrap_err().to_string();
    assert!(said.contains("is no file"), "{said}");
    let nothing = restore(&place.at("nothing"), &place.at("new")).unwrap_err();
    assert!(nothing.to_string().contains("cannot be read"), "{nothing}");
    assert!(!place.at("new").exists());
}

#[tokio::test]
async fn only_a_folder_that_is_free_is_filled() {
    let (place, _) = Place::backed_up().await;
    let file = place.at("backup.tar");
    let new = place.at("new");
    let files = |folder: &Path| std::fs::read_dir(folder).unwrap().count();
    std::fs::create_dir(&new).unwrap();
    std::fs::write(new.join("letter"), "").unwrap();
    let refused = restore(&file, &new).unwrap_err().to_string();
    assert!(refused.contains("is not empty"), "{refused}");
    assert_eq!(files(&new), 1, "not even a lock is made");
    std::fs::remove_file(new.join("letter")).unwrap();
    restore(&file, &new).unwrap();
    let refused = restore(&file, &new).unwrap_err().to_string();
    assert!(refused.contains("is not empty"), "{refused}");

    // What a restore left that was killed: a half, and the mark.
    std::fs::write(new.join(RESTORING), "").unwrap();
    std::fs::write(new.join("store.db"), "half").unwrap();
    std::fs::write(new.join("store.db-wal"), "half").unwrap();
    let started = Folder::open(&new, true).err().unwrap().to_string();
    assert!(started.contains("was broken off"), "{started}");
    let refused = backup(&new, &place.at("half.tar"), false)
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("was broken off"), "{refused}");
    // A folder in use is nobody else's.
    let held = Folder::take(&new).unwrap();
    let refused = restore(&file, &new).unwrap_err().to_string();
    assert!(refused.contains("another Magpie uses"), "{refused}");
    drop(held);
    restore(&file, &new).unwrap();
    Folder::open(&new, false).unwrap();
    assert_eq!(format::read(&new).unwrap(), 1);
    assert_eq!(files(&new), 5, "store, secrets, key, format and lock");
}

#[tokio::test]
async fn secrets_of_another_store_are_noticed() {
    use magpie::channel::{CallbackMode, Channel, DeskSettings, TIME_ZONE, TokenCall};
    let (place, _) = Place::backed_up().await;
    let data = place.at("data");
    let channel = Channel {
        id: magpie::message::ChannelId::parse("shop").unwrap(),
        name: "Shop".to_owned(),
        app_id: "wx1".to_owned(),
        original_id: "gh_1".to_owned(),
        mode: CallbackMode::Plain,
        suspended: false,
        resumed: None,
        only_wechat_addresses: false,
        replies: magpie::reply::Replies::default(),
        deleted: false,
        api_base: "https://api.weixin.qq.com".to_owned(),
        token_call: TokenCall::Stable,
        part_pause_ms: 0,
        retention_days: 30,
        erase_after_days: 15,
        time_zone: TIME_ZONE.to_owned(),
        fallback: None,
        agent_name: magpie::channel::AgentName::None,
        kf_account: None,
        desk: DeskSettings::Inbox,
        revision: 2,
    };
    {
        let engine = Engine::at_rest(&data.join("store.db")).unwrap();
        let store = Store::new(engine.client(), TABLES.0, TABLES.1);
        store.create_channel(&channel).await.unwrap();
    }
    let secret = |revision: u32| {
        let one = r#"{\"mode\":\"plain\",\"app_id\":\"wx1\",\"original_id\":\"gh_1\",\"token\":\"t\",\"revision\":"#;
        format!(r#"{{"pepper":"salt","ch/shop":"{one}{revision}}}"}}"#)
    };
    for (json, fits) in [
        (r#"{"pepper":"salt"}"#.to_owned(), false),
        (secret(1), false),
        (secret(2), true),
    ] {
        std::fs::write(data.join("secrets.json"), &json).unwrap();
        let file = place.at("fits.tar");
        let done = backup(&data, &file, false).await;
        assert_eq!(done.is_ok(), fits, "{json}: {:?}", done.err());
        assert_eq!(file.exists(), fits);
    }
}
