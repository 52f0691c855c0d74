//! Magpie on one machine as a process: it starts, says where it is, lets
//! nobody else into its folder, and ends when it is asked to.
#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

#[path = "harness/process.rs"]
#[allow(dead_code, reason = "every target uses its own part of the harness")]
mod process;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use magpie::http::{Allowed, Answer, Http, Outgoing};
use process::{Outputs, Process};
use url::Url;

/// How long a start or an end may take before the test gives up.
const PATIENCE: Duration = Duration::from_mins(1);

/// A new folder below the build's own.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).unwrap();
    }
    folder
}

fn start(outputs: &Outputs, data: &Path, more: &[(&str, &str)]) -> Process {
    let mut environment = vec![
        ("MAGPIE_LISTEN", "127.0.0.1:0"),
        ("MAGPIE_SIM_LISTEN", "127.0.0.1:0"),
        ("MAGPIE_DATA", data.to_str().unwrap()),
        ("MAGPIE_ADMIN_KEY", "a key of more than sixteen"),
    ];
    environment.extend(more);
    let program = Path::new(env!("CARGO_BIN_EXE_magpie"));
    Process::start(outputs, "magpie", program, [""; 0], environment).unwrap()
}

/// Waits for what the test needs, and not for ever.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.unwrap()
}

/// Where a line of the welcome says that something is.
async fn address(magpie: &Process, needle: &str) -> Url {
    let line = soon(magpie.printed(needle)).await.unwrap();
    let start = line.find("http://").unwrap();
    let url = line.get(start..).unwrap().split_whitespace().next();
    Url::parse(url.unwrap()).unwrap()
}

async fn get(url: Url, host: Option<&str>) -> Answer {
    let http = Http::network(Allowed::parse("http://127.0.0.1").unwrap());
    let mut call = Outgoing::get(url, PATIENCE);
    if let Some(host) = host {
        call = call.with("host", host);
    }
    http.send(call).await.unwrap()
}

#[tokio::test]
async fn it_starts_answers_and_ends() {
    let outputs = Outputs::default();
    let data = folder("start");
    let magpie = start(&outputs, &data, &[]);
    let base = address(&magpie, "Magpie 0").await;
    let phone = soon(magpie.printed("the simulated WeChat is connected")).await;
    assert!(phone.is_some(), "the demo's handshake holds");

    let port = base.port().unwrap();
    let local = format!("localhost:{port}");
    for (path, host, status) in [
        ("/healthz", None, 200),
        ("/healthz", Some(local.as_str()), 200),
        ("/healthz", Some("evil.example"), 421),
        ("/", Some("127.0.0.1:1"), 421),
        ("/", None, 307),
        ("/nothing", None, 404),
        ("/wechat/nobody", None, 404),
        ("/wechat/demo?signature=1", None, 403),
        ("/desk/demo", None, 405),
        ("/api/events", None, 401),
    ] {
        let answer = get(base.join(path).unwrap(), host).await;
        assert_eq!(answer.status, status, "{path} at {host:?}");
        if path.starts_with("/api/") {
            assert_eq!(answer.headers["content-type"], "application/problem+json");
            assert_eq!(answer.headers["cache-control"], "no-store");
        }
    }
    let http = Http::network(Allowed::parse("http://127.0.0.1").unwrap());
    let push = base.join("/wechat/demo?signature=1").unwrap();
    for (size, status) in [(64 * 1024, 403), (64 * 1024 + 1, 413)] {
        let push = Outgoing::json(push.clone(), vec![b'x'; size], PATIENCE);
        assert_eq!(
            http.send(push).await.unwrap().status,
            status,
            "{size} bytes"
        );
    }

    #[cfg(unix)]
    for (name, mode) in [("", 0o700), ("secrets.json", 0o600), ("lock", 0o600)] {
        use std::os::unix::fs::PermissionsExt as _;
        let found = std::fs::metadata(data.join(name)).unwrap();
        assert_eq!(found.permissions().mode() & 0o777, mode, "{name}");
    }
    let status = soon(magpie.terminate()).await;
    assert_eq!(status.code(), Some(0));
    assert!(soon(magpie.printed("Magpie has ended")).await.is_some());
}

#[tokio::test]
async fn metrics_are_there_where_they_are_wanted() {
    let outputs = Outputs::default();
    let wanted = [("MAGPIE_METRICS_LISTEN", "127.0.0.1:0")];
    let magpie = start(&outputs, &folder("metrics"), &wanted);
    let base = address(&magpie, "Magpie 0").await;
    let metrics = address(&magpie, "/metrics").await;
    soon(magpie.printed("the simulated WeChat is connected")).await;
    let refused = Outgoing::json(base.join("/wechat/demo").unwrap(), vec![], PATIENCE);
    let http = Http::network(Allowed::parse("http://127.0.0.1").unwrap());
    assert_eq!(http.send(refused).await.unwrap().status, 403);
    let scraped = get(metrics.clone(), None).await;
    assert_eq!(scraped.status, 200);
    let kind = scraped.headers["content-type"].to_str().unwrap();
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    let text = String::from_utf8(scraped.body).unwrap();
    for line in [
        "magpie_handshakes_total{channel=\"demo\"} 1",
        "magpie_refused_calls_total{channel=\"demo\",code=\"wrong_signature\"} 1",
        "magpie_channel_suspended{channel=\"demo\"} 0",
        "magpie_dead_entries{channel=\"demo\"} 0",
        "magpie_callback_duration_seconds_count 1",
        "# EOF",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    assert_eq!(get(metrics, Some("evil.example")).await.status, 421);
    assert_eq!(get(base.join("/metrics").unwrap(), None).await.status, 404);
    assert_eq!(soon(magpie.terminate()).await.code(), Some(0));
}

#[tokio::test]
async fn one_process_has_a_folder_for_itself() {
    let outputs = Outputs::default();
    let data = folder("twice");
    let first = start(&outputs, &data, &[]);
    let base = address(&first, "Magpie 0").await;

    let second = start(&outputs, &data, &[]);
    let said = soon(second.printed("another Magpie uses the data folder")).await;
    assert!(said.unwrap().contains("MAGPIE_DATA"));
    soon(second.ended()).await;
    assert_eq!(second.kill().code(), Some(1));

    assert_eq!(get(base.join("/healthz").unwrap(), None).await.status, 200);
    first.kill();
    let third = start(&outputs, &data, &[]);
    address(&third, "Magpie 0").await;
    assert_eq!(soon(third.terminate()).await.code(), Some(0));
}

#[tokio::test]
async fn a_taken_port_is_named_by_its_setting() {
    let outputs = Outputs::default();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for setting in [
        "MAGPIE_LISTEN",
        "MAGPIE_SIM_LISTEN",
        "MAGPIE_METRICS_LISTEN",
    ] {
        let magpie = start(&outputs, &folder(setting), &[(setting, &address)]);
        let said = soon(magpie.printed("cannot be listened on")).await.unwrap();
        assert!(said.contains(setting) && said.contains(&address), "{said}");
        soon(magpie.ended()).await;
        assert_eq!(magpie.kill().code(), Some(1));
    }
}

#[tokio::test]
async fn wrong_settings_end_it_with_every_name() {
    let outputs = Outputs::default();
    let wrong = [("MAGPIE_LISTEN", "8080"), ("MAGPIE_ADMIN_KEY", "short-key")];
    let data = folder("wrong");
    let magpie = start(&outputs, &data, &wrong);
    for (name, _) in wrong {
        assert!(soon(magpie.printed(name)).await.is_some(), "{name}");
    }
    soon(magpie.ended()).await;
    assert_eq!(magpie.kill().code(), Some(2));
    assert!(!data.exists(), "nothing was begun");
    for (_, output) in outputs.snapshot() {
        let said = String::from_utf8_lossy(&output).into_owned();
        assert!(!said.contains("short-key"), "a key is never printed");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_folder_of_somebody_else_stays_as_it_is() {
    use std::os::unix::fs::PermissionsExt as _;
    let outputs = Outputs::default();
    let data = folder("else");
    std::fs::create_dir_all(&data).unwrap();
    std::fs::write(data.join("letter"), "").unwrap();
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o755)).unwrap();
    let magpie = start(&outputs, &data, &[]);
    let said = soon(magpie.printed("open to other users")).await;
    assert!(said.unwrap().contains("MAGPIE_DATA"));
    soon(magpie.ended()).await;
    assert_eq!(magpie.kill().code(), Some(1));
    let mode = std::fs::metadata(&data).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o755);
}
