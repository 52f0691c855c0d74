//! What an operator asks WeChat for about an account: with a token, and once more with
//! another where WeChat does not take it.

use serde::de::DeserializeOwned;
use tracing::error;

use super::token::Tokenless;
use super::{Bridge, Broken};
use crate::channel::Channel;
use crate::wechat::account::{Ask, Denied};
use crate::wechat::api::Api;
use crate::wechat::codes::{Meaning, meaning};

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// There is no token; it was logged.
    NoToken,
    /// WeChat refused, or said nothing.
    Denied(Denied),
    /// We failed.
    Broken(Broken),
}

impl Unanswered {
    fn tokenless(none: Tokenless, channel: &Channel) -> Self {
        match none {
            Tokenless::Broken(broken) => Self::Broken(broken),
            none => {
                none.log(&channel.id);
                Self::NoToken
            }
        }
    }
}

impl Bridge {
    /// Asks WeChat for something about an account.
    pub(crate) async fn ask_of_account<T: DeserializeOwned>(
        &self,
        channel: &Channel,
        ask: &Ask,
    ) -> Result<T, Unanswered> {
        let api = Api {
            http: &self.http,
            base: &channel.api_base,
        };
        let tokenless = |none| Unanswered::tokenless(none, channel);
        let token = self.token(channel).await.map_err(tokenless)?;
        let refused = match api.ask(&token, ask).await {
            Err(Denied::Refused { code, .. }) if meaning(code) == Meaning::Token => token,
            answer => return answer.map_err(Unanswered::Denied),
        };
        let token = self
            .refresh(channel, Some(&refused))
            .await
            .map_err(tokenless)?;
        let answer = api.ask(&token, ask).await;
        if let Err(Denied::Refused { code, .. }) = &answer
            && meaning(*code) == Meaning::Token
        {
            error!(channel = %channel.id, "WeChat refuses a token that it has just given");
        }
        answer.map_err(Unanswered::Denied)
    }
}
