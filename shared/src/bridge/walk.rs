//! The walk over the whole table: it rings every lane in which something has
//! waited for long. The last resort for bells that were lost with a process.

use std::collections::BTreeMap;
use std::time::Duration;

use tracing::info;

use super::{Bridge, Broken, Ring};
use crate::journal::{ConversationKey, Lane};
use crate::store::Waiting;

/// How long an entry has waited before the walk rings for it; at a start, when
/// nobody else can be at work, it rings for everything.
pub const OLD: Duration = Duration::from_mins(10);

/// Walks and hands every lane that must be looked at to `ring`, by its earliest
/// waiting entry.
pub async fn walk(
    bridge: &Bridge,
    older: Duration,
    mut ring: impl FnMut(Ring),
) -> Result<usize, Broken> {
    let mut cursor = None;
    let mut lanes: BTreeMap<(ConversationKey, Lane), Ring> = BTreeMap::new();
    loop {
        let (waiting, next) = bridge.store.walk(cursor).await?;
        let now = bridge.now();
        for Waiting { at, key, since } in waiting {
            if now.since(since) >= older {
                let lane = (at.clone(), key.lane());
                let found = lanes.entry(lane).or_insert_with(|| Ring {
                    at,
                    key: key.clone(),
                });
                if key < found.key {
                    found.key = key;
                }
            }
        }
        cursor = next;
        if cursor.is_none() {
            break;
        }
    }
    let found = lanes.len();
    for (_, bell) in lanes {
        ring(bell);
    }
    info!(lanes = found, "walked over everything that waits");
    Ok(found)
}
