//! An account as WeChat keeps it: what its owner set in the console, its
//! tokens, and the people who write to it.

use magpie::wechat::crypto::AesKey;
use serde::{Deserialize, Serialize};

use super::article::Article;
use super::customer::Customer;
use super::kind::Kind;
use super::media::MediaStore;
use super::menu::Menus;
use super::notices::Notices;
use super::people::Tags;
use super::quota::Quotas;
use super::token::Tokens;

/// What the owner of an account set in WeChat's console.
#[derive(Clone)]
pub struct AccountSettings {
    /// `wx` and 16 hexadecimal digits.
    pub app_id: String,
    /// `gh_…`.
    pub original_id: String,
    /// The secret of the token calls: 32 hexadecimal digits.
    pub secret: String,
    /// The token of the callback's signature: 3 to 32 letters and digits.
    pub token: String,
    /// The `EncodingAESKey`: 43 characters.
    pub aes_key: String,
    /// How pushes are protected.
    pub mode: Mode,
    /// Where pushes go. The simulation takes any port.
    pub callback_url: String,
    /// The name that customers see.
    pub name: String,
}

/// How pushes are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// 明文: signed, not encrypted.
    Plain,
    /// 兼容: plain and encrypted in one document.
    Compatible,
    /// 安全: encrypted.
    Secure,
}

/// Why an account cannot be simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSettings {
    /// The `EncodingAESKey` is none.
    #[error("aes_key: 43 letters and digits are needed")]
    AesKey,
    /// The address has no scheme that WeChat takes.
    #[error("callback_url: an address that begins with http:// or https:// is needed")]
    CallbackUrl,
    /// There is an account of this app id.
    #[error("app_id: there is an account of this id already")]
    Twice,
}

/// Whether WeChat's GET check of the callback address held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Connection {
    /// Not tried yet.
    Untried,
    /// The address answered with the `echostr`.
    Connected,
    /// It did not.
    Failed {
        /// The HTTP status, if there was an answer.
        status: Option<u16>,
    },
}

/// One account.
pub struct Account {
    /// What its owner set.
    pub settings: AccountSettings,
    /// What kind of account it is.
    pub kind: Kind,
    /// What became of the last check of the callback address.
    pub connection: Connection,
    /// The people, in the order of their arrival.
    pub customers: Vec<Customer>,
    pub(crate) key: AesKey,
    pub(crate) tokens: Tokens,
    pub(crate) media: MediaStore,
    pub(crate) articles: Vec<Article>,
    pub(crate) quotas: Quotas,
    pub(crate) menus: Menus,
    pub(crate) notices: Notices,
    pub(crate) tags: Tags,
    /// The days on which the quotas were reset.
    pub(crate) resets: Vec<i64>,
    /// The addresses that may ask for a token; empty: all.
    pub(crate) addresses: Vec<String>,
}

impl Account {
    pub(crate) fn new(settings: AccountSettings) -> Result<Self, BadSettings> {
        let key = AesKey::parse(&settings.aes_key).map_err(|_| BadSettings::AesKey)?;
        let url = &settings.callback_url;
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(BadSettings::CallbackUrl);
        }
        Ok(Self {
            settings,
            kind: Kind::default(),
            connection: Connection::Untried,
            customers: Vec::new(),
            key,
            tokens: Tokens::default(),
            media: MediaStore::default(),
            articles: Vec::new(),
            quotas: Quotas::default(),
            menus: Menus::default(),
            notices: Notices::default(),
            tags: Tags::default(),
            resets: Vec::new(),
            addresses: Vec::new(),
        })
    }

    /// The customer of this open id.
    #[must_use]
    pub fn customer(&self, open_id: &str) -> Option<&Customer> {
        self.customers
            .iter()
            .find(|customer| customer.open_id == open_id)
    }

    pub(crate) fn customer_mut(&mut self, open_id: &str) -> Option<&mut Customer> {
        self.customers
            .iter_mut()
            .find(|customer| customer.open_id == open_id)
    }
}
