//! The Lambda programming model around the verbs: an event comes in, a verb is
//! called, its answer goes back in the form that the caller of the function
//! reads. <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>
//!
//! Invariant: the bridge is built once a process, nothing runs after an answer,
//! and a function that is set up wrongly does not start. A panic is reported
//! by the runtime, which is why unwinding stays on.

pub mod event;
mod report;

use std::net::IpAddr;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::{Instrument as _, error, info_span, warn};

use crate::bridge::token_source::{self, TokenSource};
use crate::bridge::{self, Bell, Bridge, Broken, Files, Response};
use crate::clock::{Chance, Clock};
use crate::config::Settings;
use crate::console::{self, AdminKey, Console, TokenKey};
use crate::http::Http;
use crate::invoke::Function;
use crate::moment::Moment;
use crate::secrets::{self, Secrets};
use crate::storage::Storage;
use crate::store::{self, Store};
use crate::telemetry;
use crate::telemetry::figures::Figures;
use event::{Answer, Batch, Call, Callback, Failures, Nonsense, Tick, TokenCall};

/// What `deliver` leaves of its time, to put a lane down and to answer.
const DELIVER_RESERVE: Duration = Duration::from_millis(500);
/// How long `sweep` may read how the channels fare.
const STATUS: Duration = Duration::from_secs(5);
/// What `sweep` and `token_refresh` leave of their time.
const SWEEP_RESERVE: Duration = Duration::from_secs(1);

/// `GET /wechat/{channel}`: WeChat's handshake.
pub async fn verify() -> ExitCode {
    callbacks(false, async |bridge: &Bridge, channel, caller, query, _| {
        bridge::verify::verify(bridge, channel, caller, query).await
    })
    .await
}

/// `POST /wechat/{channel}`: a push.
pub async fn inbound() -> ExitCode {
    callbacks(
        true,
        async |bridge: &Bridge, channel, caller, query, body| {
            bridge::inbound::inbound(bridge, channel, caller, query, body).await
        },
    )
    .await
}

/// `POST /desk/{channel}`: a call of the channel's desk.
pub async fn outbound() -> ExitCode {
    let Some((bridge, settings)) = start() else {
        return ExitCode::FAILURE;
    };
    serve(&bridge, &settings, async |call: Call, _| {
        let response = http_call(call, async |channel, request| {
            bridge::outbound::outbound(&bridge, channel, request.headers(), request.body()).await
        });
        let response = response.await;
        let figures = report::call(response.status().as_u16(), None);
        Ok((Answer::from(response), figures))
    })
    .await
}

/// `/console/` and `/api/…`: people and their programs.
pub async fn console() -> ExitCode {
    let Some((bridge, settings)) = start() else {
        return ExitCode::FAILURE;
    };
    let console = Console::new(AdminKey::Stored, settings.public_url.clone())
        .with_retention(settings.retention_days)
        .with_token_key(TokenKey::Stored);
    serve(&bridge, &settings, async |call: Call, _| {
        let response = http_call(call, async |_, request| {
            console::answer(&bridge, &console, request).await
        });
        Ok((Answer::from(response.await), Figures::default()))
    })
    .await
}

/// A batch of the table's stream: lanes that rang.
pub async fn deliver() -> ExitCode {
    let Some((bridge, settings)) = start() else {
        return ExitCode::FAILURE;
    };
    // It calls out with every event, so its client is made before the first one;
    // the other functions make theirs when they need it, which most never do.
    if let Err(error) = bridge.http.ready() {
        error!(%error, "no HTTP client can be made");
        return ExitCode::FAILURE;
    }
    serve(
        &bridge,
        &settings,
        async |batch: Batch, deadline: Moment| {
            let (rings, numbers) = batch.rings();
            let ends = deadline.minus(DELIVER_RESERVE);
            let failed = bridge::deliver::deliver(&bridge, &rings, ends).await;
            Ok((Failures::of(&numbers, &failed), Figures::default()))
        },
    )
    .await
}

/// Every minute: what is due; and the walk, begun by an event that says so and
/// carried on by the next ones until it is through.
pub async fn sweep() -> ExitCode {
    let Some((bridge, settings)) = start() else {
        return ExitCode::FAILURE;
    };
    serve(&bridge, &settings, async |tick: Tick, deadline: Moment| {
        let ends = deadline.minus(SWEEP_RESERVE);
        // Before the work: a sweeper with more than it can do must tell of it.
        let fares = fares(&bridge).await;
        if !fares.is_empty() {
            fares.print(&settings.stage, bridge.now().millis());
        }
        if tick.walk {
            bridge::walk::begin(&bridge).await?;
        }
        bridge::sweep::sweep(&bridge, ends).await?;
        bridge::walk::go_on(&bridge, ends).await?;
        Ok(((), Figures::default()))
    })
    .await
}

/// How all channels fare, if that can be told in time: work comes first.
async fn fares(bridge: &Bridge) -> Figures {
    let status = tokio::time::timeout(STATUS, bridge::status::status(bridge)).await;
    match status {
        Ok(Ok(all)) => report::status(&all, bridge.now()),
        Ok(Err(broken)) => {
            error!(error = %broken, "how the channels fare cannot be read");
            Figures::default()
        }
        Err(_) => {
            warn!("how the channels fare took too long to read");
            Figures::default()
        }
    }
}

/// Every minute: access tokens; and at another function's wish, one channel's.
pub async fn token_refresh() -> ExitCode {
    let Some((bridge, settings)) = start() else {
        return ExitCode::FAILURE;
    };
    // It is the one that is asked: it asks nobody in turn.
    let bridge = bridge.with_tokens_from(own_tokens(&settings));
    serve(
        &bridge,
        &settings,
        async |call: TokenCall, deadline: Moment| {
            if let Some(wish) = call.token {
                let told = token_source::grant(&bridge, &wish).await;
                return Ok((Some(told), Figures::default()));
            }
            let ends = deadline.minus(SWEEP_RESERVE);
            let lives = bridge::token_refresh::token_refresh(&bridge, ends).await?;
            Ok((None, report::tokens(&lives)))
        },
    )
    .await
}

/// Starts the log and joins the parts. `None` if something is set wrongly; all
/// of it is in the log then.
fn start() -> Option<(Bridge, Settings)> {
    telemetry::start(true);
    let settings = match Settings::from_environment() {
        Ok(settings) => settings,
        Err(wrong) => {
            for problem in wrong.0 {
                error!("{problem}");
            }
            return None;
        }
    };
    let https = store::Https::new();
    let store = Store::new(
        store::client(&settings.aws, &https),
        &settings.messages,
        &settings.control,
    );
    let secrets = Secrets::Manager {
        client: secrets::client(&settings.aws, &https),
        prefix: settings.secrets_prefix.clone(),
    };
    let bridge = Bridge::new(
        store,
        secrets,
        Http::network(settings.allowed.clone()),
        Clock::System,
        Chance::System,
        Bell::Stream,
    );
    let tokens = match &settings.token_function {
        Some(name) => TokenSource::Function(Function::new(&settings.aws, &https, name.clone())),
        None => own_tokens(&settings),
    };
    let mut bridge = bridge.with_tokens_from(tokens);
    if let Some(bucket) = &settings.media_bucket {
        bridge = bridge.with_files(Files {
            storage: Storage::bucket(bucket.clone(), &settings.aws),
            base: settings.public_url.clone(),
            scanner: settings.media_scanner.clone(),
        });
    }
    Some((bridge, settings))
}

/// Where this process gets tokens, if it asks no other function.
fn own_tokens(settings: &Settings) -> TokenSource {
    match &settings.token_url {
        Some(url) => TokenSource::Server(url.clone()),
        None => TokenSource::WeChat,
    }
}

/// Serves WeChat's calls of a channel's callback: channel, caller, query and body. Of
/// `pushes` it is told how they were answered.
async fn callbacks(
    pushes: bool,
    verb: impl AsyncFn(&Bridge, &str, Option<IpAddr>, &str, &[u8]) -> Response,
) -> ExitCode {
    let Some((bridge, settings)) = start() else {
        return ExitCode::FAILURE;
    };
    serve(&bridge, &settings, async |mut call: Callback, _| {
        let begun = bridge.clock.stopwatch();
        let response = match call.take_body() {
            Ok(body) => {
                let caller = call.caller();
                verb(&bridge, call.channel(), caller, call.query(), &body).await
            }
            Err(nonsense) => refuse(&nonsense),
        };
        let figures = if pushes {
            report::call(response.status().as_u16(), Some(begun.elapsed()))
        } else {
            Figures::default()
        };
        Ok((Answer::from(response), figures))
    })
    .await
}

/// Answers one call of the gateway. What is no request is answered here.
async fn http_call(
    call: Call,
    verb: impl AsyncFn(&str, http::Request<Bytes>) -> Response,
) -> Response {
    let channel = call.channel().to_owned();
    match call.request() {
        Ok(request) => verb(&channel, request).await,
        Err(nonsense) => refuse(&nonsense),
    }
}

fn refuse(nonsense: &Nonsense) -> Response {
    warn!(error = %nonsense, "refused a call");
    bridge::plain(http::StatusCode::BAD_REQUEST, "Bad Request")
}

/// Hands events to `answer`, with the moment at which Lambda ends the
/// invocation, until Lambda ends the process. What an invocation did is printed
/// before its answer: nothing runs afterwards.
async fn serve<E, A>(
    bridge: &Bridge,
    settings: &Settings,
    answer: impl AsyncFn(E, Moment) -> Result<(A, Figures), Broken>,
) -> ExitCode
where
    E: DeserializeOwned,
    A: Serialize,
{
    let answer = &answer;
    let served = lambda_runtime::run(service_fn(|event: LambdaEvent<E>| {
        let (payload, context) = event.into_parts();
        let deadline = Moment::from_millis(i64::try_from(context.deadline).unwrap_or(i64::MAX));
        let span = info_span!("invocation", request = context.request_id);
        async move {
            // A verb's future is deep: in a box it is a type of its own.
            let answered = Box::pin(answer(payload, deadline)).await;
            let (answer, mut figures) = match answered {
                Ok((answer, figures)) => (Some(answer), figures),
                Err(broken) => {
                    error!(error = %broken, "an invocation failed");
                    (None, Figures::default())
                }
            };
            report::add_done(&mut figures, bridge.tally.take());
            if !figures.is_empty() {
                figures.beside("request", context.request_id);
                figures.print(&settings.stage, bridge.now().millis());
            }
            answer.ok_or_else(|| Diagnostic {
                error_type: "Failed".to_owned(),
                error_message: "the function's log says why".to_owned(),
            })
        }
        .instrument(span)
    }))
    .await;
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!(%error, "the runtime has ended");
            ExitCode::FAILURE
        }
    }
}
