//! What Magpie costs in AWS: a month of so many messages in and as many out,
//! line by line.
//!
//! `cargo run -p magpie-local --example cost -- --region us-east-1`
//!
//! Capacity units, calls, rows and bytes are measured at each run, by playing
//! conversations through the verbs; time on processors and log lines were measured
//! by the program `startup`, which writes them with `--save
//! local/examples/cost/functions.json`. Prices lie in `prices.json`, each with
//! its source. What is assumed is printed.
#![cfg_attr(
    test,
    expect(
        clippy::unwrap_used,
        reason = "a test stops at the first thing that is not as it has to be"
    )
)]

mod bill;
mod measured;
mod prices;
mod print;
#[path = "../../../shared/tests/shop/mod.rs"]
#[expect(
    clippy::unwrap_used,
    reason = "the shop of the tests is what is played"
)]
mod shop;

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use prices::Prices;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Where agents work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Desk {
    /// A server that speaks Standard Webhooks
    Webhook,
    /// The built-in inbox
    Inbox,
}

/// What is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum Logs {
    /// Nothing but what goes wrong (`MAGPIE_LOG=warn`, Lambda's own level WARN)
    Warnings,
    /// Our lines; Lambda's own level is WARN, and the gateway logs nothing
    Ours,
    /// Our lines, Lambda's of every invocation, the gateway's of every call
    All,
}

/// Prices a month of messages.
#[derive(Clone, Debug, Parser)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a switch of the template each"
)]
struct Flags {
    /// The region; a wrong one is answered with all of them
    #[arg(long, default_value = "us-east-1")]
    region: String,
    /// Where agents work
    #[arg(long, value_enum, default_value = "webhook")]
    desk: Desk,
    /// Messages in, and as many out
    #[arg(long, default_value_t = 1_000_000)]
    messages: u32,
    /// Connected accounts
    #[arg(long, default_value_t = 1)]
    channels: u32,
    /// The settings that cost least: arm64, no fixed address, no recovery, 7 days,
    /// warnings alone, no metrics; other flags are applied on top
    #[arg(long)]
    lean: bool,
    /// arm64 instead of x86-64
    #[arg(long)]
    arm64: bool,
    /// What is logged [default: all]
    #[arg(long, value_enum)]
    logs: Option<Logs>,
    /// Days that entries are kept [default: 30]
    #[arg(long, value_parser = clap::value_parser!(u16).range(3..=3650))]
    retention_days: Option<u16>,
    /// Without point-in-time recovery
    #[arg(long)]
    no_recovery: bool,
    /// Without a fixed address (WeChat then has to allow every address of AWS's, or
    /// somebody else fetches tokens)
    #[arg(long)]
    no_fixed_address: bool,
    /// Records of the stream in one invocation, on average
    #[arg(long, default_value_t = 1)]
    batch: u16,
}

/// What is priced.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a switch of the template each"
)]
struct Settings {
    region: String,
    desk: Desk,
    messages: f64,
    channels: f64,
    arm64: bool,
    logs: Logs,
    retention_days: f64,
    recovery: bool,
    fixed_address: bool,
    metrics: bool,
    batch: f64,
    /// Memory of `inbound`, `outbound` and `console`.
    front_mb: f64,
    /// Memory of `deliver` and of what ticks: they mostly wait.
    deliver_mb: f64,
}

impl Settings {
    /// Everything on.
    fn full(region: &str) -> Self {
        Self {
            region: region.to_owned(),
            desk: Desk::Webhook,
            messages: 1e6,
            channels: 1.0,
            arm64: false,
            logs: Logs::All,
            retention_days: 30.0,
            recovery: true,
            fixed_address: true,
            metrics: true,
            batch: 1.0,
            front_mb: 256.0,
            deliver_mb: 128.0,
        }
    }

    /// What costs least of what we advise.
    fn lean(region: &str) -> Self {
        Self {
            arm64: true,
            logs: Logs::Warnings,
            retention_days: 7.0,
            recovery: false,
            fixed_address: false,
            metrics: false,
            ..Self::full(region)
        }
    }

    fn of(flags: &Flags) -> Self {
        let base = if flags.lean {
            Self::lean(&flags.region)
        } else {
            Self::full(&flags.region)
        };
        Self {
            desk: flags.desk,
            messages: flags.messages.into(),
            channels: flags.channels.into(),
            arm64: base.arm64 || flags.arm64,
            logs: flags.logs.unwrap_or(base.logs),
            retention_days: flags.retention_days.map_or(base.retention_days, f64::from),
            recovery: base.recovery && !flags.no_recovery,
            fixed_address: base.fixed_address && !flags.no_fixed_address,
            batch: f64::from(flags.batch.max(1)),
            ..base
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(&Settings::of(&Flags::parse())).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print::failure(error.as_ref());
            ExitCode::FAILURE
        }
    }
}

async fn run(settings: &Settings) -> Outcome<()> {
    let prices = Prices::of(&settings.region)?;
    let measured = measured::measure(settings.desk).await?;
    let functions = measured::functions()?;
    let lines = bill::bill(settings, &measured, &functions, &prices)?;
    print::report(settings, &measured, &prices, &lines);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn variable(settings: &Settings) -> f64 {
        let prices = Prices::of(&settings.region).unwrap();
        let measured = measured::measure(settings.desk).await.unwrap();
        let functions = measured::functions().unwrap();
        let lines = bill::bill(settings, &measured, &functions, &prices).unwrap();
        bill::sum(&lines, false)
    }

    #[tokio::test]
    async fn a_message_takes_what_the_design_allows() {
        let webhook = measured::measure(Desk::Webhook).await.unwrap();
        let inbox = measured::measure(Desk::Inbox).await.unwrap();
        for (what, most, write, read) in [
            ("in, webhook", webhook.inbound.most, 2.0, 1.0),
            ("out, webhook", webhook.outbound.most, 3.0, 2.5),
            ("in, inbox", inbox.inbound.most, 5.0, 1.0),
            ("out, inbox", inbox.outbound.most, 6.0, 2.5),
        ] {
            assert!(most.write <= write && most.read <= read, "{what}: {most:?}");
        }
    }

    #[tokio::test]
    async fn a_million_each_way_stays_within_its_budget() {
        let full = variable(&Settings::full("us-east-1")).await;
        assert!(full <= 10.5, "{full}");
        let lean = variable(&Settings::lean("us-east-1")).await;
        assert!(lean <= 7.5, "{lean}");
    }
}
