//! QR codes of the account, each with a scene of its own, and how often they were scanned.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use percent_encoding::percent_decode_str;
use qrcode::render::svg;
use qrcode::types::QrError;
use qrcode::{EcLevel, QrCode};
use serde::Serialize;

use super::cursor::{self, List};
use super::problem::{Answered, Problem, Refusal, empty, json};
use super::{Call, channels, settings};
use crate::bridge::Response;
use crate::message::ChannelId;
use crate::qrcode::{QRCODES, Qrcode, Scene};
use crate::store::{Kept, StoreError};
use crate::wechat::account::{Ask, QrcodeMade};

/// How long a code may be good that is not good for ever, in seconds.
const LIFE: std::ops::RangeInclusive<u32> = 60..=2_592_000;

/// How wide a picture is at least, in pixels: large enough for print.
const WIDTH: u32 = 1_000;

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

/// `GET /api/channels/{id}/qrcodes/{scene}/picture`: of our own, for a page of ours loads
/// nothing from WeChat.
pub(super) async fn picture(call: &Call<'_>, id: &ChannelId, scene: &Scene) -> Answered {
    channels::there(call.bridge, id).await?;
    let code = call.bridge.store.qrcode(id, scene).await?;
    let code = code.ok_or_else(Problem::missing)?;
    let drawn = drawn(&code.url).map_err(|_| StoreError::Unreadable("u"))?;
    let mut response = Response::new(Bytes::from(drawn));
    let headers = response.headers_mut();
    let svg = HeaderValue::from_static("image/svg+xml");
    headers.insert(CONTENT_TYPE, svg);
    let name = format!("inline; filename=\"{scene}.svg\"");
    let name = HeaderValue::try_from(name).map_err(|_| StoreError::Unreadable("sk"))?;
    headers.insert(CONTENT_DISPOSITION, name);
    // Whoever opens it by itself has a document of our origin.
    let nothing = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    headers.insert(CONTENT_SECURITY_POLICY, nothing);
    // A scene that is renewed has another picture at this address.
    let own = HeaderValue::from_static("private, no-cache");
    headers.insert(CACHE_CONTROL, own);
    Ok(response)
}

/// A text as a QR code.
fn drawn(text: &str) -> Result<String, QrError> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M)?;
    let mut picture = code.render::<svg::Color>();
    Ok(picture.min_dimensions(WIDTH, WIDTH).build())
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

#[cfg(test)]
mod tests {
    use super::*;

    /// As the Python package qrcode 8 draws it, with the same mask: a row a number.
    const ADDRESS: &str = "http://weixin.qq.com/q/02AbCdEf_-gHiJkLmNoP";
    const DRAWN: &str = "1fdbe8d7f 1052c6141 1756e1a5d 174a5775d 175c3865d 10437e941 1fd55557f \
        eb0200 13fe5c397 1789efabc 12c7b069f 16b5b5f26 cf9a8970 18314f1ac 11f72bd08 18ab5118d \
        17d4257fc e988b055 145bfef0f 7b5a057c ae0f4e29 1294c0070 166d8faff 10b2ef087 184f155fa \
        1338b15 1fd96b354 105edff14 1759f8ff3 17569cd89 1748662b7 10438701f 1fdcf23e4";

    #[test]
    fn a_code_is_drawn_as_others_draw_it() {
        let svg = drawn(ADDRESS).unwrap();
        let (_, rest) = svg.split_once("viewBox=\"0 0 ").unwrap();
        let side: u32 = rest.split(' ').next().unwrap().parse().unwrap();
        assert!(side >= WIDTH);
        let modules = 33;
        let step = side / (modules + 8);
        assert_eq!(side, step * (modules + 8));
        let mut rows = vec![0_u64; modules as usize];
        let (_, path) = svg.split_once(" d=\"M").unwrap();
        for dark in path.split('M') {
            let (x, rest) = dark.split_once(' ').unwrap();
            let (y, rest) = rest.split_once('h').unwrap();
            assert!(rest.starts_with(&format!("{step}v{step}H")), "{rest}");
            let place = |at: &str| at.parse::<u32>().unwrap() / step - 4;
            rows[place(y) as usize] |= 1 << (modules - 1 - place(x));
        }
        let rows: Vec<_> = rows.iter().map(|row| format!("{row:x}")).collect();
        assert_eq!(rows.join(" "), DRAWN);
    }

    #[test]
    fn what_no_code_holds_is_not_drawn() {
        assert!(drawn(&"x".repeat(2_331)).is_ok());
        assert!(drawn(&"x".repeat(2_332)).is_err());
    }
}
