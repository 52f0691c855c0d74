//! `magpie`: the bridge, its store, the inbox and a simulated `WeChat` on one
//! machine.

mod demo;
mod events;
mod folder;
mod hosts;
mod lanes;
mod machine;
mod print;
mod routes;
mod server;
mod settings;
mod stop;
mod text;
mod workers;

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Parser as _;
use settings::{Flags, Settings};

/// The settings are not right.
const WRONG: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    let mut settings = match Settings::read(Flags::parse()) {
        Ok(settings) => settings,
        Err(wrong) => {
            print::wrong(&wrong);
            return ExitCode::from(WRONG);
        }
    };
    tracing_subscriber::fmt()
        .with_env_filter(std::mem::take(&mut settings.log))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    match machine::run(settings).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            print::failure(&failure);
            ExitCode::FAILURE
        }
    }
}
