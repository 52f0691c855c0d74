//! What a phone page shows, as JSON.
//!
//! Invariant: no secret, token or key of an account is in it.

use serde::Serialize;

use super::account::{Account, Connection, Mode};
use super::customer::{Bubble, Customer, PushState};
use super::wechat::{Seen, WeChat};

/// How many bubbles of a chat a page gets.
const BUBBLES: usize = 100;
/// How many calls of the API a page gets.
const CALLS: usize = 12;

/// Everything that a page needs to draw itself.
#[derive(Serialize)]
pub(crate) struct View<'a> {
    now_ms: i64,
    accounts: Vec<AccountView<'a>>,
    /// Newest first.
    calls: Vec<&'a Seen>,
}

#[derive(Serialize)]
struct AccountView<'a> {
    app_id: &'a str,
    name: &'a str,
    mode: Mode,
    callback_url: &'a str,
    connection: &'a Connection,
    customers: Vec<CustomerView<'a>>,
}

#[derive(Serialize)]
struct CustomerView<'a> {
    open_id: &'a str,
    name: &'a str,
    following: bool,
    unread: u32,
    typing_until_ms: Option<i64>,
    window: Option<Window>,
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
            calls: wechat.log().rev().take(CALLS).collect(),
        }
    }
}

impl<'a> AccountView<'a> {
    fn new(account: &'a Account, now_ms: i64) -> Self {
        Self {
            app_id: &account.settings.app_id,
            name: &account.settings.name,
            mode: account.settings.mode,
            callback_url: &account.settings.callback_url,
            connection: &account.connection,
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
