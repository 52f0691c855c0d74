//! Rows as they lie, for the move of everything from one store into another.
//!
//! Invariant: a row is put only where there is none, and never changed; whoever
//! moves learns that another one is there, not what is in it. A channel's
//! settings are put suspended first, so that nobody works on a conversation of
//! which only a half is there.

use std::fmt;

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use sha2::{Digest, Sha256};

use super::row::{Read, Row, s};
use super::shape::Table;
use super::walk::PLACE;
use super::{Store, StoreError};
use crate::channel::Channel;
use crate::journal::{EntryKey, Lane};

/// How many rows are read at a time at the most.
const PAGE: i32 = 500;

/// What a row is to whoever moves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What must be there before entries are: conversations, links to them, the
    /// names of channels.
    Standing,
    /// A channel's settings.
    Channel,
    /// An entry of the journal.
    Entry,
    /// What those who work on a store change all the time, and make anew when it
    /// is missing: parked lanes, tokens, breakers, sights.
    Passing,
    /// How far a walk over this store has come: it means nothing elsewhere.
    Ours,
}

/// A row as it lies in a table.
#[derive(Clone)]
pub struct Stored(Row);

/// A row may hold anything that a customer wrote.
impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stored(…)")
    }
}

/// A digest of a row's key, or of all of it.
pub type Print = [u8; 32];

/// What became of a row that was to be put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// It is new.
    New,
    /// The same row was there.
    Same,
    /// Another one is there.
    Other,
}

impl Stored {
    /// What it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        let key = |name| self.0.text(name).unwrap_or_default();
        let (pk, sk) = (key("pk"), key("sk"));
        match sk {
            "CFG" if pk.starts_with("CH#") => Kind::Channel,
            "TOK" | "BRK" | "SEEN" | "IPS" if pk.starts_with("CH#") => Kind::Passing,
            _ if pk == PLACE => Kind::Ours,
            _ if Lane::of_row(sk).is_some() => Kind::Passing,
            _ if EntryKey::parse(sk).is_some() => Kind::Entry,
            _ => Kind::Standing,
        }
    }

    /// A digest of its key.
    #[must_use]
    pub fn key(&self) -> Print {
        let mut sum = Sha256::new();
        for name in ["pk", "sk"] {
            if let Some(value) = self.0.get(name) {
                digest(&mut sum, value);
            }
        }
        sum.finalize().into()
    }

    /// A digest of all of it.
    #[must_use]
    pub fn print(&self) -> Print {
        let mut sum = Sha256::new();
        attributes(&mut sum, &self.0);
        sum.finalize().into()
    }

    /// When the table may delete it, in seconds since 1970.
    #[must_use]
    pub fn expires(&self) -> Option<i64> {
        self.0.number("ttl")
    }

    /// The settings of a channel, suspended.
    pub fn suspended(&self) -> Result<Self, StoreError> {
        let mut channel: Channel =
            serde_json::from_str(self.0.need("c")?).map_err(|_| StoreError::Unreadable("c"))?;
        channel.suspended = true;
        // A deleted channel is not purged while it is being moved.
        channel.deleted = false;
        let json = serde_json::to_string(&channel).map_err(|_| StoreError::Unreadable("c"))?;
        let mut row = self.0.clone();
        row.insert("c".to_owned(), s(json));
        Ok(Self(row))
    }
}

/// Adds a value to a digest so that no two values look the same.
fn digest(sum: &mut Sha256, value: &AttributeValue) {
    let mut add = |kind: u8, parts: &[&[u8]]| {
        sum.update([kind]);
        sum.update(parts.len().to_be_bytes());
        for part in parts {
            sum.update(part.len().to_be_bytes());
            sum.update(part);
        }
    };
    match value {
        AttributeValue::S(text) => add(b'S', &[text.as_bytes()]),
        AttributeValue::N(number) => add(b'N', &[number.as_bytes()]),
        AttributeValue::B(bytes) => add(b'B', &[bytes.as_ref()]),
        AttributeValue::Bool(flag) => add(b'?', &[&[u8::from(*flag)]]),
        AttributeValue::Null(_) => add(b'0', &[]),
        AttributeValue::Ss(texts) => {
            let mut texts: Vec<_> = texts.iter().map(String::as_bytes).collect();
            texts.sort_unstable();
            add(b's', &texts);
        }
        AttributeValue::Ns(numbers) => {
            let mut numbers: Vec<_> = numbers.iter().map(String::as_bytes).collect();
            numbers.sort_unstable();
            add(b'n', &numbers);
        }
        AttributeValue::Bs(blobs) => {
            let mut blobs: Vec<_> = blobs.iter().map(AsRef::as_ref).collect();
            blobs.sort_unstable();
            add(b'b', &blobs);
        }
        AttributeValue::L(values) => {
            add(b'L', &[&values.len().to_be_bytes()]);
            for value in values {
                digest(sum, value);
            }
        }
        AttributeValue::M(map) => {
            add(b'M', &[]);
            attributes(sum, map);
        }
        _ => add(b'-', &[]),
    }
}

fn attributes(sum: &mut Sha256, row: &Row) {
    let mut names: Vec<_> = row.iter().collect();
    names.sort_unstable_by_key(|(name, _)| *name);
    sum.update(names.len().to_be_bytes());
    for (name, value) in names {
        sum.update(name.len().to_be_bytes());
        sum.update(name);
        digest(sum, value);
    }
}

impl Store {
    /// Rows of a table, and where the next ones begin if there may be more.
    /// Strongly consistent.
    pub async fn rows(
        &self,
        table: Table,
        cursor: Option<Row>,
    ) -> Result<(Vec<Stored>, Option<Row>), StoreError> {
        let call = self
            .client
            .scan()
            .table_name(self.name(table))
            .consistent_read(true)
            .limit(PAGE)
            .set_exclusive_start_key(cursor);
        let (rows, next) = self.scan("Scan rows", call).await?;
        Ok((rows.into_iter().map(Stored).collect(), next))
    }

    /// Puts a row where there is none.
    pub async fn place(&self, table: Table, row: &Stored) -> Result<Placed, StoreError> {
        let call = self
            .client
            .put_item()
            .table_name(self.name(table))
            .set_item(Some(row.0.clone()))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        Ok(match self.put_seen("PutItem row", call).await? {
            Ok(_) => Placed::New,
            // A put that was repeated after a lost answer finds its own row.
            Err(there) if Stored(there.clone()).print() == row.print() => Placed::Same,
            Err(_) => Placed::Other,
        })
    }

    /// Puts a channel's settings in the place of the suspended ones. Says whether
    /// they are there now.
    pub async fn let_go(&self, row: &Stored) -> Result<bool, StoreError> {
        let suspended = row.suspended()?;
        let call = self
            .client
            .put_item()
            .table_name(&self.control)
            .set_item(Some(row.0.clone()))
            .condition_expression("attribute_exists(pk) AND (c = :suspended OR c = :own)")
            .expression_attribute_values(":suspended", s(suspended.0.need("c")?))
            .expression_attribute_values(":own", s(row.0.need("c")?));
        self.put("PutItem channel", call).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::row::{b, n};

    fn row(pk: &str, sk: &str) -> Stored {
        Stored(Row::from([
            ("pk".to_owned(), s(pk)),
            ("sk".to_owned(), s(sk)),
        ]))
    }

    #[test]
    fn what_rows_are() {
        for (pk, sk, kind) in [
            ("U#1", "I#0000000001#5x", Kind::Entry),
            ("U#1", "O#1#x#01", Kind::Entry),
            ("A#shop", "I#1", Kind::Entry),
            ("U#1", "J", Kind::Standing),
            ("U#1", "J#session", Kind::Standing),
            ("U#1", "J#in", Kind::Passing),
            ("U#1", "J#out", Kind::Passing),
            ("U#1", "L", Kind::Standing),
            ("X#1", "#", Kind::Standing),
            ("CH#shop", "CFG", Kind::Channel),
            ("CH#shop", "TOK", Kind::Passing),
            ("CH#shop", "BRK", Kind::Passing),
            ("CH#shop", "SEEN", Kind::Passing),
            ("CH#shop", "IPS", Kind::Passing),
            ("CHANNELS", "shop", Kind::Standing),
            ("APP#wx1", "#", Kind::Standing),
            ("WALK", "#", Kind::Ours),
        ] {
            assert_eq!(row(pk, sk).kind(), kind, "{pk} {sk}");
        }
    }

    #[test]
    fn rows_look_the_same_only_if_they_are() {
        let with = |name: &str, value: AttributeValue| {
            let mut one = row("U#1", "J");
            one.0.insert(name.to_owned(), value);
            one
        };
        let rows = [
            row("U#1", "J"),
            row("U#", "1J"),
            with("a", s("1")),
            with("a", n(1)),
            with("a", b(vec![b'1'])),
            with("b", s("1")),
            with("a", AttributeValue::Bool(true)),
            with("a", AttributeValue::Bool(false)),
            with("a", AttributeValue::Null(true)),
            with("a", AttributeValue::Ss(vec!["1".into()])),
            with("a", AttributeValue::L(vec![s("1")])),
            with("a", AttributeValue::L(vec![s("1"), s("1")])),
            with("a", AttributeValue::M(Row::from([("1".into(), s("1"))]))),
        ];
        let prints: std::collections::HashSet<_> = rows.iter().map(Stored::print).collect();
        assert_eq!(prints.len(), rows.len());
        let sets = [["1", "2"], ["2", "1"]].map(|texts| {
            let texts = texts.map(str::to_owned).to_vec();
            with("a", AttributeValue::Ss(texts)).print()
        });
        assert_eq!(sets[0], sets[1], "a set has no order");
        assert_eq!(rows[2].key(), rows[3].key());
        assert_ne!(rows[0].key(), rows[1].key());
    }
}
