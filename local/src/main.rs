//! `magpie`: the bridge, its store, the inbox and a simulated `WeChat` on one
//! machine.

mod caller;
mod commands;
mod demo;
mod events;
mod folder;
mod hosts;
mod lanes;
mod machine;
mod metrics;
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
use commands::Cli;
use settings::Settings;
use tracing_subscriber::Layer as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The settings are not right.
const WRONG: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    let Cli { flags, command } = Cli::parse();
    if let Some(command) = command {
        return commands::run(command, flags).await;
    }
    let mut settings = match Settings::read(flags) {
        Ok(settings) => settings,
        Err(wrong) => {
            print::wrong(&wrong);
            return ExitCode::from(WRONG);
        }
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    tracing_subscriber::registry()
        .with(lines.with_filter(magpie::telemetry::quiet_others()))
        .with(std::mem::take(&mut settings.log))
        .init();
    match machine::run(settings).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            print::failure(&failure);
            ExitCode::FAILURE
        }
    }
}
