//! The bridge on one machine: the one program over its data folder, or over an
//! engine that somebody else serves. It rings, sweeps and delivers by itself;
//! time passes for it while it is stopped, since its folder is its own as long
//! as it runs.

#![allow(dead_code, reason = "every target uses its own part of the machine")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dynoxide::Database;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::harness::engine::Engine;
use crate::harness::markers::Markers;
use crate::harness::process::{Outputs, Process};
use crate::harness::random;
use crate::harness::rows::{self, MESSAGES};
use crate::harness::tables::Tables;
use crate::world::Bridge;

/// How long a start or an end may take before the test gives up.
const PATIENCE: Duration = Duration::from_mins(1);

/// The program, and the address that its callers know.
pub(crate) struct Machine {
    outputs: Outputs,
    markers: Markers,
    admin_key: String,
    data: Mutex<PathBuf>,
    engine: Option<Engine>,
    door: Door,
    magpie: tokio::sync::Mutex<Process>,
}

impl Bridge for Machine {
    async fn start() -> Machine {
        Machine::over(None).await
    }

    fn origin(&self) -> &str {
        &self.door.origin
    }

    fn admin_key(&self) -> &str {
        &self.admin_key
    }

    fn markers(&self) -> &Markers {
        &self.markers
    }

    async fn turn(&self) {}

    async fn later(&self) {
        let mut magpie = self.magpie.lock().await;
        stop(&magpie).await;
        rows::make_due(&self.tables(), MESSAGES);
        *magpie = self.run().await;
    }

    async fn end(self) -> Vec<String> {
        stop(&*self.magpie.lock().await).await;
        self.markers.assert_unseen(&self.outputs);
        let unfinished = rows::unfinished(&self.tables(), MESSAGES);
        std::fs::remove_dir_all(self.data()).unwrap();
        unfinished
    }
}

impl Machine {
    /// Starts it over an engine that is served, or over one of its own.
    pub(crate) async fn over(engine: Option<Engine>) -> Machine {
        let outputs = Outputs::default();
        let markers = Markers::default();
        let admin_key = markers.secret("admin key", 40);
        let name = format!("conversation-{:016x}", random());
        let data = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let door = Door::open().await;
        let endpoint = engine.as_ref().map(Engine::endpoint);
        let magpie = run(&outputs, &door, &data, &admin_key, endpoint).await;
        Machine {
            outputs,
            markers,
            admin_key,
            data: Mutex::new(data),
            engine,
            door,
            magpie: tokio::sync::Mutex::new(magpie),
        }
    }

    /// Whether it keeps a store of its own.
    pub(crate) fn has_a_store(&self) -> bool {
        self.store().exists()
    }

    async fn run(&self) -> Process {
        let endpoint = self.engine.as_ref().map(Engine::endpoint);
        run(
            &self.outputs,
            &self.door,
            &self.data(),
            &self.admin_key,
            endpoint,
        )
        .await
    }

    fn store(&self) -> PathBuf {
        self.data().join("store.db")
    }

    /// What it works on. Its own file is opened only while it does not run.
    fn tables(&self) -> Tables {
        match &self.engine {
            Some(engine) => engine.tables(),
            None => Tables::Memory(Database::new(self.store().to_str().unwrap()).unwrap()),
        }
    }

    /// Its data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.data.lock().unwrap().clone()
    }

    /// Carries out a command of the program on a folder. Says its exit code and
    /// all that it said.
    pub(crate) async fn command(
        &self,
        data: &Path,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> (i32, String) {
        let mut all = vec![("MAGPIE_DATA", data.to_str().unwrap())];
        all.extend(environment);
        let outputs = Outputs::default();
        let started = Process::start(&outputs, "command", &program(), arguments, all);
        let command = started.unwrap();
        soon(command.ended()).await;
        let code = command.kill().code().unwrap();
        self.markers.assert_unseen(&outputs);
        let (_, said) = outputs.snapshot().remove(0);
        (code, String::from_utf8(said).unwrap())
    }

    /// Ends the program in order.
    pub(crate) async fn stops(&self) {
        stop(&*self.magpie.lock().await).await;
    }

    /// `kill -9`.
    pub(crate) async fn is_killed(&self) {
        self.magpie.lock().await.kill();
    }

    /// Starts the program, which does not run, over this folder.
    pub(crate) async fn goes_on_in(&self, data: &Path) {
        data.clone_into(&mut self.data.lock().unwrap());
        let mut magpie = self.magpie.lock().await;
        *magpie = self.run().await;
    }

    /// Callers find something else where the program was.
    pub(crate) fn leads_to(&self, address: SocketAddr) {
        self.door.lead_to(address);
    }
}

/// The program. A target of another package than its own takes the one that was
/// built beside its own programs.
pub(crate) fn program() -> PathBuf {
    let own = option_env!("CARGO_BIN_EXE_magpie").map(PathBuf::from);
    let beside = option_env!("CARGO_BIN_EXE_sweep");
    let beside = beside.map(|path| Path::new(path).with_file_name("magpie"));
    own.or(beside).unwrap()
}

/// Starts the program and puts it behind the door.
async fn run(
    outputs: &Outputs,
    door: &Door,
    data: &Path,
    admin_key: &str,
    engine: Option<&str>,
) -> Process {
    let mut environment = vec![
        ("MAGPIE_LISTEN", "127.0.0.1:0"),
        ("MAGPIE_PUBLIC_URL", door.origin.as_str()),
        ("MAGPIE_DATA", data.to_str().unwrap()),
        ("MAGPIE_ADMIN_KEY", admin_key),
        ("MAGPIE_DEMO", "0"),
        ("MAGPIE_ALLOW_ENDPOINTS", "http://127.0.0.1"),
        ("RUST_LOG", "trace"),
    ];
    environment.extend(engine.map(|endpoint| ("MAGPIE_DYNAMODB_ENDPOINT", endpoint)));
    let magpie = Process::start(outputs, "magpie", &program(), [""; 0], environment).unwrap();
    let line = soon(magpie.printed("Magpie 0")).await.unwrap();
    let (_, address) = line.split_once("http://").unwrap();
    door.lead_to(address.trim_end_matches('/').parse().unwrap());
    magpie
}

/// Ends it in order: what was begun is finished.
async fn stop(magpie: &Process) {
    assert_eq!(soon(magpie.terminate()).await.code(), Some(0));
    assert!(soon(magpie.printed("Magpie has ended")).await.is_some());
}

/// Waits for what the test needs, and not for ever.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.unwrap()
}

/// The public address: it leads to the program and stays when that comes back
/// at another port.
struct Door {
    origin: String,
    inside: Arc<Mutex<Option<SocketAddr>>>,
    _server: JoinSet<()>,
}

impl Door {
    async fn open() -> Door {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let inside = Arc::<Mutex<Option<SocketAddr>>>::default();
        let mut server = JoinSet::new();
        server.spawn(stand(listener, Arc::clone(&inside)));
        Door {
            origin,
            inside,
            _server: server,
        }
    }

    fn lead_to(&self, inside: SocketAddr) {
        *self.inside.lock().unwrap() = Some(inside);
    }
}

async fn stand(listener: TcpListener, inside: Arc<Mutex<Option<SocketAddr>>>) {
    let mut callers = JoinSet::new();
    loop {
        let (caller, _) = listener.accept().await.unwrap();
        let inside = *inside.lock().unwrap();
        callers.spawn(async move {
            // What goes wrong with a connection is its caller's to notice.
            let _ = lead(caller, inside.unwrap()).await;
        });
    }
}

async fn lead(mut caller: TcpStream, inside: SocketAddr) -> std::io::Result<()> {
    let mut inside = TcpStream::connect(inside).await?;
    caller.set_nodelay(true)?;
    inside.set_nodelay(true)?;
    copy_bidirectional(&mut caller, &mut inside).await?;
    Ok(())
}
