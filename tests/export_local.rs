//! `magpie export` before it has reached a stack: what it says of settings and
//! folders, and what a start says of a folder that was moved.
#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

#[path = "harness/process.rs"]
#[allow(dead_code, reason = "every target uses its own part of the harness")]
mod process;

use std::path::{Path, PathBuf};

use process::{Outputs, Process};

/// What the mark of a folder looked like when it was first written.
const MARK: &str = r#"{"target":{"region":"cn-north-1","messages":"prod-messages","control":"prod-control","secrets_prefix":"magpie/prod/"},"begun":"2026-11-26T09:00:00.000Z","copied":"2026-11-26T09:01:00.000Z","done":"2026-11-26T09:01:01.000Z"}"#;

/// The settings of a stack to which nobody is ever led.
const STACK: [(&str, &str); 8] = [
    ("MAGPIE_MESSAGES_TABLE", "prod-messages"),
    ("MAGPIE_CONTROL_TABLE", "prod-control"),
    ("MAGPIE_SECRETS_PREFIX", "magpie/prod/"),
    ("MAGPIE_DYNAMODB_ENDPOINT", "http://127.0.0.1:1"),
    ("MAGPIE_SECRETS_ENDPOINT", "http://127.0.0.1:1"),
    ("AWS_REGION", "cn-north-1"),
    ("AWS_ACCESS_KEY_ID", "AKIATEST"),
    ("AWS_SECRET_ACCESS_KEY", "thisIsTheSecretKey"),
];

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).unwrap();
    }
    folder
}

fn start(outputs: &Outputs, data: &Path, arguments: &[&str], more: &[(&str, &str)]) -> Process {
    let mut settings = vec![
        ("MAGPIE_DATA", data.to_str().unwrap()),
        ("MAGPIE_LISTEN", "127.0.0.1:0"),
        ("MAGPIE_DEMO", "0"),
    ];
    settings.extend(more);
    let program = Path::new(env!("CARGO_BIN_EXE_magpie"));
    Process::start(outputs, "magpie", program, arguments, settings).unwrap()
}

/// What a command says that ends by itself, and how it ends.
async fn said(data: &Path, arguments: &[&str], more: &[(&str, &str)]) -> (Option<i32>, String) {
    let outputs = Outputs::default();
    let magpie = start(&outputs, data, arguments, more);
    magpie.ended().await;
    let code = magpie.kill().code();
    let (_, bytes) = outputs.snapshot().remove(0);
    (code, String::from_utf8(bytes).unwrap())
}

#[tokio::test]
async fn wrong_settings_are_named_all_at_once() {
    let data = folder("export-settings");
    let (code, words) = said(&data, &["export"], &[("AWS_REGION", "")]).await;
    assert_eq!(code, Some(2));
    for name in [
        "MAGPIE_MESSAGES_TABLE",
        "MAGPIE_CONTROL_TABLE",
        "MAGPIE_SECRETS_PREFIX",
        "AWS_REGION",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
    ] {
        assert!(words.contains(name), "{name} in {words}");
    }
    assert!(!data.exists(), "nothing was begun");
}

#[tokio::test]
async fn there_must_be_something_to_move_or_to_keep() {
    let data = folder("export-nothing");
    for arguments in [&["export"][..], &["backup", "never-written.tar"]] {
        let stack = if arguments.len() == 1 {
            &STACK[..]
        } else {
            &[]
        };
        let (code, words) = said(&data, arguments, stack).await;
        assert_eq!(code, Some(1));
        assert!(words.contains("holds no data of Magpie"), "{words}");
        assert!(!data.exists(), "nothing was begun");
    }
    let (code, words) = said(&data, &["backup", "x.tar"], &STACK).await;
    assert_eq!(code, Some(1));
    assert!(
        words.contains("back that engine up by its own means"),
        "{words}"
    );
}

#[tokio::test]
async fn a_folder_that_was_moved_is_started_only_if_that_is_said() {
    let data = folder("export-moved");
    let outputs = Outputs::default();
    let first = start(&outputs, &data, &[], &[]);
    assert!(first.printed("Magpie is there").await.is_some());
    assert_eq!(first.terminate().await.code(), Some(0));
    assert_eq!(std::fs::read_to_string(data.join("format")).unwrap(), "1\n");

    std::fs::write(data.join("exported"), MARK).unwrap();
    let (code, words) = said(&data, &[], &[]).await;
    assert_eq!(code, Some(1));
    assert!(
        words.contains("moved to AWS on 2026-11-26T09:00:00.000Z"),
        "{words}"
    );
    let (code, words) = said(&data, &["export"], &STACK[..3]).await;
    assert_eq!(code, Some(2), "{words}");
    // It is of this stack (by another address), and of another one.
    let (code, words) = said(&data, &["export"], &STACK).await;
    assert_eq!(code, Some(1), "{words}");
    assert!(words.contains("moved to another stack"), "{words}");
    for hidden in ["AKIATEST", "thisIsTheSecretKey"] {
        assert!(!words.contains(hidden), "a secret was printed");
    }
    let despite = start(&outputs, &data, &["--despite-export"], &[]);
    assert!(despite.printed("Magpie is there").await.is_some());
    assert_eq!(despite.terminate().await.code(), Some(0));

    for (name, text, words) in [
        ("exported", "{", "cannot be used"),
        ("format", "2", "is of format 2"),
        ("format", "?", "no number of a format"),
    ] {
        std::fs::write(data.join("exported"), MARK).unwrap();
        std::fs::write(data.join(name), text).unwrap();
        for command in [&["--despite-export"][..], &["export"]] {
            let (code, found) = said(&data, command, &STACK[..]).await;
            assert_eq!(code, Some(1), "{found}");
            assert!(found.contains(words), "{words} in {found}");
        }
        assert_eq!(std::fs::read_to_string(data.join(name)).unwrap(), text);
    }
    let backup = data.with_extension("tar");
    let (code, found) = said(&data, &["backup", backup.to_str().unwrap()], &[]).await;
    assert_eq!(code, Some(1), "{found}");
    assert!(found.contains("no number of a format"), "{found}");
    assert!(!backup.exists());
}
