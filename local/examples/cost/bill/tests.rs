//! The arithmetic, held against figures that were reckoned by hand.

use magpie::store::Units;

use super::*;
use crate::measured::Message;

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
        idle_calls: 4.0,
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
    let all = lines(&Settings {
        logs: Logs::All,
        ..Settings::full("us-east-1")
    });
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
    check("logs: the gateway's", 0.5 * 0.5);
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
        "logs: the gateway's",
        "metrics",
        "alarms",
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
