//! Who may call a callback, where a channel takes calls from WeChat's own addresses alone.
//!
//! Invariant: on a call's way nobody outside is asked, and nothing is read for a channel that
//! takes calls from everywhere. A list that was kept holds until there is another. Before the
//! first one everybody is let in, and the channel's check says so: a push that is refused is
//! lost.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tracing::{error, info, warn};

use super::account::Unanswered;
use super::{Bridge, Broken};
use crate::channel::{CACHED, Channel};
use crate::message::ChannelId;
use crate::moment::Moment;
use crate::store::KeptCallers;
use crate::wechat::account::Ask;
use crate::wechat::callers::{CallbackAddresses, Callers};

/// How old a list may be before another is asked for: WeChat advises to ask every day.
const DAY: Duration = Duration::from_hours(24);
/// How long nobody asks again after an attempt that gave none.
const PAUSE: Duration = Duration::from_mins(10);

impl Bridge {
    /// Whether the channel takes calls from this address. Of a channel that there is not
    /// others tell. A refusal on what is remembered is checked once more on what is kept.
    pub(super) async fn lets_in(
        &self,
        id: &ChannelId,
        caller: Option<IpAddr>,
    ) -> Result<bool, Broken> {
        loop {
            let kept = self.kept(id).await?;
            if !kept.is_some_and(|kept| kept.current().only_wechat_addresses) {
                return Ok(true);
            }
            let let_in = match &*self.known_callers(id).await? {
                None => true,
                Some(callers) => caller.is_some_and(|caller| callers.include(caller)),
            };
            if let_in || !self.ask_again(id).await? {
                return Ok(let_in);
            }
        }
    }

    /// Reads what decides anew, if that was not done just now. Says whether it did.
    async fn ask_again(&self, id: &ChannelId) -> Result<bool, Broken> {
        let list = self.callers.may_ask_again(id, self.now());
        if list {
            self.read_callers(id).await?;
        }
        Ok(self.ask_secrets_again(id).await? || list)
    }

    /// The list of a channel, at most [`CACHED`] old.
    async fn known_callers(&self, id: &ChannelId) -> Result<Arc<Option<Callers>>, Broken> {
        match self.callers.get(id, self.now(), CACHED) {
            Some(Some(known)) => Ok(known),
            _ => self.read_callers(id).await,
        }
    }

    async fn read_callers(&self, id: &ChannelId) -> Result<Arc<Option<Callers>>, Broken> {
        let now = self.now();
        let kept = self.store.callers(id).await?;
        let callers = Arc::new(kept.and_then(|kept| Callers::parse(&kept.list)));
        if callers.is_none() {
            warn!(channel = %id, "WeChat's addresses are not known yet: every caller is let in");
        }
        self.callers.put(id, now, Some(Arc::clone(&callers)));
        Ok(callers)
    }
}

/// Asks WeChat for the lists that are old, of these channels; nothing is begun that would take
/// longer than until `ends`. What cannot be had is asked for again later.
pub(super) async fn look_after(bridge: &Bridge, ids: &[ChannelId], turn: Duration, ends: Moment) {
    for id in ids {
        if bridge.now().plus(turn) > ends {
            return;
        }
        if let Err(broken) = look_after_one(bridge, id).await {
            error!(channel = %id, error = %broken, "WeChat's addresses could not be looked after");
        }
    }
}

async fn look_after_one(bridge: &Bridge, id: &ChannelId) -> Result<(), Broken> {
    let channel = bridge.channel(id).await?;
    let channel = channel.filter(|channel| channel.only_wechat_addresses && !channel.deleted);
    let Some(channel) = channel else {
        return Ok(());
    };
    let (store, now) = (&bridge.store, bridge.now());
    let kept = store.callers(id).await?;
    let fresh = kept.is_some_and(|kept| kept.got > now.minus(DAY));
    if fresh || !store.ask_for_callers(id, now, now.minus(PAUSE)).await? {
        return Ok(());
    }
    let list = match ask(bridge, &channel).await {
        Ok(list) => list,
        Err(Unanswered::Broken(broken)) => return Err(broken),
        Err(Unanswered::NoToken) => return Ok(()),
        Err(Unanswered::Denied(denied)) => {
            warn!(channel = %id, error = %denied, "WeChat did not list its addresses");
            return Ok(());
        }
    };
    let Some(callers) = Callers::parse(&list) else {
        warn!(channel = %id, "WeChat lists no address from which it calls");
        return Ok(());
    };
    let (entries, unread) = (callers.count(), list.len() - callers.count());
    let kept = KeptCallers {
        list: callers.texts(),
        got: now,
    };
    if store.keep_callers(id, now, &kept).await? {
        info!(channel = %id, entries, unread, "WeChat's addresses are known");
    }
    Ok(())
}

async fn ask(bridge: &Bridge, channel: &Channel) -> Result<Vec<String>, Unanswered> {
    let ask = Ask::callback_addresses();
    let CallbackAddresses { ip_list } = bridge.ask_of_account(channel, &ask).await?;
    Ok(ip_list)
}
