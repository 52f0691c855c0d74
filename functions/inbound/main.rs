//! `POST /wechat/{channel}`: journals what WeChat pushes.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    magpie::lambda::inbound().await
}
