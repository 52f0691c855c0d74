//! The bill of a month: quantities from what was measured and what was set, times
//! prices. Arithmetic and nothing else; what it assumes stands in [`Assumed`].

use std::collections::BTreeMap;

use crate::measured::{Function, Measured, Message};
use crate::prices::{Good, Prices, Source};
use crate::{Desk, Logs, Outcome, Settings};

/// Megabytes at which Lambda lends one whole processor.
const WHOLE_PROCESSOR: f64 = 1769.0;
/// Hours and minutes of a month.
const HOURS: f64 = 730.0;
const MINUTES: f64 = HOURS * 60.0;
const MILLION: f64 = 1e6;
const GIGABYTE: f64 = 1e9;

/// What nobody measured here. Times in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Assumed {
    /// What a call of DynamoDB is waited for.
    pub(crate) store: f64,
    /// What a desk takes over a call.
    pub(crate) desk: f64,
    /// What WeChat takes over a call.
    pub(crate) wechat: f64,
    /// Bytes of Lambda's own lines about one invocation.
    pub(crate) platform_log: f64,
    /// Bytes of the gateway's line about one call.
    pub(crate) access_log: f64,
    /// Bytes of TLS and TCP with a call that goes out.
    pub(crate) wrapping: f64,
    /// Bytes of the gateway's answer to a call.
    pub(crate) answer: f64,
    /// Metrics of our own.
    pub(crate) metrics: f64,
}

pub(crate) const ASSUMED: Assumed = Assumed {
    store: 5.0,
    desk: 300.0,
    wechat: 200.0,
    platform_log: 500.0,
    access_log: 250.0,
    wrapping: 1000.0,
    answer: 400.0,
    metrics: 15.0,
};

/// One line of the bill.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) what: String,
    /// How many units of the price.
    pub(crate) quantity: f64,
    pub(crate) unit: &'static str,
    pub(crate) price: f64,
    pub(crate) source: Source,
    /// Whether it is there without a message, too.
    pub(crate) fixed: bool,
}

impl Line {
    pub(crate) fn amount(&self) -> f64 {
        self.quantity * self.price
    }
}

/// A bill in the making.
struct Bill<'a> {
    settings: &'a Settings,
    measured: &'a Measured,
    functions: &'a BTreeMap<String, Function>,
    prices: &'a Prices,
    lines: Vec<Line>,
}

/// The bill of a month of so many messages in, and as many out.
pub(crate) fn bill(
    settings: &Settings,
    measured: &Measured,
    functions: &BTreeMap<String, Function>,
    prices: &Prices,
) -> Outcome<Vec<Line>> {
    let mut bill = Bill {
        settings,
        measured,
        functions,
        prices,
        lines: Vec::new(),
    };
    bill.variable()?;
    bill.fixed()?;
    Ok(bill.lines)
}

/// The sum of the variable or of the fixed lines.
pub(crate) fn sum(lines: &[Line], fixed: bool) -> f64 {
    let of = lines.iter().filter(|line| line.fixed == fixed);
    of.map(Line::amount).sum()
}

impl Bill<'_> {
    fn line(
        &mut self,
        what: &str,
        quantity: f64,
        unit: &'static str,
        good: Good,
        fixed: bool,
    ) -> Outcome<()> {
        let (price, source) = self.prices.price(good)?;
        self.lines.push(Line {
            what: what.to_owned(),
            quantity,
            unit,
            price,
            source,
            fixed,
        });
        Ok(())
    }

    fn function(&self, name: &str) -> Outcome<Function> {
        let found = self.functions.get(name).copied();
        Ok(found.ok_or_else(|| format!("functions.json has no {name}"))?)
    }

    /// Gigabyte-seconds of one invocation: milliseconds of a whole processor at
    /// the share that the memory buys, and of waiting.
    fn gb_seconds(memory: f64, cpu: f64, waiting: f64) -> f64 {
        let took = cpu * WHOLE_PROCESSOR / memory + waiting;
        // Billed by the millisecond begun: half of one more on average.
        memory / 1024.0 * (took + 0.5) / 1000.0
    }

    fn compute(&self) -> Good {
        if self.settings.arm64 {
            Good::GbSecondsArm64
        } else {
            Good::GbSecondsX86
        }
    }

    /// The function that takes what agents say.
    fn taker(&self) -> &'static str {
        match self.settings.desk {
            Desk::Webhook => "outbound",
            Desk::Inbox => "console",
        }
    }

    /// Waiting for the outside and the store on the way of one message.
    fn waiting(message: &Message) -> f64 {
        message.delivered_calls * ASSUMED.store
            + message.desk_calls * ASSUMED.desk
            + message.wechat_calls * ASSUMED.wechat
    }

    fn variable(&mut self) -> Outcome<()> {
        let Settings {
            batch,
            recovery,
            retention_days,
            ..
        } = *self.settings;
        let messages = self.settings.messages;
        let millions = messages / MILLION;
        let Measured {
            inbound, outbound, ..
        } = *self.measured;
        let delivers = 2.0 * messages / batch;

        self.line(
            "HTTP API: pushes and answers",
            2.0 * millions,
            "M calls",
            Good::ApiCalls,
            false,
        )?;
        let invocations = 2.0 * millions + delivers / MILLION;
        self.line(
            "Lambda: invocations",
            invocations,
            "M",
            Good::Invocations,
            false,
        )?;

        let (front, back) = (self.settings.front_mb, self.settings.deliver_mb);
        for (name, message) in [("inbound", inbound), (self.taker(), outbound)] {
            let cpu = self.function(name)?.cpu_ms;
            let each = Self::gb_seconds(front, cpu, message.taken_calls * ASSUMED.store);
            self.line(
                &format!("Lambda: {name}"),
                messages * each,
                "GB s",
                self.compute(),
                false,
            )?;
        }
        for (name, message) in [
            ("deliver to desk", inbound),
            ("deliver to WeChat", outbound),
        ] {
            // Lanes of a batch are worked on side by side: it waits once.
            let cpu = self.function(name)?.cpu_ms * batch;
            let each = Self::gb_seconds(back, cpu, Self::waiting(&message));
            self.line(
                &format!("Lambda: {name}"),
                messages / batch * each,
                "GB s",
                self.compute(),
                false,
            )?;
        }

        for (what, message) in [("in", inbound), ("out", outbound)] {
            let (taken, delivered) = (message.taken, message.delivered);
            let writes = (taken.write + delivered.write) * millions;
            self.line(
                &format!("DynamoDB: writes, {what}"),
                writes,
                "M units",
                Good::Writes,
                false,
            )?;
            let reads = (taken.read + delivered.read) * millions;
            self.line(
                &format!("DynamoDB: reads, {what}"),
                reads,
                "M units",
                Good::Reads,
                false,
            )?;
        }
        let months = retention_days / (HOURS / 24.0);
        let stored = messages * (inbound.row + outbound.row) * months / GIGABYTE;
        self.line(
            "DynamoDB: storage",
            stored,
            "GB month",
            Good::Storage,
            false,
        )?;
        if recovery {
            self.line(
                "DynamoDB: point-in-time recovery",
                stored,
                "GB month",
                Good::Recovery,
                false,
            )?;
        }
        self.logs(messages, delivers)?;

        let calls = inbound.desk_calls + outbound.desk_calls + outbound.wechat_calls;
        let out = inbound.out + outbound.out + calls * ASSUMED.wrapping + 2.0 * ASSUMED.answer;
        self.line(
            "data out",
            messages * out / GIGABYTE,
            "GB",
            Good::DataOut,
            false,
        )
    }

    fn logs(&mut self, messages: f64, delivers: f64) -> Outcome<()> {
        let own = [
            ("inbound", messages),
            (self.taker(), messages),
            ("deliver to desk", delivers / 2.0),
            ("deliver to WeChat", delivers / 2.0),
        ];
        let mut lines = 0.0;
        for (name, times) in own {
            lines += self.function(name)?.log_bytes * times;
        }
        let platform = (2.0 * messages + delivers) * ASSUMED.platform_log;
        let access = 2.0 * messages * ASSUMED.access_log;
        let kinds = [
            ("our lines", lines, Logs::Ours),
            ("Lambda's lines", platform, Logs::All),
            ("access log", access, Logs::All),
        ];
        for (what, bytes, least) in kinds {
            if self.settings.logs >= least {
                self.line(
                    &format!("logs: {what}"),
                    bytes / GIGABYTE,
                    "GB",
                    Good::Logs,
                    false,
                )?;
            }
        }
        Ok(())
    }

    fn fixed(&mut self) -> Outcome<()> {
        let channels = self.settings.channels;
        if self.settings.fixed_address {
            self.line(
                "fixed address: NAT gateway",
                HOURS,
                "hours",
                Good::NatHours,
                true,
            )?;
            self.line(
                "fixed address: the address",
                HOURS,
                "hours",
                Good::AddressHours,
                true,
            )?;
        }
        self.line("encryption key", 1.0, "", Good::Key, true)?;
        self.line(
            "secrets: the channels' and two",
            channels + 2.0,
            "",
            Good::Secret,
            true,
        )?;
        // Each of three functions reads a channel's once a minute while it works.
        let reads = 3.0 * MINUTES * channels / MILLION;
        self.line(
            "secrets: reads, one process of each",
            reads,
            "M",
            Good::SecretCalls,
            true,
        )?;
        self.line(
            "ticks: invocations",
            2.0 * MINUTES / MILLION,
            "M",
            Good::Invocations,
            true,
        )?;
        let mut each = 0.0;
        for name in ["sweep", "token-refresh"] {
            let cpu = self.function(name)?.cpu_ms;
            each += Self::gb_seconds(self.settings.deliver_mb, cpu, 4.0 * ASSUMED.store);
        }
        self.line(
            "ticks: compute",
            MINUTES * each,
            "GB s",
            self.compute(),
            true,
        )?;
        let idle = self.measured.idle;
        self.line(
            "ticks: reads",
            MINUTES * idle.read / MILLION,
            "M units",
            Good::Reads,
            true,
        )?;
        // Last push and last send, once a minute each at the most.
        let notes = (idle.write + 2.0 * channels) * MINUTES / MILLION;
        self.line(
            "ticks and notes: writes",
            notes,
            "M units",
            Good::Writes,
            true,
        )?;
        if self.settings.logs >= Logs::All {
            let bytes = 2.0 * MINUTES * ASSUMED.platform_log / GIGABYTE;
            self.line("ticks: Lambda's lines", bytes, "GB", Good::Logs, true)?;
        }
        if self.settings.metrics {
            self.line("metrics", ASSUMED.metrics, "", Good::Metric, true)?;
            self.line("alarms", 1.0, "", Good::Alarms, true)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use magpie::store::Units;

    use super::*;

    fn message(write: f64, read: f64) -> Message {
        Message {
            taken: Units {
                write: 1.0,
                read: 0.0,
            },
            taken_calls: 1.0,
            delivered: Units {
                write: write - 1.0,
                read,
            },
            delivered_calls: 2.0,
            desk_calls: 1.0,
            wechat_calls: 0.0,
            out: 600.0,
            row: 500.0,
            most: Units { write, read },
        }
    }

    fn measured() -> Measured {
        let outbound = Message {
            wechat_calls: 1.0,
            ..message(3.0, 2.5)
        };
        Measured {
            inbound: message(2.0, 1.0),
            outbound,
            idle: Units {
                write: 0.0,
                read: 4.0,
            },
        }
    }

    fn functions() -> BTreeMap<String, Function> {
        let one = Function {
            cpu_ms: 1.0,
            log_bytes: 100.0,
        };
        let names = [
            "inbound",
            "outbound",
            "console",
            "deliver to desk",
            "deliver to WeChat",
            "sweep",
            "token-refresh",
        ];
        names.map(|name| (name.to_owned(), one)).into()
    }

    fn lines(settings: &Settings) -> Vec<Line> {
        let prices = Prices::of(&settings.region).unwrap();
        bill(settings, &measured(), &functions(), &prices).unwrap()
    }

    fn amount(lines: &[Line], what: &str) -> f64 {
        let found = lines.iter().filter(|line| line.what.starts_with(what));
        found.map(Line::amount).sum()
    }

    #[test]
    fn quantities_times_prices() {
        let all = lines(&Settings::full("us-east-1"));
        let check = |what: &str, expected: f64| {
            let found = amount(&all, what);
            assert!((found - expected).abs() < 0.005, "{what}: {found}");
        };
        check("HTTP API", 2.0);
        check("Lambda: invocations", 0.8);
        // 1 ms at 256 of 1769 MB, 5 ms of the store, half a millisecond.
        check(
            "Lambda: inbound",
            1e6 * 0.25 * (6.910 + 5.5) / 1000.0 * 0.000_016_666_7,
        );
        // 1 ms at 128 MB, two calls of the store, one of the desk.
        check(
            "Lambda: deliver to desk",
            1e6 * 0.125 * (13.82 + 310.5) / 1000.0 * 0.000_016_666_7,
        );
        check("DynamoDB: writes", 5.0 * 0.625);
        check("DynamoDB: reads", 3.5 * 0.125);
        check("DynamoDB: storage", 1.0 * 30.0 / 30.416 * 0.25);
        check("DynamoDB: point-in-time", 1.0 * 30.0 / 30.416 * 0.20);
        check("logs: our", 0.4 * 0.5);
        check("logs: Lambda's", 2.0 * 0.5);
        check("logs: access", 0.5 * 0.5);
        check("data out", (1.2 + 3.0 + 0.8) * 0.09);
        check("fixed address", 730.0 * 0.05);
        check("secrets: the", 3.0 * 0.4);
    }

    #[test]
    fn settings_take_lines_away() {
        let lean = lines(&Settings::lean("us-east-1"));
        for what in [
            "fixed address",
            "DynamoDB: point-in-time",
            "logs: Lambda's",
            "logs: access",
            "metrics",
        ] {
            assert!(amount(&lean, what).abs() < 1e-12, "{what}");
        }
        let full = lines(&Settings::full("us-east-1"));
        assert!(sum(&lean, false) < sum(&full, false));
        assert!(sum(&lean, true) < sum(&full, true));
    }

    #[test]
    fn a_batch_waits_once() {
        let settings = Settings {
            batch: 4.0,
            ..Settings::full("us-east-1")
        };
        let all = lines(&settings);
        let found = amount(&all, "Lambda: deliver to desk");
        let expected = 0.25e6 * 0.125 * (4.0 * 13.82 + 310.5) / 1000.0 * 0.000_016_666_7;
        assert!((found - expected).abs() < 0.005, "{found}");
        assert!((amount(&all, "Lambda: invocations") - 2.5 * 0.2).abs() < 1e-9);
    }
}
