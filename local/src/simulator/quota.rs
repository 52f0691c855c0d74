//! How often an account may call each path of the API.
//!
//! Invariant: a call that is refused for its number is not counted.
//! <https://developers.weixin.qq.com/doc/offiaccount/Message_Management/API_Call_Limits.html>

use serde::{Deserialize, Serialize};

use super::act::Refused;
use super::answer::{self, Fault};
use super::path::ApiPath;
use super::wechat::WeChat;

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;
/// WeChat's day begins at midnight in Beijing.
const BEIJING_MS: i64 = 28_800_000;

/// How many calls of a path an account has; `None`: as many as it likes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// From one midnight in Beijing to the next; above it 45009.
    pub a_day: Option<u32>,
    /// In a minute of the clock; above it 45011.
    pub a_minute: Option<u32>,
}

/// The calls of one account.
#[derive(Debug)]
pub(crate) struct Quotas {
    token: Quota,
    stable_token: Quota,
    send: Quota,
    typing: Quota,
    media_upload: Quota,
    media_get: Quota,
    qrcode_create: Quota,
    menu_create: Quota,
    menu_get: Quota,
    menu_delete: Quota,
    menu_add_conditional: Quota,
    menu_del_conditional: Quota,
    quota_get: Quota,
    rid_get: Quota,
    clear_quota: Quota,
    user_info: Quota,
    update_remark: Quota,
    tags_create: Quota,
    tags_get: Quota,
    tags_update: Quota,
    tags_delete: Quota,
    batch_tagging: Quota,
    batch_untagging: Quota,
    callback_ip: Quota,
    template_send: Quota,
    subscribe_send: Quota,
    template_list: Quota,
    subscribe_list: Quota,
}

/// The calls of one path.
#[derive(Debug, Default)]
pub(crate) struct Quota {
    pub(crate) limits: Limits,
    day: Count,
    minute: Count,
}

impl Default for Quotas {
    /// Those of WeChat that a test or a person could ever reach.
    fn default() -> Self {
        let limited = |a_day, a_minute| Quota {
            limits: Limits { a_day, a_minute },
            ..Quota::default()
        };
        Self {
            token: limited(Some(2_000), None),
            stable_token: limited(None, Some(10_000)),
            send: Quota::default(),
            typing: Quota::default(),
            media_upload: limited(Some(100_000), None),
            media_get: limited(Some(200_000), None),
            qrcode_create: limited(Some(100_000), None),
            menu_create: limited(Some(1_000), None),
            menu_get: limited(Some(10_000), None),
            menu_delete: limited(Some(1_000), None),
            menu_add_conditional: Quota::default(),
            menu_del_conditional: Quota::default(),
            quota_get: Quota::default(),
            rid_get: Quota::default(),
            clear_quota: Quota::default(),
            user_info: limited(Some(5_000_000), None),
            update_remark: Quota::default(),
            tags_create: Quota::default(),
            tags_get: Quota::default(),
            tags_update: Quota::default(),
            tags_delete: Quota::default(),
            batch_tagging: Quota::default(),
            batch_untagging: Quota::default(),
            callback_ip: Quota::default(),
            template_send: limited(Some(100_000), None),
            subscribe_send: Quota::default(),
            template_list: Quota::default(),
            subscribe_list: Quota::default(),
        }
    }
}

impl Quotas {
    pub(crate) fn of(&self, path: ApiPath) -> &Quota {
        match path {
            ApiPath::Token => &self.token,
            ApiPath::StableToken => &self.stable_token,
            ApiPath::Send => &self.send,
            ApiPath::Typing => &self.typing,
            ApiPath::MediaUpload => &self.media_upload,
            ApiPath::MediaGet => &self.media_get,
            ApiPath::QrcodeCreate => &self.qrcode_create,
            ApiPath::MenuCreate => &self.menu_create,
            ApiPath::MenuGet => &self.menu_get,
            ApiPath::MenuDelete => &self.menu_delete,
            ApiPath::MenuAddConditional => &self.menu_add_conditional,
            ApiPath::MenuDelConditional => &self.menu_del_conditional,
            ApiPath::QuotaGet => &self.quota_get,
            ApiPath::RidGet => &self.rid_get,
            ApiPath::ClearQuota => &self.clear_quota,
            ApiPath::UserInfo => &self.user_info,
            ApiPath::UpdateRemark => &self.update_remark,
            ApiPath::TagsCreate => &self.tags_create,
            ApiPath::TagsGet => &self.tags_get,
            ApiPath::TagsUpdate => &self.tags_update,
            ApiPath::TagsDelete => &self.tags_delete,
            ApiPath::BatchTagging => &self.batch_tagging,
            ApiPath::BatchUntagging => &self.batch_untagging,
            ApiPath::CallbackIp => &self.callback_ip,
            ApiPath::TemplateSend => &self.template_send,
            ApiPath::SubscribeSend => &self.subscribe_send,
            ApiPath::TemplateList => &self.template_list,
            ApiPath::SubscribeList => &self.subscribe_list,
        }
    }

    pub(crate) fn of_mut(&mut self, path: ApiPath) -> &mut Quota {
        match path {
            ApiPath::Token => &mut self.token,
            ApiPath::StableToken => &mut self.stable_token,
            ApiPath::Send => &mut self.send,
            ApiPath::Typing => &mut self.typing,
            ApiPath::MediaUpload => &mut self.media_upload,
            ApiPath::MediaGet => &mut self.media_get,
            ApiPath::QrcodeCreate => &mut self.qrcode_create,
            ApiPath::MenuCreate => &mut self.menu_create,
            ApiPath::MenuGet => &mut self.menu_get,
            ApiPath::MenuDelete => &mut self.menu_delete,
            ApiPath::MenuAddConditional => &mut self.menu_add_conditional,
            ApiPath::MenuDelConditional => &mut self.menu_del_conditional,
            ApiPath::QuotaGet => &mut self.quota_get,
            ApiPath::RidGet => &mut self.rid_get,
            ApiPath::ClearQuota => &mut self.clear_quota,
            ApiPath::UserInfo => &mut self.user_info,
            ApiPath::UpdateRemark => &mut self.update_remark,
            ApiPath::TagsCreate => &mut self.tags_create,
            ApiPath::TagsGet => &mut self.tags_get,
            ApiPath::TagsUpdate => &mut self.tags_update,
            ApiPath::TagsDelete => &mut self.tags_delete,
            ApiPath::BatchTagging => &mut self.batch_tagging,
            ApiPath::BatchUntagging => &mut self.batch_untagging,
            ApiPath::CallbackIp => &mut self.callback_ip,
            ApiPath::TemplateSend => &mut self.template_send,
            ApiPath::SubscribeSend => &mut self.subscribe_send,
            ApiPath::TemplateList => &mut self.template_list,
            ApiPath::SubscribeList => &mut self.subscribe_list,
        }
    }

    /// Counts all calls anew.
    pub(crate) fn clear(&mut self) {
        for path in ApiPath::ALL {
            let quota = self.of_mut(path);
            (quota.day, quota.minute) = (Count::default(), Count::default());
        }
    }
}

impl Quota {
    /// Counts a call, if there is one left.
    pub(crate) fn take(&mut self, now_ms: i64) -> Result<(), Fault> {
        let (today, this_minute) = (day(now_ms), now_ms.div_euclid(MINUTE_MS));
        if self.day.used_up(today, self.limits.a_day) {
            return Err(answer::DAILY_LIMIT);
        }
        if self.minute.used_up(this_minute, self.limits.a_minute) {
            return Err(answer::MINUTE_LIMIT);
        }
        self.day.add(today);
        self.minute.add(this_minute);
        Ok(())
    }

    /// How many calls were counted today.
    pub(crate) fn today(&self, now_ms: i64) -> u32 {
        self.day.done(day(now_ms))
    }
}

impl WeChat {
    /// Sets how often an account may call a path, from the next call on. What
    /// it has called before counts.
    pub fn set_limits(
        &mut self,
        app_id: &str,
        path: ApiPath,
        limits: Limits,
    ) -> Result<(), Refused> {
        self.account_mut(app_id)
            .ok_or(Refused::UnknownAccount)?
            .quotas
            .of_mut(path)
            .limits = limits;
        Ok(())
    }
}

/// The day of WeChat in which a moment lies.
pub(crate) fn day(now_ms: i64) -> i64 {
    (now_ms + BEIJING_MS).div_euclid(DAY_MS)
}

/// How often something was done in the current day or minute.
#[derive(Debug, Default)]
pub(crate) struct Count {
    slot: i64,
    done: u32,
}

impl Count {
    /// Does it once more, unless the limit is reached.
    pub(crate) fn take(&mut self, slot: i64, limit: u32) -> bool {
        let may = !self.used_up(slot, Some(limit));
        if may {
            self.add(slot);
        }
        may
    }

    fn used_up(&self, slot: i64, limit: Option<u32>) -> bool {
        limit.is_some_and(|limit| self.done(slot) >= limit)
    }

    fn done(&self, slot: i64) -> u32 {
        if self.slot == slot { self.done } else { 0 }
    }

    fn add(&mut self, slot: i64) {
        let done = self.done(slot).saturating_add(1);
        *self = Self { slot, done };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_700_000_000_000;

    fn codes(quota: &mut Quota, now_ms: i64, calls: u32) -> Vec<i64> {
        (0..calls)
            .map(|_| quota.take(now_ms).map_or_else(|fault| fault.code, |()| 0))
            .collect()
    }

    #[test]
    fn a_minute_and_a_day() {
        let mut quota = Quota::default();
        assert_eq!(codes(&mut quota, START, 4), [0; 4]);
        // What was called before counts.
        quota.limits = Limits {
            a_day: Some(8),
            a_minute: Some(6),
        };
        assert_eq!(codes(&mut quota, START, 3), [0, 0, 45011]);
        let minute = (START / MINUTE_MS + 1) * MINUTE_MS;
        assert_eq!(codes(&mut quota, minute - 1, 1), [45011]);
        assert_eq!(codes(&mut quota, minute, 3), [0, 0, 45009]);
        assert_eq!(quota.today(minute), 8);
        let midnight = START - START % DAY_MS + 2 * DAY_MS - BEIJING_MS;
        assert_eq!(codes(&mut quota, midnight - 1, 1), [45009]);
        assert_eq!(codes(&mut quota, midnight, 1), [0]);
        assert_eq!(quota.today(midnight), 1);
        quota.limits.a_day = Some(0);
        assert_eq!(codes(&mut quota, midnight, 1), [45009]);
        quota.limits = Limits::default();
        assert_eq!(codes(&mut quota, midnight, 9), [0; 9]);
    }

    #[test]
    fn those_of_wechat() {
        let mut quotas = Quotas::default();
        for (path, calls, expected) in [
            (ApiPath::Token, 2_000, 45009),
            (ApiPath::StableToken, 10_000, 45011),
            (ApiPath::Send, 10_000, 0),
            (ApiPath::Typing, 10_000, 0),
            (ApiPath::MediaUpload, 100_000, 45009),
            (ApiPath::MediaGet, 200_000, 45009),
        ] {
            let quota = quotas.of_mut(path);
            assert!(codes(quota, START, calls).iter().all(|code| *code == 0));
            assert_eq!(codes(quota, START, 1), [expected], "{path:?}");
            let next = quota.take(START + MINUTE_MS);
            assert_eq!(next.is_ok(), expected != 45009, "{path:?}");
        }
    }
}
