//! The erasure of one customer, to which the law gives everybody a right (PIPL,
//! article 47).
//!
//! Invariant: nothing of the customer is kept that we can delete, and whoever was
//! interrupted finds the customer again and goes on. A customer who writes again
//! is a new one.

use tracing::{info, warn};

use super::{Bridge, Broken};
use crate::conversation::Session;
use crate::delivery::Delivery;
use crate::desk::{Letter, News, public_id};
use crate::journal::ConversationKey;
use crate::message::{ChannelId, CustomerId, EndCause};
use crate::moment::Moment;

/// What an erasure has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Erasure {
    /// The customer's channel.
    pub(crate) channel: ChannelId,
    /// Whether nothing is left: there may be more than there is time for.
    pub(crate) all: bool,
}

/// Erases a customer of this channel, or of any, as far as there is time until `ends`.
/// `None` if there is no such customer.
pub(crate) async fn erase(
    bridge: &Bridge,
    customer: &CustomerId,
    of: Option<&ChannelId>,
    ends: Moment,
) -> Result<Option<Erasure>, Broken> {
    let found = bridge.store.find(customer).await?;
    let Some((at, channel)) = found.filter(|(_, own)| of.is_none_or(|of| of == own)) else {
        return Ok(None);
    };
    let known = bridge.store.conversation(&at).await?;
    let known = known.filter(|(conversation, _)| conversation.customer == *customer);
    let Some((conversation, _)) = known else {
        // An erasure was interrupted before its last step, and the customer has perhaps
        // written since.
        bridge.store.forget_customer(customer).await?;
        return Ok(Some(Erasure { channel, all: true }));
    };
    if let Some(session) = &conversation.session {
        end(bridge, &at, &channel, customer, session).await?;
    }
    let mut all = false;
    while !all && bridge.now() < ends {
        all = bridge.store.erase_customer_some(&at, customer).await?.all;
    }
    bridge.changed();
    if all {
        info!(%channel, "a customer was erased");
    }
    Ok(Some(Erasure { channel, all }))
}

/// Ends the open session. The desk is told of it once: there will be no journal from
/// which it could be repeated.
async fn end(
    bridge: &Bridge,
    at: &ConversationKey,
    channel: &ChannelId,
    customer: &CustomerId,
    session: &Session,
) -> Result<(), Broken> {
    let now = bridge.now();
    let closed = bridge.store.close_session(at, channel, &session.id, now);
    if !closed.await? || !session.told {
        return Ok(());
    }
    let Some(settings) = bridge.working_channel(channel).await? else {
        return Ok(());
    };
    let Some(desk) = bridge.desk(&settings).await? else {
        return Ok(());
    };
    let letter = Letter {
        id: public_id(at, &format!("erased {}", session.id)),
        time: now,
        channel,
        customer: Some(customer),
        session: Some(&session.id),
        news: News::SessionEnded(EndCause::Erased),
    };
    if let Delivery::Failed(_) = desk.tell(&bridge.http, &letter, now).await {
        warn!(%channel, "the desk was not told that a customer was erased");
    }
    Ok(())
}
