//! `GET /api/changes`: what is new since a cursor, in one cheap call, for pages
//! that ask every few seconds.

use http::StatusCode;
use serde::Serialize;
use std::time::Duration;

use super::conversations::{Talk, describe, describe_all, find};
use super::cursor::{self, List};
use super::messages::{self, Before, Message};
use super::problem::{Answered, Refusal, json};
use super::{Call, board, channels};
use crate::conversation::parse_customer_id;

/// The board is an index that lags a little behind, and clocks differ: what is
/// this young is told once more.
const OVERLAP: Duration = Duration::from_secs(2);
/// How many conversations one call tells of; the next call tells of more.
const MOST: usize = 200;
/// How many messages of the open conversation are told.
const MESSAGES: usize = 50;

/// Answers the call.
pub(super) async fn since(call: &Call<'_>) -> Answered {
    #[derive(Serialize)]
    struct Changes {
        conversations: Vec<Talk>,
        messages: Option<Vec<Message>>,
        cursor: String,
    }
    let seen = match call.place(List::Changes)? {
        Some(text) => Some(cursor::moment(&text).ok_or_else(cursor::bad)?),
        None => None,
    };
    let mut upto = call.bridge.now().minus(OVERLAP);
    let channels = channels::asked(call).await?;
    let mut rows = match seen {
        Some(seen) => board::since(call.bridge, &channels, seen).await?,
        None => Vec::new(),
    };
    rows.reverse();
    if rows.len() > MOST {
        rows.truncate(MOST);
        let last = rows.last().map(|row| row.conversation.active);
        upto = last.unwrap_or(upto).min(upto);
    }
    let (open, messages) = match call.query("customer").and_then(parse_customer_id) {
        Some(customer) => match open(call, &customer).await {
            Ok((talk, messages)) => (Some(talk), Some(messages)),
            // It may have been erased while it was looked at.
            Err(Refusal::Problem(_)) => (None, None),
            Err(broken) => return Err(broken),
        },
        None => (None, None),
    };
    let mut conversations: Vec<_> = open.into_iter().collect();
    conversations.extend(describe_all(call.bridge, call.lang, rows).await?);
    let changes = Changes {
        conversations,
        messages,
        cursor: List::Changes.cursor(&upto.millis().max(0).to_string()),
    };
    json(StatusCode::OK, &changes)
}

/// The conversation that is looked at, whether or not it moved: what became of
/// an answer moves nothing.
async fn open(
    call: &Call<'_>,
    customer: &crate::message::CustomerId,
) -> Result<(Talk, Vec<Message>), Refusal> {
    let known = find(call.bridge, customer).await?;
    let glance = call.bridge.glance(&known.at).await?;
    let (messages, _) =
        messages::page(call, &known.at, Before::default(), MESSAGES, &glance.look).await?;
    let listed = (&known.conversation, known.last.as_ref());
    let talk = describe(call.bridge, call.lang, &known.at, listed, &glance).await?;
    Ok((talk, messages))
}
