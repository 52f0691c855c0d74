//! How often the account may still call WeChat, and what became of one call.
//!
//! Invariant: of a call that WeChat remembers neither the token nor what was said is shown.

use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::problem::{Answered, empty, json};
use super::{Call, channels, wrong};
use crate::message::ChannelId;
use crate::moment::Moment;
use crate::wechat::account::{Ask, Done, Quota, Remembered, is_rid};

/// The path that is asked for if none is named: that of every answer to a customer.
const PATH: &str = "/cgi-bin/message/custom/send";
/// The longest path, in bytes.
const PATH_MAX: usize = 128;

/// `GET /api/channels/{id}/quota`.
pub(super) async fn get(call: &Call<'_>, id: &ChannelId) -> Answered {
    #[derive(Serialize)]
    struct Shown<'a> {
        path: &'a str,
        daily_limit: i64,
        used: i64,
        left: i64,
        rate: Option<ShownRate>,
    }
    #[derive(Serialize)]
    struct ShownRate {
        calls: i64,
        seconds: i64,
    }
    let path = call.query("path").unwrap_or(PATH);
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'-' | b'.');
    if path.len() > PATH_MAX || !path.starts_with('/') || !path.bytes().all(plain) {
        return Err(wrong(
            "path",
            "应为微信接口的路径，如 /cgi-bin/message/custom/send",
            "it is the path of a call of WeChat's, such as /cgi-bin/message/custom/send",
        ));
    }
    let channel = channels::there(call.bridge, id).await?;
    let ask = Ask::quota(path);
    let Quota { quota, rate_limit } = call.bridge.ask_of_account(&channel, &ask).await?;
    // Where there is no limit WeChat writes zeros.
    let rate = rate_limit.filter(|rate| rate.call_count > 0);
    let shown = Shown {
        path,
        daily_limit: quota.daily_limit,
        used: quota.used,
        left: quota.remain,
        rate: rate.map(|rate| ShownRate {
            calls: rate.call_count,
            seconds: rate.refresh_second,
        }),
    };
    json(StatusCode::OK, &shown)
}

/// `POST /api/channels/{id}/quota/clear`. It takes one of ten a month: the body repeats the
/// channel's id, so that nobody does it by a slip.
pub(super) async fn clear(call: &Call<'_>, id: &ChannelId) -> Answered {
    let mut fields = call.fields()?;
    fields.parsed(
        "confirm",
        |text| (text == id.as_str()).then_some(()),
        "应为渠道的 id：微信每月只允许清零 10 次",
        "it repeats the channel's id: WeChat resets quotas ten times a month only",
    );
    fields.done()?;
    let channel = channels::there(call.bridge, id).await?;
    let ask = Ask::clear_quota(&channel.app_id);
    let Done {} = call.bridge.ask_of_account(&channel, &ask).await?;
    tracing::info!(channel = %id, "the account's quotas were reset");
    Ok(empty())
}

/// `GET /api/channels/{id}/rid/{rid}`.
pub(super) async fn rid(call: &Call<'_>, id: &ChannelId, rid: &str) -> Answered {
    #[derive(Serialize)]
    struct Shown<'a> {
        rid: &'a str,
        time: String,
        took_ms: i64,
        path: &'a str,
        caller: &'a str,
        code: Option<i64>,
    }
    #[derive(Deserialize)]
    struct Answer {
        errcode: Option<i64>,
    }
    let channel = channels::there(call.bridge, id).await?;
    let Remembered { request } = call.bridge.ask_of_account(&channel, &Ask::rid(rid)).await?;
    let answer: Option<Answer> = serde_json::from_str(&request.response_body).ok();
    let shown = Shown {
        rid,
        time: Moment::from_seconds(request.invoke_time).to_string(),
        took_ms: request.cost_in_ms,
        path: path(&request.request_url),
        caller: &request.client_ip,
        code: answer.and_then(|answer| answer.errcode),
    };
    json(StatusCode::OK, &shown)
}

/// The name of a call in an address.
pub(super) fn rid_of(part: &str) -> Option<String> {
    is_rid(part).then(|| part.to_owned())
}

/// The path of an address, without host and without the query, in which the token stands.
fn path(url: &str) -> &str {
    let behind_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    let from = behind_scheme.find('/').unwrap_or(behind_scheme.len());
    let path = behind_scheme.get(from..).unwrap_or_default();
    path.split(['?', '#']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::path;

    #[test]
    fn nothing_but_the_path_of_a_call_is_shown() {
        let send = "/cgi-bin/message/custom/send";
        for (url, expected) in [
            (
                format!("https://api.weixin.qq.com{send}?access_token=T"),
                send,
            ),
            (format!("{send}?access_token=T"), send),
            (format!("api.weixin.qq.com{send}#T"), send),
            ("https://api.weixin.qq.com?access_token=T".to_owned(), ""),
            (String::new(), ""),
        ] {
            assert_eq!(path(&url), expected, "{url}");
        }
    }
}
