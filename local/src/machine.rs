//! One machine: all parts of Magpie in one process, begun and ended in order.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use magpie::bridge::{Bell, Bridge, Files};
use magpie::clock::{Chance, Clock};
use magpie::console::{AdminKey, Console, TokenKey};
use magpie::http::Http;
use magpie::secrets::{self, SecretError, SecretFile, Secrets};
use magpie::storage::{self, Storage};
use magpie::store::embedded::{Engine, EngineError};
use magpie::store::{self, Https, Store, StoreError};
use magpie_local::simulator;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinSet;
use tracing::{info, warn};
use url::Url;

use crate::demo::{Demo, DemoError};
use crate::folder::{Folder, FolderError};
use crate::hosts::Hosts;
use crate::metrics::{self, Timings};
use crate::print::{self, Welcome};
use crate::routes::{self, House};
use crate::server;
use crate::settings::Settings;
use crate::stop::{Signals, Stop, Switch};
use crate::workers;

/// How long what was begun may take to end.
const FAREWELL: Duration = Duration::from_secs(10);
/// The two tables, in whichever engine.
pub(crate) const TABLES: (&str, &str) = ("magpie-messages", "magpie-control");
/// What the names of secrets begin with in Secrets Manager.
const PREFIX: &str = "magpie/";

/// Why it could not start, or had to end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The data folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A port is taken, or an address is not this machine's.
    #[error("{setting}: {address} cannot be listened on; end what listens there, or set another")]
    Listen {
        /// The setting that names it.
        setting: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The engine in this process.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The tables cannot be had.
    #[error("the store cannot be used")]
    Store(#[from] StoreError),
    /// The secrets cannot be had.
    #[error("the secrets cannot be used")]
    Secret(#[from] SecretError),
    /// The files.
    #[error("the folder of files cannot be used")]
    Media(#[source] io::Error),
    /// The way out.
    #[error("no HTTP client can be made")]
    Client(#[from] reqwest::Error),
    /// The demo.
    #[error(transparent)]
    Demo(#[from] DemoError),
    /// The system's own.
    #[error("the signals cannot be listened to")]
    Signals(#[source] io::Error),
    /// A part that must not end has ended.
    #[error("{0} ended by itself")]
    Ended(&'static str),
}

/// The parts that end first, and those that must outlive them.
#[derive(Default)]
struct Tasks {
    first: JoinSet<&'static str>,
    last: JoinSet<&'static str>,
}

/// Runs until a signal comes.
pub(crate) async fn run(settings: Settings) -> Result<(), Failure> {
    let mut signals = Signals::listen().map_err(Failure::Signals)?;
    let folder = Folder::open(&settings.data, settings.despite_export)?;
    let listener = Listener::bind("MAGPIE_LISTEN", settings.listen).await?;
    let phones = match settings.demo {
        Some(address) => Some(Listener::bind("MAGPIE_SIM_LISTEN", address).await?),
        None => None,
    };
    let scraper = match settings.metrics {
        Some(address) => Some(Listener::bind("MAGPIE_METRICS_LISTEN", address).await?),
        None => None,
    };
    let public = settings.public_url.clone();
    let public = public.unwrap_or_else(|| listener.url.clone());
    let (bridge, engine, bells) = build(&settings, &folder, phones.as_ref(), &public)?;
    bridge.store.create_tables(false).await?;
    let key = match &settings.admin_key {
        Some(key) => key.clone(),
        None => folder.admin_key(&bridge.chance)?,
    };
    let mut console = Console::new(AdminKey::Given(key), Some(public));
    if let Some(key) = settings.token_key.clone() {
        console = console.with_token_key(TokenKey::Given(key));
    }
    let console = Arc::new(console);

    let mut tasks = Tasks::default();
    let (switch, stop) = Switch::new();
    let (last_switch, last) = Switch::new();
    let mut welcome = Welcome {
        address: listener.url.as_str(),
        sign_in: &console.sign_in_link(&bridge),
        phone: None,
        metrics: None,
        data: folder.path(),
    };
    let hosts = Hosts::new(listener.address, settings.public_url.as_ref());
    let house = House {
        bridge: Arc::clone(&bridge),
        console: Arc::clone(&console),
        stop: stop.clone(),
        timings: Timings::default(),
        front: settings.front,
    };
    let metrics_url = scraper
        .as_ref()
        .map(|scraper| format!("{}metrics", scraper.url));
    welcome.metrics = metrics_url.as_deref();
    if let Some(scraper) = scraper {
        let hosts = Hosts::new(scraper.address, settings.public_url.as_ref());
        let router = metrics::router(Arc::clone(&bridge), house.timings.clone(), hosts);
        let serving = server::serve(scraper.socket, router, stop.clone());
        tasks.first.spawn(async {
            serving.await;
            "the server of metrics"
        });
    }
    let serving = server::serve(listener.socket, routes::router(house, hosts), stop.clone());
    tasks.first.spawn(async {
        serving.await;
        "the server"
    });
    workers::start(&mut tasks.first, &bridge, bells, engine, &stop);
    let phone_url = phones.as_ref().map(|phones| phones.url.to_string());
    let simulator = match phones {
        Some(phones) => Some(simulate(&bridge, &listener.url, phones, &mut tasks, &last).await?),
        None => None,
    };
    welcome.phone = phone_url.as_deref();
    print::welcome(&welcome);
    info!(address = %listener.address, "Magpie is there");

    let ended = tokio::select! {
        () = signals.next() => Ok(()),
        Some(ended) = tasks.first.join_next() => Err(Failure::Ended(ended.unwrap_or("a part"))),
    };
    info!("ending: what was begun is finished, a second signal ends at once");
    if let Some(simulator) = simulator {
        simulator.close();
    }
    switch.flip();
    let farewell = async {
        while tasks.first.join_next().await.is_some() {}
        // What was being sent when the end came has reached the phones.
        last_switch.flip();
        while tasks.last.join_next().await.is_some() {}
    };
    tokio::select! {
        () = farewell => info!("Magpie has ended"),
        () = tokio::time::sleep(FAREWELL) => warn!("not everything that was begun could be finished"),
        () = signals.next() => warn!("ended at once"),
    }
    ended
}

/// Where it listens, and how that is written.
struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    url: Url,
}

impl Listener {
    async fn bind(setting: &'static str, wanted: SocketAddr) -> Result<Self, Failure> {
        let failed = |source| Failure::Listen {
            setting,
            address: wanted,
            source,
        };
        let socket = TcpListener::bind(wanted).await.map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        let url = url(address).map_err(|error| failed(io::Error::other(error)))?;
        Ok(Self {
            socket,
            address,
            url,
        })
    }
}

/// Where this machine finds a listener of its own, as a URL.
pub(crate) fn url(address: SocketAddr) -> Result<Url, url::ParseError> {
    Url::parse(&format!("http://{}", reachable(address)))
}

/// Where this machine finds a listener of its own.
fn reachable(address: SocketAddr) -> SocketAddr {
    let port = address.port();
    match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => (Ipv4Addr::LOCALHOST, port).into(),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => (Ipv6Addr::LOCALHOST, port).into(),
        other => other,
    }
}

/// Where the secrets lie.
pub(crate) fn secrets(
    settings: &Settings,
    file: &Path,
    https: &Https,
) -> Result<Secrets, SecretError> {
    Ok(match settings.aws.secrets_endpoint {
        Some(_) => Secrets::Manager {
            client: secrets::client(&settings.aws, https),
            prefix: PREFIX.to_owned(),
        },
        None => Secrets::File(SecretFile::open(file)?),
    })
}

type Bells = (
    UnboundedSender<magpie::bridge::Ring>,
    UnboundedReceiver<magpie::bridge::Ring>,
);

/// Joins the parts that the verbs need.
fn build(
    settings: &Settings,
    folder: &Folder,
    phones: Option<&Listener>,
    public: &Url,
) -> Result<(Arc<Bridge>, Option<Engine>, Bells), Failure> {
    // Only other stores than our own are reached by it.
    let https = LazyLock::new(Https::new);
    let engine = match settings.aws.dynamodb_endpoint {
        Some(_) => None,
        None => Some(Engine::open(&folder.store())?),
    };
    let client = match &engine {
        Some(engine) => engine.client(),
        None => store::client(&settings.aws, &https),
    };
    let secrets = secrets(settings, &folder.secrets(), &https)?;
    let mut allowed = settings.allowed.clone();
    if let Some(phones) = phones {
        allowed.add(&phones.url);
    }
    let http = Http::network(allowed);
    http.ready()?;
    let (ring, rings) = mpsc::unbounded_channel();
    let bridge = Bridge::new(
        Store::new(client, TABLES.0, TABLES.1),
        secrets,
        http,
        Clock::System,
        Chance::System,
        Bell::Process(ring.clone()),
    );
    let media = storage::Folder::open(&folder.media()).map_err(Failure::Media)?;
    let bridge = bridge.with_files(Files {
        storage: Storage::Folder(media),
        base: Some(public.clone()),
        scanner: settings.scanner.clone(),
    });
    Ok((Arc::new(bridge), engine, (ring, rings)))
}

/// Starts the simulated `WeChat` and connects the demo channel to it.
async fn simulate(
    bridge: &Bridge,
    here: &Url,
    phones: Listener,
    tasks: &mut Tasks,
    stop: &Stop,
) -> Result<simulator::Simulator, Failure> {
    let demo = Demo::open(bridge, here, &phones.url).await?;
    let names = Hosts::new(phones.address, None).names().to_vec();
    let router = simulator::router(demo.simulator.clone(), names);
    let serving = server::serve(phones.socket, router, stop.clone());
    tasks.last.spawn(async {
        serving.await;
        "the simulated WeChat"
    });
    let app_id = demo.app_id().to_owned();
    let simulator = demo.simulator.clone();
    tasks.last.spawn(async move {
        Demo::shake_hands(simulator, app_id).await;
        demo.courier.run().await;
        "the simulated WeChat's courier"
    });
    Ok(demo.simulator)
}
