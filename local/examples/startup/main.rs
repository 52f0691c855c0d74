//! What a start costs: every Lambda binary under a Runtime API of our own, next
//! to one that holds the runtime and nothing else, a process of each a round.
//!
//! `cargo run --release --locked -p magpie-local --example startup`
//!
//! It builds the binaries as they are deployed. That is why it is no bench of
//! theirs: for one, cargo would build them with what tests need, the engine of
//! one machine included. What they call answers over TLS
//! under a certificate of a CA of this run, which stands among all of Mozilla's
//! in the bundle that `SSL_CERT_FILE` names.
//!
//! Each process gets a first event and more after it; what must come of them is
//! checked. It ends with 1 when a function does not answer as it must. Figures
//! are medians, to be read beside those of `bare`.

mod child;
mod events;
mod far;
#[path = "../../../tests/harness/mod.rs"]
#[expect(
    clippy::indexing_slicing,
    reason = "what the tests stand on stops at the first thing that is not as it has to be"
)]
mod harness;
mod house;
mod print;
mod programs;
mod round;
mod tls;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use far::Far;
use house::House;
use programs::Program;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Starts every function so often and says what it took.
#[derive(Clone, Debug, Parser)]
struct Flags {
    /// How often each is started
    #[arg(long, default_value_t = 21)]
    rounds: u32,
    /// How many events each gets after the first
    #[arg(long, default_value_t = 10)]
    more: u32,
    /// Only these, such as inbound,verify
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// A folder with the binaries and `examples/bare` [default: they are built]
    #[arg(long)]
    programs: Option<PathBuf>,
    /// Where to leave what the program `cost` reckons with
    #[arg(long)]
    save: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Flags::parse()) {
        Ok(()) => ExitCode::SUCCESS,
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

fn run(flags: &Flags) -> Outcome<()> {
    let programs = Program::all(flags)?;
    // The far sides have threads of their own; what measures waits on none.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let far = runtime.block_on(Far::start())?;
    let house = runtime.block_on(House::open(&far))?;
    let mut all: Vec<_> = programs.iter().map(|_| Vec::new()).collect();
    for round in 1..=flags.rounds {
        for (program, measured) in programs.iter().zip(&mut all) {
            let one = round::play(&runtime, program, &far, &house, flags.more);
            let one = one.map_err(|error| format!("{}: {error}", program.name))?;
            measured.push(one);
        }
        print::progress(round, flags.rounds);
    }
    let figures: Vec<_> = programs
        .iter()
        .zip(all)
        .map(|(program, measured)| print::Figures::of(program, &measured))
        .collect();
    print::report(flags, &figures);
    match &flags.save {
        Some(path) => print::save(path, &figures),
        None => Ok(()),
    }
}
