//! `magpie export`: the data of a stopped Magpie moves into an AWS stack.
//!
//! Invariant: everything that could be in the way is looked for before the first
//! write; a write puts what is missing and changes nothing that is there. So a
//! move that was broken off is finished by another. The stack may run meanwhile:
//! the channels are suspended there until all of it has arrived and was counted,
//! so that no lane is worked on of which only a half is there.

mod flags;
mod place;
mod rows;
mod words;

use std::path::Path;

use magpie::clock::Clock;
use magpie::config::Settings;
use magpie::secrets::Version;
use magpie::store::shape::Table;
use magpie::store::transfer::Kind;

use crate::folder::moved::{self, Moved, Target};
use crate::folder::{ADMIN_KEY, Folder};
use crate::print;
pub(crate) use flags::{Flags, Wishes};
use place::{Here, There};
use rows::{Counts, Seen};
pub(crate) use words::ExportError;

/// The tables, in the order in which they are filled.
const TABLES: [Table; 2] = [Table::Control, Table::Messages];

/// Moves everything. Answers with what there is to say.
pub(crate) async fn export(
    data: &Path,
    stack: &Settings,
    wishes: Wishes,
) -> Result<String, ExportError> {
    let folder = Folder::take_begun(data)?;
    let target = target(stack);
    let mark = moved::read(folder.path())?;
    let mark = match mark {
        Some(mark) if mark.target != target && !wishes.again => {
            return Err(ExportError::Elsewhere(mark.begun));
        }
        Some(mark) if !wishes.again => Some(mark),
        _ => None,
    };
    if let Some(done) = mark.as_ref().and_then(|mark| mark.done.as_ref()) {
        return Ok(words::done_before(done));
    }
    let here = Here::open(&folder)?;
    let there = There::reach(stack);
    let mut mark = mark.unwrap_or_else(|| Moved {
        target,
        begun: now(),
        copied: None,
        done: None,
    });
    let counts = if mark.copied.is_some() {
        // The channels may work there already, and rows be others by now.
        None
    } else {
        let counts = copy(&folder, &here, &there, &mark, wishes).await?;
        mark.copied = Some(now());
        moved::write(folder.path(), &mark)?;
        Some(counts)
    };
    let channels = rows::release(&here, &there).await?;
    mark.done = Some(now());
    moved::write(folder.path(), &mark)?;
    Ok(words::done(counts.as_ref(), channels))
}

fn now() -> String {
    Clock::System.now().to_string()
}

fn target(stack: &Settings) -> Target {
    Target {
        region: stack.aws.region.clone(),
        endpoint: stack.aws.dynamodb_endpoint.clone(),
        messages: stack.messages.clone(),
        control: stack.control.clone(),
        secrets_prefix: stack.secrets_prefix.clone(),
    }
}

/// Copies everything, the channels suspended, and counts it there.
async fn copy(
    folder: &Folder,
    here: &Here,
    there: &There,
    mark: &Moved,
    wishes: Wishes,
) -> Result<Counts, ExportError> {
    let (expected, pepper) = look(here, there, wishes).await?;
    moved::write(folder.path(), mark)?;
    // With another pepper every customer would be another one: before all else.
    place::put_pepper(here, there, pepper.as_ref()).await?;
    // A channel must be known before anything of it comes in.
    rows::put(here, there, Table::Control, |_| true, &expected, 0).await?;
    let secrets = place::put_secrets(here, there).await?;
    let admin_key = place::put_admin_key(&folder.path().join(ADMIN_KEY), there).await?;
    // A conversation must have begun before its entries are looked at.
    let (table, entry) = (Table::Messages, |kind| kind == Kind::Entry);
    let put = rows::put(here, there, table, |kind| !entry(kind), &expected, 0).await?;
    rows::put(here, there, table, entry, &expected, put).await?;
    print::progress("counting what is there");
    let found = rows::compare(here, &Seen::read(there).await?).await?;
    if found.there() != found.here() {
        return Err(ExportError::Missing {
            here: found.here(),
            there: found.there(),
        });
    }
    Ok(Counts {
        secrets,
        admin_key,
        ..found
    })
}

/// Sees that nothing is in the way. Says how much there is to move, and the
/// version of a pepper that is to be replaced.
async fn look(
    here: &Here,
    there: &There,
    wishes: Wishes,
) -> Result<(Counts, Option<Version>), ExportError> {
    for table in TABLES {
        if let Some(misfit) = there.store.shape(table).await?.misfit {
            return Err(ExportError::Table(table, misfit));
        }
    }
    let pepper = place::look(here, there).await?;
    print::progress("looking at what is there already");
    let seen = Seen::read(there).await?;
    if pepper.is_some() {
        // Functions read it with the first push that they take: with empty tables
        // none has.
        if !seen.nothing() {
            return Err(ExportError::Pepper);
        }
        if !wishes.replace_pepper {
            return Err(ExportError::UnusedPepper);
        }
    }
    let found = rows::compare(here, &seen).await?;
    if found.control.other + found.messages.other > 0 {
        return Err(ExportError::Rows {
            control: found.control.other,
            messages: found.messages.other,
        });
    }
    if found.messages.here > 0 && !place::has_pepper(here) {
        return Err(ExportError::NoPepper);
    }
    Ok((found, pepper))
}
