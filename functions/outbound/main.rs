//! `POST /desk/{channel}`: journals what agents say.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    magpie::lambda::outbound().await
}
