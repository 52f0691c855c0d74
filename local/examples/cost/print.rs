//! Everything that is printed.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the one module of this program that prints"
)]

use std::error::Error;

use crate::Settings;
use crate::bill::{ASSUMED, Line, sum};
use crate::measured::{Measured, Message};
use crate::prices::{Prices, Source};

/// What has a price that nobody here knows.
const UNPRICED: &str = "the encryption key's calls, the schedule's ticks, log lines once they \
    are stored, cold starts, and agents' pages that look for news";

/// Prints the bill.
pub(crate) fn report(settings: &Settings, measured: &Measured, prices: &Prices, lines: &[Line]) {
    let currency = &prices.currency;
    println!(
        "{} messages in and as many out, a month, {:?} desk, {}, list prices of {}\n",
        settings.messages, settings.desk, settings.region, prices.as_of
    );
    for fixed in [false, true] {
        let kind = if fixed { "fixed" } else { "variable" };
        println!(
            "{kind:<38} {:>12} {:<9} {:>14} {:>9}",
            "quantity", "", "price", currency
        );
        let all = lines.iter().filter(|line| line.fixed == fixed);
        for line in all {
            println!(
                "  {:<36} {:>12.3} {:<9} {:>12} {} {:>9.2}",
                line.what,
                line.quantity,
                line.unit,
                line.price,
                line.source,
                line.amount()
            );
        }
        println!("  {:<36} {:>48.2}\n", "sum", sum(lines, fixed));
    }
    println!("R read, D derived, K commonly known and not read again, E estimated: no price.");
    if lines.iter().any(|line| line.source == Source::E) {
        println!("E is {}.", prices.rule);
    }
    println!("Not priced: {UNPRICED}.\n");
    assumed(settings);
    println!("Measured, on average of a message:");
    message("in", &measured.inbound);
    message("out", &measured.outbound);
}

fn assumed(settings: &Settings) {
    println!(
        "Assumed: {} ms a call of the store, {} ms of the desk, {} ms of WeChat; {} MB for what \
         is called and {} MB for what delivers, a whole processor at 1769 MB; {} bytes of \
         Lambda's lines an invocation, {} of the gateway's a call; {} bytes of TLS with a call \
         that goes out.\n",
        ASSUMED.store,
        ASSUMED.desk,
        ASSUMED.wechat,
        settings.front_mb,
        settings.deliver_mb,
        ASSUMED.platform_log,
        ASSUMED.access_log,
        ASSUMED.wrapping,
    );
}

fn message(what: &str, message: &Message) {
    let Message {
        taken,
        delivered,
        taken_calls,
        delivered_calls,
        desk_calls,
        wechat_calls,
        out,
        row,
        ..
    } = message;
    println!(
        "  {what:<4} {:.2} write and {:.2} read units, {:.1} calls of the store, {desk_calls:.1} of \
         the desk, {wechat_calls:.1} of WeChat ({out:.0} bytes), a row of {row:.0} bytes",
        taken.write + delivered.write,
        taken.read + delivered.read,
        taken_calls + delivered_calls,
    );
}

pub(crate) fn failure(failure: &dyn Error) {
    eprintln!("cost: {failure}");
}
