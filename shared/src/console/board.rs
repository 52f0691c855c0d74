//! The board: conversations by last activity, merged over the partitions of
//! every channel that is asked for.

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use crate::bridge::{Bridge, Broken};
use crate::conversation::Conversation;
use crate::journal::{ConversationKey, SHARDS};
use crate::message::ChannelId;
use crate::moment::Moment;
use crate::store::Snippet;

/// How many partitions are asked at once.
const WIDTH: usize = 8;
/// How many rows of a partition are read at a time when all are wanted.
const PAGE: i32 = 100;

/// A conversation as the board lists it.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Where it lies.
    pub(super) at: ConversationKey,
    /// Its place on the board: by last activity, unique.
    pub(super) place: String,
    /// The conversation, as the index has it.
    pub(super) conversation: Conversation,
    /// Its last message.
    pub(super) last: Option<Snippet>,
}

/// One partition of the board.
type Partition = (ChannelId, bool, u8);

fn partitions(channels: &[ChannelId], with_closed: bool) -> Vec<Partition> {
    let mut partitions = Vec::new();
    for channel in channels {
        for shard in 0..SHARDS {
            partitions.push((channel.clone(), true, shard));
            if with_closed {
                partitions.push((channel.clone(), false, shard));
            }
        }
    }
    partitions
}

/// The newest `limit` rows before a place, newest first, and the place to go on
/// from.
pub(super) async fn newest(
    bridge: &Bridge,
    channels: &[ChannelId],
    with_closed: bool,
    before: Option<&str>,
    limit: usize,
) -> Result<(Vec<Row>, Option<String>), Broken> {
    // The row at `before` is read and left out; one more tells of an end.
    let most = i32::try_from(limit).unwrap_or(PAGE).saturating_add(2);
    let reads: Vec<_> = partitions(channels, with_closed)
        .into_iter()
        .map(|(channel, open, shard)| async move {
            let page = bridge
                .store
                .board(&channel, open, shard, before, None, most)
                .await?;
            Ok::<_, Broken>(page.rows.into_iter().map(row).collect::<Vec<_>>())
        })
        .collect();
    let mut rows = merged(reads).await?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|row| row.place.clone());
    Ok((rows, next))
}

/// Every row whose last activity is not before a moment, newest first.
pub(super) async fn since(
    bridge: &Bridge,
    channels: &[ChannelId],
    since: Moment,
) -> Result<Vec<Row>, Broken> {
    let reads: Vec<_> = partitions(channels, true)
        .into_iter()
        .map(|(channel, open, shard)| async move {
            let mut rows = Vec::new();
            let mut before = None;
            loop {
                let page = bridge
                    .store
                    .board(&channel, open, shard, before.as_deref(), Some(since), PAGE)
                    .await?;
                rows.extend(page.rows.into_iter().map(row));
                before = page.next;
                if before.is_none() {
                    return Ok::<_, Broken>(rows);
                }
            }
        })
        .collect();
    merged(reads).await
}

fn row(
    (at, place, conversation, last): (ConversationKey, String, Conversation, Option<Snippet>),
) -> Row {
    Row {
        at,
        place,
        conversation,
        last,
    }
}

async fn merged<F>(reads: Vec<F>) -> Result<Vec<Row>, Broken>
where
    F: Future<Output = Result<Vec<Row>, Broken>>,
{
    let pages: Vec<Vec<Row>> = stream::iter(reads).buffered(WIDTH).try_collect().await?;
    let mut rows: Vec<Row> = pages.into_iter().flatten().collect();
    rows.sort_by(|one, other| other.place.cmp(&one.place));
    // A session that just closed may be seen on both sides.
    let mut seen = std::collections::BTreeSet::new();
    rows.retain(|row| seen.insert(row.at.clone()));
    Ok(rows)
}
