//! `/console/` and `/api/…`: the web console and the API of programs.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    magpie::lambda::console().await
}
