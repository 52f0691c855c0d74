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

/// What is logged, beside what goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum Logs {
    /// Our own lines
    Ours,
    /// The gateway's line of every call, too
    Calls,
    /// Lambda's lines of every invocation, too (its own level INFO instead of WARN)
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
    /// The settings that cost least: arm64, no fixed address, no recovery, 7 days, our
    /// own lines alone, no alarms, five records in a batch; other flags go on top
    #[arg(long)]
    lean: bool,
    /// arm64 instead of x86-64
    #[arg(long)]
    arm64: bool,
    /// What is logged [default: calls]
    #[arg(long, value_enum)]
    logs: Option<Logs>,
    /// Days that entries are kept [default: 30]
    #[arg(long, value_parser = clap::value_parser!(u16).range(3..=3650))]
    retention_days: Option<u16>,
    /// Without point-in-time recovery
    #[arg(long)]
    no_recovery: bool,
    /// Without a fixed address: another server that has one fetches the tokens
    #[arg(long)]
    no_fixed_address: bool,
    /// Records of the stream in one invocation, on average [default: 1]; a batching
    /// window makes them more
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=100))]
    batch: Option<u16>,
    /// Memory of `deliver` and of what ticks: they mostly wait
    #[arg(long, default_value_t = 128)]
    deliver_mb: u16,
    /// Memory of the functions that are called: they have somebody who waits
    #[arg(long, default_value_t = 256)]
    front_mb: u16,
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
    /// Metrics and alarms.
    alarms: bool,
    batch: f64,
    front_mb: f64,
    deliver_mb: f64,
}

impl Settings {
    /// Everything on that the template has.
    fn full(region: &str) -> Self {
        Self {
            region: region.to_owned(),
            desk: Desk::Webhook,
            messages: 1e6,
            channels: 1.0,
            arm64: false,
            logs: Logs::Calls,
            retention_days: 30.0,
            recovery: true,
            fixed_address: true,
            alarms: true,
            batch: 1.0,
            front_mb: 256.0,
            deliver_mb: 128.0,
        }
    }

    /// What costs least of what we advise.
    fn lean(region: &str) -> Self {
        Self {
            arm64: true,
            logs: Logs::Ours,
            retention_days: 7.0,
            recovery: false,
            fixed_address: false,
            alarms: false,
            batch: 5.0,
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
            batch: flags.batch.map_or(base.batch, f64::from),
            deliver_mb: f64::from(flags.deliver_mb.max(128)),
            front_mb: f64::from(flags.front_mb.max(128)),
            ..base
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match Box::pin(run(&Settings::of(&Flags::parse()))).await {
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
            // The API reads first whom it answers, and shows what it wrote.
            ("out, inbox", inbox.outbound.most, 6.0, 3.5),
        ] {
            assert!(most.write <= write && most.read <= read, "{what}: {most:?}");
        }
    }

    #[tokio::test]
    async fn a_million_each_way_stays_within_its_budget() {
        let full = Box::pin(variable(&Settings::full("us-east-1"))).await;
        assert!(full <= 10.5, "{full}");
        let lean = Box::pin(variable(&Settings::lean("us-east-1"))).await;
        assert!(lean <= 7.5, "{lean}");
    }
}
