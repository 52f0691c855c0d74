//! The edges of determinism: the clock and the source of random numbers. They
//! are read by `bridge` and by programs, never by the core.

use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use crate::moment::Moment;

/// Where the time comes from.
#[derive(Clone, Copy, Debug)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// Time that passes as the runtime's timers do, from a given start: a
    /// runtime whose time is paused makes it simulated time.
    Runtime(Moment, tokio::time::Instant),
}

impl Clock {
    /// Time that begins at `start` and passes as the runtime's timers do.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one owner of the clock")]
    pub fn starting_at(start: Moment) -> Self {
        Self::Runtime(start, tokio::time::Instant::now())
    }

    /// The time.
    #[must_use]
    pub fn now(self) -> Moment {
        match self {
            #[expect(clippy::disallowed_methods, reason = "the one owner of the clock")]
            Self::System => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH);
                let millis = since.unwrap_or(Duration::ZERO).as_millis();
                Moment::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
            }
            Self::Runtime(start, since) => start.plus(since.elapsed()),
        }
    }

    /// What tells how long something took, to less than a millisecond.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one owner of the clock")]
    pub fn stopwatch(self) -> tokio::time::Instant {
        tokio::time::Instant::now()
    }

    /// Waits.
    pub async fn pause(self, span: Duration) {
        tokio::time::sleep(span).await;
    }
}

/// Where random numbers come from.
#[derive(Debug)]
pub enum Chance {
    /// The operating system.
    System,
    /// A seed and a counter, for tests that must repeat.
    Seeded(Mutex<(u64, u64)>),
}

impl Chance {
    /// Numbers that repeat for the same seed.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self::Seeded(Mutex::new((seed, 0)))
    }

    /// Random bytes.
    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        match self {
            Self::System => {
                // Without random numbers nothing that we do is safe.
                if getrandom::fill(&mut bytes).is_err() {
                    std::process::abort();
                }
            }
            Self::Seeded(state) => {
                for chunk in bytes.chunks_mut(32) {
                    let mut state = state
                        .lock()
                        .unwrap_or_else(std::sync::PoisonError::into_inner);
                    state.1 += 1;
                    let digest = Sha256::new()
                        .chain_update(state.0.to_be_bytes())
                        .chain_update(state.1.to_be_bytes())
                        .finalize();
                    for (to, from) in chunk.iter_mut().zip(digest) {
                        *to = from;
                    }
                }
            }
        }
        bytes
    }

    /// A nonce of 22 characters.
    #[must_use]
    pub fn nonce(&self) -> String {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(self.bytes::<16>())
    }

    /// A random number for jitter.
    #[must_use]
    pub fn jitter(&self) -> u16 {
        u16::from_be_bytes(self.bytes())
    }
}
