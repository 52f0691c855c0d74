//! What a function costs that does nothing: the runtime, and the event back as it
//! came. The program `startup` measures the others beside it.

use std::process::ExitCode;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let echo = service_fn(async |event: LambdaEvent<Value>| Ok::<Value, Error>(event.payload));
    match lambda_runtime::run(echo).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
