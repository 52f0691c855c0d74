//! Lambda, as a function sees it: the Runtime API on loopback, one process an
//! instance, one event at a time in each, a deadline that kills, and a fresh
//! process after one that ended.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::path::{Path as File, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinSet;

use super::emulator::Emulated;
use super::process::{Outputs, Process};
use super::recorder::key_id;
use super::{ACCOUNT, REGION, fresh_uuid, now_ms};

/// Bytes of a synchronous invocation's event, and of its answer.
const PAYLOAD_LIMIT: usize = 6_291_556;
/// What Lambda gives a process to ask for its first event.
const INIT_LIMIT: Duration = Duration::from_secs(10);

/// A function as its template describes it.
#[derive(Clone)]
pub(crate) struct Spec {
    pub(crate) name: String,
    pub(crate) program: PathBuf,
    /// Settings of ours; Lambda's own variables are added, these win.
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) timeout: Duration,
    pub(crate) memory_mb: u32,
    /// Most instances at one time; further invocations wait for one.
    pub(crate) concurrency: usize,
}

impl Spec {
    pub(crate) fn new(name: &str, program: &str, environment: &[(&str, &str)]) -> Spec {
        Spec {
            name: name.to_owned(),
            program: program.into(),
            environment: environment
                .iter()
                .map(|&(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            timeout: Duration::from_secs(30),
            memory_mb: 128,
            concurrency: 8,
        }
    }
}

/// Why an invocation has no answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum FunctionError {
    /// The function said so itself.
    Raised { kind: String, message: String },
    /// The process ended before it answered.
    Exited,
    /// The deadline passed; the process was killed.
    TimedOut,
    /// The process never asked for its first event.
    NotStarted(String),
    /// The event or the answer is over Lambda's six megabytes.
    TooLarge,
}

impl std::fmt::Display for FunctionError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            FunctionError::Raised { kind, message } => write!(f, "{kind}: {message}"),
            FunctionError::Exited => f.write_str("Runtime.ExitError: the process ended"),
            FunctionError::TimedOut => f.write_str("Sandbox.Timedout: the deadline passed"),
            FunctionError::NotStarted(why) => write!(f, "Runtime.InitError: {why}"),
            FunctionError::TooLarge => f.write_str("the payload is over 6 MB"),
        }
    }
}

impl std::error::Error for FunctionError {}

/// A deployed function. Clones are the same function; the last one to go ends
/// its processes.
#[derive(Clone)]
pub(crate) struct Function(Host);

/// Who runs a function's processes.
#[derive(Clone)]
enum Host {
    Harness(Arc<Deployed>),
    Emulator(Arc<Emulated>),
}

struct Deployed {
    spec: Spec,
    outputs: Outputs,
    permits: Semaphore,
    idle: Mutex<Vec<Instance>>,
    processes: Mutex<Vec<Arc<Process>>>,
    /// An invocation goes on when its caller hangs up, as it does in Lambda.
    invocations: Mutex<JoinSet<()>>,
}

impl Function {
    /// Starts one instance and waits until it asks for its first event, so
    /// that a binary which does not start fails here.
    pub(crate) async fn start(spec: Spec, outputs: &Outputs) -> Result<Function, FunctionError> {
        let deployed = Arc::new(Deployed {
            permits: Semaphore::new(spec.concurrency),
            spec,
            outputs: outputs.clone(),
            idle: Mutex::default(),
            processes: Mutex::default(),
            invocations: Mutex::default(),
        });
        let first = deployed.instance().await?;
        deployed.idle.lock().unwrap().push(first);
        Ok(Function(Host::Harness(deployed)))
    }

    /// Starts it under AWS's own emulator.
    pub(crate) async fn emulate(
        spec: Spec,
        emulator: &File,
        outputs: &Outputs,
    ) -> Result<Function, FunctionError> {
        let emulated = Emulated::start(spec, emulator, outputs).await?;
        Ok(Function(Host::Emulator(Arc::new(emulated))))
    }

    /// Invokes synchronously: waits for an instance, then for its answer.
    pub(crate) async fn invoke(&self, event: Value) -> Result<Value, FunctionError> {
        let deployed = match &self.0 {
            Host::Harness(deployed) => Arc::clone(deployed),
            Host::Emulator(emulated) => return emulated.invoke(event).await,
        };
        let (sender, answer) = oneshot::channel();
        {
            let invocations = Arc::clone(&deployed);
            let mut invocations = invocations.invocations.lock().unwrap();
            while invocations.try_join_next().is_some() {}
            invocations.spawn(async move {
                // Nobody waits any more when the caller has hung up.
                drop(sender.send(deployed.invoke(event).await));
            });
        }
        answer.await.unwrap_or(Err(FunctionError::Exited))
    }

    /// `kill -9` on every instance, idle or at work. The next invocation
    /// starts a fresh one.
    pub(crate) fn kill(&self) {
        match &self.0 {
            Host::Harness(deployed) => {
                for process in deployed.processes.lock().unwrap().drain(..) {
                    process.kill();
                }
            }
            Host::Emulator(emulated) => emulated.kill(),
        }
    }

    /// The most memory that an instance has had resident, in bytes; `None` where they are not
    /// processes of ours.
    pub(crate) fn peak_memory(&self) -> Option<u64> {
        let Host::Harness(deployed) = &self.0 else {
            return None;
        };
        let processes = deployed.processes.lock().unwrap();
        let peaks = processes.iter().filter(|process| !process.has_ended());
        peaks.map(|process| process.peak_memory()).max()
    }

    pub(crate) fn name(&self) -> &str {
        match &self.0 {
            Host::Harness(deployed) => &deployed.spec.name,
            Host::Emulator(emulated) => emulated.name(),
        }
    }
}

impl Deployed {
    async fn invoke(&self, event: Value) -> Answer {
        let event = event.to_string();
        if event.len() > PAYLOAD_LIMIT {
            return Err(FunctionError::TooLarge);
        }
        let _permit = self.permits.acquire().await.unwrap();
        let idle = self.take_idle();
        let instance = match idle {
            Some(instance) => instance,
            None => self.instance().await?,
        };
        let result = instance.invoke(event, &self.spec).await;
        if !matches!(result, Err(FunctionError::Exited | FunctionError::TimedOut)) {
            self.idle.lock().unwrap().push(instance);
        }
        result
    }

    fn take_idle(&self) -> Option<Instance> {
        let mut idle = self.idle.lock().unwrap();
        idle.retain(|instance| !instance.process.has_ended());
        idle.pop()
    }

    async fn instance(&self) -> Result<Instance, FunctionError> {
        let instance = Instance::start(&self.spec, &self.outputs).await?;
        let mut processes = self.processes.lock().unwrap();
        processes.retain(|process| !process.has_ended());
        processes.push(Arc::clone(&instance.process));
        Ok(instance)
    }
}

/// What became of an invocation.
pub(super) type Answer = Result<Value, FunctionError>;

/// One event on its way to a process.
struct Invocation {
    id: String,
    event: String,
    deadline_ms: u64,
    answer: oneshot::Sender<Answer>,
}

/// The Runtime API of one process.
struct Api {
    arn: String,
    events: tokio::sync::Mutex<mpsc::Receiver<Invocation>>,
    current: Mutex<Option<(String, oneshot::Sender<Answer>)>>,
    /// True from the first request for an event on, an error if it never comes.
    ready: watch::Sender<Option<Result<(), FunctionError>>>,
}

struct Instance {
    process: Arc<Process>,
    events: mpsc::Sender<Invocation>,
    _server: JoinSet<()>,
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.process.kill();
    }
}

impl Instance {
    async fn start(spec: &Spec, outputs: &Outputs) -> Result<Instance, FunctionError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (events, receiver) = mpsc::channel(1);
        let (ready, mut started) = watch::channel(None);
        let api = Arc::new(Api {
            arn: format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{}", spec.name),
            events: tokio::sync::Mutex::new(receiver),
            current: Mutex::default(),
            ready,
        });
        let mut server = JoinSet::new();
        server.spawn(async move {
            axum::serve(listener, router(api)).await.unwrap();
        });
        let arguments: [&str; 0] = [];
        let environment = environment(spec, &address);
        let process = Process::start(outputs, &spec.name, &spec.program, arguments, environment)
            .map_err(|error| FunctionError::NotStarted(error.to_string()))?;
        let instance = Instance {
            process: Arc::new(process),
            events,
            _server: server,
        };
        tokio::select! {
            biased;
            ready = started.wait_for(Option::is_some) => {
                ready.unwrap().clone().unwrap()?;
                Ok(instance)
            }
            () = instance.process.ended() => {
                let why = format!("the process ended, {}", instance.process.kill());
                Err(FunctionError::NotStarted(why))
            }
            () = tokio::time::sleep(INIT_LIMIT) => {
                Err(FunctionError::NotStarted("no request for an event in 10 s".to_owned()))
            }
        }
    }

    async fn invoke(&self, event: String, spec: &Spec) -> Answer {
        let (answer, answered) = oneshot::channel();
        let timeout_ms = u64::try_from(spec.timeout.as_millis()).unwrap();
        let invocation = Invocation {
            id: fresh_uuid(),
            event,
            deadline_ms: now_ms() + timeout_ms,
            answer,
        };
        self.events
            .send(invocation)
            .await
            .map_err(|_| FunctionError::Exited)?;
        tokio::select! {
            biased;
            answer = answered => answer.unwrap_or(Err(FunctionError::Exited)),
            () = self.process.ended() => Err(FunctionError::Exited),
            () = tokio::time::sleep(spec.timeout) => Err(FunctionError::TimedOut),
        }
    }
}

/// What Lambda sets, and what the function's own settings are.
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>
pub(crate) fn environment(spec: &Spec, address: &str) -> Vec<(String, String)> {
    let name = &spec.name;
    let key = key_id(name);
    let memory = spec.memory_mb.to_string();
    let log_group = format!("/aws/lambda/{name}");
    let own = [
        ("AWS_LAMBDA_RUNTIME_API", address),
        ("AWS_LAMBDA_FUNCTION_NAME", name),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &memory),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", &log_group),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "2026/01/01/[$LATEST]0"),
        ("AWS_REGION", REGION),
        ("AWS_DEFAULT_REGION", REGION),
        ("AWS_ACCESS_KEY_ID", &key),
        ("AWS_SECRET_ACCESS_KEY", "harness"),
        ("AWS_SESSION_TOKEN", "harness"),
        ("LAMBDA_TASK_ROOT", "/var/task"),
        ("LAMBDA_RUNTIME_DIR", "/var/runtime"),
        ("_HANDLER", "bootstrap"),
        ("LANG", "en_US.UTF-8"),
        ("PATH", "/usr/local/bin:/usr/bin:/bin:/opt/bin"),
        ("TZ", ":UTC"),
    ];
    own.into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .chain(spec.environment.iter().cloned())
        .collect()
}

fn router(api: Arc<Api>) -> Router {
    Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route(
            "/2018-06-01/runtime/invocation/{id}/response",
            post(response),
        )
        .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
        .route("/2018-06-01/runtime/init/error", post(init_error))
        .layer(DefaultBodyLimit::disable())
        .with_state(api)
}

async fn next(State(api): State<Arc<Api>>) -> impl IntoResponse {
    api.ready.send_if_modified(|ready| {
        let first = ready.is_none();
        ready.get_or_insert(Ok(()));
        first
    });
    let Some(invocation) = api.events.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("lambda-runtime-aws-request-id", invocation.id.clone()),
        (
            "lambda-runtime-deadline-ms",
            invocation.deadline_ms.to_string(),
        ),
        ("lambda-runtime-invoked-function-arn", api.arn.clone()),
        (
            "lambda-runtime-trace-id",
            "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0".to_owned(),
        ),
    ];
    *api.current.lock().unwrap() = Some((invocation.id, invocation.answer));
    (headers, invocation.event).into_response()
}

async fn response(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    body: Bytes,
) -> impl IntoResponse {
    if body.len() > PAYLOAD_LIMIT {
        api.answer(&id, Err(FunctionError::TooLarge));
        return refused(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge");
    }
    let answer = if body.is_empty() {
        Ok(Value::Null)
    } else {
        serde_json::from_slice(&body).map_err(|error| FunctionError::Raised {
            kind: "Runtime.MalformedResponse".to_owned(),
            message: error.to_string(),
        })
    };
    api.accept(&id, answer)
}

async fn error(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> impl IntoResponse {
    api.accept(&id, Err(raised(&headers, &body)))
}

async fn init_error(
    State(api): State<Arc<Api>>,
    headers: HeaderMap,
    body: Bytes,
) -> impl IntoResponse {
    let error = FunctionError::NotStarted(raised(&headers, &body).to_string());
    api.ready.send_replace(Some(Err(error)));
    accepted()
}

impl Api {
    /// Ends the current invocation if it is `id`; says whether it was.
    fn answer(&self, id: &str, answer: Answer) -> bool {
        let current = self.current.lock().unwrap().take_if(|(at, _)| at == id);
        let Some((_, waiting)) = current else {
            return false;
        };
        // The caller's deadline may have passed in this moment.
        drop(waiting.send(answer));
        true
    }

    fn accept(&self, id: &str, answer: Answer) -> axum::response::Response {
        if self.answer(id, answer) {
            accepted()
        } else {
            refused(StatusCode::BAD_REQUEST, "InvalidRequestID")
        }
    }
}

fn raised(headers: &HeaderMap, body: &[u8]) -> FunctionError {
    let said: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| said.get(name).and_then(Value::as_str).map(str::to_owned);
    let header = headers.get("lambda-runtime-function-error-type");
    let header = header.and_then(|value| value.to_str().ok());
    FunctionError::Raised {
        kind: text("errorType")
            .or_else(|| header.map(str::to_owned))
            .unwrap_or_default(),
        message: text("errorMessage").unwrap_or_default(),
    }
}

fn accepted() -> axum::response::Response {
    (StatusCode::ACCEPTED, json!({ "status": "OK" }).to_string()).into_response()
}

fn refused(status: StatusCode, kind: &str) -> axum::response::Response {
    (status, json!({ "errorType": kind }).to_string()).into_response()
}
