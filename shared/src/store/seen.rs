//! What was seen of a channel: a row of the table of control, written now and
//! then, read by people.

use super::row::{Read, Row, n, s};
use super::{Store, StoreError};
use crate::channel::{REFUSED_FOR, Refusals, Seen};
use crate::message::ChannelId;
use crate::moment::Moment;
use crate::standing::{About, Alarm, Standing};

/// The row's sort key.
pub(super) const SEEN: &str = "SEEN";

/// The attributes of the last standing about a thing: what is wrong, since when, until when.
fn names(about: About) -> [&'static str; 3] {
    match about {
        About::Qualification => ["nq", "nq_t", "nq_x"],
        About::Name => ["nn", "nn_t", "nn_x"],
    }
}

/// What stands where nothing is wrong any more.
const WELL: &str = "ok";

/// What is wrong with the account's standing.
fn alarms(row: &Row) -> Vec<Standing> {
    let read = |about| {
        let [what, at, expires] = names(about);
        Some(Standing {
            about,
            alarm: Some(Alarm::parse(row.text(what)?)?),
            at: row.moment(at).ok()?,
            expires: row.moment(expires).ok(),
        })
    };
    About::ALL.into_iter().filter_map(read).collect()
}

fn read(row: &Row) -> Seen {
    let moment = |name: &'static str| row.number(name).map(Moment::from_millis);
    let mut seen = Seen {
        handshake: moment("hs"),
        push: moment("lp"),
        send: moment("ls"),
        alarms: alarms(row),
        ..Seen::default()
    };
    for code in REFUSED_FOR {
        let number = |name: String| row.get(&name)?.as_n().ok()?.parse().ok();
        if let (Some(count), Some(last)) = (
            number(format!("n_{code}")).and_then(|count| u64::try_from(count).ok()),
            number(format!("t_{code}")).map(Moment::from_millis),
        ) {
            seen.refused.insert(code, Refusals { count, last });
        }
    }
    seen
}

impl Store {
    /// Adds to what was seen of a channel. Says `false` if there is none.
    pub async fn note_seen(&self, channel: &ChannelId, seen: &Seen) -> Result<bool, StoreError> {
        let mut call = self
            .amend_control(channel, SEEN)
            .condition_expression("attribute_exists(pk)");
        let (mut sets, mut adds) = (Vec::new(), Vec::new());
        for (name, moment) in [("hs", seen.handshake), ("lp", seen.push), ("ls", seen.send)] {
            if let Some(moment) = moment {
                sets.push(format!("{name} = :{name}"));
                call = call.expression_attribute_values(format!(":{name}"), n(moment.millis()));
            }
        }
        for (code, Refusals { count, last }) in &seen.refused {
            sets.push(format!("t_{code} = :t_{code}"));
            adds.push(format!("n_{code} :n_{code}"));
            call = call
                .expression_attribute_values(format!(":t_{code}"), n(last.millis()))
                .expression_attribute_values(format!(":n_{code}"), n(count));
        }
        if sets.is_empty() {
            return Ok(true);
        }
        let mut expression = format!("SET {}", sets.join(", "));
        if !adds.is_empty() {
            expression.push_str(" ADD ");
            expression.push_str(&adds.join(", "));
        }
        let call = call.update_expression(expression);
        self.update("UpdateItem seen", call).await
    }

    /// Notes what WeChat said of the account's standing, unless it has said something later.
    /// Says whether that is news.
    pub async fn note_standing(
        &self,
        channel: &ChannelId,
        standing: &Standing,
    ) -> Result<bool, StoreError> {
        let [what, at, expires] = names(standing.about);
        let code = standing.alarm.map_or(WELL, Alarm::code);
        let mut call = self
            .amend_control(channel, SEEN)
            .condition_expression(format!(
                "attribute_exists(pk) AND (attribute_not_exists({at}) OR {at} < :t)"
            ))
            .expression_attribute_values(":w", s(code))
            .expression_attribute_values(":t", n(standing.at.millis()));
        let sets = format!("SET {what} = :w, {at} = :t");
        call = match standing.expires {
            Some(moment) => call
                .expression_attribute_values(":x", n(moment.millis()))
                .update_expression(format!("{sets}, {expires} = :x")),
            None => call.update_expression(format!("{sets} REMOVE {expires}")),
        };
        self.update("UpdateItem seen", call).await
    }

    /// What was seen of a channel. It may lag behind.
    pub async fn seen(&self, channel: &ChannelId) -> Result<Seen, StoreError> {
        let call = self.row_of_control(channel, SEEN);
        let row = self.get("GetItem seen", call).await?;
        Ok(row.as_ref().map(read).unwrap_or_default())
    }
}
