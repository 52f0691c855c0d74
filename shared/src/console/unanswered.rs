//! What callers are told where WeChat did not do what they asked for.

use http::StatusCode;

use super::problem::{Problem, Refusal};
use crate::bridge::account::Unanswered;
use crate::wechat::account::Denied;

impl From<Unanswered> for Refusal {
    fn from(unanswered: Unanswered) -> Self {
        let depends = |code, zh, en| Problem::new(StatusCode::FAILED_DEPENDENCY, code, zh, en);
        match unanswered {
            Unanswered::Broken(broken) => Self::Broken(broken),
            Unanswered::NoToken => depends(
                "no_token",
                "没有接口凭证：渠道检查会说明原因。",
                "There is no token: the channel's check says why.",
            )
            .into(),
            Unanswered::Denied(Denied::Refused { code, rid }) => {
                Problem::by_wechat(code, rid).into()
            }
            Unanswered::Denied(denied @ Denied::Silent(_)) => {
                tracing::warn!(
                    error = &denied as &dyn std::error::Error,
                    "a call about an account was lost"
                );
                depends(
                    "wechat_unreachable",
                    "微信没有应答：请求可能已生效，请查看后重试。",
                    "WeChat gave no answer. It may have done what was asked for: look, and try again.",
                )
                .into()
            }
        }
    }
}
