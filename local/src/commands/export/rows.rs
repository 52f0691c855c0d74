//! The rows of both tables: compared, put, and let go.

use std::collections::HashMap;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use magpie::clock::Clock;
use magpie::store::StoreError;
use magpie::store::shape::Table;
use magpie::store::transfer::{Kind, Placed, Print, Stored};

use super::place::{Here, There};
use super::{ExportError, TABLES};
use crate::print;

/// How many rows are put at once.
const WIDTH: usize = 16;
/// After how many rows it is said how far it has come.
const STEP: usize = 1000;

/// Rows of one table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    /// In the folder.
    pub(super) here: usize,
    /// Of these, the same there.
    pub(super) there: usize,
    /// Of these, others there.
    pub(super) other: usize,
    /// Rows beside them that are worth something for minutes only.
    passing: usize,
}

/// What there is to move, and what has arrived.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) control: Count,
    pub(super) messages: Count,
    pub(super) secrets: usize,
    /// Whether the folder's admin key opens the stack's console.
    pub(super) admin_key: bool,
}

impl Counts {
    fn of(&mut self, table: Table) -> &mut Count {
        match table {
            Table::Control => &mut self.control,
            Table::Messages => &mut self.messages,
        }
    }

    fn all(&self, table: Table) -> usize {
        let count = match table {
            Table::Control => &self.control,
            Table::Messages => &self.messages,
        };
        count.here + count.passing
    }

    pub(super) fn here(&self) -> usize {
        self.control.here + self.messages.here
    }

    pub(super) fn there(&self) -> usize {
        self.control.there + self.messages.there
    }
}

/// Everything that is in the stack's tables, by digests.
pub(super) struct Seen([HashMap<Print, Print>; 2]);

impl Seen {
    pub(super) async fn read(there: &There) -> Result<Self, StoreError> {
        let mut seen = [HashMap::new(), HashMap::new()];
        for (table, rows) in TABLES.into_iter().zip(&mut seen) {
            let mut cursor = None;
            loop {
                let (page, next) = there.store.rows(table, cursor).await?;
                rows.extend(page.iter().map(|row| (row.key(), row.print())));
                cursor = next;
                if cursor.is_none() {
                    break;
                }
            }
        }
        Ok(Self(seen))
    }

    /// Whether nothing is there at all.
    pub(super) fn nothing(&self) -> bool {
        self.0.iter().all(HashMap::is_empty)
    }
}

/// Compares the folder's rows with those that were seen.
pub(super) async fn compare(here: &Here, seen: &Seen) -> Result<Counts, StoreError> {
    let mut counts = Counts::default();
    for (table, seen) in TABLES.into_iter().zip(&seen.0) {
        let count = counts.of(table);
        let mut cursor = None;
        loop {
            let (page, next) = here.store.rows(table, cursor).await?;
            for row in page.iter().filter(|row| moves(row)) {
                if row.kind() == Kind::Passing {
                    count.passing += 1;
                    continue;
                }
                count.here += 1;
                match seen.get(&row.key()) {
                    Some(found) if is(row, found)? => count.there += 1,
                    Some(_) => count.other += 1,
                    None => {}
                }
            }
            cursor = next;
            if cursor.is_none() {
                break;
            }
        }
    }
    Ok(counts)
}

/// Whether a row goes along. What has expired may be gone at any moment, here
/// and there.
fn moves(row: &Stored) -> bool {
    let now = Clock::System.now().seconds();
    row.kind() != Kind::Ours && row.expires().is_none_or(|expires| expires > now)
}

/// Whether what was found is this row, as it is or as it is put first.
fn is(row: &Stored, found: &Print) -> Result<bool, StoreError> {
    Ok(
        row.print() == *found
            || (row.kind() == Kind::Channel && row.suspended()?.print() == *found),
    )
}

/// Puts the rows of a table whose kind is `wanted`, channels suspended, after
/// `put` others. Says how many there are now.
pub(super) async fn put(
    here: &Here,
    there: &There,
    table: Table,
    wanted: impl Fn(Kind) -> bool,
    expected: &Counts,
    mut put: usize,
) -> Result<usize, ExportError> {
    let mut other = 0;
    let mut cursor = None;
    loop {
        let (page, next) = here.store.rows(table, cursor).await?;
        let rows = page.iter().filter(|row| moves(row) && wanted(row.kind()));
        let places: Vec<_> = rows.map(|row| place(there, table, row)).collect();
        let places = stream::iter(places).buffer_unordered(WIDTH);
        let there_now: Vec<bool> = places.try_collect().await?;
        other += there_now.iter().filter(|there| !**there).count();
        let before = put;
        put += there_now.len();
        if before / STEP != put / STEP || next.is_none() {
            let all = expected.all(table);
            print::progress(&format!(
                "{table}: {put} of {all} rows put or there already"
            ));
        }
        cursor = next;
        if cursor.is_none() {
            break;
        }
    }
    match (other, table) {
        (0, _) => Ok(put),
        (other, Table::Control) => Err(ExportError::Rows {
            control: other,
            messages: 0,
        }),
        (other, Table::Messages) => Err(ExportError::Rows {
            control: 0,
            messages: other,
        }),
    }
}

/// Puts a row. Says whether it, or what may stand in its place, is there now.
async fn place(there: &There, table: Table, row: &Stored) -> Result<bool, StoreError> {
    Ok(match row.kind() {
        Kind::Channel => {
            there.store.place(table, &row.suspended()?).await? != Placed::Other
                || there.store.place(table, row).await? != Placed::Other
        }
        // The stack has its own by now.
        Kind::Passing => {
            there.store.place(table, row).await?;
            true
        }
        _ => there.store.place(table, row).await? != Placed::Other,
    })
}

/// Lets the channels go to work there. Says how many there are.
pub(super) async fn release(here: &Here, there: &There) -> Result<usize, ExportError> {
    let mut channels = 0;
    let mut changed = 0;
    let mut cursor = None;
    loop {
        let (page, next) = here.store.rows(Table::Control, cursor).await?;
        for row in page.iter().filter(|row| row.kind() == Kind::Channel) {
            channels += 1;
            if !there.store.let_go(row).await? {
                changed += 1;
            }
        }
        cursor = next;
        if cursor.is_none() {
            break;
        }
    }
    if changed > 0 {
        return Err(ExportError::Channels(changed));
    }
    Ok(channels)
}
