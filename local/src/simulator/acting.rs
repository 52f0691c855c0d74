//! What becomes of what a customer does: it is shown, it opens a window, and a
//! push tells of it.
//!
//! Invariant: a customer sends no medium but their own.

use magpie::notice::Way;

use super::act::{Act, Refused};
use super::carried::Carried;
use super::customer::{PushState, Stage};
use super::media::{self, Maker, MediaKind};
use super::push::Callback;
use super::sight::{Event, Sight};
use super::wechat::WeChat;

impl WeChat {
    /// A customer does something; the push that tells of it is to be delivered.
    pub fn act(
        &mut self,
        now_ms: i64,
        app_id: &str,
        open_id: &str,
        act: &Act,
    ) -> Result<Callback, Refused> {
        // The real ids have 17 digits and usually rise; the time in front keeps
        // them rising over a restart.
        let stamp = u64::try_from(now_ms)
            .unwrap_or_default()
            .saturating_mul(10_000);
        let message_id = stamp.max(self.message_id + 1);
        let serial = self.serial + 1;
        let carried = match act.carries() {
            Some((kind, id)) => Some(self.carried(now_ms, app_id, open_id, kind, id)?),
            None => None,
        };
        if let Act::Subscribe { template, .. } = act {
            let account = self.account(app_id).ok_or(Refused::UnknownAccount)?;
            let mut templates = account.notices.templates.iter();
            if !templates.any(|known| known.way == Way::Subscribe && known.id == *template) {
                return Err(Refused::NoTemplate);
            }
        }
        let customer = self.customer_mut(app_id, open_id)?;
        let (what, text) = act.words(customer.following);
        let push = act.perform(now_ms, message_id, customer, carried.as_ref())?;
        customer.last_push = Some(PushState {
            serial,
            stage: Stage::Sending,
            status: None,
            attempts: 0,
            took_ms: 0,
        });
        self.message_id = message_id;
        self.serial = serial;
        self.sights.add(Sight {
            id: 0,
            at_ms: now_ms,
            app_id: Some(app_id.to_owned()),
            customer: Some(open_id.to_owned()),
            text: text.map(str::to_owned),
            event: Event::Push {
                serial,
                what: what.to_owned(),
                stage: Stage::Sending,
                tries: Vec::new(),
            },
        });
        let account = self
            .accounts
            .iter()
            .find(|account| account.settings.app_id == app_id)
            .ok_or(Refused::UnknownAccount)?;
        Ok(push.seal(now_ms, serial, account, open_id, &mut self.mint))
    }

    /// The medium that a customer takes along.
    fn carried(
        &self,
        now_ms: i64,
        app_id: &str,
        open_id: &str,
        kind: MediaKind,
        media_id: &str,
    ) -> Result<Carried, Refused> {
        let account = self.account(app_id).ok_or(Refused::UnknownAccount)?;
        account.customer(open_id).ok_or(Refused::UnknownCustomer)?;
        let theirs = Maker::Customer(open_id.to_owned());
        let media = account.media.get(now_ms, media_id);
        let media = media.filter(|media| media.kind == kind && media.maker == theirs);
        let media = media.ok_or(Refused::NoMedia)?;
        let second = media.second.as_deref();
        Ok(Carried {
            url: format!("{}{}", self.address, media::path(&media.key)),
            media: media.clone(),
            second: second.and_then(|id| account.media.get(now_ms, id)).cloned(),
        })
    }
}
