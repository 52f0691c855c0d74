//! QR codes of the account, each with a scene of its own, and how often they were scanned.

use std::time::Duration;

use http::StatusCode;
use percent_encoding::percent_decode_str;
use serde::Serialize;

use super::cursor::{self, List};
use super::problem::{Answered, Problem, Refusal, empty, json};
use super::{Call, channels, settings};
use crate::message::ChannelId;
use crate::qrcode::{QRCODES, Qrcode, Scene};
use crate::store::Kept;
use crate::wechat::account::{Ask, QrcodeMade};

/// How long a code may be good that is not good for ever, in seconds.
const LIFE: std::ops::RangeInclusive<u32> = 60..=2_592_000;

#[derive(Serialize)]
struct Shown {
    scene: String,
    name: String,
    url: String,
    picture: String,
    expires: Option<String>,
    created: String,
    scans: u64,
}

impl From<Qrcode> for Shown {
    fn from(code: Qrcode) -> Self {
        Self {
            picture: code.picture(),
            scene: code.scene.as_str().to_owned(),
            name: code.name,
            url: code.url,
            expires: code.expires.map(|expires| expires.to_string()),
            created: code.created.to_string(),
            scans: code.scans,
        }
    }
}

/// The scene that a part of an address names.
pub(super) fn scene(part: &str) -> Option<Scene> {
    Scene::parse(&percent_decode_str(part).decode_utf8().ok()?)
}

/// `GET /api/channels/{id}/qrcodes`: by scene.
pub(super) async fn list(call: &Call<'_>, id: &ChannelId) -> Answered {
    #[derive(Serialize)]
    struct Listed {
        qrcodes: Vec<Shown>,
        cursor: Option<String>,
    }
    let limit = call.limit()?;
    let list = List::Qrcodes(id);
    let behind = match call.place(list)? {
        Some(text) => Some(Scene::parse(&text).ok_or_else(cursor::bad)?),
        None => None,
    };
    channels::there(call.bridge, id).await?;
    let most = i32::try_from(limit).unwrap_or(100);
    let page = call.bridge.store.qrcodes(id, behind.as_ref(), most).await?;
    let listed = Listed {
        qrcodes: page.codes.into_iter().map(Shown::from).collect(),
        cursor: page.next.map(|scene| list.cursor(scene.as_str())),
    };
    json(StatusCode::OK, &listed)
}

/// `POST /api/channels/{id}/qrcodes`: a code that is over is renewed and goes on counting.
pub(super) async fn make(call: &Call<'_>, id: &ChannelId) -> Answered {
    let mut fields = call.fields()?;
    let scene = fields.parsed(
        "scene",
        Scene::parse,
        "应为 1 到 64 个字母、数字或 _ . , : ; = @ + * ! ~ -，以字母、数字或 _ 开头",
        "it has 1 to 64 letters, digits and _ . , : ; = @ + * ! ~ -, a letter, a digit or _ first",
    );
    let name = fields.parsed(
        "name",
        settings::name,
        "应为 1 到 40 个字符",
        "it has 1 to 40 characters",
    );
    let seconds = Some(fields.number("expires_in", LIFE, 0)).filter(|seconds| *seconds > 0);
    fields.done()?;
    let (Some(scene), Some(name)) = (scene, name) else {
        return Err(Problem::fields(Vec::new()).into());
    };
    let bridge = call.bridge;
    let channel = channels::there(bridge, id).await?;
    let now = bridge.now();
    // The write decides; who asks before does not make codes at WeChat in vain.
    let known = bridge.store.qrcode(id, &scene).await?;
    match &known {
        Some(code) if !code.is_over(now) => return Err(taken()),
        None if bridge.store.qrcode_count(id).await? >= QRCODES => return Err(full()),
        _ => {}
    }
    let ask = Ask::qrcode(&scene, seconds);
    let QrcodeMade(made) = bridge.ask_of_account(&channel, &ask).await?;
    let life = seconds.map(|seconds| Duration::from_secs(seconds.into()));
    let code = Qrcode {
        scene,
        name,
        ticket: made.ticket,
        url: made.url,
        expires: life.map(|life| now.plus(made.life.unwrap_or(life).min(life))),
        created: now,
        scans: 0,
    };
    let kept = match known {
        None => bridge.store.keep_qrcode(id, &code).await?,
        Some(_) => bridge.store.renew_qrcode(id, &code, now).await?,
    };
    match kept {
        Kept::Kept(code) => {
            tracing::info!(channel = %id, scene = %code.scene, "a QR code was made");
            json(StatusCode::CREATED, &Shown::from(*code))
        }
        Kept::Taken => Err(taken()),
        Kept::Full => Err(full()),
    }
}

/// `DELETE /api/channels/{id}/qrcodes/{scene}`: whoever has its picture may scan it all the
/// same; nobody counts it any more.
pub(super) async fn forget(call: &Call<'_>, id: &ChannelId, scene: &Scene) -> Answered {
    channels::there(call.bridge, id).await?;
    if call.bridge.store.forget_qrcode(id, scene).await? {
        tracing::info!(channel = %id, %scene, "a QR code was forgotten");
    }
    Ok(empty())
}

fn taken() -> Refusal {
    Problem::conflict(
        "scene_taken",
        "该场景值的二维码仍然有效：请使用其他场景值，或先删除它。",
        "There is a code of this scene that is still good: take another scene, or delete it first.",
    )
    .into()
}

fn full() -> Refusal {
    Problem::conflict(
        "too_many_qrcodes",
        "一个渠道最多 1000 个二维码：请先删除不再使用的。",
        "A channel has 1,000 codes at the most: delete those that nobody needs first.",
    )
    .into()
}
