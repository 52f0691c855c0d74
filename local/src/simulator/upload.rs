//! Media on their way in and out: `media/upload` and `media/get`, and what a
//! customer's phone uploads before it is sent.
//!
//! Invariant: whoever names a medium of another account learns nothing, not
//! even that it is there.
//! <https://developers.weixin.qq.com/doc/service/api/material/temporary/api_uploadtempmedia.html>
//! <https://developers.weixin.qq.com/doc/service/api/material/temporary/api_getmedia.html>

use bytes::Bytes;
use serde_json::{Value, json};

use super::account::Account;
use super::act::Refused;
use super::answer::{self, Answer, Fault};
use super::call::Call;
use super::format::Format;
use super::media::{self, Draft, Maker, Media, MediaKind};
use super::mint::Mint;
use super::multipart;
use super::wechat::WeChat;

/// The longest body of an upload, in bytes: the largest medium, and room for
/// one that is too large to be told so.
pub(crate) const LONGEST_FORM: usize = 12 * 1024 * 1024;

/// `POST /cgi-bin/media/upload`.
pub(crate) fn upload(
    now_ms: i64,
    account: &mut Account,
    mint: &mut Mint,
    call: &Call<'_>,
) -> Result<Value, Fault> {
    let kind = call.parameter("type").unwrap_or_default();
    let kind = MediaKind::parse(&kind).ok_or(answer::MEDIA_TYPE)?;
    let part = multipart::part(call.content_type, call.body, "media");
    let part = part.ok_or(answer::MEDIA_MISSING)?;
    let file_name = part.file_name.filter(|name| !name.is_empty());
    let file_name = file_name.ok_or(answer::MEDIA_MISSING)?;
    if part.bytes.is_empty() {
        return Err(answer::EMPTY_MEDIA);
    }
    let format = Format::of(part.bytes)
        .filter(|format| format.is_for(kind) && format.is_named(&file_name))
        .ok_or(answer::FILE_TYPE)?;
    if part.bytes.len() > kind.most_uploaded() {
        return Err(match kind {
            MediaKind::Thumb => answer::MEDIA_SIZE,
            MediaKind::Image | MediaKind::Voice | MediaKind::Video => answer::MEDIA_LIMIT,
        });
    }
    let draft = Draft {
        kind,
        format,
        file_name,
        bytes: Bytes::copy_from_slice(part.bytes),
        maker: Maker::Account,
    };
    let id = account.media.put(now_ms, draft, mint);
    let created_at = now_ms / 1_000;
    Ok(match kind {
        MediaKind::Thumb => {
            json!({"type": "thumb", "thumb_media_id": id, "created_at": created_at})
        }
        other => json!({"type": other.as_str(), "media_id": id, "created_at": created_at}),
    })
}

/// `GET /cgi-bin/media/get`; `address` is that of the simulator's listener.
pub(crate) fn download(
    now_ms: i64,
    account: &Account,
    address: &str,
    call: &Call<'_>,
) -> Result<Answer, Fault> {
    let id = call.parameter("media_id").unwrap_or_default();
    let found = account.media.get(now_ms, &id).ok_or(answer::MEDIA_ID)?;
    Ok(match found.kind {
        // Films are too long for the API: it says where they lie.
        MediaKind::Video => {
            let url = format!("{address}{}", media::path(&found.key));
            Answer::json(&json!({"video_url": url}))
        }
        MediaKind::Image | MediaKind::Voice | MediaKind::Thumb => {
            Answer::download(found.content_type, &found.download_name(), &found.bytes)
        }
    })
}

impl WeChat {
    /// Tells where the simulator listens: an origin, for the addresses that
    /// pushes and answers give. Without it that is `http://wechat.test`.
    pub fn set_address(&mut self, address: &str) {
        address.trim_end_matches('/').clone_into(&mut self.address);
    }

    /// A customer's phone uploads what it is going to send; gives the media id,
    /// by which this customer can send it for three days. Nothing is pushed yet.
    pub fn put_media(
        &mut self,
        now_ms: i64,
        app_id: &str,
        open_id: &str,
        kind: MediaKind,
        file_name: &str,
        bytes: impl Into<Bytes>,
    ) -> Result<String, Refused> {
        let bytes = bytes.into();
        let accounts = &mut self.accounts;
        let account = accounts
            .iter_mut()
            .find(|account| account.settings.app_id == app_id)
            .ok_or(Refused::UnknownAccount)?;
        let customer = account.customer(open_id).ok_or(Refused::UnknownCustomer)?;
        if !customer.following {
            return Err(Refused::NotFollowing);
        }
        if bytes.is_empty() {
            return Err(Refused::Empty);
        }
        if bytes.len() > kind.most_sent() {
            return Err(Refused::TooLarge);
        }
        let format = Format::of(&bytes)
            .filter(|format| format.is_for(kind))
            .ok_or(Refused::FileType)?;
        let draft = Draft {
            kind,
            format,
            file_name: file_name.to_owned(),
            bytes,
            maker: Maker::Customer(open_id.to_owned()),
        };
        Ok(account.media.put(now_ms, draft, &mut self.mint))
    }

    /// The medium of this id on this account, while it lasts.
    #[must_use]
    pub fn media(&self, now_ms: i64, app_id: &str, media_id: &str) -> Option<&Media> {
        self.account(app_id)?.media.get(now_ms, media_id)
    }

    /// The medium at this address, while it lasts.
    pub(crate) fn opened_by(&self, now_ms: i64, key: &str) -> Option<&Media> {
        let mut stores = self.accounts.iter().map(|account| &account.media);
        stores.find_map(|store| store.opened_by(now_ms, key))
    }
}
