//! What a phone page shows, as JSON.
//!
//! Invariant: no secret, token or key of an account is in it.

use std::collections::BTreeMap;

use magpie::notice::Way;
use serde::Serialize;
use serde_json::Value;

use super::account::{Account, Connection, Mode};
use super::customer::{Bubble, Customer, PushState};
use super::kind::Kind;
use super::mishap::Ordered;
use super::notices::Template;
use super::path::ApiPath;
use super::quota::Limits;
use super::sight::Sight;
use super::wechat::WeChat;

/// How many bubbles of a chat a page gets.
const BUBBLES: usize = 100;
/// How many sights a page gets until it asks for all.
const SIGHTS: usize = 30;

/// Everything that a page needs to draw itself.
#[derive(Serialize)]
pub(crate) struct View<'a> {
    now_ms: i64,
    accounts: Vec<AccountView<'a>>,
    /// Oldest first.
    mishaps: &'a [Ordered],
    /// Newest first.
    sights: Vec<&'a Sight>,
}

#[derive(Serialize)]
struct AccountView<'a> {
    app_id: &'a str,
    name: &'a str,
    kind: Kind,
    /// The addresses that may ask for a token; none: all.
    addresses: &'a [String],
    limits: Vec<LimitsView>,
    mode: Mode,
    callback_url: &'a str,
    connection: &'a Connection,
    /// Those of its templates to which people may subscribe.
    templates: Vec<&'a Template>,
    /// The buttons below the chat; `None`: the account has no menu.
    menu: Option<&'a Value>,
    customers: Vec<CustomerView<'a>>,
}

#[derive(Serialize)]
struct LimitsView {
    call: ApiPath,
    #[serde(flatten)]
    limits: Limits,
    /// How many calls were counted today.
    today: u32,
}

#[derive(Serialize)]
struct CustomerView<'a> {
    open_id: &'a str,
    name: &'a str,
    following: bool,
    unread: u32,
    typing_until_ms: Option<i64>,
    window: Option<Window>,
    /// How many notifications they have asked for, by template.
    subscriptions: &'a BTreeMap<String, u32>,
    last_push: &'a Option<PushState>,
    /// Oldest first.
    bubbles: Vec<&'a Bubble>,
}

#[derive(Serialize)]
struct Window {
    until_ms: i64,
    left: u32,
}

impl<'a> View<'a> {
    pub(crate) fn new(wechat: &'a WeChat, now_ms: i64) -> Self {
        Self {
            now_ms,
            accounts: wechat
                .accounts()
                .iter()
                .map(|account| AccountView::new(account, now_ms))
                .collect(),
            mishaps: wechat.ordered(),
            sights: wechat.sights().rev().take(SIGHTS).collect(),
        }
    }
}

impl<'a> AccountView<'a> {
    fn new(account: &'a Account, now_ms: i64) -> Self {
        Self {
            app_id: &account.settings.app_id,
            name: &account.settings.name,
            kind: account.kind,
            addresses: &account.addresses,
            limits: ApiPath::ALL
                .map(|call| {
                    let quota = account.quotas.of(call);
                    LimitsView {
                        call,
                        limits: quota.limits,
                        today: quota.today(now_ms),
                    }
                })
                .into(),
            mode: account.settings.mode,
            callback_url: &account.settings.callback_url,
            connection: &account.connection,
            templates: {
                let all = account.notices.templates.iter();
                all.filter(|one| one.way == Way::Subscribe).collect()
            },
            menu: account.menus.for_everybody(),
            customers: account
                .customers
                .iter()
                .map(|customer| CustomerView::new(customer, now_ms))
                .collect(),
        }
    }
}

impl<'a> CustomerView<'a> {
    fn new(customer: &'a Customer, now_ms: i64) -> Self {
        let skipped = customer.bubbles.len().saturating_sub(BUBBLES);
        Self {
            open_id: &customer.open_id,
            name: &customer.name,
            following: customer.following,
            unread: customer.unread,
            typing_until_ms: Some(customer.typing_until_ms).filter(|until_ms| now_ms < *until_ms),
            subscriptions: &customer.subscriptions,
            window: customer
                .allowance
                .open(now_ms)
                .filter(|_| customer.following)
                .map(|opening| Window {
                    until_ms: opening.until_ms,
                    left: opening.left,
                }),
            last_push: &customer.last_push,
            bubbles: customer.bubbles.iter().skip(skipped).collect(),
        }
    }
}
