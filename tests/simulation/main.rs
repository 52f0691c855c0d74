//! The lanes under a scheduler that crashes, delays, repeats and interleaves.
//!
//! The real lane and store code runs on the engine in memory, with faults in
//! its connector and in the network; WeChat and the desks are simulated. Time
//! is the runtime's, paused: it moves when everybody waits. Everything is drawn
//! from a seed, so a failure is replayed by
//!
//! ```text
//! MAGPIE_SIMULATION_SEED=7 cargo test -p magpie-local --test simulation
//! ```
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    reason = "a test may stop where it stands"
)]

mod answers;
mod board;
mod checks;
mod draw;
mod driver;
mod far;
mod house;
mod ledger;
mod near;
mod network;
mod order;
mod people;
mod redrives;
mod rows;
mod scans;
mod story;
mod table;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use magpie::config::variable;

/// How many seeds run where nobody says otherwise.
const SEEDS: u64 = 200;

/// Runs one seed to its end; the error tells what does not hold.
fn run(seed: u64) -> Result<(ledger::Totals, Vec<String>), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let ended = story::play(seed).await;
        if variable("MAGPIE_SIMULATION_CALLS").is_some() {
            for call in &ended.calls {
                println!("{call}");
            }
            for row in rows::all(&ended.world.engine, "messages") {
                println!("{}", row.line());
            }
        }
        checks::check(&ended)
            .await
            .map(|totals| (totals, ended.calls))
    })
}

#[test]
fn every_seed_ends_well() {
    let (first, count) = match variable("MAGPIE_SIMULATION_SEED") {
        Some(seed) => (seed.parse().unwrap(), 1),
        None => (
            0,
            variable("MAGPIE_SIMULATION_SEEDS").map_or(SEEDS, |n| n.parse().unwrap()),
        ),
    };
    let next = AtomicU64::new(first);
    let failed = Mutex::new(BTreeMap::new());
    let totals = Mutex::new(ledger::Totals::default());
    let width = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..width {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count {
                        return;
                    }
                    let ended = std::panic::catch_unwind(|| run(seed));
                    match ended.unwrap_or_else(|_| Err("it panicked".to_owned())) {
                        Ok((seed, _)) => totals.lock().unwrap().add(&seed),
                        Err(why) => {
                            // A long run that is broken off has told what it found.
                            println!("seed {seed}: {why}");
                            failed.lock().unwrap().insert(seed, why);
                        }
                    }
                }
            });
        }
    });
    let totals = totals.into_inner().unwrap();
    println!("{count} seeds: {totals:?}");
    // What does not happen is not tested.
    assert!(
        count < SEEDS || totals.called > 0,
        "no customer was asked back"
    );
    assert!(
        count < 10 * SEEDS || totals.rode > 0,
        "no answer rode on a reply"
    );
    let failed = failed.into_inner().unwrap();
    if let Some((seed, why)) = failed.first_key_value() {
        panic!(
            "{} of {count} seeds failed, the first: {why}\nreplay it: MAGPIE_SIMULATION_SEED={seed} cargo test -p magpie-local --test simulation",
            failed.len()
        );
    }
}

#[test]
fn a_seed_is_the_same_twice() {
    for seed in 0..20 {
        let calls = || run(seed).unwrap().1;
        let (once, twice) = (calls(), calls());
        let differs = once.iter().zip(&twice).position(|(a, b)| a != b);
        if let Some(at) = differs {
            panic!(
                "seed {seed} differs at call {at}: {} and {}",
                once[at], twice[at]
            );
        }
        assert_eq!(once.len(), twice.len(), "seed {seed}");
    }
}
