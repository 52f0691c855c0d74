//! The calls of WeChat's API, by their paths.
//!
//! Invariant: who a call comes from is decided by its credentials alone, and
//! what it was answered stands in the log.
//! <https://developers.weixin.qq.com/doc/oplatform/developers/dev/AccessToken.html>

use serde_json::{Value, json};

use super::account::Account;
use super::answer::{self, Answer, Fault};
use super::call::Call;
use super::mint::Mint;
use super::path::ApiPath;
use super::sight::Outcome;
use super::wechat::{Seen, WeChat};
use super::{send, token, upload};

/// How many calls the log keeps.
const KEPT: usize = 10_000;

impl WeChat {
    /// Answers a call of the API. Orders are left alone: [`WeChat::meet`]
    /// carries them out.
    pub fn call(&mut self, now_ms: i64, call: &Call<'_>) -> Answer {
        let answer = self.answer(now_ms, call);
        self.see(now_ms, call, Outcome::of(&answer), Some(0), false);
        answer
    }

    /// Answers a call and logs it.
    pub(super) fn answer(&mut self, now_ms: i64, call: &Call<'_>) -> Answer {
        let mut app_id = None;
        let Some(path) = ApiPath::parse(call.path) else {
            return Answer::not_found();
        };
        let done = |()| Answer::json(&json!({"errcode": 0, "errmsg": "ok"}));
        let value = |value| Answer::json(&value);
        let outcome = match path {
            ApiPath::Token => self.token(now_ms, call, &mut app_id).map(value),
            ApiPath::StableToken => self.stable_token(now_ms, call, &mut app_id).map(value),
            ApiPath::Send => self
                .enter(now_ms, call, path, &mut app_id)
                .and_then(|(account, _)| send::send(now_ms, account, call.body))
                .map(done),
            ApiPath::Typing => self
                .enter(now_ms, call, path, &mut app_id)
                .and_then(|(account, _)| send::typing(now_ms, account, call.body))
                .map(done),
            ApiPath::MediaUpload => self
                .enter(now_ms, call, path, &mut app_id)
                .and_then(|(account, mint)| upload::upload(now_ms, account, mint, call))
                .map(value),
            ApiPath::MediaGet => self.download(now_ms, call, &mut app_id),
            path => self
                .about_account(now_ms, call, path, &mut app_id)
                .map(value),
        };
        let errcode = outcome.as_ref().map_or_else(|fault| fault.code, |_| 0);
        self.note(now_ms, call, app_id.clone(), errcode);
        match outcome {
            Ok(answer) => answer,
            Err(fault) => {
                let rid = self.rid(now_ms);
                self.remember(now_ms, call, app_id, errcode, &rid);
                fault.answer(&rid)
            }
        }
    }

    /// Puts a call into the log.
    pub(super) fn note(
        &mut self,
        now_ms: i64,
        call: &Call<'_>,
        app_id: Option<String>,
        errcode: i64,
    ) {
        self.log.push_back(Seen {
            at_ms: now_ms,
            app_id,
            call: format!("{} {}", call.method, call.path),
            errcode,
        });
        if self.log.len() > KEPT {
            self.log.pop_front();
        }
    }

    fn download(
        &mut self,
        now_ms: i64,
        call: &Call<'_>,
        app_id: &mut Option<String>,
    ) -> Result<Answer, Fault> {
        let address = self.address.clone();
        let (account, _) = self.enter(now_ms, call, ApiPath::MediaGet, app_id)?;
        upload::download(now_ms, account, &address, call)
    }

    fn token(
        &mut self,
        now_ms: i64,
        call: &Call<'_>,
        app_id: &mut Option<String>,
    ) -> Result<Value, Fault> {
        if call.method != "GET" {
            return Err(answer::NEEDS_GET);
        }
        let parameters = Credentials {
            grant_type: call.parameter("grant_type"),
            app_id: call.parameter("appid"),
            secret: call.parameter("secret"),
        };
        let account = admit(&mut self.accounts, &parameters, call.caller, app_id)?;
        account.quotas.of_mut(ApiPath::Token).take(now_ms)?;
        Ok(issued(&account.tokens.classic(now_ms, &mut self.mint)))
    }

    fn stable_token(
        &mut self,
        now_ms: i64,
        call: &Call<'_>,
        app_id: &mut Option<String>,
    ) -> Result<Value, Fault> {
        if call.method != "POST" {
            return Err(answer::NEEDS_POST);
        }
        let body: Value = serde_json::from_slice(call.body).map_err(|_| answer::DATA_FORMAT)?;
        let text = |name| body.get(name).and_then(Value::as_str).map(str::to_owned);
        let parameters = Credentials {
            grant_type: text("grant_type"),
            app_id: text("appid"),
            secret: text("secret"),
        };
        let force = match body.get("force_refresh") {
            None => false,
            Some(Value::Bool(force)) => *force,
            Some(_) => return Err(answer::DATA_FORMAT),
        };
        let account = admit(&mut self.accounts, &parameters, call.caller, app_id)?;
        account.quotas.of_mut(ApiPath::StableToken).take(now_ms)?;
        let token = account.tokens.stable(now_ms, force, &mut self.mint);
        Ok(issued(&token))
    }

    /// Finds the account by the token of a call, and lets it in.
    pub(super) fn enter(
        &mut self,
        now_ms: i64,
        call: &Call<'_>,
        path: ApiPath,
        app_id: &mut Option<String>,
    ) -> Result<(&mut Account, &mut Mint), Fault> {
        if let Some(errcode) = self.injected.pop_front() {
            return Err(Fault::injected(errcode));
        }
        if call.method != path.method() {
            return Err(match path.method() {
                "GET" => answer::NEEDS_GET,
                _ => answer::NEEDS_POST,
            });
        }
        let value = call.parameter("access_token").unwrap_or_default();
        if value.is_empty() {
            return Err(answer::TOKEN_MISSING);
        }
        if !token::well_formed(&value) {
            return Err(answer::ACCESS_TOKEN);
        }
        let account = self
            .accounts
            .iter_mut()
            .find(|account| account.tokens.knows(&value))
            .ok_or(answer::CREDENTIAL)?;
        account.tokens.check(now_ms, &value)?;
        *app_id = Some(account.settings.app_id.clone());
        if !path.is_for_all() {
            account.kind.may_call()?;
        }
        account.quotas.of_mut(path).take(now_ms)?;
        Ok((account, &mut self.mint))
    }

    pub(super) fn rid(&mut self, now_ms: i64) -> String {
        let (one, two) = (self.mint.hex(8), self.mint.hex(8));
        format!("{:08x}-{one}-{two}", now_ms / 1_000)
    }
}

/// What a token call brings along.
struct Credentials {
    grant_type: Option<String>,
    app_id: Option<String>,
    secret: Option<String>,
}

fn admit<'a>(
    accounts: &'a mut [Account],
    given: &Credentials,
    caller: &str,
    app_id: &mut Option<String>,
) -> Result<&'a mut Account, Fault> {
    if given.grant_type.as_deref() != Some("client_credential") {
        return Err(answer::GRANT_TYPE);
    }
    let name = given.app_id.as_deref().unwrap_or_default();
    if name.is_empty() {
        return Err(answer::APP_ID_MISSING);
    }
    let account = accounts
        .iter_mut()
        .find(|account| account.settings.app_id == name)
        .ok_or(answer::APP_ID)?;
    *app_id = Some(name.to_owned());
    let secret = given.secret.as_deref().unwrap_or_default();
    if secret.is_empty() {
        return Err(answer::SECRET_MISSING);
    }
    // A secret of the right form that is not this account's is no credential.
    if secret.len() != 32 || !secret.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(answer::SECRET);
    }
    if secret != account.settings.secret {
        return Err(answer::CREDENTIAL);
    }
    if !account.addresses.is_empty() && !account.addresses.iter().any(|ours| ours == caller) {
        return Err(Fault::address(caller));
    }
    Ok(account)
}

fn issued(token: &token::Issued) -> Value {
    json!({"access_token": token.value, "expires_in": token.expires_in})
}
