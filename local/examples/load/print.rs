//! Everything that is printed.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the one module of this program that prints"
)]

use std::error::Error;
use std::time::Duration;

use crate::desk::Told;
use crate::talk::Heard;

/// What so many customers at once were acknowledged.
pub(crate) struct Rate {
    pub(crate) customers: u32,
    /// How long each took.
    pub(crate) acknowledged: Vec<Duration>,
    pub(crate) took: Duration,
}

impl Rate {
    /// Pushes a second.
    fn rate(&self) -> f64 {
        let pushes = u32::try_from(self.acknowledged.len()).unwrap_or(u32::MAX);
        f64::from(pushes) / self.took.as_secs_f64()
    }
}

/// What came of it.
pub(crate) struct Report {
    pub(crate) fsync: [Duration; 2],
    pub(crate) rates: Vec<Rate>,
    pub(crate) took: Duration,
    pub(crate) quiet: Duration,
    pub(crate) acknowledged: usize,
    pub(crate) delivered: usize,
    pub(crate) lost: usize,
    pub(crate) doubled: usize,
    pub(crate) misordered: usize,
    pub(crate) journey: Vec<Duration>,
    pub(crate) repeated: u64,
    pub(crate) tried_again: u64,
    pub(crate) given_up: usize,
    pub(crate) known: usize,
    pub(crate) refused: usize,
    pub(crate) talked: Heard,
}

/// The value that so many in a hundred of the sorted times do not exceed.
pub(crate) fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let position = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(position).copied().unwrap_or_default()
}

fn ms(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}

fn times(name: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let [p50, p99, max] = [50, 99, 100].map(|percent| ms(percentile(&times, percent)));
    println!("{name:<26} p50 {p50}, p99 {p99}, max {max}");
}

pub(crate) fn progress(since: Duration, acknowledged: usize, told: &Told) {
    let seconds = since.as_secs();
    let (heard, refused) = (told.first.len(), told.refused);
    println!(
        "{seconds:>4} s  {acknowledged} acknowledged, {heard} on the desk, {refused} refused by it"
    );
}

/// Prints it all. Says whether everything was acknowledged and came once and in
/// order.
pub(crate) fn report(report: Report) -> bool {
    let [before, after] = report.fsync.map(ms);
    println!("fsync of 4 KiB             p50 {before} before, {after} after");
    let mut first = None;
    for step in report.rates {
        let (rate, customers) = (step.rate(), step.customers);
        let ratio = rate / *first.get_or_insert(rate.max(f64::MIN_POSITIVE));
        println!(
            "acknowledged               {rate:.1} pushes/s of {customers} at once ({ratio:.1})"
        );
        times("acknowledgement", step.acknowledged);
    }
    times("phone to desk", report.journey);
    println!(
        "time                       {:.1} s to the last acknowledgement, {:.1} s to the last on the desk",
        report.took.as_secs_f64(),
        report.quiet.as_secs_f64()
    );
    println!(
        "repeats                    {} pushed, {} tried again, {} given up; {} refused by the desk, {} told again under a known id",
        report.repeated, report.tried_again, report.given_up, report.refused, report.known
    );
    let talked = report.talked;
    times("phone to inbox", talked.to_inbox);
    times("inbox to phone", talked.to_phone);
    println!(
        "talks: sent {}, delivered {}, lost {}, doubled {}, out of order {}",
        talked.sent,
        talked.sent - talked.lost,
        talked.lost,
        talked.doubled,
        talked.misordered
    );
    println!(
        "sent {}, acknowledged {}, delivered {}, lost {}, doubled {}, out of order {}",
        report.acknowledged + report.given_up,
        report.acknowledged,
        report.delivered,
        report.lost,
        report.doubled,
        report.misordered
    );
    let amiss = [
        (report.lost, talked.lost),
        (report.doubled, talked.doubled),
        (report.misordered, talked.misordered),
    ];
    amiss == [(0, 0); 3] && report.given_up == 0 && report.acknowledged > 0
}

pub(crate) fn failure(failure: &dyn Error) {
    eprintln!("load: {failure}");
}
