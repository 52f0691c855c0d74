//! The bill of a month: quantities from what was measured and what was set, times
//! prices. Arithmetic and nothing else; what it assumes stands in [`Assumed`].

use std::collections::BTreeMap;

use crate::measured::{Function, Measured};
use crate::prices::{Good, Prices, Source};
use crate::{Desk, Logs, Outcome, Settings};

/// Megabytes at which Lambda lends one whole processor.
const WHOLE_PROCESSOR: f64 = 1769.0;
/// Hours and minutes of a month.
const HOURS: f64 = 730.0;
const MINUTES: f64 = HOURS * 60.0;
const MILLION: f64 = 1e6;
const GIGABYTE: f64 = 1e9;
/// What `functions.json` calls the two parts of `deliver`.
const TO_DESK: &str = "deliver to desk";
const TO_WECHAT: &str = "deliver to WeChat";

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
    /// Whether what is added now is there without a message, too.
    fixed: bool,
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
        fixed: false,
        lines: Vec::new(),
    };
    bill.functions()?;
    bill.table()?;
    bill.logs()?;
    bill.out()?;
    bill.fixed = true;
    bill.standing()?;
    bill.ticks()?;
    Ok(bill.lines)
}

/// The sum of the variable or of the fixed lines.
pub(crate) fn sum(lines: &[Line], fixed: bool) -> f64 {
    let of = lines.iter().filter(|line| line.fixed == fixed);
    of.map(Line::amount).sum()
}

impl Bill<'_> {
    fn add(&mut self, what: &str, quantity: f64, good: Good) -> Outcome<()> {
        let (price, source) = self.prices.price(good)?;
        self.lines.push(Line {
            what: what.to_owned(),
            quantity,
            unit: good.unit(),
            price,
            source,
            fixed: self.fixed,
        });
        Ok(())
    }

    fn function(&self, name: &str) -> Outcome<Function> {
        let found = self.functions.get(name).copied();
        Ok(found.ok_or_else(|| format!("functions.json has no {name}"))?)
    }

    /// The function that takes what agents say.
    fn taker(&self) -> &'static str {
        match self.settings.desk {
            Desk::Webhook => "outbound",
            Desk::Inbox => "console",
        }
    }

    /// How often `deliver` is invoked for each direction.
    fn batches(&self) -> f64 {
        self.settings.messages / self.settings.batch
    }

    /// Adds invocations that take so long each: milliseconds of a whole processor,
    /// at the share that the memory buys, and of waiting.
    fn compute(&mut self, what: &str, times: f64, memory: f64, took: [f64; 2]) -> Outcome<()> {
        let [cpu, waiting] = took;
        // Billed by the millisecond begun: half of one more on average.
        let millis = cpu * WHOLE_PROCESSOR / memory + waiting + 0.5;
        let good = if self.settings.arm64 {
            Good::GbSecondsArm64
        } else {
            Good::GbSecondsX86
        };
        self.add(what, times * memory / 1024.0 * millis / 1000.0, good)
    }

    fn functions(&mut self) -> Outcome<()> {
        let messages = self.settings.messages;
        self.add("HTTP API: calls", 2.0 * messages / MILLION, Good::ApiCalls)?;
        let invocations = 2.0 * (messages + self.batches()) / MILLION;
        self.add("Lambda: invocations", invocations, Good::Invocations)?;
        let Measured {
            inbound, outbound, ..
        } = *self.measured;
        for (name, message) in [("inbound", inbound), (self.taker(), outbound)] {
            let took = [
                self.function(name)?.cpu_ms,
                message.taken_calls * ASSUMED.store,
            ];
            let memory = self.settings.front_mb;
            self.compute(&format!("Lambda: {name}"), messages, memory, took)?;
        }
        for (name, message) in [(TO_DESK, inbound), (TO_WECHAT, outbound)] {
            // Lanes of a batch are worked on side by side: it waits once.
            let took = [
                self.function(name)?.cpu_ms * self.settings.batch,
                message.delivered_calls * ASSUMED.store
                    + message.desk_calls * ASSUMED.desk
                    + message.wechat_calls * ASSUMED.wechat,
            ];
            let (times, memory) = (self.batches(), self.settings.deliver_mb);
            self.compute(&format!("Lambda: {name}"), times, memory, took)?;
        }
        Ok(())
    }

    fn table(&mut self) -> Outcome<()> {
        let messages = self.settings.messages;
        let Measured {
            inbound, outbound, ..
        } = *self.measured;
        for (what, message) in [("in", inbound), ("out", outbound)] {
            let (taken, delivered) = (message.taken, message.delivered);
            let writes = (taken.write + delivered.write) * messages / MILLION;
            self.add(&format!("DynamoDB: writes, {what}"), writes, Good::Writes)?;
            let reads = (taken.read + delivered.read) * messages / MILLION;
            self.add(&format!("DynamoDB: reads, {what}"), reads, Good::Reads)?;
        }
        let months = self.settings.retention_days * 24.0 / HOURS;
        let stored = messages * (inbound.row + outbound.row) * months / GIGABYTE;
        self.add("DynamoDB: storage", stored, Good::Storage)?;
        if self.settings.recovery {
            let what = "DynamoDB: point-in-time recovery";
            self.add(what, stored, Good::Recovery)?;
        }
        Ok(())
    }

    fn logs(&mut self) -> Outcome<()> {
        let (messages, batches) = (self.settings.messages, self.batches());
        let mut ours = 0.0;
        for (name, times) in [
            ("inbound", messages),
            (self.taker(), messages),
            (TO_DESK, batches),
            (TO_WECHAT, batches),
        ] {
            ours += self.function(name)?.log_bytes * times;
        }
        let platform = 2.0 * (messages + batches) * ASSUMED.platform_log;
        let access = 2.0 * messages * ASSUMED.access_log;
        for (what, bytes, least) in [
            ("logs: our lines", ours, Logs::Ours),
            ("logs: the gateway's lines", access, Logs::Calls),
            ("logs: Lambda's lines", platform, Logs::All),
        ] {
            if self.settings.logs >= least {
                self.add(what, bytes / GIGABYTE, Good::Logs)?;
            }
        }
        Ok(())
    }

    fn out(&mut self) -> Outcome<()> {
        let Measured {
            inbound, outbound, ..
        } = *self.measured;
        let calls = inbound.desk_calls + outbound.desk_calls + outbound.wechat_calls;
        let each = inbound.out + outbound.out + calls * ASSUMED.wrapping + 2.0 * ASSUMED.answer;
        let bytes = self.settings.messages * each;
        self.add("data out", bytes / GIGABYTE, Good::DataOut)
    }

    /// What stands there by the month.
    fn standing(&mut self) -> Outcome<()> {
        let channels = self.settings.channels;
        if self.settings.fixed_address {
            self.add("fixed address: NAT gateway", HOURS, Good::NatHours)?;
            self.add("fixed address: the address", HOURS, Good::AddressHours)?;
        }
        self.add("encryption key", 1.0, Good::Key)?;
        self.add(
            "secrets: the channels' and two",
            channels + 2.0,
            Good::Secret,
        )?;
        // Each of three functions reads a channel's once a minute while it works.
        let reads = 3.0 * MINUTES * channels / MILLION;
        self.add(
            "secrets: reads, a process of each",
            reads,
            Good::SecretCalls,
        )?;
        if self.settings.alarms {
            self.add("metrics", ASSUMED.metrics, Good::Metric)?;
            self.add("alarms", 1.0, Good::Alarms)?;
        }
        Ok(())
    }

    /// What happens once a minute, whether there is anything to do or not.
    fn ticks(&mut self) -> Outcome<()> {
        let invocations = 2.0 * MINUTES / MILLION;
        self.add("ticks: invocations", invocations, Good::Invocations)?;
        let [sweep, tokens] = ["sweep", "token-refresh"].map(|name| self.function(name));
        let (sweep, tokens) = (sweep?, tokens?);
        let waiting = self.measured.idle_calls * ASSUMED.store;
        let took = [sweep.cpu_ms + tokens.cpu_ms, waiting];
        self.compute("ticks: compute", MINUTES, self.settings.deliver_mb, took)?;
        let idle = self.measured.idle;
        let reads = MINUTES * idle.read / MILLION;
        self.add("ticks: reads", reads, Good::Reads)?;
        // Last push and last send are noted once a minute at the most.
        let writes = MINUTES * (idle.write + 2.0 * self.settings.channels) / MILLION;
        self.add("ticks and notes: writes", writes, Good::Writes)?;
        let mut bytes = MINUTES * (sweep.log_bytes + tokens.log_bytes);
        if self.settings.logs >= Logs::All {
            bytes += 2.0 * MINUTES * ASSUMED.platform_log;
        }
        self.add("ticks: logs", bytes / GIGABYTE, Good::Logs)
    }
}

#[cfg(test)]
mod tests;
