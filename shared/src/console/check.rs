//! `POST /api/channels/{id}/check`: is the channel right on both sides?

use http::StatusCode;
use serde::Serialize;

use super::problem::{Answered, json};
use super::{Call, channels};
use crate::bridge::check::{self, Finding, Whose};
use crate::message::ChannelId;

/// Answers the call.
pub(super) async fn check(call: &Call<'_>, id: &ChannelId) -> Answered {
    #[derive(Serialize)]
    struct Checks {
        checks: Vec<Finding>,
    }
    let bridge = call.bridge;
    bridge.forget(id);
    let channel = channels::there(bridge, id).await?;
    let checks = check::check(bridge, &channel, Whose::Ours).await?;
    json(StatusCode::OK, &Checks { checks })
}
