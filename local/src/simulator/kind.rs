//! What kind of account it is, and what WeChat refuses it for that.
//!
//! Invariant: what nobody has documented as a difference between kinds is none.

use serde::{Deserialize, Serialize};

use super::act::Refused;
use super::answer::{self, Fault};
use super::wechat::WeChat;

/// The kind of an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// 服务号, verified: all that is simulated is allowed.
    #[default]
    Service,
    /// 公众号 (a subscription account) that is not verified: it gets tokens and
    /// pushes and may reply to them, but may call nothing below
    /// `message/custom/` and `media/` (48001).
    Subscription,
    /// A verified account of an owner outside mainland China: no `msgmenu`
    /// (40200). Reports contradict each other about all other types.
    Overseas,
}

impl Kind {
    /// Whether an account of this kind may call `message/custom/…` and `media/…` at all.
    pub(crate) fn may_call(self) -> Result<(), Fault> {
        match self {
            Self::Service | Self::Overseas => Ok(()),
            Self::Subscription => Err(answer::UNAUTHORIZED),
        }
    }

    /// Whether it may send a message of this type.
    pub(crate) fn may_send(self, message_type: &str) -> Result<(), Fault> {
        match self {
            Self::Overseas if message_type == "msgmenu" => Err(answer::ACCOUNT_TYPE),
            Self::Service | Self::Subscription | Self::Overseas => Ok(()),
        }
    }
}

impl WeChat {
    /// Makes an account one of this kind, from the next call on.
    pub fn set_kind(&mut self, app_id: &str, kind: Kind) -> Result<(), Refused> {
        self.account_mut(app_id)
            .ok_or(Refused::UnknownAccount)?
            .kind = kind;
        Ok(())
    }
}
