//! WeChat's side of everything: accounts, tokens, customers, pushes, calls.
//!
//! Invariant: a state machine without a clock, without chance and without IO.
//! The time is an argument of every method that needs it, and ids come from
//! the seed: the same calls give the same answers.

use std::collections::VecDeque;

use serde::Serialize;

use super::account::{Account, AccountSettings, BadSettings, Connection, Mode};
use super::act::Refused;
use super::customer::{Content, Customer, Note, PushState, Stage};
use super::mint::Mint;
use super::mishap::Mishaps;
use super::openapi::Remembered;
use super::push::{Callback, Handshake};
use super::reply::{self, Invalid, Reply};
use super::sight::{Event, Sight, Sights};

/// Where it listens as long as nobody tells.
const NOWHERE: &str = "http://wechat.test";

/// The simulated WeChat.
pub struct WeChat {
    pub(super) mint: Mint,
    pub(super) accounts: Vec<Account>,
    pub(super) log: VecDeque<Seen>,
    pub(super) injected: VecDeque<i64>,
    pub(super) mishaps: Mishaps,
    pub(super) sights: Sights,
    /// The origin of the simulator's listener.
    pub(super) address: String,
    pub(super) message_id: u64,
    pub(super) serial: u64,
    pub(super) refused: VecDeque<Remembered>,
}

/// A call that WeChat saw: no secret, no token, no open id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// When, in milliseconds.
    pub at_ms: i64,
    /// The account, where the call named or proved one.
    pub app_id: Option<String>,
    /// The path, and `POST` or `GET` before it.
    pub call: String,
    /// What was answered.
    pub errcode: i64,
}

impl WeChat {
    /// A WeChat without accounts. The seed decides every id and token.
    #[must_use]
    pub fn new(seed: &str) -> Self {
        Self {
            mint: Mint::new(seed),
            accounts: Vec::new(),
            log: VecDeque::new(),
            message_id: 0,
            serial: 0,
            injected: VecDeque::new(),
            mishaps: Mishaps::default(),
            sights: Sights::default(),
            address: NOWHERE.to_owned(),
            refused: VecDeque::new(),
        }
    }

    /// Adds an account without customers.
    pub fn add_account(&mut self, settings: AccountSettings) -> Result<(), BadSettings> {
        if self.account(&settings.app_id).is_some() {
            return Err(BadSettings::Twice);
        }
        self.accounts.push(Account::new(settings)?);
        Ok(())
    }

    /// Adds somebody who does not follow the account, and gives their open id.
    pub fn add_customer(&mut self, app_id: &str, name: &str) -> Result<String, Refused> {
        let index = self
            .account(app_id)
            .ok_or(Refused::UnknownAccount)?
            .customers
            .len();
        let open_id = self.mint.open_id(app_id, index);
        let account = self.account_mut(app_id).ok_or(Refused::UnknownAccount)?;
        account.customers.push(Customer::new(open_id.clone(), name));
        Ok(open_id)
    }

    /// Adds somebody who has followed the account for long: no push tells of it.
    pub fn add_follower(&mut self, app_id: &str, name: &str) -> Result<String, Refused> {
        let open_id = self.add_customer(app_id, name)?;
        let customer = self.customer_mut(app_id, &open_id)?;
        customer.following = true;
        Ok(open_id)
    }

    /// The accounts, in the order of their arrival.
    #[must_use]
    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// The account of this app id.
    #[must_use]
    pub fn account(&self, app_id: &str) -> Option<&Account> {
        self.accounts
            .iter()
            .find(|account| account.settings.app_id == app_id)
    }

    /// The tokens of an account that are not forgotten yet: for whoever looks for
    /// them where they must not be.
    pub fn tokens(&self, app_id: &str) -> impl Iterator<Item = &str> {
        let account = self.account(app_id);
        account
            .into_iter()
            .flat_map(|account| account.tokens.values())
    }

    /// The customer of this account and open id.
    #[must_use]
    pub fn customer(&self, app_id: &str, open_id: &str) -> Option<&Customer> {
        self.account(app_id)?.customer(open_id)
    }

    /// The calls that it saw, oldest first; the last ten thousand.
    #[must_use]
    pub fn log(&self) -> impl DoubleEndedIterator<Item = &Seen> {
        self.log.iter()
    }

    /// From now on only these addresses may ask for this account's tokens; none: all.
    pub fn allow_addresses(&mut self, app_id: &str, addresses: Vec<String>) -> Result<(), Refused> {
        self.account_mut(app_id)
            .ok_or(Refused::UnknownAccount)?
            .addresses = addresses;
        Ok(())
    }

    /// Changes how this account's pushes are protected, from the next one on.
    pub fn set_mode(&mut self, app_id: &str, mode: Mode) -> Result<(), Refused> {
        self.account_mut(app_id)
            .ok_or(Refused::UnknownAccount)?
            .settings
            .mode = mode;
        Ok(())
    }

    /// Ends all tokens of an account at once, as another system of its owner
    /// does that forces a new one.
    pub fn end_tokens(&mut self, now_ms: i64, app_id: &str) -> Result<(), Refused> {
        self.account_mut(app_id)
            .ok_or(Refused::UnknownAccount)?
            .tokens
            .end_all(now_ms);
        Ok(())
    }

    /// The next call that is not about a token is answered with this code and
    /// has no effect. Several wait in line.
    pub fn answer_next_with(&mut self, errcode: i64) {
        self.injected.push_back(errcode);
    }

    /// Whether this answer to a push is one that WeChat takes, and what it says.
    pub fn judge(&self, callback: &Callback, status: u16, body: &[u8]) -> Result<Reply, Invalid> {
        let account = self.account(&callback.app_id).ok_or(Invalid::Fields)?;
        reply::judge(account, callback, status, body)
    }

    /// Notes how a push stands, and shows the customer what comes of it: a
    /// passive reply, or the grey line after the last failure.
    pub fn settle(&mut self, now_ms: i64, callback: &Callback, state: PushState, reply: &Reply) {
        self.sights.settle(&state);
        let Ok(customer) = self.customer_mut(&callback.app_id, &callback.open_id) else {
            return;
        };
        match (state.stage, reply) {
            // Who has just left sees nothing more of the account.
            _ if !customer.following => {}
            (Stage::Failed, _) => customer.show(
                now_ms,
                Content::Note {
                    note: Note::Unavailable,
                    text: String::new(),
                },
            ),
            (Stage::Taken, Reply::Text(text)) => {
                customer.show(now_ms, Content::theirs(text.clone()));
            }
            (Stage::Taken, Reply::Other(kind)) if kind != "transfer_customer_service" => {
                customer.show(now_ms, Content::theirs(format!("[{kind}]")));
            }
            _ => {}
        }
        let newest = customer
            .last_push
            .as_ref()
            .is_none_or(|last| last.serial <= state.serial);
        if newest {
            customer.last_push = Some(state);
        }
    }

    /// The GET check of an account's callback address.
    pub fn handshake(&mut self, now_ms: i64, app_id: &str) -> Result<Handshake, Refused> {
        let account = self
            .accounts
            .iter()
            .find(|account| account.settings.app_id == app_id)
            .ok_or(Refused::UnknownAccount)?;
        let sight = self.sights.add(Sight {
            id: 0,
            at_ms: now_ms,
            app_id: Some(app_id.to_owned()),
            customer: None,
            text: None,
            event: Event::Check {
                connection: Connection::Untried,
                took_ms: None,
            },
        });
        Ok(Handshake::new(now_ms, sight, account, &mut self.mint))
    }

    /// Takes the answer to a check: the HTTP status and the body, or nothing if
    /// no answer came in time.
    pub fn conclude(&mut self, handshake: &Handshake, answer: Option<(u16, &[u8])>) {
        let Some(account) = self.account_mut(&handshake.app_id) else {
            return;
        };
        account.connection = match answer {
            Some((200, body)) if body == handshake.echostr.as_bytes() => Connection::Connected,
            Some((status, _)) => Connection::Failed {
                status: Some(status),
            },
            None => Connection::Failed { status: None },
        };
        let connection = account.connection.clone();
        self.sights.conclude(handshake.sight, &connection, None);
    }

    /// The customer looks at the chat: nothing is unread.
    pub fn read(&mut self, app_id: &str, open_id: &str) -> Result<(), Refused> {
        self.customer_mut(app_id, open_id)?.unread = 0;
        Ok(())
    }

    pub(super) fn account_mut(&mut self, app_id: &str) -> Option<&mut Account> {
        self.accounts
            .iter_mut()
            .find(|account| account.settings.app_id == app_id)
    }

    pub(super) fn customer_mut(
        &mut self,
        app_id: &str,
        open_id: &str,
    ) -> Result<&mut Customer, Refused> {
        self.account_mut(app_id)
            .ok_or(Refused::UnknownAccount)?
            .customer_mut(open_id)
            .ok_or(Refused::UnknownCustomer)
    }
}
