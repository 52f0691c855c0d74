//! A batch of the table's stream: works on the lanes that rang.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    magpie::lambda::deliver().await
}
