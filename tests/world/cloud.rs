//! The AWS form of the bridge: the seven binaries, and on loopback the parts of
//! AWS between which they stand.

#![allow(dead_code, reason = "every target uses its own part of the cloud")]

use std::path::Path;

use dynoxide::Database;
use magpie::config::Settings;
use magpie::store::Store;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::harness::REGION;
use crate::harness::engine::{Engine, Stream};
use crate::harness::gateway::Gateway;
use crate::harness::markers::Markers;
use crate::harness::process::Outputs;
use crate::harness::rows::MESSAGES;
use crate::harness::runtime_api::{Function, FunctionError, Spec};
use crate::harness::secrets_manager::SecretsManager;

const CONTROL: &str = "magpie-control";
const PREFIX: &str = "magpie/test/";

/// The functions and their programs. A target of another package than
/// theirs has no programs, and cannot start them.
const PROGRAMS: [(&str, Option<&str>); 7] = [
    ("verify", option_env!("CARGO_BIN_EXE_verify")),
    ("inbound", option_env!("CARGO_BIN_EXE_inbound")),
    ("outbound", option_env!("CARGO_BIN_EXE_outbound")),
    ("deliver", option_env!("CARGO_BIN_EXE_deliver")),
    ("sweep", option_env!("CARGO_BIN_EXE_sweep")),
    ("token-refresh", option_env!("CARGO_BIN_EXE_token-refresh")),
    ("console", option_env!("CARGO_BIN_EXE_console")),
];

/// The names of the functions.
pub(crate) fn names() -> Vec<&'static str> {
    PROGRAMS.iter().map(|(name, _)| *name).collect()
}

/// The program of a function.
pub(crate) fn program(name: &str) -> &'static str {
    let found = PROGRAMS.iter().find(|(known, _)| *known == name);
    found.and_then(|(_, program)| *program).unwrap()
}

/// A deployed bridge. It ends when it is dropped.
pub(crate) struct Cloud {
    pub(crate) outputs: Outputs,
    pub(crate) markers: Markers,
    pub(crate) secrets: SecretsManager,
    pub(crate) store: Store,
    engine: std::sync::Mutex<Option<Engine>>,
    database: Database,
    functions: Vec<Function>,
    stream: Mutex<Stream>,
}

impl Cloud {
    /// Deploys everything over empty tables.
    pub(crate) async fn start() -> Cloud {
        let outputs = Outputs::default();
        let engine = Engine::start().unwrap();
        let secrets = SecretsManager::start().await.unwrap();
        let environment = [
            ("MAGPIE_MESSAGES_TABLE", MESSAGES),
            ("MAGPIE_CONTROL_TABLE", CONTROL),
            ("MAGPIE_SECRETS_PREFIX", PREFIX),
            ("MAGPIE_DYNAMODB_ENDPOINT", engine.endpoint()),
            ("MAGPIE_SECRETS_ENDPOINT", secrets.endpoint()),
            ("MAGPIE_ALLOW_ENDPOINTS", "http://127.0.0.1"),
            ("MAGPIE_LOG", "trace"),
        ];
        let store = store(&environment);
        store.create_tables(true).await.unwrap();
        let mut functions = Vec::new();
        for name in names() {
            let spec = Spec::new(name, program(name), &environment);
            functions.push(Function::start(spec, &outputs).await.unwrap());
        }
        let stream = Mutex::new(engine.stream(MESSAGES));
        Cloud {
            outputs,
            markers: Markers::default(),
            secrets,
            store,
            database: engine.database().clone(),
            engine: std::sync::Mutex::new(Some(engine)),
            functions,
            stream,
        }
    }

    /// The routes of the template, in front of the functions.
    pub(crate) async fn gateway(&self) -> Gateway {
        let route = |key, name| (key, self.function(name).clone());
        let routes = vec![
            route("GET /wechat/{channel}", "verify"),
            route("POST /wechat/{channel}", "inbound"),
            route("POST /desk/{channel}", "outbound"),
            route("ANY /console/{proxy+}", "console"),
            route("ANY /api/{proxy+}", "console"),
        ];
        Gateway::start(routes).await.unwrap()
    }

    pub(crate) fn function(&self, name: &str) -> &Function {
        let mut all = self.functions.iter();
        all.find(|function| function.name() == name).unwrap()
    }

    /// Invokes a function as its trigger does.
    pub(crate) async fn invoke(&self, name: &str, event: Value) -> Result<Value, FunctionError> {
        self.function(name).invoke(event).await
    }

    /// Puts a secret below the prefix, as an operator does.
    pub(crate) fn put_secret(&self, name: &str, value: &str) {
        self.secrets.put(&format!("{PREFIX}{name}"), value);
    }

    /// Hands what is new in the stream to `deliver`. Says how many entries
    /// that were.
    pub(crate) async fn pump(&self) -> usize {
        let deliver = self.function("deliver");
        let mut stream = self.stream.lock().await;
        let count = stream.pump(|batch| deliver.invoke(batch)).await;
        assert_eq!(stream.dropped(), Vec::<Value>::new());
        count
    }

    /// From now on nobody answers where the store was.
    pub(crate) fn unplug_store(&self) {
        drop(self.engine.lock().unwrap().take());
    }

    /// The store behind the functions' backs.
    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// Ends every process and searches what they printed.
    pub(crate) fn close(self) {
        let Cloud {
            outputs,
            markers,
            functions,
            ..
        } = self;
        for function in &functions {
            function.kill();
        }
        markers.assert_unseen(&outputs);
    }
}

/// The store as the functions see it, for what happens before they start.
fn store(environment: &[(&str, &str)]) -> Store {
    let lambda = [
        ("AWS_REGION", REGION),
        ("AWS_ACCESS_KEY_ID", "ASIAHARNESS"),
        ("AWS_SECRET_ACCESS_KEY", "harness"),
    ];
    let read = |name: &str| {
        let mut all = environment.iter().chain(&lambda);
        let found = all.find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    let settings = Settings::read(&read).unwrap();
    let client = magpie::store::client(&settings.aws, &magpie::store::Https::new());
    Store::new(client, settings.messages, settings.control)
}

/// The top folder of the repository.
pub(crate) fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}
