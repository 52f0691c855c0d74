//! Load on one machine: the real `magpie`; customers who write as fast as they
//! are acknowledged, and a webhook desk that counts what it is told; beside them
//! a few who talk with agents at our inbox.
//!
//! `cargo run --release -p magpie-local --example load -- --seconds 60 --customers 200`
//!
//! It ends with 1 when something is not acknowledged, missing, shown twice or out
//! of order. Times are figures to read beside the disk's, no assertions.

mod account;
mod desk;
mod machine;
mod page;
mod print;
mod street;
mod talk;
mod words;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::post;
use clap::Parser;
use desk::{Desk, Outage, hear};
use machine::{Folder, Magpie};
use magpie::clock::Chance;
use magpie::desk::webhook;
use magpie::http::Allowed;
use print::Rate;
use street::{Push, Street};
use talk::Talks;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long the desk may be told nothing before the rest counts as lost. After an
/// outage it is tried once a minute.
const PATIENCE: Duration = Duration::from_mins(2);

/// How often it shows how far it is.
const BEAT: Duration = Duration::from_secs(5);

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
    /// So many at once instead, one number after the other, for as long each; such as 1,64
    #[arg(long, value_delimiter = ',', conflicts_with = "customers")]
    ladder: Vec<u32>,
    /// Messages a second of them all [default: the next when the last was acknowledged]
    #[arg(long)]
    rate: Option<u32>,
    /// How many pushes in a hundred come twice
    #[arg(long, default_value_t = 5)]
    duplicates: u64,
    /// How many bytes a message has [default: mostly up to 60, now and then up to 2,000]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=2_048))]
    bytes: Option<u16>,
    /// How many talk with an agent at the inbox meanwhile
    #[arg(long, default_value_t = 4)]
    talks: u32,
    /// How many milliseconds the webhook desk takes over a call
    #[arg(long, default_value_t = 0)]
    desk_latency: u64,
    /// When the webhook desk answers 503: two seconds of the run, such as 20-35; more than once
    #[arg(long)]
    desk_outage: Vec<Outage>,
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

/// What may be called: this machine.
fn ours() -> Outcome<Allowed> {
    Ok(Allowed::parse("http://127.0.0.1").map_err(|_| "no origin")?)
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
        latency: Duration::from_millis(flags.desk_latency),
        outages: flags.desk_outage.clone(),
        begun: OnceLock::new(),
    });
    let router = Router::new().route("/hook", post(hear));
    let mut servers = JoinSet::new();
    servers.spawn(axum::serve(listener, router.with_state(Arc::clone(&desk))).into_future());

    let talks = Arc::new(Talks::listen(&mut servers).await?);

    let before = folder.fsync()?;
    let admin = Chance::System.nonce();
    let allowed = format!("{address},{}", talks.api);
    let magpie = Magpie::start(flags, &folder.0, &allowed, &admin)?;
    let street = Street::new(flags, &magpie.base, &admin, &address, &secret).await?;
    let street = Arc::new(street);
    talks.connect(&magpie.base, &admin).await?;

    let steps = match flags.ladder.as_slice() {
        [] => vec![flags.customers],
        ladder => ladder.to_vec(),
    };
    let begun = *desk.begun.get_or_init(instant);
    let ends = begun + u32::try_from(steps.len())? * Duration::from_secs(flags.seconds);
    let mut talking = JoinSet::new();
    for number in 1..=flags.talks {
        let talks = Arc::clone(&talks);
        let (base, admin) = (magpie.base.clone(), admin.clone());
        talking.spawn(talks.talk(flags.clone(), number, base, admin, ends));
    }
    let mut rates = Vec::new();
    for customers in steps {
        rates.push(write(flags, customers, &street, &desk, begun).await?);
    }
    let took = begun.elapsed();
    let taken = lock(&street.taken).clone();
    let mut all = Vec::new();
    while let Some(talk) = talking.join_next().await {
        all.push(talk??);
    }
    drain(&desk, &taken, begun).await;
    let quiet = begun.elapsed();
    let talked = talks.review(all).await?;
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
        rates,
        took,
        quiet,
        acknowledged: taken.len(),
        delivered: taken.len() - lost,
        lost,
        doubled: told.doubled,
        misordered: told.misordered,
        journey: journey.collect(),
        repeated: street.repeated.load(Ordering::Relaxed),
        tried_again: street.tried_again.load(Ordering::Relaxed),
        given_up: street.given_up.load(Ordering::Relaxed),
        known: told.known,
        refused: told.refused,
        talked,
    };
    Ok(print::report(report))
}

/// Lets so many customers write, and shows how far they are. Says how many
/// pushes were acknowledged, and in which time.
async fn write(
    flags: &Flags,
    customers: u32,
    street: &Arc<Street>,
    desk: &Desk,
    since: Instant,
) -> Outcome<Rate> {
    let before = street.said();
    let begun = instant();
    let ends = begun + Duration::from_secs(flags.seconds);
    let mut writers = JoinSet::new();
    for customer in 0..customers {
        writers.spawn(Arc::clone(street).write(customer, customers, begun, ends));
    }
    let mut beat = tokio::time::interval(BEAT);
    beat.tick().await;
    loop {
        tokio::select! {
            done = writers.join_next() => match done {
                Some(done) => done??,
                None => break,
            },
            _ = beat.tick() => {
                let taken = lock(&street.taken).len();
                print::progress(since.elapsed(), taken, &desk.told.borrow());
            }
        }
    }
    let took = begun.elapsed();
    let taken = lock(&street.taken);
    Ok(Rate {
        customers,
        acknowledged: taken
            .range(before + 1..)
            .map(|(_, push)| push.acknowledged)
            .collect(),
        took,
    })
}

/// Waits until the desk was told everything, as long as it is told anything.
/// What is missing after that is counted later.
async fn drain(desk: &Desk, taken: &BTreeMap<u64, Push>, since: Instant) {
    let mut told = desk.told.subscribe();
    let mut beat = tokio::time::interval(BEAT);
    let mut newest = (0, instant());
    loop {
        tokio::select! {
            _ = told.wait_for(|told| told.has_all(taken)) => return,
            _ = beat.tick() => {
                let told = desk.told.borrow();
                print::progress(since.elapsed(), taken.len(), &told);
                if told.first.len() > newest.0 {
                    newest = (told.first.len(), instant());
                } else if newest.1.elapsed() > PATIENCE {
                    return;
                }
            }
        }
    }
}
