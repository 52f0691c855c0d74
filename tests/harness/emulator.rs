//! AWS's Runtime Interface Emulator, which SAM CLI carries: it runs a function's
//! artefact as Lambda does, and takes one event at a time.
//!
//! <https://github.com/aws/aws-lambda-runtime-interface-emulator>

use std::path::Path;

use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;

use super::process::{Outputs, Process};
use super::runtime_api::{Answer, FunctionError, Spec, environment};

/// How often it is looked whether the emulator listens.
const LOOK: std::time::Duration = std::time::Duration::from_millis(10);

/// A function under the emulator. It ends when this is dropped.
pub(super) struct Emulated {
    spec: Spec,
    process: Process,
    address: String,
    client: reqwest::Client,
    /// Two events at once end the emulator.
    turn: Mutex<()>,
}

impl Emulated {
    pub(super) async fn start(
        spec: Spec,
        emulator: &Path,
        outputs: &Outputs,
    ) -> Result<Emulated, FunctionError> {
        let (address, api) = (free_address().await, free_address().await);
        let timeout = spec.timeout.as_secs().to_string();
        let settings = environment(&spec, &api)
            .into_iter()
            // The emulator says it itself.
            .filter(|(name, _)| name != "AWS_LAMBDA_RUNTIME_API")
            .chain([("AWS_LAMBDA_FUNCTION_TIMEOUT".to_owned(), timeout)]);
        let program = spec.program.to_str().unwrap();
        let arguments = [
            "--runtime-interface-emulator-address",
            &address,
            "--runtime-api-address",
            &api,
            program,
        ];
        let process = Process::start(outputs, &spec.name, emulator, arguments, settings)
            .map_err(|error| FunctionError::NotStarted(error.to_string()))?;
        while TcpStream::connect(&address).await.is_err() {
            if process.has_ended() {
                let why = "the emulator has ended".to_owned();
                return Err(FunctionError::NotStarted(why));
            }
            tokio::time::sleep(LOOK).await;
        }
        #[expect(clippy::disallowed_methods, reason = "a client of the harness")]
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Ok(Emulated {
            spec,
            process,
            address,
            client,
            turn: Mutex::default(),
        })
    }

    pub(super) async fn invoke(&self, event: Value) -> Answer {
        let _turn = self.turn.lock().await;
        let address = format!(
            "http://{}/2015-03-31/functions/function/invocations",
            self.address
        );
        let sent = self.client.post(address).body(event.to_string()).send();
        let answer = sent.await.map_err(|_| FunctionError::Exited)?;
        let answer = answer.bytes().await.map_err(|_| FunctionError::Exited)?;
        let answer: Value = serde_json::from_slice(&answer).map_err(|_| FunctionError::Exited)?;
        match (answer.get("errorType"), answer.get("errorMessage")) {
            (Some(kind), Some(message)) => Err(FunctionError::Raised {
                kind: kind.to_string(),
                message: message.to_string(),
            }),
            _ => Ok(answer),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.spec.name
    }

    pub(super) fn kill(&self) {
        self.process.kill();
    }
}

/// An address that nobody listens on.
async fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().to_string()
}
