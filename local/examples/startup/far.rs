//! Everything that a function calls, behind TLS on loopback: the two AWS
//! services, a desk, and WeChat.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use url::Url;

use crate::Outcome;
use crate::harness::engine::Engine;
use crate::harness::rows::MESSAGES;
use crate::harness::secrets_manager::SecretsManager;
use crate::tls::Authority;

pub(crate) const CONTROL: &str = "magpie-control";
pub(crate) const PREFIX: &str = "magpie/startup/";

/// How often somebody was told something.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) desk: AtomicUsize,
    pub(crate) wechat: AtomicUsize,
}

/// The far sides.
pub(crate) struct Far {
    pub(crate) engine: Engine,
    pub(crate) secrets: SecretsManager,
    pub(crate) told: Arc<Told>,
    /// The origin of the desk and of WeChat.
    pub(crate) outside: String,
    dynamodb: String,
    manager: String,
    authority: Authority,
    _tasks: JoinSet<()>,
}

impl Far {
    pub(crate) async fn start() -> Outcome<Self> {
        let authority = Authority::new()?;
        let engine = Engine::start()?;
        let secrets = SecretsManager::start().await?;
        let mut tasks = JoinSet::new();

        let told = Arc::<Told>::default();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let router = Router::new()
            .route("/hook", post(hook))
            .route("/cgi-bin/token", get(token))
            .route("/cgi-bin/stable_token", post(token))
            .route("/cgi-bin/message/custom/send", post(send))
            .with_state(Arc::clone(&told));
        tasks.spawn(async move {
            // It ends with the process, or the next call says so.
            let _ = axum::serve(listener, router).await;
        });

        let dynamodb = authority.before(address_of(engine.endpoint())?, &mut tasks);
        let dynamodb = dynamodb.await?;
        let manager = authority.before(address_of(secrets.endpoint())?, &mut tasks);
        let manager = manager.await?;
        let outside = authority.before(address, &mut tasks).await?;
        Ok(Self {
            engine,
            secrets,
            told,
            outside,
            dynamodb,
            manager,
            authority,
            _tasks: tasks,
        })
    }

    /// What an operator sets for a function.
    pub(crate) fn environment(&self) -> Outcome<Vec<(String, String)>> {
        let bundle = self.authority.bundle().to_str();
        let settings = [
            ("MAGPIE_MESSAGES_TABLE", MESSAGES),
            ("MAGPIE_CONTROL_TABLE", CONTROL),
            ("MAGPIE_SECRETS_PREFIX", PREFIX),
            ("MAGPIE_DYNAMODB_ENDPOINT", &self.dynamodb),
            ("MAGPIE_SECRETS_ENDPOINT", &self.manager),
            ("MAGPIE_ALLOW_ENDPOINTS", &self.outside),
            (
                "SSL_CERT_FILE",
                bundle.ok_or("the bundle's path is no text")?,
            ),
        ];
        let settings = settings.into_iter();
        Ok(settings
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect())
    }
}

fn address_of(endpoint: &str) -> Outcome<SocketAddr> {
    let addresses = Url::parse(endpoint)?.socket_addrs(|| None)?;
    Ok(*addresses.first().ok_or("no address")?)
}

async fn hook(State(told): State<Arc<Told>>) -> StatusCode {
    told.desk.fetch_add(1, Ordering::Relaxed);
    StatusCode::NO_CONTENT
}

async fn token() -> String {
    json!({ "access_token": "t".repeat(136), "expires_in": 7200 }).to_string()
}

async fn send(State(told): State<Arc<Told>>) -> String {
    told.wechat.fetch_add(1, Ordering::Relaxed);
    json!({ "errcode": 0, "errmsg": "ok" }).to_string()
}
