//! Secrets: in Secrets Manager (our fake of it, or, if `MAGPIE_TEST_SECRETS`
//! names an endpoint, whatever answers there) and in a file.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it has to be"
)]

#[path = "../../tests/harness/mod.rs"]
mod harness;

use std::ops::Deref;
use std::path::PathBuf;

use aws_sdk_secretsmanager::Client;
use futures_util::future::join_all;
use harness::secrets_manager::SecretsManager;
use magpie::channel::CallbackMode;
use magpie::clock::Chance;
use magpie::config::Aws;
use magpie::message::ChannelId;
use magpie::secrets::{
    ChannelSecrets, SecretError, SecretFile, Secrets, channel_name, write_private,
};
use magpie::store::Https;

/// A manager of secrets and what runs it.
struct Manager {
    secrets: Secrets,
    client: Client,
    prefix: String,
    fake: Option<SecretsManager>,
}

fn client(endpoint: &str) -> Client {
    let aws = Aws {
        region: harness::REGION.to_owned(),
        access_key: "test".to_owned(),
        secret_key: "test".to_owned(),
        session_token: None,
        dynamodb_endpoint: None,
        secrets_endpoint: Some(endpoint.to_owned()),
        lambda_endpoint: None,
    };
    magpie::secrets::client(&aws, &Https::new())
}

async fn manager() -> Manager {
    let given = magpie::config::variable("MAGPIE_TEST_SECRETS");
    let fake = match given {
        Some(_) => None,
        None => Some(SecretsManager::start().await.unwrap()),
    };
    let endpoint = match &fake {
        Some(fake) => fake.endpoint().to_owned(),
        None => given.unwrap(),
    };
    let client = client(&endpoint);
    let prefix = format!("magpie/{}/", Chance::System.nonce());
    Manager {
        secrets: Secrets::Manager {
            client: client.clone(),
            prefix: prefix.clone(),
        },
        client,
        prefix,
        fake,
    }
}

/// A place where secrets lie. It reads as the secrets.
struct Place(
    Secrets,
    #[expect(dead_code, reason = "it runs as long as the place is used")] Option<SecretsManager>,
);

impl Deref for Place {
    type Target = Secrets;

    fn deref(&self) -> &Secrets {
        &self.0
    }
}

/// The places where secrets lie, each empty.
async fn places() -> Vec<Place> {
    let Manager { secrets, fake, .. } = manager().await;
    let file = SecretFile::open(&folder().join("secrets.json")).unwrap();
    vec![
        Place(secrets, fake),
        Place(Secrets::File(file), None),
        Place(Secrets::File(SecretFile::in_memory()), None),
    ]
}

/// A new empty folder.
fn folder() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(Chance::System.nonce());
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn channel() -> ChannelId {
    ChannelId::parse("shop-a").unwrap()
}

fn channel_secrets(token: &str) -> ChannelSecrets {
    ChannelSecrets {
        only_wechat_addresses: false,
        replies: false,
        mode: CallbackMode::Compatible,
        app_id: "wx1".to_owned(),
        original_id: "gh_1".to_owned(),
        token: token.to_owned(),
        aes_key: Some("iawKrZv6sIOEzwGmyvuPySGuVt1M3fITDV+n3iJ9VG8".to_owned()),
        previous_aes_key: None,
        app_secret: Some("秘密".to_owned()),
        desk: vec!["whsec_a".to_owned(), "whsec_b".to_owned()],
    }
}

#[tokio::test]
async fn a_secret_is_read_as_it_was_last_written() {
    for secrets in places().await {
        assert_eq!(secrets.get("admin").await.unwrap(), None);
        for text in ["one", "two", "三", "one"] {
            secrets.put("admin", text).await.unwrap();
            assert_eq!(secrets.get("admin").await.unwrap().as_deref(), Some(text));
        }
        assert_eq!(secrets.get("other").await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_removed_secret_is_gone_and_its_name_is_free() {
    for secrets in places().await {
        secrets.remove("admin").await.unwrap();
        secrets.put("admin", "one").await.unwrap();
        secrets.remove("admin").await.unwrap();
        assert_eq!(secrets.get("admin").await.unwrap(), None);
        secrets.remove("admin").await.unwrap();
        secrets.put("admin", "two").await.unwrap();
        assert_eq!(secrets.get("admin").await.unwrap().as_deref(), Some("two"));
    }
}

#[tokio::test]
async fn what_is_there_is_ensured() {
    for secrets in places().await {
        assert_eq!(secrets.ensure("pepper", "one").await.unwrap(), "one");
        assert_eq!(secrets.ensure("pepper", "two").await.unwrap(), "one");
        assert_eq!(secrets.get("pepper").await.unwrap().as_deref(), Some("one"));
    }
}

#[tokio::test]
async fn of_many_who_ensure_a_secret_at_once_all_get_the_same() {
    for secrets in places().await {
        let texts: Vec<_> = (0..8).map(|n| format!("pepper-{n}")).collect();
        let ensured = join_all(texts.iter().map(|text| secrets.ensure("pepper", text))).await;
        let stored = secrets.get("pepper").await.unwrap().unwrap();
        for ensured in ensured {
            assert_eq!(ensured.unwrap(), stored);
        }
    }
}

#[tokio::test]
async fn of_two_who_write_a_new_secret_at_once_neither_fails() {
    for secrets in places().await {
        let written = join_all(["one", "two"].map(|text| secrets.put("admin", text))).await;
        assert!(written.iter().all(Result::is_ok), "{written:?}");
        let stored = secrets.get("admin").await.unwrap().unwrap();
        assert!(["one", "two"].contains(&stored.as_str()), "{stored}");
    }
}

#[tokio::test]
async fn a_secret_is_replaced_only_as_it_was_read() {
    for secrets in places().await {
        assert!(secrets.replace("x", None, "one").await.unwrap());
        assert!(!secrets.replace("x", None, "two").await.unwrap());
        let (first, _) = secrets.versioned("x").await.unwrap().unwrap();
        assert!(secrets.replace("x", Some(&first), "two").await.unwrap());
        assert!(!secrets.replace("x", Some(&first), "three").await.unwrap());
        let (second, text) = secrets.versioned("x").await.unwrap().unwrap();
        assert_eq!(text, "two");
        secrets.remove("x").await.unwrap();
        assert!(!secrets.replace("x", Some(&second), "four").await.unwrap());
        assert!(secrets.replace("x", None, "five").await.unwrap());
        assert!(!secrets.replace("x", Some(&second), "six").await.unwrap());
        assert_eq!(secrets.get("x").await.unwrap().as_deref(), Some("five"));
        // Who writes without looking makes what was read old, too.
        secrets.put("y", "one").await.unwrap();
        let (first, _) = secrets.versioned("y").await.unwrap().unwrap();
        secrets.put("y", "two").await.unwrap();
        assert!(!secrets.replace("y", Some(&first), "three").await.unwrap());
        assert_eq!(secrets.get("y").await.unwrap().as_deref(), Some("two"));
    }
}

#[tokio::test]
async fn of_many_who_replace_a_secret_at_once_one_does() {
    for secrets in places().await {
        secrets.put("x", "old").await.unwrap();
        let (read, _) = secrets.versioned("x").await.unwrap().unwrap();
        let texts: Vec<_> = (0..8).map(|n| format!("new-{n}")).collect();
        let replaced = texts
            .iter()
            .map(|text| secrets.replace("x", Some(&read), text));
        let replaced = join_all(replaced).await;
        let winners: Vec<_> = (0..8).filter(|n| *replaced[*n].as_ref().unwrap()).collect();
        let stored = secrets.get("x").await.unwrap().unwrap();
        assert_eq!(winners.len(), 1);
        assert_eq!(stored, texts[winners[0]]);
    }
}

#[tokio::test]
async fn a_channels_secrets_come_back_whole() {
    for secrets in places().await {
        let id = channel();
        assert_eq!(secrets.channel(&id).await.unwrap(), None);
        for token in ["one", "two"] {
            let own = channel_secrets(token);
            secrets.put_channel(&id, &own).await.unwrap();
            assert_eq!(secrets.channel(&id).await.unwrap(), Some(own));
        }
        secrets
            .put(&channel_name(&id), "{\"token\":1}")
            .await
            .unwrap();
        let unreadable = secrets.channel(&id).await;
        assert!(matches!(
            unreadable,
            Err(SecretError::Unreadable("channel"))
        ));
        secrets.remove_channel(&id).await.unwrap();
        assert_eq!(secrets.channel(&id).await.unwrap(), None);
    }
}

#[tokio::test]
async fn the_current_version_counts_and_the_previous_is_kept() {
    let manager = manager().await;
    manager.secrets.put("admin", "one").await.unwrap();
    manager.secrets.put("admin", "two").await.unwrap();
    let name = format!("{}admin", manager.prefix);
    for (stage, expected) in [("AWSCURRENT", "two"), ("AWSPREVIOUS", "one")] {
        let got = manager
            .client
            .get_secret_value()
            .secret_id(&name)
            .version_stage(stage)
            .send()
            .await;
        assert_eq!(got.unwrap().secret_string(), Some(expected));
    }
    assert_eq!(
        manager.secrets.get("admin").await.unwrap().as_deref(),
        Some("two")
    );
}

#[tokio::test]
async fn a_manager_that_is_away_is_no_missing_secret() {
    let Manager { secrets, fake, .. } = manager().await;
    let secrets = match fake {
        Some(fake) => {
            drop(fake);
            secrets
        }
        None => Secrets::Manager {
            client: client("http://127.0.0.1:1"),
            prefix: String::new(),
        },
    };
    let got = secrets.get("admin").await;
    assert!(matches!(
        got,
        Err(SecretError::Unavailable {
            operation: "GetSecretValue",
            ..
        })
    ));
    let words = format!("{:?} {}", secrets, got.unwrap_err());
    // Whoever is refused tries again, perhaps for as long as there is time.
    let said = "Secrets(…) the secret store did not carry out GetSecretValue: ";
    let why = words.strip_prefix(said);
    assert!(
        matches!(why, Some("no connection" | "no answer in time")),
        "{words}"
    );
}

#[cfg(unix)]
fn mode(path: &std::path::Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn a_file_is_read_again_as_it_was_written() {
    let path = folder().join("secrets.json");
    let own = channel_secrets("one");
    let secrets = Secrets::File(SecretFile::open(&path).unwrap());
    secrets.put_channel(&channel(), &own).await.unwrap();
    secrets.put("admin", "钥匙").await.unwrap();
    let again = Secrets::File(SecretFile::open(&path).unwrap());
    assert_eq!(again.channel(&channel()).await.unwrap(), Some(own));
    assert_eq!(again.get("admin").await.unwrap().as_deref(), Some("钥匙"));
}

#[cfg(unix)]
#[tokio::test]
async fn only_its_owner_reads_the_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = folder();
    let path = folder.join("secrets.json");
    let secrets = Secrets::File(SecretFile::open(&path).unwrap());
    secrets.put("admin", "one").await.unwrap();
    assert_eq!(mode(&path), 0o600);
    // What somebody left beside it decides nothing.
    let beside = folder.join("secrets.new");
    std::fs::write(&beside, "x").unwrap();
    std::fs::set_permissions(&beside, std::fs::Permissions::from_mode(0o644)).unwrap();
    secrets.put("admin", "two").await.unwrap();
    assert_eq!(mode(&path), 0o600);
    let elsewhere = folder.join("elsewhere");
    std::os::unix::fs::symlink(&elsewhere, &beside).unwrap();
    secrets.put("admin", "three").await.unwrap();
    assert!(!elsewhere.exists(), "nothing is written through a link");
    let names: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["secrets.json"], "nothing is left beside it");
}

#[tokio::test]
async fn a_write_that_fails_changes_nothing() {
    let folder = folder();
    let path = folder.join("secrets.json");
    let secrets = Secrets::File(SecretFile::open(&path).unwrap());
    secrets.put("admin", "one").await.unwrap();
    let written = std::fs::read(&path).unwrap();
    // The place of the new file is taken by a folder.
    std::fs::create_dir_all(folder.join("secrets.new").join("x")).unwrap();
    let failed = secrets.put("admin", "two").await;
    assert!(matches!(failed, Err(SecretError::File(_))));
    assert_eq!(std::fs::read(&path).unwrap(), written);
    assert_eq!(secrets.get("admin").await.unwrap().as_deref(), Some("one"));
    assert!(write_private(&folder.join("none").join("file"), b"x").is_err());
}

#[tokio::test]
async fn a_file_that_is_none_of_ours_is_not_overwritten() {
    let path = folder().join("secrets.json");
    for bytes in [&b""[..], b"{\"a\":", b"[]", b"{\"a\":1}"] {
        std::fs::write(&path, bytes).unwrap();
        let opened = SecretFile::open(&path);
        assert!(matches!(opened, Err(SecretError::Unreadable("file"))));
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }
}
