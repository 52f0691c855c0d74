//! `openapi/…` and `clear_quota`: how often an account may still call, and what became of
//! one call.
//!
//! Invariant: of a call no more is remembered than what the log shows.
//! <https://developers.weixin.qq.com/doc/offiaccount/openApi/get_api_quota.html>

use magpie::notice::Way;
use serde_json::{Value, json};

use super::account::Account;
use super::answer::{self, Fault};
use super::call::Call;
use super::path::ApiPath;
use super::quota::day;
use super::wechat::WeChat;
use super::{notices, people, qrcode, send};

/// How many refused calls are remembered.
const KEPT: usize = 1_000;
/// For how many days.
const DAYS: i64 = 7;
/// How often quotas may be reset in thirty days.
const RESETS: usize = 10;
/// What is told of a path that nothing limits.
const UNLIMITED: u32 = 500_000;

pub(super) const NO_RID: Fault = Fault::new(76001, "rid not found");
pub(super) const ANOTHERS_RID: Fault = Fault::new(76003, "could not query this rid, no permission");
pub(super) const OLD_RID: Fault = Fault::new(76004, "rid time is error");
pub(super) const NO_PATH: Fault = Fault::new(76021, "cgi_path not found, please check");
const RESETS_USED_UP: Fault =
    Fault::new(48006, "forbid to clear quota because of reaching the limit");

/// A call that was refused.
#[derive(Clone, Debug)]
pub(crate) struct Remembered {
    rid: String,
    at_ms: i64,
    app_id: Option<String>,
    path: String,
    caller: String,
    errcode: i64,
}

impl WeChat {
    /// The calls about an account itself.
    pub(super) fn about_account(
        &mut self,
        now_ms: i64,
        call: &Call<'_>,
        path: ApiPath,
        app_id: &mut Option<String>,
    ) -> Result<Value, Fault> {
        // Nothing is drawn by chance of a call that needs nothing of it.
        let letters = match path {
            ApiPath::QrcodeCreate => self.mint.letters(94),
            _ => String::new(),
        };
        let asked = match path {
            ApiPath::RidGet => self.remembered(call.body),
            _ => None,
        };
        let strangers = people::named(call.body)
            .into_iter()
            .filter(|open_id| {
                self.accounts
                    .iter()
                    .any(|one| one.customer(open_id).is_some())
            })
            .collect();
        let (account, _) = self.enter(now_ms, call, path, app_id)?;
        match path {
            ApiPath::QrcodeCreate => qrcode::create(call.body, &letters),
            ApiPath::MenuCreate => account.menus.create(call.body),
            ApiPath::MenuGet => account.menus.get(),
            ApiPath::MenuDelete => Ok(account.menus.delete()),
            ApiPath::MenuAddConditional => account.menus.add(call.body),
            ApiPath::MenuDelConditional => account.menus.remove(call.body),
            ApiPath::QuotaGet => quota(now_ms, account, call.body),
            ApiPath::RidGet => rid(now_ms, account, asked),
            ApiPath::ClearQuota => clear(now_ms, account, call.body),
            ApiPath::UserInfo => people::info(account, call),
            ApiPath::UpdateRemark => people::remark(account, call.body),
            ApiPath::TagsCreate => account.tags.create(call.body),
            ApiPath::TagsGet => Ok(people::tags(account)),
            ApiPath::TagsUpdate => account.tags.rename(call.body),
            ApiPath::TagsDelete => people::delete(account, call.body),
            ApiPath::BatchTagging => people::tag(account, call.body, &strangers, true),
            ApiPath::BatchUntagging => people::tag(account, call.body, &strangers, false),
            ApiPath::TemplateSend => notices::send(now_ms, account, Way::Template, call.body),
            ApiPath::SubscribeSend => notices::send(now_ms, account, Way::Subscribe, call.body),
            ApiPath::TemplateList => Ok(account.notices.private()),
            ApiPath::SubscribeList => Ok(account.notices.subscriptions()),
            // Where it pushes from: this machine.
            ApiPath::CallbackIp => Ok(json!({ "ip_list": ["127.0.0.1"] })),
            ApiPath::Token
            | ApiPath::StableToken
            | ApiPath::Send
            | ApiPath::Typing
            | ApiPath::MediaUpload
            | ApiPath::MediaGet => Err(answer::DATA_FORMAT),
        }
    }

    /// Remembers a call that was refused, by the name that the caller was given for it.
    pub(super) fn remember(
        &mut self,
        now_ms: i64,
        call: &Call<'_>,
        app_id: Option<String>,
        errcode: i64,
        rid: &str,
    ) {
        self.refused.push_back(Remembered {
            rid: rid.to_owned(),
            at_ms: now_ms,
            app_id,
            path: call.path.to_owned(),
            caller: call.caller.to_owned(),
            errcode,
        });
        if self.refused.len() > KEPT {
            self.refused.pop_front();
        }
    }

    fn remembered(&self, body: &[u8]) -> Option<Remembered> {
        let body = send::parse(body).ok()?;
        let rid = body.get("rid")?.as_str()?;
        self.refused.iter().find(|known| known.rid == rid).cloned()
    }
}

/// `POST /cgi-bin/openapi/quota/get`.
fn quota(now_ms: i64, account: &Account, body: &[u8]) -> Result<Value, Fault> {
    let body = send::parse(body)?;
    let path = body.get("cgi_path").and_then(Value::as_str);
    let path = path.and_then(ApiPath::parse).ok_or(NO_PATH)?;
    let quota = account.quotas.of(path);
    let used = quota.today(now_ms);
    let limit = quota.limits.a_day.unwrap_or(UNLIMITED);
    let mut told = json!({
        "errcode": 0, "errmsg": "ok",
        "quota": { "daily_limit": limit, "used": used, "remain": limit.saturating_sub(used) },
    });
    if let (Some(calls), Some(fields)) = (quota.limits.a_minute, told.as_object_mut()) {
        let rate = json!({ "call_count": calls, "refresh_second": 60 });
        fields.insert("rate_limit".to_owned(), rate);
    }
    Ok(told)
}

/// `POST /cgi-bin/openapi/rid/get`.
fn rid(now_ms: i64, account: &Account, asked: Option<Remembered>) -> Result<Value, Fault> {
    let call = asked.ok_or(NO_RID)?;
    if call.app_id.as_deref() != Some(account.settings.app_id.as_str()) {
        return Err(ANOTHERS_RID);
    }
    if day(now_ms) - day(call.at_ms) > DAYS {
        return Err(OLD_RID);
    }
    let answer = json!({ "errcode": call.errcode }).to_string();
    Ok(json!({
        "errcode": 0, "errmsg": "ok",
        "request": {
            "invoke_time": call.at_ms / 1_000, "cost_in_ms": 1,
            "request_url": format!("{}?access_token=***", call.path), "request_body": "",
            "response_body": answer, "client_ip": call.caller,
        },
    }))
}

/// `POST /cgi-bin/clear_quota`.
fn clear(now_ms: i64, account: &mut Account, body: &[u8]) -> Result<Value, Fault> {
    let body = send::parse(body)?;
    let app_id = body.get("appid").and_then(Value::as_str);
    if app_id != Some(account.settings.app_id.as_str()) {
        return Err(answer::APP_ID);
    }
    let today = day(now_ms);
    account.resets.retain(|day| today - day < 30);
    if account.resets.len() >= RESETS {
        return Err(RESETS_USED_UP);
    }
    account.resets.push(today);
    account.quotas.clear();
    Ok(json!({ "errcode": 0, "errmsg": "ok" }))
}
