//! A backup of a machine that runs, and what becomes of it elsewhere.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first thing that is not as it has to be"
)]

#[path = "harness/mod.rs"]
mod harness;
#[path = "world/machine.rs"]
mod machine;
#[path = "world/mod.rs"]
mod world;

use std::path::{Path, PathBuf};

use harness::process::{Outputs, Process};
use harness::random;
use http::StatusCode;
use machine::Machine as Form;
use magpie_local::simulator::Mode;
use world::{WINDOW, World};

/// A path below the build's own folder at which nothing is.
fn fresh(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{:016x}", random()))
}

/// The names in a folder, in their order.
fn names(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    names
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn a_machine_goes_on_from_its_backup() {
    let world = World::start().await;
    let shop = world.shop_with_inbox(Mode::Secure).await;
    let customer = shop.customer("Han Meimei");
    let question = world.markers().text();
    customer.says(&question).await;
    let inbox = shop.conversation().await;
    // One waits for the window on the way out, two for a desk on the way in.
    let sixth = inbox.uses_up_the_window(&customer).await;
    let (other, desk) = world.shop_with_desk(Mode::Plain).await;
    let second = other.customer("Jim");
    desk.goes_down();
    let waiting = [world.markers().text(), world.markers().text()];
    for text in &waiting {
        second.says(text).await;
    }
    world.parks(2).await;

    let machine = world.bridge();
    let old = machine.data();
    let file = fresh("backup").with_extension("tar");
    let path = file.to_str().unwrap();
    let (code, said) = machine.command(&old, &["backup", path], &[]).await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("holds everything of"), "{said}");
    #[cfg(unix)]
    assert_eq!(mode(&file), 0o600);
    assert!(!file.with_extension("tar.part").exists());
    let health = world.http.get(world.at("/healthz")).send().await.unwrap();
    assert_eq!(health.status(), StatusCode::OK, "it goes on meanwhile");
    // Neither over a backup, nor into a folder that is in use.
    let before = std::fs::read(&file).unwrap();
    let (code, said) = machine.command(&old, &["backup", path], &[]).await;
    assert_eq!(code, 1);
    assert!(said.contains("overwrites none"), "{said}");
    assert!(std::fs::read(&file).unwrap() == before, "it stays as it is");
    // Nor through a link that somebody laid where it comes to be.
    #[cfg(unix)]
    {
        let lured = fresh("lured").with_extension("tar");
        let part = lured.with_extension("tar.part");
        std::os::unix::fs::symlink(&old, &part).unwrap();
        let lured = lured.to_str().unwrap();
        let (code, said) = machine.command(&old, &["backup", lured], &[]).await;
        assert_eq!(code, 1);
        assert!(said.contains("is in the way"), "{said}");
        assert!(old.join("store.db").exists() && old.join("secrets.json").exists());
        std::fs::remove_file(part).unwrap();
    }
    let (code, said) = machine.command(&old, &["restore", path], &[]).await;
    assert_eq!(code, 1);
    assert!(said.contains("is not empty"), "{said}");

    // The machine is lost; another one goes on from the backup.
    machine.is_killed().await;
    std::fs::remove_dir_all(&old).unwrap();
    let new = fresh("restored");
    let (code, said) = machine.command(&new, &["restore", path], &[]).await;
    assert_eq!(code, 0, "{said}");
    assert_eq!(names(&new), ["format", "lock", "secrets.json", "store.db"]);
    #[cfg(unix)]
    for name in names(&new) {
        assert_eq!(mode(&new.join(&name)), 0o600, "{name}");
    }
    machine.goes_on_in(&new).await;
    assert_eq!(inbox.history().await.len(), 1 + WINDOW + 1);
    desk.comes_back();
    world.later().await;
    desk.hears(&world, "session.opened").await;
    for text in &waiting {
        desk.hears_message(&world, text).await;
    }
    customer.says("在吗").await;
    customer.sees(&sixth).await;
    inbox.shows("out", &sixth, "delivered").await;
    std::fs::remove_file(file).unwrap();
    world.close().await;
}

#[tokio::test]
async fn a_restore_that_was_killed_is_no_data_folder() {
    let world = World::start().await;
    let shop = world.shop_with_inbox(Mode::Plain).await;
    // Enough to be at it for a while.
    let long = "很长".repeat(600);
    let customer = shop.customer("Han Meimei");
    for _ in 0..20 {
        customer.says(&long).await;
    }
    let machine = world.bridge();
    let file = fresh("killed").with_extension("tar");
    let path = file.to_str().unwrap();
    let (code, said) = machine
        .command(&machine.data(), &["backup", path], &[])
        .await;
    assert_eq!(code, 0, "{said}");
    let outputs = Outputs::default();
    let program = Path::new(env!("CARGO_BIN_EXE_magpie"));
    let mut broken_off = 0;
    for _ in 0..8 {
        let data = fresh("killed");
        let settings = [
            ("MAGPIE_DATA", data.to_str().unwrap()),
            ("MAGPIE_DEMO", "0"),
            ("MAGPIE_LISTEN", "127.0.0.1:0"),
        ];
        let restore = Process::start(&outputs, "restore", program, ["restore", path], settings);
        let restore = restore.unwrap();
        while !data.join("restoring").exists() && !restore.has_ended() {
            tokio::task::yield_now().await;
        }
        restore.kill();
        if data.join("restoring").exists() {
            broken_off += 1;
            let start = Process::start(&outputs, "start", program, [""; 0], settings).unwrap();
            assert!(start.printed("was broken off").await.is_some());
            start.ended().await;
            assert_eq!(start.kill().code(), Some(1));
            let (code, said) = machine.command(&data, &["backup", "x"], &[]).await;
            assert!(
                code == 1 && said.contains("was broken off") || said.contains("no data"),
                "{said}"
            );
            let (code, said) = machine.command(&data, &["restore", path], &[]).await;
            assert_eq!(code, 0, "{said}");
        }
        let whole = ["format", "lock", "secrets.json", "store.db"];
        assert_eq!(names(&data), whole);
        std::fs::remove_dir_all(data).unwrap();
    }
    println!("{broken_off} of 8 restores were broken off");
    std::fs::remove_file(file).unwrap();
    world.close().await;
}

/// Channels are changed and customers write all the time; every backup holds
/// secrets and settings that belong together, and what was acknowledged.
#[tokio::test]
async fn a_backup_belongs_together_whatever_happens_meanwhile() {
    let world = World::start().await;
    let shop = world.shop_with_inbox(Mode::Secure).await;
    let customer = shop.customer("Han Meimei");
    customer.says("你好").await;
    let inbox = shop.conversation().await;
    let machine = world.bridge();
    let before = shop.settings().await;
    let change = async |round: usize| {
        let mut settings = before.clone();
        settings["retention_days"] = (30 + round).into();
        shop.puts(settings).await;
    };
    for round in 1..=5 {
        let file = fresh("meanwhile").with_extension("tar");
        let named = file.to_str().unwrap();
        let question = world.markers().text();
        customer.says(&question).await;
        let old = machine.data();
        let arguments = ["backup", named];
        let backup = machine.command(&old, &arguments, &[]);
        let ((), (code, said)) = tokio::join!(change(round), backup);
        assert_eq!(code, 0, "{said}");
        let new = fresh("meanwhile");
        let (code, said) = machine.command(&new, &["restore", named], &[]).await;
        assert_eq!(code, 0, "{said}");
        machine.stops().await;
        machine.goes_on_in(&new).await;
        std::fs::remove_dir_all(old).unwrap();
        inbox.shows("in", &question, "delivered").await;
        std::fs::remove_file(file).unwrap();
    }
    world.close().await;
}
