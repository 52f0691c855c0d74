//! The Lambda programming model around the verbs: an event comes in, a verb is
//! called, its answer goes back in the form that the caller of the function
//! reads. <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>
//!
//! Invariant: the bridge is built once a process, nothing runs after an answer,
//! and a function that is set up wrongly does not start. A panic is reported
//! by the runtime, which is why unwinding stays on.

pub mod event;

use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::{Instrument as _, error, info_span, warn};

use crate::bridge::{self, Bell, Bridge, Broken, Response};
use crate::clock::{Chance, Clock};
use crate::config::Settings;
use crate::console::{self, AdminKey, Console};
use crate::http::Http;
use crate::moment::Moment;
use crate::secrets::{self, Secrets};
use crate::store::{self, Store};
use crate::telemetry;
use event::{Answer, Batch, Call, Callback, Failures, Nonsense, Tick};

/// What `deliver` leaves of its time, to put a lane down and to answer.
const DELIVER_RESERVE: Duration = Duration::from_millis(500);
/// What `sweep` leaves of its time.
const SWEEP_RESERVE: Duration = Duration::from_secs(1);

/// `GET /wechat/{channel}`: WeChat's handshake.
pub async fn verify() -> ExitCode {
    callbacks(async |bridge: &Bridge, channel, query, _| {
        bridge::verify::verify(bridge, channel, query).await
    })
    .await
}

/// `POST /wechat/{channel}`: a push.
pub async fn inbound() -> ExitCode {
    callbacks(async |bridge: &Bridge, channel, query, body| {
        bridge::inbound::inbound(bridge, channel, query, body).await
    })
    .await
}

/// `POST /desk/{channel}`: a call of the channel's desk.
pub async fn outbound() -> ExitCode {
    let Some((bridge, _)) = start() else {
        return ExitCode::FAILURE;
    };
    serve(async |call: Call, _| {
        let answered = http_call(call, async |channel, request| {
            bridge::outbound::outbound(&bridge, channel, request.headers(), request.body()).await
        });
        Ok(answered.await)
    })
    .await
}

/// `/console/` and `/api/…`: people and their programs.
pub async fn console() -> ExitCode {
    let Some((bridge, settings)) = start() else {
        return ExitCode::FAILURE;
    };
    let console = Console::new(AdminKey::Stored, settings.public_url);
    serve(async |call: Call, _| {
        let answered = http_call(call, async |_, request| {
            console::answer(&bridge, &console, request).await
        });
        Ok(answered.await)
    })
    .await
}

/// A batch of the table's stream: lanes that rang.
pub async fn deliver() -> ExitCode {
    let Some((bridge, _)) = start() else {
        return ExitCode::FAILURE;
    };
    // It calls out with every event, so its client is made before the first one;
    // the other functions make theirs when they need it, which most never do.
    if let Err(error) = bridge.http.ready() {
        error!(%error, "no HTTP client can be made");
        return ExitCode::FAILURE;
    }
    serve(async |batch: Batch, deadline: Moment| {
        let (rings, numbers) = batch.rings();
        let ends = deadline.minus(DELIVER_RESERVE);
        let failed = bridge::deliver::deliver(&bridge, &rings, ends).await;
        Ok(Failures::of(&numbers, &failed))
    })
    .await
}

/// Every minute: what is due; and the walk, begun by an event that says so and
/// carried on by the next ones until it is through.
pub async fn sweep() -> ExitCode {
    let Some((bridge, _)) = start() else {
        return ExitCode::FAILURE;
    };
    serve(async |tick: Tick, deadline: Moment| {
        let ends = deadline.minus(SWEEP_RESERVE);
        if tick.walk {
            bridge::walk::begin(&bridge).await?;
        }
        bridge::sweep::sweep(&bridge, ends).await?;
        bridge::walk::go_on(&bridge, ends).await
    })
    .await
}

/// Every minute: access tokens.
pub async fn token_refresh() -> ExitCode {
    let Some((bridge, _)) = start() else {
        return ExitCode::FAILURE;
    };
    serve(async |_: Tick, _| bridge::token::token_refresh(&bridge).await).await
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
    Some((bridge, settings))
}

/// Serves WeChat's calls of a channel's callback: channel, query and body.
async fn callbacks(verb: impl AsyncFn(&Bridge, &str, &str, &[u8]) -> Response) -> ExitCode {
    let Some((bridge, _)) = start() else {
        return ExitCode::FAILURE;
    };
    serve(async |mut call: Callback, _| {
        let response = match call.take_body() {
            Ok(body) => verb(&bridge, call.channel(), call.query(), &body).await,
            Err(nonsense) => refuse(&nonsense),
        };
        Ok(Answer::from(response))
    })
    .await
}

/// Answers one call of the gateway. What is no request is answered here.
async fn http_call(
    call: Call,
    verb: impl AsyncFn(&str, http::Request<Bytes>) -> Response,
) -> Answer {
    let channel = call.channel().to_owned();
    let response = match call.request() {
        Ok(request) => verb(&channel, request).await,
        Err(nonsense) => refuse(&nonsense),
    };
    Answer::from(response)
}

fn refuse(nonsense: &Nonsense) -> Response {
    warn!(error = %nonsense, "refused a call");
    bridge::plain(http::StatusCode::BAD_REQUEST, "Bad Request")
}

/// Hands events to `answer`, with the moment at which Lambda ends the
/// invocation, until Lambda ends the process.
async fn serve<E, A>(answer: impl AsyncFn(E, Moment) -> Result<A, Broken>) -> ExitCode
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
            Box::pin(answer(payload, deadline)).await.map_err(|broken| {
                error!(error = %broken, "an invocation failed");
                Diagnostic {
                    error_type: "Failed".to_owned(),
                    error_message: "the function's log says why".to_owned(),
                }
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
