//! The calls that we make to WeChat: for a token, and to send.
//!
//! Errors come with HTTP status 200 and an `errcode`; JSON goes out as raw
//! UTF-8, because WeChat shows `\uXXXX` as it stands. Calls:
//! <https://developers.weixin.qq.com/doc/offiaccount/Customer_Service/Customer_Service_Messages.html>,
//! <https://developers.weixin.qq.com/doc/offiaccount/Basic_Information/getStableAccessToken.html>

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::channel::TokenCall;
use crate::delivery::Failure;
use crate::http::{Answer, Http, Outgoing, Trouble};
use crate::lane::ATTEMPT;
use crate::message::OpenId;
use crate::reason::Reason;
use crate::wechat::codes::{self, Meaning};

/// WeChat's own hosts: a channel may name one of them.
pub const HOSTS: &[&str] = &[
    "api.weixin.qq.com",
    "api2.weixin.qq.com",
    "sh.api.weixin.qq.com",
    "sz.api.weixin.qq.com",
    "hk.api.weixin.qq.com",
];

/// How long a call for a token may take.
const TOKEN: Duration = ATTEMPT.saturating_add(Duration::from_secs(2));
/// The shortest life that a token is believed to have.
const LIFE_MIN: u64 = 1;
/// The longest life that a token is believed to have, in seconds.
const LIFE_MAX: u64 = 7200;

/// An access token. It shows itself to nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Takes a token as WeChat gave it.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The token, for the store and the wire only.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// What tells one token from another and gives none away: SHA-256 over it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint([u8; 32]);

impl Token {
    /// The token's fingerprint.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint(Sha256::digest(&self.0).into())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// A token that WeChat gave.
#[derive(Clone, Debug)]
pub struct Granted {
    /// The token.
    pub token: Token,
    /// How long it lives.
    pub life: Duration,
}

/// Why WeChat gave no token.
#[derive(Debug, thiserror::Error)]
pub enum NoToken {
    /// It refused with this code. Code 40164 comes with the address that must
    /// be on the account's allow-list.
    #[error("WeChat refused a token with code {code}")]
    Refused {
        /// WeChat's code.
        code: i64,
        /// Our address as WeChat saw it.
        address: Option<IpAddr>,
    },
    /// It could not be reached or did not answer in its own form.
    #[error("WeChat gave no answer to the call for a token")]
    Silent(#[source] Option<Trouble>),
}

#[derive(Deserialize)]
struct Reply {
    #[serde(default)]
    errcode: i64,
    #[serde(default)]
    errmsg: String,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

/// WeChat's API as one account uses it.
#[derive(Clone, Copy, Debug)]
pub struct Api<'a> {
    /// The client.
    pub http: &'a Http,
    /// Where it is, such as `https://api.weixin.qq.com`.
    pub base: &'a str,
}

/// What became of one send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// WeChat answered, and this is what it means.
    Answered(Meaning),
    /// It certainly did not arrive.
    NotSent(Failure),
    /// Its answer was lost: it may have arrived.
    Lost,
}

impl Api<'_> {
    pub(super) fn url(&self, path: &str) -> Option<Url> {
        Url::parse(self.base).ok()?.join(path).ok()
    }

    /// Asks for a token. `force` ends the current one, and is rationed by
    /// WeChat to 20 a day and one in 30 seconds; the classic call always does.
    pub async fn token(
        &self,
        call: TokenCall,
        app_id: &str,
        secret: &str,
        force: bool,
    ) -> Result<Granted, NoToken> {
        #[derive(Serialize)]
        struct Ask<'a> {
            grant_type: &'a str,
            appid: &'a str,
            secret: &'a str,
            force_refresh: bool,
        }
        let request = match call {
            TokenCall::Stable => {
                let url = self
                    .url("/cgi-bin/stable_token")
                    .ok_or(NoToken::Silent(None))?;
                let ask = Ask {
                    grant_type: "client_credential",
                    appid: app_id,
                    secret,
                    force_refresh: force,
                };
                let body = serde_json::to_vec(&ask).map_err(|_| NoToken::Silent(None))?;
                Outgoing::json(url, body, TOKEN)
            }
            TokenCall::Classic => {
                let mut url = self.url("/cgi-bin/token").ok_or(NoToken::Silent(None))?;
                url.query_pairs_mut()
                    .append_pair("grant_type", "client_credential")
                    .append_pair("appid", app_id)
                    .append_pair("secret", secret);
                Outgoing::get(url, TOKEN)
            }
        };
        granted(self.http, request).await
    }

    /// Shows or hides that an agent is typing. It may be lost.
    pub async fn typing(&self, token: &Token, to: &OpenId, on: bool) -> Sent {
        #[derive(Serialize)]
        struct Typing<'a> {
            touser: &'a str,
            command: &'a str,
        }
        let typing = Typing {
            touser: to.expose(),
            command: if on { "Typing" } else { "CancelTyping" },
        };
        self.post("/cgi-bin/message/custom/typing", token, &typing)
            .await
    }

    pub(super) async fn post<T: Serialize>(&self, path: &str, token: &Token, body: &T) -> Sent {
        let (Some(mut url), Ok(body)) = (self.url(path), serde_json::to_vec(body)) else {
            return Sent::NotSent(Failure::never(Reason::Defect));
        };
        url.query_pairs_mut()
            .append_pair("access_token", token.expose());
        match self.http.send(Outgoing::json(url, body, ATTEMPT)).await {
            Ok(answer) => read_answer(&answer),
            Err(Trouble::NotSent(_)) => Sent::NotSent(Failure::now(Reason::WechatUnreachable)),
            Err(Trouble::Forbidden) => Sent::NotSent(Failure::never(Reason::Defect)),
            Err(Trouble::Lost(_)) => Sent::Lost,
        }
    }
}

/// Asks a server of the operator's for an account's token, as WeChat advises to
/// have one. `force` says that the one it gave before is not good any more. It is
/// asked with a POST of `{"app_id", "force"}` and answers as WeChat does.
pub async fn token_of_server(
    http: &Http,
    server: &Url,
    key: Option<&str>,
    app_id: &str,
    force: bool,
) -> Result<Granted, NoToken> {
    #[derive(Serialize)]
    struct Ask<'a> {
        app_id: &'a str,
        force: bool,
    }
    let body = serde_json::to_vec(&Ask { app_id, force }).map_err(|_| NoToken::Silent(None))?;
    let mut request = Outgoing::json(server.clone(), body, TOKEN);
    if let Some(key) = key {
        request = request.with("authorization", &format!("Bearer {key}"));
    }
    granted(http, request).await
}

/// Sends a call for a token and reads what was granted.
async fn granted(http: &Http, request: Outgoing) -> Result<Granted, NoToken> {
    let answer = http.send(request).await;
    let answer = answer.map_err(|trouble| NoToken::Silent(Some(trouble)))?;
    let reply: Reply = serde_json::from_slice(&answer.body).map_err(|_| NoToken::Silent(None))?;
    match (reply.errcode, reply.access_token, reply.expires_in) {
        (0, Some(token), Some(life)) if !token.is_empty() => Ok(Granted {
            token: Token(token),
            life: Duration::from_secs(life.clamp(LIFE_MIN, LIFE_MAX)),
        }),
        (0, ..) => Err(NoToken::Silent(None)),
        (code, ..) => Err(NoToken::Refused {
            code,
            address: (code == 40164)
                .then(|| first_address(&reply.errmsg))
                .flatten(),
        }),
    }
}

fn read_answer(answer: &Answer) -> Sent {
    match (answer.status, serde_json::from_slice::<Reply>(&answer.body)) {
        (200, Ok(reply)) => Sent::Answered(codes::meaning(reply.errcode)),
        (429, _) => Sent::NotSent(Failure::after(Duration::from_mins(1), Reason::QuotaUsedUp)),
        // These are said before anything is done.
        (500 | 503, _) => Sent::NotSent(Failure::now(Reason::WechatUnreachable)),
        (400..=499, _) => Sent::NotSent(Failure::never(Reason::Refused)),
        // A gateway that lost its own answer, or an answer that nobody can read.
        _ => Sent::Lost,
    }
}

/// The first address in a text such as `invalid ip 1.2.3.4 ipv6 ::ffff:1.2.3.4`.
fn first_address(text: &str) -> Option<IpAddr> {
    text.split(|c: char| c.is_whitespace() || c == ',')
        .find_map(|word| word.parse().ok())
}
