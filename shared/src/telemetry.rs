//! What a process says of itself: lines on standard output, for people or, in
//! AWS, as JSON.
//!
//! Invariant: no line carries a query string or a payload. Ours name neither;
//! what other crates have to say counts only from a warning on, since the
//! runtime's own traces show whole events.

pub mod figures;

use tracing::{Subscriber, warn};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;

use crate::config::variable;

/// Our setting, and Lambda's for a function whose logging is set to JSON.
const LEVELS: [&str; 2] = ["MAGPIE_LOG", "AWS_LAMBDA_LOG_LEVEL"];

/// Starts the log of this process: from `MAGPIE_LOG` on, else from
/// `AWS_LAMBDA_LOG_LEVEL` on, else from `info` on. A second start changes
/// nothing.
pub fn start(json: bool) {
    let said = LEVELS
        .iter()
        .find_map(|name| Some((name, variable(name).filter(|text| !text.is_empty())?)));
    let level = said
        .as_ref()
        .map_or(Some(LevelFilter::INFO), |(_, text)| level(text));
    let filter = targets(level.unwrap_or(LevelFilter::INFO));
    let lines = tracing_subscriber::fmt::layer().with_ansi(false);
    let registry = tracing_subscriber::registry();
    if json {
        let lines = lines.json().flatten_event(true).with_span_list(false);
        install(registry.with(lines.with_filter(filter)));
    } else {
        install(registry.with(lines.with_filter(filter)));
    }
    if let (Some((name, _)), None) = (said, level) {
        warn!("{name} is none of off, error, warn, info, debug and trace: it is info");
    }
}

fn install(subscriber: impl Subscriber + Send + Sync) {
    // One that is there already is somebody's choice.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// Lambda knows one level more than we do.
fn level(text: &str) -> Option<LevelFilter> {
    if text.eq_ignore_ascii_case("fatal") {
        return Some(LevelFilter::ERROR);
    }
    text.parse().ok()
}

/// Our own crates from this level on, all others from a warning on.
fn targets(level: LevelFilter) -> Targets {
    Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target("magpie", level)
}

/// Lets other crates speak only from a warning on, whatever an operator asks
/// for: at finer levels some of them print whole requests, tokens included.
#[must_use]
pub fn quiet_others() -> Targets {
    targets(LevelFilter::TRACE)
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn levels_are_words_of_any_case() {
        for (text, expected) in [
            ("info", Some(LevelFilter::INFO)),
            ("TRACE", Some(LevelFilter::TRACE)),
            ("Fatal", Some(LevelFilter::ERROR)),
            ("off", Some(LevelFilter::OFF)),
            ("loud", None),
            ("magpie=debug", None),
        ] {
            assert_eq!(level(text), expected, "{text}");
        }
    }

    #[test]
    fn the_runtime_never_shows_a_payload() {
        let loud = targets(LevelFilter::TRACE);
        assert!(loud.would_enable("magpie::bridge::inbound", &Level::TRACE));
        assert!(loud.would_enable("magpie_local::server", &Level::TRACE));
        for other in [
            "lambda_runtime::layers",
            "hyper",
            "aws_smithy_runtime",
            "reqwest",
        ] {
            assert!(!loud.would_enable(other, &Level::INFO), "{other}");
            assert!(loud.would_enable(other, &Level::WARN), "{other}");
        }
        let quiet = targets(LevelFilter::ERROR);
        assert!(!quiet.would_enable("hyper", &Level::WARN));
    }
}
