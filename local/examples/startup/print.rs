//! Everything that is printed, and what is saved.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the one module of this program that prints"
)]

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::programs::Program;
use crate::round::Measured;
use crate::{Flags, Outcome};

/// The medians of one program.
pub(crate) struct Figures {
    name: &'static str,
    ready: f64,
    cpu_ready: f64,
    first: f64,
    cpu_first: f64,
    memory: f64,
    size: f64,
    zipped: f64,
    printed_first: f64,
    more: f64,
    cpu_more: f64,
    printed_more: f64,
}

impl Figures {
    pub(crate) fn of(program: &Program, measured: &[Measured]) -> Self {
        let time = |of: fn(&Measured) -> Duration| {
            median(measured.iter().map(|one| of(one).as_secs_f64() * 1000.0))
        };
        let count = |of: fn(&Measured) -> usize| median(measured.iter().map(|one| float(of(one))));
        Self {
            name: program.name,
            ready: time(|one| one.ready),
            cpu_ready: time(|one| one.cpu_ready),
            first: time(|one| one.first),
            cpu_first: time(|one| one.cpu_first),
            memory: count(|one| one.memory) / 1e6,
            size: float(program.size) / 1e6,
            zipped: float(program.zipped) / 1e6,
            printed_first: count(|one| one.printed_first),
            more: time(|one| one.more),
            cpu_more: time(|one| one.cpu_more),
            printed_more: count(|one| one.printed_more),
        }
    }
}

fn float(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// The value in the middle.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// A column of the table: its head, its figure, how many digits it has.
type Column = (&'static str, fn(&Figures) -> f64, usize);

/// Those beside which the ratio to `bare` stands.
const COMPARED: [Column; 7] = [
    ("start→next ms", |f| f.ready, 2),
    ("CPU to next ms", |f| f.cpu_ready, 2),
    ("CPU to answer ms", |f| f.cpu_first, 2),
    ("resident MB", |f| f.memory, 1),
    ("binary MB", |f| f.size, 2),
    ("zipped MB", |f| f.zipped, 2),
    ("CPU warm ms", |f| f.cpu_more, 2),
];

/// Those that `bare` has no part in.
const ALONE: [Column; 4] = [
    ("first event ms", |f| f.first, 2),
    ("later ms", |f| f.more, 2),
    ("log first B", |f| f.printed_first, 0),
    ("log later B", |f| f.printed_more, 0),
];

pub(crate) fn progress(round: u32, rounds: u32) {
    if round.is_multiple_of(5) || round == rounds {
        eprintln!("round {round} of {rounds}");
    }
}

/// Prints a table, in the form that a page can take over.
pub(crate) fn report(flags: &Flags, all: &[Figures]) {
    println!(
        "\nMedians of {} starts each; in brackets how many times `bare`. Warm: of {} later events.\n",
        flags.rounds, flags.more
    );
    let heads = COMPARED.iter().chain(&ALONE).map(|(head, ..)| *head);
    let heads: Vec<&str> = heads.collect();
    println!("| function | {} |", heads.join(" | "));
    println!("|---|{}", "---|".repeat(heads.len()));
    for figures in all {
        let ratio = |of: fn(&Figures) -> f64| {
            let bare = all.first().map_or(0.0, of);
            of(figures) / bare.max(f64::MIN_POSITIVE)
        };
        let compared = COMPARED
            .iter()
            .map(|(_, of, digits)| format!("{:.digits$} ({:.1})", of(figures), ratio(*of)));
        let alone = ALONE
            .iter()
            .map(|(_, of, digits)| format!("{:.digits$}", of(figures)));
        let cells: Vec<String> = compared.chain(alone).collect();
        println!("| {} | {} |", figures.name, cells.join(" | "));
    }
}

/// Leaves what an invocation takes for the program that prices it.
pub(crate) fn save(path: &Path, all: &[Figures]) -> Outcome<()> {
    let mut functions = Map::new();
    for figures in all {
        let one = json!({
            "cpu_start_ms": round(figures.cpu_first),
            "cpu_ms": round(figures.cpu_more),
            "log_bytes": figures.printed_more,
        });
        functions.insert(figures.name.to_owned(), one);
    }
    let mut text = serde_json::to_string_pretty(&Value::Object(functions))?;
    text.push('\n');
    Ok(std::fs::write(path, text)?)
}

/// To the hundredth.
fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

pub(crate) fn failure(failure: &dyn Error) {
    eprintln!("startup: {failure}");
}
