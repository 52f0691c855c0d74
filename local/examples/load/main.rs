//! Load on one machine: the real `magpie`, customers who write as fast as they
//! are acknowledged, and a webhook desk that counts what it is told.
//!
//! `cargo run --release -p magpie-local --example load -- --seconds 60 --customers 200`
//!
//! It ends with 1 when an acknowledged push is missing on the desk, shown twice
//! or out of order. Times are figures to read beside the disk's, no assertions.

mod desk;
mod machine;
mod print;
mod street;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::post;
use clap::Parser;
use desk::{Desk, hear};
use machine::{Folder, Magpie};
use magpie::clock::Chance;
use magpie::desk::webhook;
use street::Street;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long the desk may take to hear the last of it.
const PATIENCE: Duration = Duration::from_mins(2);

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Customers write to a Magpie on this machine, and a desk counts.
#[derive(Clone, Debug, Parser)]
struct Flags {
    /// How long they write
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// How many write at once
    #[arg(long, default_value_t = 200)]
    customers: u32,
    /// Messages a second of them all [default: the next when the last was acknowledged]
    #[arg(long)]
    rate: Option<u32>,
    /// How many pushes in a hundred come twice
    #[arg(long, default_value_t = 5)]
    duplicates: u64,
    /// The `magpie` to start [default: the one built beside this program]
    #[arg(long)]
    magpie: Option<PathBuf>,
    /// A folder on the disk to measure [default: the system's for temporary files]
    #[arg(long)]
    disk: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Flags::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            print::failure(error.as_ref());
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the clock of this program")]
fn instant() -> Instant {
    Instant::now()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn run(flags: &Flags) -> Outcome<bool> {
    let folder = Folder::new(&flags.disk.clone().unwrap_or_else(std::env::temp_dir))?;
    let secret = webhook::new_secret(Chance::System.bytes());
    let key = webhook::secret(&secret).ok_or("the desk has no secret")?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    let desk = Arc::new(Desk {
        key,
        told: watch::Sender::default(),
    });
    let router = Router::new().route("/hook", post(hear));
    let mut servers = JoinSet::new();
    servers.spawn(axum::serve(listener, router.with_state(Arc::clone(&desk))).into_future());

    let before = folder.fsync()?;
    let admin = Chance::System.nonce();
    let magpie = Magpie::start(flags, &folder.0, &address, &admin)?;
    let street = Arc::new(Street::new(flags, magpie.base.clone())?);
    street.connect(&address, &secret, &admin).await?;

    let begun = instant();
    let ends = begun + Duration::from_secs(flags.seconds);
    let mut writers = JoinSet::new();
    for customer in 0..flags.customers {
        writers.spawn(Arc::clone(&street).write(customer, begun, ends));
    }
    let mut beat = tokio::time::interval(Duration::from_secs(5));
    beat.tick().await;
    loop {
        tokio::select! {
            done = writers.join_next() => match done {
                Some(done) => done??,
                None => break,
            },
            _ = beat.tick() => {
                let (taken, heard) = (lock(&street.taken).len(), desk.told.borrow().first.len());
                print::progress(begun.elapsed(), taken, heard);
            }
        }
    }
    let took = begun.elapsed();
    let taken = lock(&street.taken).clone();
    let mut told = desk.told.subscribe();
    let all = told.wait_for(|told| told.has_all(&taken));
    // What is missing then is counted below.
    let _ = tokio::time::timeout(PATIENCE, all).await;
    let quiet = begun.elapsed();
    drop(magpie);
    let after = folder.fsync()?;

    let told = desk.told.borrow();
    let heard = |number: &u64| told.first.get(number);
    let journey = taken.iter().filter_map(|(number, push)| {
        heard(number).map(|heard| heard.saturating_duration_since(push.begun))
    });
    let lost = taken.keys().filter(|key| heard(key).is_none()).count();
    let report = print::Report {
        fsync: [before, after],
        took,
        quiet,
        sent: taken.len(),
        delivered: taken.len() - lost,
        lost,
        doubled: told.doubled,
        misordered: told.misordered,
        journey: journey.collect(),
        acknowledgement: taken.values().map(|push| push.acknowledged).collect(),
        repeated: street.repeated.load(Ordering::Relaxed),
        tried_again: street.tried_again.load(Ordering::Relaxed),
        given_up: street.given_up.load(Ordering::Relaxed),
        known: told.known,
    };
    print::report(report);
    Ok(lost == 0 && told.doubled == 0 && told.misordered == 0)
}
