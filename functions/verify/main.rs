//! `GET /wechat/{channel}`: answers WeChat's handshake.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    magpie::lambda::verify().await
}
