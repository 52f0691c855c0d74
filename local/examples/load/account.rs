//! An account of the simulated WeChat, and the channel that is connected to it.

use std::time::Duration;

use axum::http::Method;
use magpie::http::{Http, Outgoing};
use magpie_local::simulator::{AccountSettings, Mode};
use serde_json::{Value, json};
use url::Url;

use crate::Outcome;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const TOKEN: &str = "tokenOfTheCallback";
const AES_KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";

/// An account, known by a number to WeChat and by a name to us.
pub(crate) struct Account {
    pub(crate) channel: &'static str,
    pub(crate) app_id: String,
    original_id: String,
}

impl Account {
    pub(crate) fn new(channel: &'static str, number: u8) -> Self {
        Self {
            channel,
            app_id: format!("wx{number:016x}"),
            original_id: format!("gh_{number:012x}"),
        }
    }

    /// What WeChat knows of it.
    pub(crate) fn settings(&self, base: &Url) -> Outcome<AccountSettings> {
        Ok(AccountSettings {
            app_id: self.app_id.clone(),
            original_id: self.original_id.clone(),
            secret: SECRET.to_owned(),
            token: TOKEN.to_owned(),
            aes_key: AES_KEY.to_owned(),
            mode: Mode::Secure,
            callback_url: base.join(&format!("/wechat/{}", self.channel))?.into(),
            name: self.channel.to_owned(),
        })
    }

    /// Connects the channel as an operator's program does. `api` is where WeChat
    /// listens, for a channel whose desk answers.
    pub(crate) async fn connect(
        &self,
        base: &Url,
        admin: &str,
        desk: Value,
        api: Option<&str>,
    ) -> Outcome<()> {
        let mut channel = json!({
            "name": self.channel, "app_id": self.app_id, "original_id": self.original_id,
            "callback": { "mode": "secure", "token": TOKEN, "encoding_aes_key": AES_KEY },
            "desk": desk,
        });
        if let (Some(api), Some(fields)) = (api, channel.as_object_mut()) {
            fields.insert("api_base".to_owned(), json!(api));
            fields.insert("app_secret".to_owned(), json!(SECRET));
        }
        let url = base.join(&format!("/api/channels/{}", self.channel))?;
        let body = channel.to_string().into_bytes();
        let mut call = Outgoing::json(url, body, Duration::from_secs(5))
            .with("authorization", &format!("Bearer {admin}"));
        call.method = Method::PUT;
        let answer = Http::network(crate::ours()?).send(call).await?;
        if !(200..300).contains(&answer.status) {
            let said = String::from_utf8_lossy(&answer.body);
            return Err(format!("the channel was not taken: {} {said}", answer.status).into());
        }
        Ok(())
    }
}
