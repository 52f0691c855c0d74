//! Every minute: works on the lanes and timers that are due.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    magpie::lambda::sweep().await
}
