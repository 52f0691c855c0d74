//! Every minute: looks after the access tokens of all channels.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    magpie::lambda::token_refresh().await
}
