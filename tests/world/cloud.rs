//! The AWS form of the bridge: the seven binaries, and on loopback the parts of
//! AWS between which they stand.

#![allow(dead_code, reason = "every target uses its own part of the cloud")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use magpie::config::{Settings, variable};
use magpie::store::Store;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::harness::bucket::Bucket;
use crate::harness::engine::{Engine, Stream};
use crate::harness::gateway::Gateway;
use crate::harness::invoke_api::InvokeApi;
use crate::harness::markers::Markers;
use crate::harness::process::Outputs;
use crate::harness::recorder::Recorder;
use crate::harness::remote::Remote;
use crate::harness::rows::MESSAGES;
use crate::harness::runtime_api::{Function, FunctionError, Spec};
use crate::harness::tables::Tables;
use crate::harness::vault::Vault;
use crate::harness::{REGION, random};

/// How often, and how long, something new in a stream is waited for.
const PAUSES: usize = 500;
const PAUSE: Duration = Duration::from_millis(20);
const CONTROL: &str = "magpie-control";
/// Where the functions believe that the outside finds them.
pub(crate) const PUBLIC: &str = "https://bridge.example";

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

/// Built artefacts instead of the programs of this build, and the emulator that runs
/// them: where the variables name them.
struct Artefacts {
    folder: PathBuf,
    emulator: PathBuf,
}

impl Artefacts {
    fn named() -> Option<Artefacts> {
        let folder = variable("MAGPIE_TEST_ARTEFACTS").map(PathBuf::from)?;
        let emulator = variable("MAGPIE_TEST_EMULATOR").map(PathBuf::from).unwrap();
        Some(Artefacts { folder, emulator })
    }

    /// The artefact of a function: `sam build` names folders by logical ids.
    fn program(&self, name: &str) -> String {
        let words = name.split('-').map(|word| {
            let (first, rest) = word.split_at(1);
            first.to_uppercase() + rest
        });
        let program = self
            .folder
            .join(words.collect::<String>())
            .join("bootstrap");
        program.to_str().unwrap().to_owned()
    }
}

/// A deployed bridge. It ends when it is dropped.
pub(crate) struct Cloud {
    pub(crate) outputs: Outputs,
    pub(crate) markers: Markers,
    pub(crate) secrets: Vault,
    pub(crate) store: Store,
    /// The name of the table of messages.
    pub(crate) messages: String,
    /// The name of the control table.
    pub(crate) control: String,
    prefix: String,
    /// Which of the functions' settings say where all that is.
    pub(crate) places: Vec<(&'static str, String)>,
    _engine: Option<Engine>,
    tables: Tables,
    functions: Vec<Function>,
    stream: Mutex<Stream>,
    invoke: InvokeApi,
    /// Where customers' files lie.
    pub(crate) bucket: Bucket,
    pub(crate) before_tables: Recorder,
    _before_secrets: Recorder,
}

impl Cloud {
    /// Deploys everything over empty tables, as where one function alone has the
    /// address that WeChat allows.
    pub(crate) async fn start() -> Cloud {
        Cloud::with(&[("MAGPIE_TOKEN_FUNCTION", "token-refresh")]).await
    }

    /// Deploys everything over empty tables, with these settings beside the usual.
    pub(crate) async fn with(settings: &[(&str, &str)]) -> Cloud {
        let outputs = Outputs::default();
        let mut own = None;
        let mut names = (MESSAGES.to_owned(), CONTROL.to_owned());
        let tables = match Remote::named("MAGPIE_TEST_DYNAMODB") {
            // Others use it, too.
            Some(remote) => {
                let number = random();
                names = (
                    format!("{MESSAGES}-{number}"),
                    format!("{CONTROL}-{number}"),
                );
                Tables::Remote(remote)
            }
            None => own.insert(Engine::start().unwrap()).tables(),
        };
        let (messages, control) = names;
        let (secrets, prefix) = Vault::open().await;
        let engine = match &tables {
            Tables::Remote(remote) => remote.endpoint().to_owned(),
            Tables::Memory(_) => own.as_ref().unwrap().endpoint().to_owned(),
        };
        let invoke = InvokeApi::start().await.unwrap();
        let before_tables = Recorder::before("dynamodb", &engine).await.unwrap();
        let before_secrets = Recorder::before("secretsmanager", secrets.endpoint());
        let before_secrets = before_secrets.await.unwrap();
        let bucket = Bucket::start().await.unwrap();
        let usual = [
            ("MAGPIE_MESSAGES_TABLE", messages.as_str()),
            ("MAGPIE_CONTROL_TABLE", &control),
            ("MAGPIE_SECRETS_PREFIX", &prefix),
            ("MAGPIE_DYNAMODB_ENDPOINT", before_tables.endpoint()),
            ("MAGPIE_SECRETS_ENDPOINT", before_secrets.endpoint()),
            ("MAGPIE_LAMBDA_ENDPOINT", invoke.endpoint()),
            ("MAGPIE_STAGE", "test"),
            ("MAGPIE_ALLOW_ENDPOINTS", "http://127.0.0.1"),
            ("MAGPIE_LOG", "trace"),
            ("MAGPIE_MEDIA_BUCKET", bucket.address()),
        ];
        let environment: Vec<_> = usual.iter().chain(settings).copied().collect();
        let places = usual.iter().take(6);
        let places = places.map(|(name, value)| (*name, (*value).to_owned()));
        let places = places.collect();
        let store = store(&environment);
        store.create_tables(true).await.unwrap();
        // As the template makes it.
        secrets.put(&format!("{prefix}pepper"), &"a".repeat(44));
        let mut functions = Vec::new();
        let artefacts = Artefacts::named();
        for name in self::names() {
            let mut environment = environment.clone();
            // As the template has it: the console goes by what it is called at.
            if matches!(name, "deliver" | "sweep") {
                environment.push(("MAGPIE_PUBLIC_URL", PUBLIC));
            }
            let function = match &artefacts {
                None => {
                    Function::start(Spec::new(name, program(name), &environment), &outputs).await
                }
                Some(built) => {
                    let spec = Spec::new(name, &built.program(name), &environment);
                    Function::emulate(spec, &built.emulator, &outputs).await
                }
            };
            let function = function.unwrap();
            invoke.deploy(&function);
            functions.push(function);
        }
        let stream = Mutex::new(Stream::of(tables.clone(), &messages));
        Cloud {
            outputs,
            markers: Markers::default(),
            secrets,
            store,
            messages,
            control,
            prefix,
            places,
            _engine: own,
            tables,
            functions,
            stream,
            invoke,
            bucket,
            before_tables,
            _before_secrets: before_secrets,
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
            route("$default", "console"),
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

    /// From now on the stream's mapping has this state and last result, or there is none.
    pub(crate) fn maps(&self, mapping: Option<(&'static str, &'static str)>) {
        self.invoke.maps(mapping);
    }

    /// Puts a secret below the prefix, as an operator does.
    pub(crate) fn put_secret(&self, name: &str, value: &str) {
        self.secrets.put(&format!("{}{name}", self.prefix), value);
    }

    /// Hands what is new in the stream to `deliver`. Says how many entries
    /// that were.
    pub(crate) async fn pump(&self) -> usize {
        let count = self.hand_over().await;
        assert_eq!(self.given_up().await, Vec::<Value>::new());
        count
    }

    async fn hand_over(&self) -> usize {
        let deliver = self.function("deliver");
        let mut stream = self.stream.lock().await;
        stream.pump(|batch| deliver.invoke(batch)).await
    }

    /// The records that went to the failure queue.
    pub(crate) async fn given_up(&self) -> Vec<Value> {
        self.stream.lock().await.dropped()
    }

    /// Hands over what is new until so many entries have been handed over: an engine
    /// in another process takes its time.
    pub(crate) async fn pumps(&self, entries: usize) {
        let mut handed_over = self.hand_over().await;
        let mut pause = tokio::time::interval(PAUSE);
        for _ in 0..PAUSES {
            if handed_over >= entries {
                break;
            }
            pause.tick().await;
            handed_over += self.hand_over().await;
        }
        assert_eq!(handed_over, entries);
    }

    /// What is new in the stream is never handed over.
    pub(crate) async fn lose_bells(&self) {
        let nobody = |_| std::future::ready(Ok(json!({ "batchItemFailures": [] })));
        while self.stream.lock().await.pump(nobody).await == 0 {
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// From now on nobody answers where the store was.
    pub(crate) fn unplug_store(&self) {
        self.before_tables.unplug();
    }

    /// A minute passes: nothing that a function has remembered counts any more.
    pub(crate) fn forgets(&self) {
        for function in &self.functions {
            function.kill();
        }
    }

    /// The store behind the functions' backs.
    pub(crate) fn tables(&self) -> &Tables {
        &self.tables
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
