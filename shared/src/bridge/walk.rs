//! The walk over the whole table: it rings every lane in which something has
//! waited for long, parked or not; a parked one takes that for one bell more.
//! The last resort for bells that were lost with a process, or with a stream's
//! records.

use std::collections::BTreeMap;
use std::time::Duration;

use tracing::{error, info};

use super::deliver::deliver;
use super::{Bridge, Broken, Ring};
use crate::journal::{ConversationKey, Lane};
use crate::lane;
use crate::moment::Moment;
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
    let mut lanes = BTreeMap::new();
    loop {
        let (waiting, next) = bridge.store.walk(cursor).await?;
        gather(&mut lanes, waiting, bridge.now(), older);
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

type Lanes = BTreeMap<(ConversationKey, Lane), Ring>;

/// Adds the lanes of what has waited for so long, by their earliest entries.
fn gather(lanes: &mut Lanes, waiting: Vec<Waiting>, now: Moment, older: Duration) {
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
}

/// Begins a walk that [`go_on`] carries out, unless one is under way.
pub async fn begin(bridge: &Bridge) -> Result<(), Broken> {
    let begun = bridge.store.begin_walk(bridge.now()).await?;
    info!(begun, "a walk over everything that waits");
    Ok(())
}

/// Goes on with the walk that is under way, if one is, as far as there is time:
/// a table may be larger than one invocation can read. What it finds it works
/// on itself, through the lane code.
pub async fn go_on(bridge: &Bridge, ends: Moment) -> Result<(), Broken> {
    let Some(mut place) = bridge.store.walk_place().await? else {
        return Ok(());
    };
    while bridge.now().plus(lane::BEGIN + lane::RUN) < ends {
        let (waiting, next) = bridge.store.walk(place.cursor.clone()).await?;
        let mut lanes = Lanes::new();
        gather(&mut lanes, waiting, bridge.now(), OLD);
        let rings: Vec<Ring> = lanes.into_values().collect();
        let failed = deliver(bridge, &rings, ends).await.len();
        if failed > 0 {
            // They wait as before, for the next walk.
            error!(
                lanes = failed,
                "a walk found lanes that could not be worked on"
            );
        }
        let ended = next.is_none();
        match bridge.store.move_walk(&place, next).await? {
            Some(moved) if !ended => place = moved,
            Some(_) => {
                info!("walked over everything that waits");
                break;
            }
            // Another invocation walks, too: it goes on alone.
            None => break,
        }
    }
    Ok(())
}
