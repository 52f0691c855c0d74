//! The AWS form of the bridge: the seven binaries, and on loopback the parts of
//! AWS between which they stand.

#![allow(dead_code, reason = "every target uses its own part of the cloud")]

use std::path::Path;

use magpie::config::{Settings, variable};
use magpie::store::Store;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::harness::REGION;
use crate::harness::engine::{Engine, Stream};
use crate::harness::gateway::Gateway;
use crate::harness::markers::Markers;
use crate::harness::process::Outputs;
use crate::harness::random;
use crate::harness::rows::{self, MESSAGES};
use crate::harness::runtime_api::{Function, FunctionError, Spec};
use crate::harness::secrets_manager::SecretsManager;
use crate::harness::source::Source;

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
    /// The settings of the functions, as a template sets them.
    pub(crate) environment: Vec<(&'static str, String)>,
    engine: std::sync::Mutex<Option<Engine>>,
    source: Source,
    functions: Vec<Function>,
    stream: Mutex<Stream>,
}

impl Cloud {
    /// Deploys everything over empty tables.
    pub(crate) async fn start() -> Cloud {
        let engine = Engine::start().unwrap();
        let source = engine.database().clone().into();
        let endpoint = engine.endpoint().to_owned();
        let tables = [MESSAGES, CONTROL];
        let mut cloud = Cloud::over(source, endpoint, tables, PREFIX, None).await;
        cloud.engine = std::sync::Mutex::new(Some(engine));
        cloud
    }

    /// Deploys everything where `MAGPIE_TEST_DYNAMODB` and `MAGPIE_TEST_SECRETS`
    /// say, as far as they do.
    pub(crate) async fn start_elsewhere() -> Cloud {
        let secrets = variable("MAGPIE_TEST_SECRETS");
        let prefix = format!("{PREFIX}{:016x}/", random());
        let Some(endpoint) = variable("MAGPIE_TEST_DYNAMODB") else {
            let engine = Engine::start().unwrap();
            let source = engine.database().clone().into();
            let endpoint = engine.endpoint().to_owned();
            let tables = [MESSAGES, CONTROL];
            let mut cloud = Cloud::over(source, endpoint, tables, &prefix, secrets).await;
            cloud.engine = std::sync::Mutex::new(Some(engine));
            return cloud;
        };
        let source = Source::There(endpoint.clone());
        let [messages, control] =
            ["messages", "control"].map(|name| format!("{name}-{:016x}", random()));
        let tables = [messages.as_str(), control.as_str()];
        Cloud::over(source, endpoint, tables, &prefix, secrets).await
    }

    async fn over(
        source: Source,
        endpoint: String,
        [messages, control]: [&str; 2],
        prefix: &str,
        elsewhere: Option<String>,
    ) -> Cloud {
        let outputs = Outputs::default();
        let secrets = SecretsManager::start().await.unwrap();
        let vault = elsewhere.unwrap_or_else(|| secrets.endpoint().to_owned());
        let environment = vec![
            ("MAGPIE_MESSAGES_TABLE", messages.to_owned()),
            ("MAGPIE_CONTROL_TABLE", control.to_owned()),
            ("MAGPIE_SECRETS_PREFIX", prefix.to_owned()),
            ("MAGPIE_DYNAMODB_ENDPOINT", endpoint),
            ("MAGPIE_SECRETS_ENDPOINT", vault),
            ("MAGPIE_ALLOW_ENDPOINTS", "http://127.0.0.1".to_owned()),
            ("MAGPIE_LOG", "trace".to_owned()),
        ];
        let set: Vec<(&str, &str)> = environment
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let store = store(&set);
        store.create_tables(true).await.unwrap();
        let mut functions = Vec::new();
        for name in names() {
            let spec = Spec::new(name, program(name), &set);
            functions.push(Function::start(spec, &outputs).await.unwrap());
        }
        let stream = Mutex::new(Stream::of(source.clone(), messages));
        Cloud {
            outputs,
            markers: Markers::default(),
            secrets,
            store,
            environment,
            engine: std::sync::Mutex::default(),
            source,
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
        let prefix = self.setting("MAGPIE_SECRETS_PREFIX");
        self.secrets.put(&format!("{prefix}{name}"), value);
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

    /// Time passes for everything that waits.
    pub(crate) async fn make_due(&self) {
        rows::make_due(&self.source, self.messages()).await;
    }

    /// What is not as it must be when everything is done.
    pub(crate) async fn unfinished(&self) -> Vec<String> {
        rows::unfinished(&self.source, self.messages()).await
    }

    /// Every row of a table that a setting names.
    pub(crate) async fn rows(&self, setting: &str) -> Vec<Value> {
        rows::rows(&self.source, self.setting(setting)).await
    }

    /// A minute passes: nothing that a function has remembered counts any more.
    pub(crate) fn forgets(&self) {
        for function in &self.functions {
            function.kill();
        }
    }

    /// Carries out a call behind the functions' backs.
    pub(crate) async fn call(&self, operation: &str, request: Value) -> Value {
        self.source.call(operation, request).await
    }

    fn messages(&self) -> &str {
        self.setting("MAGPIE_MESSAGES_TABLE")
    }

    /// A setting of the functions.
    pub(crate) fn setting(&self, name: &str) -> &str {
        let mut all = self.environment.iter();
        let found = all.find(|(known, _)| *known == name);
        found.map(|(_, value)| value.as_str()).unwrap()
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
    let client = magpie::store::client(&settings.aws);
    Store::new(client, settings.messages, settings.control)
}

/// The top folder of the repository.
pub(crate) fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}
