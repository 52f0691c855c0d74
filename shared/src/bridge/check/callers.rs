//! Are the addresses known from which alone the channel takes calls?

use std::time::Duration;

use super::{Bridge, Broken, Finding, OK, Words};
use crate::channel::Channel;

/// Lists are asked for every day: one that is older could not be had twice.
const OLD: Duration = Duration::from_hours(48);

const UNKNOWN: Words<'static> = (
    "no_list",
    "还没有微信的地址列表，因此接受所有来源的请求（签名仍会核对）：列表每 10 分钟获取一次，凭证检查会说明为何取不到。",
    "WeChat's addresses are not known yet, so that calls are taken from everywhere (their signatures are checked all the same): the list is asked for every ten minutes, and the token's check says what may keep it from coming.",
);
const STALE: Words<'static> = (
    "old_list",
    "微信的地址列表已超过两天未更新，仍按旧列表核对：请查看凭证检查和日志。",
    "The list of WeChat's addresses is older than two days, and the old one still decides: see the token's check and the log.",
);
const KNOWN: Words<'static> = (
    OK,
    "只接受微信地址列表中的来源。",
    "Calls are taken from the addresses alone that WeChat lists.",
);

/// Looks at the list of a channel.
pub(super) async fn look(bridge: &Bridge, channel: &Channel) -> Result<Finding, Broken> {
    let kept = bridge.store.callers(&channel.id).await?;
    let words = match kept {
        None => UNKNOWN,
        Some(kept) if bridge.now().since(kept.got) > OLD => STALE,
        Some(_) => KNOWN,
    };
    Ok(Finding::new("callers", words))
}
